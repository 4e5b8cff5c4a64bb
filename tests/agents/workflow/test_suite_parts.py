import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.workflow.assertions import Assertion, Check
from agents.workflow.coverage import Seen, Spot
from agents.workflow.mutants import Fault, mutants
from agents.workflow.outcome import Ended, Outcome, Visit
from agents.workflow.problems import Problem
from agents.workflow.reach import Reach
from agents.workflow.suite import Answer, Scenario
from agents.workflow.suite_drafts import MAX_DRAFTS, MAX_ENTRIES, schema
from agents.workflow.suite_facts import facts
from agents.workflow.suite_file import suite_of
from agents.workflow.suite_rules import INSTRUCTION, scenarios, sending
from agents.workflow.suite_sieve import spread
from agents.workflow.suite_write import as_yaml
from agents.workflow.yaml_source import parse
from tests.agents.workflow.written import HEAD, loaded

TEXT = (
    HEAD
    + """\
states:
  ask: {type: input, prompt: "Your age?", save_as: age, next: pick}
  pick:
    type: choice
    prompt: What now?
    save_as: pick
    on_error: sorry
    choices:
      - {label: Again, value: again, next: ask}
      - {label: Go on, value: go, next: say}
  say:
    type: prompt
    prompt: "{{age}}"
    save_as: said
    next_options:
      - {state: ask, description: it is too short}
      - {state: end, description: it is long enough}
  sorry: {type: prompt, prompt: sorry, save_as: said}
"""
)


def test_rules_go_every_way_that_answers_and_mocks_can_go(tmp_path):
    found = {one.name: one for one in scenarios(loaded(tmp_path, TEXT).workflow)}

    # a choice has one answer in a scenario: "again" would be given for ever
    assert list(found)[:4] == ["plain answers", "pick to say", "pick picks nothing", "say to ask"]
    assert found["plain answers"].answer("ask") == "37"
    assert found["plain answers"].answer("pick") == "Go on"
    assert dict(found["say to ask"].mocks) == {"say": ("it is too short", "it is long enough")}
    assert dict(found["say to end"].mocks) == {"say": ("it is long enough",)}
    assert found["pick picks nothing"].answer("pick") == "none of these"
    assert found["blank answers"].says("ask")
    assert found["blank answers"].answer("ask") == ""
    assert found["an instruction in an answer"].answer("ask") == INSTRUCTION
    assert len(found) > 16


def test_where_a_model_chooses_by_all_that_is_known_rules_can_do_nothing(tmp_path):
    text = (
        HEAD
        + "states:\n  ask: {type: decision, next_options: [{state: a, description: x}, {state: end, description: y}]}\n"
        + "  a: {type: prompt, prompt: x}\n"
    )
    workflow = loaded(tmp_path, text).workflow

    assert sending(workflow, Spot(Seen.BRANCH, "ask", "a")) is None
    assert [one.name for one in scenarios(workflow)] == ["plain answers"]


def outcome(reply: str, *states: str, age: str = "37") -> Outcome:
    visits = tuple(Visit(state, 0.1, 1, 1, 1, "x") for state in states)
    return Outcome(Ended.FINISHED, visits, {"age": age, "said": reply})


def told(assertions: tuple[Assertion, ...]) -> list[tuple[str, str | None, str]]:
    return [(one.check.value, one.target, one.value) for one in assertions]


def test_facts_are_what_was_so_each_time_and_never_a_reply_s_own_words(tmp_path):
    workflow = loaded(tmp_path, TEXT).workflow
    scenario = Scenario("x", (), answers=(Answer("ask", "walnut"),))
    one = outcome('{"nut": "walnut, lovely"}', "ask", "pick", "say", age="walnut")
    two = outcome('{"is": "a walnut"}', "ask", "pick", "say", "ask", "pick", "say", age="walnut")

    found = told(facts(workflow, scenario, [one, two]))

    assert found == [
        ("state_reached", None, "end"),
        ("state_reached", None, "ask"),
        ("state_reached", None, "say"),
        ("equals", "age", "walnut"),
        ("contains", "said", "walnut"),
        ("regex", "said", r"^\{[\s\S]*\}$"),
        ("regex", "said", r"\S"),
    ]


def test_what_a_reply_says_of_values_that_nobody_typed_is_a_fact(tmp_path):
    text = TEXT.replace("states:", "variables: {town: Lisbon}\nstates:", 1)
    workflow = loaded(tmp_path, text).workflow
    runs = [outcome(f"{said} in Lisbon", "say", age=said) for said in ("five", "seven")]
    runs = [replace(one, variables={**one.variables, "town": "Lisbon"}) for one in runs]

    found = told(facts(workflow, Scenario("x", ()), runs))

    assert ("contains", "said", "Lisbon") in found
    assert ("contains", "said", "{{age}}") in found


