import json
import time

import pytest
from langchain_core.messages import HumanMessage

from agents.jobs import Left
from agents.workflow.outside import Limits
from agents.workflow.purse import (
    UNBOUNDED_REPLY_TOKENS,
    OutOfBudget,
    PursedModels,
    open_purse,
)
from agents.workflow.scripted import Rule, Script, ScriptedModels
from agents.workflow.spending import Needs, Spending
from agents.workflow.world import LimitReached


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
    with pytest.raises(OutOfBudget):
        await asked(models(purse))
    assert (purse.calls, purse.tokens, purse.refused) == (0, 0, True)


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
    assert purse.seconds_left == 0
    assert opened("other", Left()).seconds_left is None


async def test_a_torn_line_tears_no_other_one(opened, tmp_path):
    (tmp_path / "spent").write_bytes(b'{"calls": 1, "tok')
    first = opened("spent", Left())
    await asked(models(first))
    first.close()
    assert opened("spent", Left()).calls == 1


@pytest.mark.parametrize("limit", [40, 150, 400])
async def test_tokens_are_never_exceeded_whoever_asks(opened, limit):
    purse = opened("spent", Left(tokens=limit))
    pursed = PursedModels(ScriptedModels(Script(default="word " * 500)), purse)
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}

    async def all_that_is_possible():
        for number in range(100):
            chat = pursed.chat("m", {"num_predict": 30})
            asked = pursed.structured(chat, schema) if number % 2 else chat
            await asked.ainvoke([HumanMessage("What is it?")])

    with pytest.raises(OutOfBudget):
        await all_that_is_possible()
    assert purse.tokens <= limit
    assert (purse.calls > 0) == (limit > 40)


async def test_a_reply_without_a_bound_gets_one_where_tokens_are_counted(opened):
    purse = opened("spent", Left(tokens=5000))
    pursed = PursedModels(ScriptedModels(Script(default="word " * 3000)), purse)
    said = await pursed.chat("m", {"num_predict": -1}).ainvoke([HumanMessage("x")])
    assert said.usage_metadata["output_tokens"] == UNBOUNDED_REPLY_TOKENS


def test_a_run_asks_before_each_call_how_much_is_left(opened):
    purse = opened("spent", Left(calls=10, tokens=1000))
    spending = Spending(Limits(shared=purse), time.monotonic)
    assert spending.may_ask(Needs(100, 1)) == 1000 - 132
    purse.add_tokens(500)  # by somebody else
    assert spending.may_ask(Needs(100, 1)) == 500 - 132
    own = Spending(Limits(max_tokens=200, shared=purse), time.monotonic)
    assert own.may_ask(Needs(100, 1)) == 200 - 132
    assert not purse.refused
    with pytest.raises(LimitReached, match="budget"):
        spending.may_ask(Needs(480, 1))
    assert purse.refused


def test_a_reply_that_took_all_that_was_left_says_nothing(opened):
    purse = opened("spent", Left(tokens=1000))
    cap = purse.for_reply(100)
    purse.replied(cap - 1, cap)
    purse.replied(50, 50)  # a limit of its own, which is the workflow's
    assert not purse.refused
    purse.replied(cap, cap)
    assert purse.refused


def test_a_run_ends_with_the_time_that_all_share(opened):
    purse = opened("spent", Left(seconds=50))
    spending = Spending(Limits(shared=purse), time.monotonic)
    assert 49 < spending.seconds_left <= 50
    purse.earlier_s += 50
    assert spending.seconds_left == 0
    with pytest.raises(LimitReached, match="used up"):
        spending.may_ask(Needs(1, 1))
