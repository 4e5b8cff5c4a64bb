import json

import pytest
from langchain_core.messages import HumanMessage

from agents.jobs import Left
from agents.workflow.outside import Limits
from agents.workflow.purse import OutOfBudget, PursedModels, open_purse
from agents.workflow.scripted import Rule, Script, ScriptedModels


@pytest.fixture
def opened(tmp_path):
    """Return what opens a purse, closed at the end."""
    purses = []

    def open_one(name, left):
        purses.append(open_purse(tmp_path / name, left))
        return purses[-1]

    yield open_one
    for purse in purses:
        if not purse.file.closed:
            purse.close()


def models(purse, **rule):
    script = Script(rules=(Rule(**rule),)) if rule else Script(default="three words here")
    return PursedModels(ScriptedModels(script), purse)


def asked(pursed):
    return pursed.chat("m", {}).ainvoke([HumanMessage("What is it?")])


async def test_every_call_counts_and_none_is_made_without_room(opened):
    purse = opened("spent", Left(calls=2))
    pursed = models(purse)
    await asked(pursed)
    await asked(pursed)
    assert (purse.calls, purse.empty, purse.refused) == (2, True, False)
    with pytest.raises(OutOfBudget):
        await asked(pursed)
    assert (purse.calls, purse.refused) == (2, True)


async def test_a_call_that_is_bound_to_a_schema_counts_as_well(opened):
    purse = opened("spent", Left())
    pursed = models(purse)
    chat = pursed.chat("m", {})
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    await pursed.structured(chat, schema).ainvoke([HumanMessage("x")])
    assert purse.calls == 1
    assert purse.tokens > 0


async def test_tokens_end_it_too(opened):
    purse = opened("spent", Left(tokens=3))
    pursed = models(purse)
    await asked(pursed)
    assert purse.tokens >= 3
    with pytest.raises(OutOfBudget):
        await asked(pursed)


async def test_a_call_that_fails_has_cost_something(opened):
    purse = opened("spent", Left())
    with pytest.raises(Exception, match="no such model"):
        await asked(models(purse, error="no such model"))
    assert purse.calls == 1
    assert purse.tokens > 0


async def test_what_was_used_counts_after_a_crash_and_a_torn_line_does_not(opened, tmp_path):
    first = opened("spent", Left(calls=3))
    await asked(models(first))
    first.close()
    with (tmp_path / "spent").open("ab") as file:
        file.write(b'{"calls": 1, "tok')
    again = opened("spent", Left(calls=3))
    assert (again.calls, again.tokens) == (1, first.tokens)
    assert again.seconds >= first.earlier_s


async def test_a_call_is_noted_before_it_is_made(opened, tmp_path):
    purse = opened("spent", Left())
    purse.begin()
    lines = [json.loads(line) for line in (tmp_path / "spent").read_text().splitlines()]
    assert [line["calls"] for line in lines] == [1]


def test_time_of_earlier_attempts_counts(opened, tmp_path):
    (tmp_path / "spent").write_text('{"calls": 0, "tokens": 0, "seconds": 70.0}\n')
    purse = opened("spent", Left(seconds=60))
    assert purse.empty
    assert purse.limits(Limits()).max_seconds == 0


def test_a_run_may_use_no_more_than_what_is_left(opened):
    purse = opened("spent", Left(calls=10, tokens=1000))
    purse.calls, purse.tokens = 4, 100
    assert purse.limits(Limits()) == Limits(max_calls=6, max_tokens=900)
    assert purse.limits(Limits(max_calls=2, max_tokens=50)) == Limits(max_calls=2, max_tokens=50)
    assert opened("other", Left()).limits(Limits()) == Limits()
