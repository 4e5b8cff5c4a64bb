import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from agents.workflow.assertions import Assertion, Check
from agents.workflow.outcome import Ended, Outcome, Visit
from agents.workflow.playing import CannotPlay, play, play_once
from agents.workflow.results import as_json
from agents.workflow.suite import Answer, Scenario, Suite, SuiteDialect

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SAYS_X = Assertion(Check.EQUALS, "answer", "x", "it says x", line=7)
ENDS = Assertion(Check.STATE_REACHED, None, "end")


class Clock:
    """Half a second passes between two looks."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.5
        return self.now


def suite(*scenarios: Scenario, iterations: int | None = None) -> Suite:
    return Suite("w.test.yaml", "w.yaml", SuiteDialect.MAIN, scenarios, iterations)


def outcome(
    variables: Mapping[str, str], ended: Ended = Ended.FINISHED, reason: str | None = None
) -> Outcome:
    return Outcome(ended, (Visit("ask", 0.1, 1, 2, 3),), variables, reason)


async def says_what_was_answered(scenario: Scenario, iteration: int) -> Outcome:
    return outcome({"answer": scenario.answer("ask") or str(iteration)})


def scenario(name: str, value: str = "x", *assertions: Assertion, **more: object) -> Scenario:

    answers = (Answer("ask", value),)
    return Scenario(name, assertions or (SAYS_X, ENDS), answers=answers, **more)


async def test_a_scenario_passes_when_all_is_so():
    result = await play(suite(scenario("good"), scenario("bad", "y")), says_what_was_answered)

    good, bad = result.scenarios
    assert (good.passed, bad.passed, result.passed) == (True, False, False)
    assert (good.runs[0].score, bad.runs[0].score) == (1.0, 0.5)
    assert [one.passed for one in bad.runs[0].judged] == [False, True]


async def test_a_run_that_does_not_end_fails_with_its_reason_and_no_assertion_results():
    async def fails(one: Scenario, iteration: int) -> Outcome:
        return outcome({"answer": "x"}, Ended.FAILED, "the model is away")

    result = await play(suite(scenario("one")), fails)

    (run,) = result.runs
    assert (run.passed, run.error, run.judged, run.score) == (False, "the model is away", (), 0.0)


async def test_a_run_that_cannot_be_tried_fails_its_scenario_and_no_other():
    async def away(one: Scenario, iteration: int) -> Outcome:
        if one.name == "first":
            raise CannotPlay("no model")
        return await says_what_was_answered(one, iteration)

    result = await play(suite(scenario("first"), scenario("second")), away)

    assert [run.error for run in result.runs] == ["no model", None]


async def test_a_fault_of_ours_is_not_told_as_a_failed_test():
    async def broken(one: Scenario, iteration: int) -> Outcome:
        raise KeyError("a fault")

    with pytest.raises(KeyError):
        await play(suite(scenario("one")), broken)


async def test_a_scenario_takes_no_longer_than_it_may():
    async def hangs(one: Scenario, iteration: int) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError

    played = await play_once(scenario("one", timeout_s=0.01), hangs)

    assert played.error == "it took longer than 0.01 s"


async def test_a_time_out_of_the_runner_s_own_is_not_taken_for_the_scenario_s():
    async def times_out(one: Scenario, iteration: int) -> Outcome:
        raise TimeoutError("of a socket")

    with pytest.raises(TimeoutError, match="of a socket"):
        await play_once(scenario("one", timeout_s=60), times_out)


async def test_scenarios_are_played_as_often_as_is_wanted_and_each_run_is_told():
    told = []
    twice = scenario("twice", "", Assertion(Check.EQUALS, "answer", "1"), iterations=2)

    result = await play(
        suite(twice, scenario("once")),
        says_what_was_answered,
        tell=lambda one, played: told.append((one.name, played.iteration, played.passed)),
    )

    assert told == [("twice", 1, True), ("twice", 2, False), ("once", 1, True)]
    assert result.repeated
    assert [len(one.runs) for one in result.scenarios] == [2, 1]
    again = await play(suite(scenario("once")), says_what_was_answered, iterations=3)
    assert len(again.runs) == 3


async def test_the_report_as_json_has_the_original_s_fields():
    failing = scenario("bad", "y", description="says y")
    result = await play(
        suite(scenario("good"), failing), says_what_was_answered, clock=Clock(), started_at=NOW
    )

    assert as_json(result) == {
        "workflow": "w.yaml",
        "timestamp": "2026-03-04T05:06:07+00:00",
        "summary": {"total": 2, "passed": 1, "failed": 1, "duration": 1000, "successRate": 50.0},
        "tests": [
            {
                "name": "good",
                "description": "",
                "passed": True,
                "duration": 500,
                "error": None,
                "assertions": [
                    {
                        "type": "equals",
                        "target": "answer",
                        "value": "x",
                        "passed": True,
                        "message": "the value is “x”",
                        "description": "it says x",
                    },
                    {
                        "type": "state_reached",
                        "target": None,
                        "value": "end",
                        "passed": True,
                        "message": "the path was ask → end",
                        "description": None,
                    },
                ],
            },
            {
                "name": "bad",
                "description": "says y",
                "passed": False,
                "duration": 500,
                "error": None,
                "assertions": [
                    {
                        "type": "equals",
                        "target": "answer",
                        "value": "x",
                        "passed": False,
                        "message": "the value is “y”",
                        "description": "it says x",
                    },
                    {
                        "type": "state_reached",
                        "target": None,
                        "value": "end",
                        "passed": True,
                        "message": "the path was ask → end",
                        "description": None,
                    },
                ],
            },
        ],
    }


async def test_the_report_of_repeated_runs_has_times_and_rates_per_scenario():
    twice = scenario("twice", "", Assertion(Check.EQUALS, "answer", "1"), iterations=2)
    result = await play(suite(twice), says_what_was_answered, clock=Clock(), started_at=NOW)

    told = as_json(result)

    assert told["summary"] == {
        "scenarios": 1,
        "totalRuns": 2,
        "passed": 1,
        "failed": 1,
        "duration": 1000,
        "successRate": 50.0,
    }
    (one,) = told["scenarios"]
    runs = one.pop("runs")
    assert one == {
        "name": "twice",
        "description": "",
        "iterations": 2,
        "passed": 1,
        "failed": 1,
        "successRate": 50.0,
        "avgDuration": 500,
        "minDuration": 500,
        "maxDuration": 500,
        "totalDuration": 1000,
    }
    assert [(run["iteration"], run["passed"], run["duration"]) for run in runs] == [
        (1, True, 500),
        (2, False, 500),
    ]
