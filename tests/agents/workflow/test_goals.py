from dataclasses import replace

import pytest

from agents.workflow import rounds
from agents.workflow.acceptance import Outcome, Reason
from agents.workflow.goals import Goal, Goals, NoGoal, compare, gain, measured, parse
from agents.workflow.load import load_text
from agents.workflow.measured_goals import Watch
from agents.workflow.measuring import Bench
from agents.workflow.reach import Reach
from agents.workflow.round_metrics import Metrics
from agents.workflow.rounds import INCUMBENT, Candidate, Stage, Terms
from agents.workflow.scenario_runs import Stage as Scene
from agents.workflow.scripted import Script, ScriptedModels
from agents.workflow.suite_file import load_suite
from tests.agents.workflow.written import HEAD, write


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("robustness=0.5,clarity=0.2,latency=0.3", "robustness=0.5,clarity=0.2,latency=0.3"),
        (" Latency = 3 ; cost: 1", "latency=0.75,cost=0.25"),
        ("latency=30% cost=70%", "latency=0.3,cost=0.7"),
        ("faster and cheaper", "latency=0.5,cost=0.5"),
        ("clearer prompts", "clarity=1"),
        ("It fails too often. Make it more reliable!", "robustness=1"),
        ("better answers, fewer tokens", "performance=0.5,cost=0.5"),
    ],
)
def test_goals_are_weights_or_plain_words_and_can_be_said_back(text, told):
    goals = parse(text)

    assert str(goals) == told
    assert parse(str(goals)).weights == pytest.approx(goals.weights, abs=0.01)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("prettier", "names no goal"),
        ("", "names no goal"),
        ("latenci=1", "Did you mean “latency”?"),
        ("latency=0", "no weight above 0"),
        ("latency=nan", "no weight above 0"),
        ("latency=1,latency=2", "given twice"),
        ("latency=", "no goal with a weight"),
        ("cost=1,faster", "no goal with a weight"),
    ],
)
def test_what_names_no_goal_is_told_with_what_there_is(text, hint):
    with pytest.raises(NoGoal, match="latency") as caught:
        parse(text)

    assert hint in str(caught.value)


BASE = Metrics(pass_rate=0.8, edge_cases=4, edge_pass_rate=0.5, p50_s=2.0, tokens=100, prompt_chars=1000, lint_findings=2, fallback_rate=0.2)  # fmt: skip


@pytest.mark.parametrize(
    ("goal", "change", "worse", "better"),
    [
        (Goal.LATENCY, {"p50_s": 2.4}, 0, 0),
        (Goal.LATENCY, {"p50_s": 2.5}, 1, 0),
        (Goal.LATENCY, {"p50_s": 1.6}, 0, 1),
        (Goal.COST, {"tokens": 121}, 1, 0),
        (Goal.COST, {"tokens": 80}, 0, 1),
        (Goal.CLARITY, {"prompt_chars": 1300}, 1, 0),
        (Goal.CLARITY, {"prompt_chars": 500}, 0, 1),
        (Goal.CLARITY, {"lint_findings": 3, "prompt_chars": 500}, 1, 0),
        (Goal.CLARITY, {"lint_findings": 1}, 0, 1),
        (Goal.CLARITY, {"lint_findings": 1, "prompt_chars": 1300}, 1, 0),
        (Goal.ROBUSTNESS, {"edge_pass_rate": 0.4}, 1, 0),
        (Goal.ROBUSTNESS, {"edge_pass_rate": 0.46}, 0, 0),
        (Goal.ROBUSTNESS, {"edge_pass_rate": 0.75}, 0, 1),
        (Goal.ROBUSTNESS, {"fallback_rate": 0.3}, 1, 0),
        (Goal.ROBUSTNESS, {"fallback_rate": 0.05}, 0, 1),
        (Goal.ROBUSTNESS, {"edge_pass_rate": 0.75, "fallback_rate": 0.3}, 1, 0),
        (Goal.ROBUSTNESS, {"edge_pass_rate": None}, 0, 0),
        (Goal.PERFORMANCE, {"pass_rate": 0.1, "p50_s": 9.0}, 0, 0),
    ],
)
def test_a_goal_is_held_against_what_was_measured(goal, change, worse, better):
    found = compare(BASE, replace(BASE, **change), Goals({goal: 1.0}))

    assert (len(found.worse), len(found.better)) == (worse, better)
    assert all(one.startswith(f"{goal}: ") for one in (*found.worse, *found.better))


def test_only_goals_that_were_named_are_looked_at():
    slow = replace(BASE, p50_s=20.0, tokens=50)

    found = compare(BASE, slow, parse("cost=1"))

    assert found.worse == ()
    assert found.better == ("cost: tokens of a run 100 → 50",)


def test_milliseconds_are_the_machine_s():
    found = compare(replace(BASE, p50_s=0.01), replace(BASE, p50_s=0.03), parse("latency=1"))

    assert found.worse == ()