@pytest.mark.parametrize(
    ("reply", "pattern"),
    [
        ("- one\n- two", r"^\s*[-*•] .*\n\s*[-*•] "),
        ("1. one\n2. two", r"^\s*1[.)] [\s\S]*\n\s*2[.)] "),
        ("42", r"^-?\d+([.,]\d+)?$"),
        ("yes", r"^\S+$"),
        ("word " * 30, r"[\s\S]{37}"),
    ],
)
def test_the_form_of_a_reply_is_a_fact(tmp_path, reply, pattern):
    found = facts(loaded(tmp_path, TEXT).workflow, Scenario("x", ()), [outcome(reply, "say")])

    assert pattern in [one.value for one in found]


def test_replies_of_different_forms_and_words_have_none_of_these_as_a_fact(tmp_path):
    runs = [outcome("42", "say"), outcome("- one\n- walnut", "say")]
    said = Scenario("x", (), answers=(Answer("ask", "walnut"),))

    found = told(facts(loaded(tmp_path, TEXT).workflow, said, runs))

    assert [one for one in found if one[1] == "said"] == [("regex", "said", r"\S")]


NASTY = ["", " ", "x", "yes", "37", "a: b", "- a", "# a", "'", '"', "\\", "{{age}}", "\n", "a\nb", "a\n\nb\n", "\ta", "\u2028", "é🙂", "|", "null", "a" * 3000, "\x00"]  # fmt: skip


def test_what_is_written_reads_the_same_whatever_texts_it_has():
    chance = random.Random(1)
    seen = 0
    for _ in range(60):
        text = lambda: "".join(chance.choices(NASTY, k=chance.randint(1, 3)))  # noqa: E731
        given = [
            Scenario(
                name=f"n{number} {text()}",
                assertions=(
                    Assertion(Check.EQUALS, "age", text(), case_sensitive=chance.random() < 0.5),
                    Assertion(Check.STATE_REACHED, None, text()),
                    Assertion(Check.CONTAINS, "said", "x", regex=True, description=text() or None),
                ),
                description=text(),
                answers=(Answer("ask", text()),),
                mocks={"say": (text(), text())} if chance.random() < 0.5 else {},
            )
            for number in range(3)
        ]
        problems: list[Problem] = []
        suite = suite_of(parse(as_yaml("w.yaml", given, ["a\nb"]), "x"), problems)
        assert problems == []
        read = [
            replace(one, line=0, assertions=tuple(replace(a, line=0) for a in one.assertions))
            for one in suite.scenarios
        ]
        assert read == given
        seen += len(read)

    assert seen == 180


def bounds(plain: Any) -> Iterator[bool]:
    """Yield for each text and list of a schema whether it is bounded."""
    if isinstance(plain, dict):
        if plain.get("type") == "string":
            yield "maxLength" in plain or "enum" in plain
        elif plain.get("type") == "array":
            yield "maxItems" in plain
        elif plain.get("type") == "object" and "properties" in plain:
            yield plain["additionalProperties"] is False
        for value in plain.values():
            yield from bounds(value)
    elif isinstance(plain, list):
        for value in plain:
            yield from bounds(value)


def test_all_that_a_model_may_reply_is_bounded_and_names_are_those_of_the_workflow(tmp_path):
    plain = schema(loaded(tmp_path, TEXT).workflow)

    found = list(bounds(plain))
    assert all(found)
    assert len(found) > 15
    listed = plain["properties"]["scenarios"]
    assert listed["maxItems"] == MAX_DRAFTS
    parts = listed["items"]["properties"]
    assert parts["inputs"]["items"]["properties"]["state"]["enum"] == ["ask", "pick"]
    assert parts["mocks"]["items"]["properties"]["state"]["enum"] == ["say", "sorry"]
    assert parts["assertions"]["maxItems"] == MAX_ENTRIES


def test_a_workflow_that_asks_nobody_has_no_inputs_to_draft(tmp_path):
    text = HEAD + "states: {ask: {type: transition, next: end}}\n"

    parts = schema(loaded(tmp_path, text).workflow)["properties"]["scenarios"]["items"]["properties"]  # fmt: skip

    assert {"inputs", "mocks"}.isdisjoint(parts)


def test_mutants_are_spread_over_faults_and_states():
    found = mutants(TEXT, Path("/nowhere/w.yaml"), Reach(cwd=None))
    kinds = {mutant.fault for mutant in found}

    chosen = spread(found, len(kinds), seed=1)

    assert {mutant.fault for mutant in chosen} == kinds <= set(Fault)
    assert {mutant.state for mutant in chosen} == {mutant.state for mutant in found}
    assert chosen == spread(reversed(found), len(kinds), seed=1)
    assert chosen != spread(found, len(kinds), seed=2)
    assert max(Counter(mutant.fault for mutant in spread(found, 2 * len(kinds), 1)).values()) >= 2
    assert len(spread(found, 1000, seed=1)) == len(found)
