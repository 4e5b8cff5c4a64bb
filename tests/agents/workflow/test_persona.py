import json
from collections.abc import Mapping

import pytest

from agents.workflow.journal import open_journal
from agents.workflow.load import load_text
from agents.workflow.measuring import Bench, Measured
from agents.workflow.persona import REPAIR, Simulator, card_of, read
from agents.workflow.reach import Reach
from agents.workflow.rounds import INCUMBENT, Ask, Stage
from agents.workflow.scenario_runs import Stage as Scene
from agents.workflow.scripted import Script, ScriptedModels
from agents.workflow.suite import Card
from agents.workflow.suite_file import load_suite
from tests.agents.workflow.written import HEAD, write

TEXT = (
    HEAD
    + """\
description: books a table
states:
  ask: {type: input, prompt: "Your name?", save_as: name, next: hello}
  hello: {type: prompt, prompt: "Greet {{name}}", save_as: hello, next: size}
  size: {type: input, prompt: "How many are you, {{name}}?", save_as: size, next: note}
  note: {type: input, prompt: "Any wish?", save_as: note, default_value: none, next: again}
  again:
    type: choice
    prompt: All right?
    save_as: right
    choices: [{label: "Yes", value: y, next: end}, {label: "No", value: n, next: ask}]
"""
)
SUITE = """\
workflow: w.yaml
test_scenarios:
  - name: booking
    description: books for a family
    inputs: [{state: ask, value: Ada}]
    persona: {goal: a table for tonight, facts: [There are four of them], manner: brief}
    assertions: [{type: equals, target: size, value: SECRET}, {type: equals, target: note, value: none}]
  - name: silent
    assertions: [{type: equals, target: name, value: Kim}]
"""
RULES: list[dict[str, object]] = [
    {"prompt": "asks now:\n<<<DATA\nYour name", "reply": {"answer": "Kim"}},
    {"prompt": "asks now:\n<<<DATA\nHow many", "reply": {"answer": " four "}},
    {"prompt": "asks now:\n<<<DATA\nAll right", "reply": {"answer": "1"}},
]
ASK = Ask(Stage.MEASURE, (INCUMBENT, "same"), ("booking", "silent"), 2)


def people(rules: list[dict[str, object]] | None = None, **more: object) -> ScriptedModels:
    script = {"rules": RULES if rules is None else rules, "default": "unused", **more}
    return ScriptedModels(Script.model_validate(script))


def bench(folder, simulator: Simulator | None, **more) -> Bench:
    write(folder, TEXT)
    suite = load_suite(write(folder, SUITE, "w.test.yaml"), Reach(cwd=None))
    same = load_text(TEXT, folder / "w.yaml", Reach(cwd=None))
    scene = Scene(
        ScriptedModels(Script(default="Welcome, Ada!")), Reach(cwd=None), simulator=simulator
    )
    cases = {one.name: one for one in suite.suite.scenarios}
    return Bench({INCUMBENT: suite.workflow, "same": same}, cases, scene, **more)


def by_case(measured: Measured) -> Mapping[str, tuple[float, ...]]:
    return measured.scores(INCUMBENT)


async def test_a_persona_answers_what_is_neither_said_nor_has_a_default(tmp_path):
    models = people()

    measured = await bench(tmp_path, Simulator(models, "player")).play(ASK)

    assert by_case(measured) == {"booking": (0.5, 0.5), "silent": (1.0, 1.0)}
    failure = measured.failures(INCUMBENT)[0]
    assert failure.answers == (("ask", "Ada"), ("size", "four"), ("again", "1"))
    asked = {one["text"].rpartition("asks now:\n<<<DATA\n")[2].partition("\n")[0] for one in models.asked}  # fmt: skip
    assert asked == {"Your name?", "How many are you, Ada?", "How many are you, Kim?", "All right?"}
    assert all(one["model"] == "player" for one in models.asked)


async def test_it_sees_its_card_and_the_screen_and_never_what_is_expected(tmp_path):
    models = people()

    await bench(tmp_path, Simulator(models, "player")).play(ASK)

    shown = next(one["text"] for one in models.asked if "How many are you, Ada" in one["text"])
    for part in (
        "a table for tonight",
        "There are four of them",
        "How they talk: brief",
        "The program asked: Your name?",
        "The person: Ada",
        "The program: Welcome, Ada!",
    ):
        assert part in shown
    seen = "\n".join(one["text"] for one in models.asked)
    assert "SECRET" not in seen
    assert "Greet" not in seen
    assert seen.count("<<<DATA\n") == 3 * len(models.asked)


async def test_the_same_situation_is_asked_once_for_all_sides_repeats_and_processes(tmp_path):
    first, second = people(), people()

    with open_journal(tmp_path / "journal") as journal:
        one = await bench(tmp_path, Simulator(first, "player"), journal=journal).play(ASK)
    with open_journal(tmp_path / "journal") as journal:
        prepared = bench(tmp_path, Simulator(second, "player"), seed=7, journal=journal)
        two = await prepared.play(Ask(Stage.CONFIRM, ASK.sides, ASK.cases, 2))

    assert len(first.asked) == 2 + 3
    assert second.asked == []
    assert by_case(one) == by_case(two)
    assert {play.person_calls for play in two.plays} == {2, 3}
    assert all(play.calls == 1 and play.person_tokens > 0 for play in two.plays)


async def test_a_persona_without_a_usable_answer_is_no_fault_of_the_workflow(tmp_path):
    mute = people([{"reply": {"answer": "  "}}])

    measured = await bench(tmp_path, Simulator(mute, "player")).play(ASK)

    assert by_case(measured) == {"booking": (), "silent": ()}
    assert measured.failures(INCUMBENT) == ()
    assert any(one["last"] == REPAIR for one in mute.asked)
    away = people(models=("other",))
    measured = await bench(tmp_path, Simulator(away, "player")).play(ASK)
    assert by_case(measured) == {"booking": (), "silent": ()}


async def test_an_answer_is_asked_for_once_more(tmp_path):
    rules: list[dict[str, object]] = [{"times": 1, "reply": "Kim"}, *RULES]
    late = people(rules)

    measured = await bench(tmp_path, Simulator(late, "player")).play(ASK)

    assert by_case(measured)["silent"] == (1.0, 1.0)


async def test_without_a_model_for_people_nothing_is_made_up(tmp_path):
    measured = await bench(tmp_path, None).play(ASK)

    assert by_case(measured) == {"booking": (0.0, 0.0), "silent": (0.0, 0.0)}
    assert "none of the 2 choices" in measured.failures(INCUMBENT)[0].failed[0]


async def test_a_card_is_made_of_what_the_scenario_tells_of_the_person(tmp_path):
    write(tmp_path, TEXT)
    plain = SUITE.replace("persona", "x-persona")
    loaded = load_suite(write(tmp_path, plain, "w.test.yaml"), Reach(cwd=None))
    workflow = loaded.workflow.workflow
    booking, silent = loaded.suite.scenarios

    assert card_of(booking, workflow) == Card(
        "books for a family", ("Asked “Your name?” they say “Ada”.",)
    )
    assert card_of(silent, workflow) == Card("use a program: books a table")


@pytest.mark.parametrize("reply", ["Ada", "[]", '{"answer": 3}', '{"answer": ""}', "{}"])
def test_what_is_no_answer_is_none(reply):
    assert read(reply) is None


def test_an_answer_is_cut_at_what_people_say_at_once():
    assert len(read(json.dumps({"answer": "a" * 2000}))) == 500
