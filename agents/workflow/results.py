"""What came of a test file as JSON, with the fields of the original's report; milliseconds there, and rates of 0 to 100."""

from collections.abc import Sequence
from typing import Any

from agents.workflow.playing import Played, ScenarioResult, SuiteResult


def as_json(result: SuiteResult) -> dict[str, Any]:
    """Return a report; where a scenario was run more than once, in the form that has iterations."""
    head = {"workflow": result.suite.workflow, "timestamp": result.started_at.isoformat()}
    runs = result.runs
    if not result.repeated:
        tests = [_test(one, one.runs[0]) for one in result.scenarios]
        return {**head, "summary": {"total": len(runs), **_sums(runs)}, "tests": tests}
    summary = {"scenarios": len(result.scenarios), "totalRuns": len(runs), **_sums(runs)}
    return {**head, "summary": summary, "scenarios": [_scenario(one) for one in result.scenarios]}


def _sums(runs: Sequence[Played]) -> dict[str, Any]:
    passed = sum(run.passed for run in runs)
    return {
        "passed": passed,
        "failed": len(runs) - passed,
        "duration": _ms(sum(run.seconds for run in runs)),
        "successRate": _rate(passed, len(runs)),
    }


def _scenario(result: ScenarioResult) -> dict[str, Any]:
    seconds = [run.seconds for run in result.runs]
    return {
        "name": result.scenario.name,
        "description": result.scenario.description,
        "iterations": len(result.runs),
        "passed": result.passes,
        "failed": len(result.runs) - result.passes,
        "successRate": _rate(result.passes, len(result.runs)),
        "avgDuration": _ms(sum(seconds) / len(seconds)),
        "minDuration": _ms(min(seconds)),
        "maxDuration": _ms(max(seconds)),
        "totalDuration": _ms(sum(seconds)),
        "runs": [{"iteration": run.iteration, **_run(run)} for run in result.runs],
    }


def _test(result: ScenarioResult, run: Played) -> dict[str, Any]:
    scenario = result.scenario
    return {"name": scenario.name, "description": scenario.description, **_run(run)}


def _run(run: Played) -> dict[str, Any]:
    return {
        "passed": run.passed,
        "duration": _ms(run.seconds),
        "error": run.error,
        "assertions": [
            {
                "type": one.assertion.check.value,
                "target": one.assertion.target,
                "value": one.assertion.value,
                "passed": one.passed,
                "message": one.message,
                "description": one.assertion.description,
            }
            for one in run.judged
        ],
    }


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _rate(passed: int, total: int) -> float:
    return round(100 * passed / total, 2) if total else 0.0
