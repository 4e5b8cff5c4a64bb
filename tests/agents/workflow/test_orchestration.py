import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from agents.workflow.conducting import Became, play
from agents.workflow.load import Loaded
from agents.workflow.orchestration import Condition, Operator
from agents.workflow.orchestration_file import LoadedOrchestration, load_orchestration
from agents.workflow.outcome import Ended, Outcome
from agents.workflow.problems import Severity, WorkflowError
from agents.workflow.reach import Reach
from tests.agents.workflow.written import HEAD, write

TOP = "name: All\nstrategy: sequential\nworkflows:\n"
TWO = TOP + "  - {id: a, workflow: one.yaml}\n  - {id: b, workflow: two.yaml}\n"


def read(folder: Path, text: str) -> LoadedOrchestration:
    for name in ("one", "two", "three"):
        workflow = HEAD.replace("Test", name) + "states: {ask: {type: prompt, prompt: x}}\n"
        write(folder, workflow, f"{name}.yaml")
    return load_orchestration(write(folder, text, "all.yaml"), Reach(cwd=None), name="all.yaml")


class Runner:
    """Saves, in each workflow, its name and all that it began with."""

    def __init__(self, failing: tuple[str, ...] = (), hanging: tuple[str, ...] = ()) -> None:
        self.ran: list[str] = []
        self.began: dict[str, Mapping[str, str]] = {}
        self.at_once = self.most_at_once = 0
        self._failing, self._hanging = failing, hanging

    async def __call__(self, loaded: Loaded, begins: Mapping[str, str]) -> Outcome:
        name = loaded.workflow.name
        self.ran.append(name)
        self.began[name] = begins
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(0)
        if name in self._hanging:
            await asyncio.Event().wait()
        self.at_once -= 1
        if name in self._failing:
            return Outcome(Ended.FAILED, (), {}, "the model is away")
        return Outcome(Ended.FINISHED, (), {"text": f"by {name}", f"of_{name}": "1"})


def test_a_file_in_full(tmp_path):
    one = read(
        tmp_path,
        """\
        name: All
        description: what it is for
        default_model: tiny
        strategy: conditional
        shared_context: {topic: bees, count: 3}
        result_aggregation: custom
        aggregation_prompt: "Sum up {{results}}"
        aggregation_model: big
        workflows:
          - id: a
            workflow: one.yaml
            variables: {about: "{{topic}}"}
            save_as: first
          - id: b
            workflow: two.yaml
            depends_on: [a]
            condition: {variable: text, operator: contains, value: one}
            timeout: 2.5
            on_error: fallback
            fallback_workflow: three.yaml
        """,
    )

    both = one.orchestration
    a, b = both.members
    assert one.warnings == ()
    assert (both.name, both.strategy, both.shared) == (
        "All",
        "conditional",
        {"topic": "bees", "count": "3"},
    )
    assert (both.aggregation, both.aggregation_model) == ("custom", "big")
    assert (a.workflow.workflow.name, a.save_as, a.variables) == (
        "one",
        "first",
        {"about": "{{topic}}"},
    )
    assert (b.depends_on, b.timeout_s, b.on_error) == (("a",), 2.5, "fallback")
    assert b.condition == Condition("text", Operator.CONTAINS, "one")
    assert b.fallback.workflow.name == "three"  # fmt: skip


