from pathlib import Path

import pytest

from agents.workflow.journal import open_journal
from agents.workflow.load import load_text
from agents.workflow.measuring import Bench, Measured, Play
from agents.workflow.outside import ModelError
from agents.workflow.persona import Simulator
from agents.workflow.reach import Reach
from agents.workflow.rounds import INCUMBENT, Ask, Stage
from agents.workflow.scenario_runs import Stage as Scene
from agents.workflow.scripted import Script, ScriptedModels
from agents.workflow.suite_file import load_suite
from tests.agents.workflow.written import HEAD, write

TEXT = (
    HEAD
    + """\
states:
  ask: {type: input, prompt: "Name?", save_as: name, default_value: you, next: greet}
  greet: {type: prompt, prompt: "Greet {{name}}.", save_as: greeting, on_error: sorry}
  sorry: {type: prompt, prompt: Sorry, save_as: greeting}
"""
)
SUITE = """\
workflow: w.yaml
test_scenarios:
  - name: ada
    description: greets by name
    inputs: [{state: ask, value: Ada}]
    assertions: [{type: contains, target: greeting, value: Ada}, {type: state_reached, value: end}]
  - name: nobody
    assertions: [{type: contains, target: greeting, value: you}]
"""
RULES = {
    "rules": [
        {"prompt": "Greet Ada. Warmly", "reply": "Dear Ada"},
        {"prompt": "Greet Ada", "reply": "Hello"},
        {"prompt": "Greet you", "reply": "Hello you"},
    ]
}


def models(script: dict[str, object] | None = None) -> ScriptedModels:
    return ScriptedModels(Script.model_validate(script or RULES))


def bench(folder: Path, asked: ScriptedModels | None = None, **more) -> Bench:
    write(folder, TEXT)
    loaded = load_suite(write(folder, SUITE, "w.test.yaml"), Reach(cwd=None))
    better = load_text(TEXT.replace("Greet {{name}}.", "Greet {{name}}. Warmly"), folder / "w.yaml", Reach(cwd=None))  # fmt: skip
    return Bench(
        sides={INCUMBENT: loaded.workflow, "new": better},
        scenarios={one.name: one for one in loaded.suite.scenarios},
        stage=Scene(asked or models(), Reach(cwd=None)),
        **more,
    )


ASK = Ask(Stage.MEASURE, (INCUMBENT, "new"), ("ada", "nobody"), 2)


async def test_scores_are_shares_of_assertions_by_side_and_case(tmp_path):
    measured = await bench(tmp_path).play(ASK)

    assert measured.scores(INCUMBENT) == {"ada": (0.5, 0.5), "nobody": (1.0, 1.0)}
    assert measured.scores("new") == {"ada": (1.0, 1.0), "nobody": (1.0, 1.0)}
    assert [(play.case, play.side) for play in measured.plays[:4]] == [
        ("ada", INCUMBENT),
        ("ada", "new"),
        ("nobody", "new"),
        ("nobody", INCUMBENT),
    ]
    assert all(play.calls == 1 and play.tokens > 0 for play in measured.plays)


async def test_a_failure_says_what_was_asked_said_and_wanted(tmp_path):
    measured = await bench(tmp_path).play(ASK)

    (failure,) = measured.failures(INCUMBENT)
    assert measured.failures("new") == ()
    assert (failure.case, failure.about) == ("ada", "greets by name")
    assert failure.answers == (("ask", "Ada"),)
    assert failure.reached == ("ask", "greet", "end")
    assert [(one.state, one.prompt, one.reply) for one in failure.said] == [
        ("greet", "Greet Ada.", "Hello")
    ]
    assert failure.failed == ("contains greeting “Ada”: the value is “Hello”",)


async def test_the_seed_of_a_case_and_repeat_is_the_same_for_all_sides_and_no_other(tmp_path):
    asked = models()

    await bench(tmp_path, asked, seed=4).play(ASK)

    seeds = [one["parameters"]["seed"] for one in asked.asked]
    assert len(seeds) == 8
    assert seeds[0] == seeds[1]
    assert seeds[2] == seeds[3]
    assert len(set(seeds)) == 4


async def test_a_failure_that_is_handled_counts_as_fallback(tmp_path):
    broken = {"rules": [{"state": "greet", "error": "away"}, {"state": "sorry", "reply": "you"}]}

    measured = await bench(tmp_path, models(broken)).play(ASK)

    assert {play.fallbacks for play in measured.plays} == {1}