def test_what_is_gained_is_weighted():
    after = replace(BASE, p50_s=1.0, tokens=200)

    assert gain(BASE, after, parse("latency=0.75,cost=0.25")) == pytest.approx(0.125)
    assert gain(BASE, BASE, parse("robustness=1,clarity=1,performance=1")) == 0


TEXT = (
    HEAD
    + """\
states:
  ask: {type: input, prompt: "Name?", save_as: name, next: greet}
  greet: {type: prompt, prompt: "Greet {{name}}.", save_as: greeting}
"""
)
SUITE = """\
workflow: w.yaml
test_scenarios:
  - name: ada
    inputs: [{state: ask, value: Ada}]
    assertions: [{type: contains, target: greeting, value: Ada}]
  - name: kim
    inputs: [{state: ask, value: Kim}]
    assertions: [{type: contains, target: greeting, value: Kim}]
"""
LONG = "Greet {{name}}. At length, with all that comes to your mind."
BRIEF = "Greet {{name}}"
RULES = [
    {"prompt": r"Greet Ada\. At length", "reply": "Ada! " + "so good to see you here " * 20},
    {"prompt": r"Greet Kim\. At length", "reply": "Kim! " + "so good to see you here " * 20},
    {"prompt": r"Greet Ada\.", "reply": "Dear Ada, how are you this fine day?"},
    {"prompt": "Greet Ada", "reply": "Ada!"},
    {"prompt": "Greet Kim$", "reply": "Kim!"},
]
"""Brief prompts are answered briefly; the given workflow does not greet Kim."""


def watch(folder, prompts: dict[str, str], goals: Goals | None) -> Watch:
    write(folder, TEXT)
    loaded = load_suite(write(folder, SUITE, "w.test.yaml"), Reach(cwd=None))
    sides = {
        name: load_text(TEXT.replace("Greet {{name}}.", prompt), folder / "w.yaml", Reach(cwd=None))
        for name, prompt in prompts.items()
    }
    models = ScriptedModels(Script.model_validate({"rules": RULES}))
    cases = {one.name: one for one in loaded.suite.scenarios}
    return Watch(Bench({INCUMBENT: loaded.workflow, **sides}, cases, Scene(models, Reach())), goals)


async def played(seen: Watch, cases: tuple[str, ...] = ("ada", "kim")) -> rounds.Round:
    beside = None if seen.goals is None else seen.beside
    candidates = [Candidate(name) for name in seen.bench.sides if name != INCUMBENT]
    return await rounds.play(candidates, {}, Terms(cases, beside=beside), seen.measure)


async def test_a_better_one_that_costs_too_much_of_a_goal_is_refused_and_said_so(tmp_path):
    free = await played(watch(tmp_path, {"long": LONG}, None))
    bound = await played(watch(tmp_path, {"long": LONG}, parse("cost=1")))

    assert free.winner == "long"
    assert bound.winner is None
    decision = bound.decisions["long"]
    assert (decision.outcome, decision.reason) == (Outcome.REJECTED, Reason.AT_A_PRICE)
    assert decision.gain == 0.5
    (told,) = decision.beside
    assert told.startswith("cost: tokens of a run")


async def test_of_two_that_are_equally_right_the_one_that_a_goal_asks_for_wins(tmp_path):
    prompts = {"brief": "Greet {{name}}!"}
    free = await played(watch(tmp_path, prompts, None), ("ada",))
    asked = await played(watch(tmp_path, prompts, parse("cheaper")), ("ada",))
    other = await played(watch(tmp_path, prompts, parse("robustness=1")), ("ada",))

    assert (free.winner, asked.winner, other.winner) == (None, "brief", None)
    decision = asked.decisions["brief"]
    assert (decision.outcome, decision.reason) == (Outcome.KEPT, Reason.GOAL)
    assert decision.gain == decision.gain_again == 0
    assert decision.beside[0].startswith("cost: tokens of a run")


async def test_a_goal_never_buys_a_case(tmp_path):
    prompts = {"silent": "{{name}}"}

    found = await played(watch(tmp_path, prompts, parse("cheaper")), ("ada",))

    assert found.winner is None
    assert found.decisions["silent"].reason is Reason.NOT_BETTER


async def test_the_figures_of_a_round_can_be_shown(tmp_path):
    seen = watch(tmp_path, {"brief": BRIEF}, parse("cheaper"))

    found = await played(seen)

    assert found.winner == "brief"
    before, after = seen.metrics(INCUMBENT, Stage.CONFIRM), seen.metrics("brief", Stage.CONFIRM)
    assert (before.pass_rate, after.pass_rate) == (0.5, 1.0)
    assert after.tokens < before.tokens
    assert (before.runs, before.cases) == (12, 2)


def test_words_that_name_no_goal_are_for_who_proposes_alone():
    assert measured("answers should be polite") is None
    assert measured("") is None
    assert str(measured("polite, and faster")) == "latency=1"