BROKEN = {
    "strategy": (TWO.replace("sequential", "serial"), "unknown-word@2"),
    "no workflows": (TOP.rstrip("\n") + " []\n", "too-few@3"),
    "same id": (TWO.replace("id: b", "id: a"), "name-taken@5"),
    "workflow gone": (TWO.replace("two.yaml", "four.yaml"), "no-file@5"),
    "unknown id": (TWO.replace("two.yaml", "two.yaml, depends_on: [c]"), "unknown-workflow@5"),
    "circle": (
        TWO.replace("one.yaml", "one.yaml, depends_on: [b]").replace(
            "two.yaml", "two.yaml, depends_on: [a]"
        ),
        "circle@4 circle@5",
    ),
    "waits for itself": (TWO.replace("one.yaml", "one.yaml, depends_on: [a]"), "circle@4"),
    "operator": (
        TWO.replace("one.yaml", "one.yaml, condition: {variable: x, operator: is, value: y}"),
        "unknown-word@4",
    ),
    "no value": (
        TWO.replace("one.yaml", "one.yaml, condition: {variable: x, operator: equals}"),
        "missing@4",
    ),
    "fallback to nothing": (TWO.replace("one.yaml", "one.yaml, on_error: fallback"), "missing@4"),
    "no prompt": ("result_aggregation: custom\n" + TWO, "missing@1"),
    "timeout": (TWO.replace("one.yaml", "one.yaml, timeout: 0"), "wrong-type@4"),
    "name": (TWO.replace("one.yaml", "one.yaml, save_as: a-b"), "bad-name@4"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_a_rule_is_an_error_at_its_line(name, tmp_path):
    text, expected = BROKEN[name]

    with pytest.raises(WorkflowError) as caught:
        read(tmp_path, text)

    told = {f"{p.code}@{p.line}" for p in caught.value.problems if p.severity is Severity.ERROR}
    assert told == set(expected.split())


def test_a_condition_that_does_nothing_is_a_warning(tmp_path):
    condition = "one.yaml, condition: {variable: x, operator: exists}"

    (warning,) = read(tmp_path, TWO.replace("one.yaml", condition)).warnings

    assert (warning.code, warning.line) == ("no-effect", 4)


@pytest.mark.parametrize(
    ("operator", "holds"),
    [
        (Operator.EQUALS, "yes no no no"),
        (Operator.NOT_EQUALS, "no yes yes yes"),
        (Operator.CONTAINS, "yes yes no no"),
        (Operator.NOT_CONTAINS, "no no yes yes"),
        (Operator.EXISTS, "yes yes no no"),
        (Operator.NOT_EXISTS, "no no yes yes"),
    ],
)
def test_conditions(operator, holds):
    cases: tuple[dict[str, str], ...] = ({"x": "one"}, {"x": "one two"}, {"x": ""}, {})

    condition = Condition("x", operator, "one")

    assert [condition.holds(values) for values in cases] == [w == "yes" for w in holds.split()]


async def test_what_a_workflow_saves_is_known_to_the_next_one_and_to_the_whole(tmp_path):
    text = TWO.replace("one.yaml", "one.yaml, save_as: first").replace(
        "two.yaml", 'two.yaml, variables: {about: "after {{text}}"}'
    )
    runner = Runner()

    result = await play(read(tmp_path, text).orchestration, runner)

    assert result.ended is Ended.FINISHED
    assert runner.began["two"]["text"] == "by one"
    assert runner.began["two"]["about"] == "after by one"
    assert json.loads(result.values["first"]) == {"text": "by one", "of_one": "1"}
    assert (result.values["text"], result.values["of_one"]) == ("by two", "1")


async def test_workflows_that_wait_for_nothing_run_at_the_same_time(tmp_path):
    text = TWO.replace("sequential", "parallel") + (
        "  - {id: c, workflow: three.yaml, depends_on: [a, b]}\n"
    )
    runner = Runner()

    await play(read(tmp_path, text).orchestration, runner)

    assert runner.ran[2] == "three"
    assert runner.most_at_once == 2
    assert runner.began["three"].keys() >= {"of_one", "of_two"}
    alone = Runner()
    await play(read(tmp_path, text.replace("parallel", "sequential")).orchestration, alone)
    assert alone.most_at_once == 1


async def test_what_another_one_needs_comes_before_it(tmp_path):
    runner = Runner()
    text = TWO.replace("one.yaml", "one.yaml, depends_on: [b]")

    await play(read(tmp_path, text).orchestration, runner)

    assert runner.ran == ["two", "one"]


async def test_a_condition_that_is_not_so_skips_a_workflow_and_what_waits_for_it(tmp_path):
    text = (
        TWO.replace("sequential", "conditional")
        .replace("one.yaml", "one.yaml, condition: {variable: x, operator: exists}")
        .replace("two.yaml", "two.yaml, depends_on: [a]")
        + "  - {id: c, workflow: three.yaml}\n"
    )
    runner = Runner()

    result = await play(read(tmp_path, text).orchestration, runner)

    assert runner.ran == ["three"]
    assert [part.became for part in result.parts] == [
        Became.SKIPPED,
        Became.SKIPPED,
        Became.FINISHED,
    ]
    assert result.parts[1].reason == "a did not finish"


async def test_a_failure_ends_all_or_is_gone_around(tmp_path):
    failed = await play(read(tmp_path, TWO).orchestration, runner := Runner(failing=("one",)))

    assert (failed.ended, failed.reason) == (Ended.FAILED, "a: the model is away")
    assert runner.ran == ["one"]

    text = TWO.replace("one.yaml", "one.yaml, on_error: continue")
    gone_on = await play(read(tmp_path, text).orchestration, Runner(failing=("one",)))
    assert (gone_on.ended, gone_on.parts[0].became) == (Ended.FINISHED, Became.FAILED)

    text = TWO.replace("one.yaml", "one.yaml, on_error: fallback, fallback_workflow: three.yaml")
    runner = Runner(failing=("one",))
    fell_back = await play(read(tmp_path, text).orchestration, runner)
    assert runner.ran == ["one", "three", "two"]
    assert fell_back.parts[0].became is Became.FELL_BACK
    assert fell_back.values["of_three"] == "1"

    lost = await play(read(tmp_path, text).orchestration, Runner(failing=("one", "three")))
    assert lost.ended is Ended.FAILED
    assert "instead of it: the model is away" in lost.reason


async def test_a_workflow_takes_no_longer_than_it_may(tmp_path):
    text = TWO.replace("one.yaml", "one.yaml, timeout: 0.01, on_error: continue")

    result = await play(read(tmp_path, text).orchestration, Runner(hanging=("one",)))

    assert [part.became for part in result.parts] == [Became.FAILED, Became.FINISHED]
    assert result.parts[0].reason == "it took longer than 0.01 s"


async def test_results_of_the_last_one_or_what_a_model_makes_of_all(tmp_path):
    last = await play(read(tmp_path, "result_aggregation: last\n" + TWO).orchestration, Runner())
    assert last.values == {"text": "by two", "of_two": "1"}

    asked = []

    async def summarise(prompt: str, model: str | None) -> str:
        asked.append((prompt, model))
        return "both"

    custom = (
        "result_aggregation: custom\naggregation_prompt: 'Sum up {{results}}'\n"
        "default_model: tiny\n" + TWO
    )
    summed = await play(read(tmp_path, custom).orchestration, Runner(), summarise)
    assert summed.values["results"] == "both"
    ((prompt, model),) = asked
    assert model == "tiny"
    assert json.loads(prompt.removeprefix("Sum up "))["b"]["text"] == "by two"