async def test_a_measurement_that_was_broken_off_goes_on_without_asking_again(tmp_path):
    told: list[Play] = []

    class Enough(Exception):
        pass

    def stop(play: Play) -> None:
        told.append(play)
        if len(told) == 5:
            raise Enough

    with open_journal(tmp_path / "journal") as journal, pytest.raises(Enough):
        await bench(tmp_path, journal=journal, tell=stop).play(ASK)
    with open_journal(tmp_path / "journal") as journal:
        asked = models()
        measured = await bench(tmp_path, asked, journal=journal).play(ASK)

    whole = await bench(tmp_path).play(ASK)
    assert len(asked.asked) == 3
    assert measured.scores(INCUMBENT) == whole.scores(INCUMBENT)
    assert measured.scores("new") == whole.scores("new")


async def test_what_cannot_be_judged_has_no_score(tmp_path):
    prepared = bench(tmp_path)
    text = SUITE.replace("    inputs: [{state: ask, value: Ada}]\n", "    llm_input_generation: {enabled: true, model: away}\n")  # fmt: skip
    loaded = load_suite(write(tmp_path, text, "w.test.yaml"), Reach(cwd=None))

    class Away(ScriptedModels):
        def chat(self, name, parameters):
            if name == "away":
                raise ModelError("away")
            return super().chat(name, parameters)

    stage = Scene(Away(Script.model_validate(RULES)), Reach(cwd=None))
    scenarios = {one.name: one for one in loaded.suite.scenarios}
    measured = await Bench(prepared.sides, scenarios, stage).play(ASK)

    assert measured.scores(INCUMBENT) == {"ada": (), "nobody": (1.0, 1.0)}
    assert measured.failures(INCUMBENT) == ()


async def test_answers_that_were_made_up_are_paid_for_once(tmp_path):
    text = SUITE.replace("    inputs: [{state: ask, value: Ada}]\n", "    llm_input_generation: {enabled: true, model: maker}\n")  # fmt: skip
    rules = [{"model": "maker", "reply": {"ask": "Ada"}}, *RULES["rules"]]
    first, second = models({"rules": rules}), models({"rules": rules})

    async def played(asked: ScriptedModels) -> Measured:
        prepared = bench(tmp_path)
        loaded = load_suite(write(tmp_path, text, "w.test.yaml"), Reach(cwd=None))
        cases = {one.name: one for one in loaded.suite.scenarios}
        with open_journal(tmp_path / "journal") as journal:
            scene = Scene(asked, Reach(cwd=None))
            return await Bench(prepared.sides, cases, scene, journal=journal).play(ASK)

    one, two = await played(first), await played(second)

    assert sum(asked["model"] == "maker" for asked in first.asked) == 4
    assert second.asked == []
    assert one.scores("new") == two.scores("new") == {"ada": (1.0, 1.0), "nobody": (1.0, 1.0)}
    assert one.failures(INCUMBENT)[0].answers == (("ask", "Ada"),)


async def test_time_that_a_person_takes_is_not_the_workflow_s(tmp_path):
    slow = {"model": "player", "reply": {"answer": "Ada"}, "delay_s": 0.3}
    text = TEXT.replace(", default_value: you", "")
    loaded = load_text(text, tmp_path / "w.yaml", Reach(cwd=None))
    asked = models({"rules": [slow, {"state": "greet", "reply": "Hello you", "delay_s": 0.05}]})
    scene = Scene(asked, Reach(cwd=None), simulator=Simulator(asked, "player"))
    cases = bench(tmp_path).scenarios

    measured = await Bench({"one": loaded}, cases, scene).play(
        Ask(Stage.MEASURE, ("one",), ("nobody",), 1)
    )

    assert 0.05 <= measured.plays[0].seconds < 0.3
    assert measured.plays[0].score == 1.0


async def test_ways_that_a_model_chose_are_told(tmp_path):
    text = TEXT.replace("on_error: sorry", "next_options: [{state: sorry, description: bad}, {state: end, description: good}]")  # fmt: skip
    loaded = load_text(text, tmp_path / "w.yaml", Reach(cwd=None))
    script = {"rules": [{"purpose": "route", "reply": {"choice": 2}}], "default": "you"}
    prepared = bench(tmp_path, models(script))

    measured = await Bench({"one": loaded}, prepared.scenarios, prepared.stage).play(
        Ask(Stage.MEASURE, ("one",), ("nobody",), 1)
    )

    assert measured.plays[0].routes == (("greet", "end"),)
