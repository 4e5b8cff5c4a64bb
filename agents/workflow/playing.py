"""Play the scenarios of a test file: each is run as often as is wanted, and what should be so is held against it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from agents.workflow.assertions import Judged, judge
from agents.workflow.outcome import Ended, Outcome
from agents.workflow.suite import Scenario, Suite

RunScenario = Callable[[Scenario, int], Awaitable[Outcome]]
"""Runs the workflow once: with the answers and mocks of a scenario, for the n-th time from 1."""


class CannotPlay(Exception):
    """A run could not be tried, as when a model is away. `str()` says why, for a person; the scenario fails with it."""


@dataclass(frozen=True)
class Played:
    """One run of a scenario."""

    iteration: int
    """From 1."""
    seconds: float
    judged: tuple[Judged, ...] = ()
    """Nothing where the run came to no end."""
    error: str | None = None
    """Why it came to no end."""
    outcome: Outcome | None = None

    @property
    def passed(self) -> bool:
        """Tell whether it came to its end, and all was so."""
        return self.error is None and all(one.passed for one in self.judged)

    @property
    def score(self) -> float:
        """Return the share of the assertions that were so; 0 where the run came to no end."""
        if self.error is not None or not self.judged:
            return 0.0
        return sum(one.passed for one in self.judged) / len(self.judged)


@dataclass(frozen=True)
class ScenarioResult:
    """All runs of a scenario."""

    scenario: Scenario
    runs: tuple[Played, ...]

    @property
    def passed(self) -> bool:
        """Tell whether every run passed."""
        return all(run.passed for run in self.runs)

    @property
    def passes(self) -> int:
        """Return how many runs passed."""
        return sum(run.passed for run in self.runs)


@dataclass(frozen=True)
class SuiteResult:
    """All scenarios of a test file, played."""

    suite: Suite
    started_at: datetime
    scenarios: tuple[ScenarioResult, ...]

    @property
    def passed(self) -> bool:
        """Tell whether everything passed."""
        return all(result.passed for result in self.scenarios)

    @property
    def runs(self) -> tuple[Played, ...]:
        """Return every run."""
        return tuple(run for result in self.scenarios for run in result.runs)

    @property
    def repeated(self) -> bool:
        """Tell whether a scenario was run more than once, so that a report has the form with iterations."""
        return any(len(result.runs) > 1 for result in self.scenarios)


async def play(
    suite: Suite,
    run_scenario: RunScenario,
    *,
    iterations: int | None = None,
    tell: Callable[[Scenario, Played], None] = lambda *_: None,
    clock: Callable[[], float] = time.monotonic,
    started_at: datetime | None = None,
) -> SuiteResult:
    """Play all scenarios, one after the other.

    Args:
        suite: What is played.
        run_scenario: Runs the workflow once.
        iterations: How often each is played, whatever the file says.
        tell: Is told of each run when it is over.
        clock: In seconds.
        started_at: Now, without it.
    """
    started_at = started_at or datetime.now(UTC)
    results = []
    for scenario in suite.scenarios:
        runs = []
        for iteration in range(1, suite.times(scenario, iterations) + 1):
            played = await play_once(scenario, run_scenario, iteration, clock)
            runs.append(played)
            tell(scenario, played)
        results.append(ScenarioResult(scenario, tuple(runs)))
    return SuiteResult(suite, started_at, tuple(results))


async def play_once(
    scenario: Scenario,
    run_scenario: RunScenario,
    iteration: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> Played:
    """Play a scenario once, for no longer than it may take."""
    started = clock()
    limit = asyncio.timeout(scenario.timeout_s)
    try:
        async with limit:
            outcome = await run_scenario(scenario, iteration)
    except CannotPlay as reason:
        return Played(iteration, clock() - started, error=str(reason))
    except TimeoutError:
        if not limit.expired():
            raise
        error = f"it took longer than {scenario.timeout_s:g} s"
        return Played(iteration, clock() - started, error=error)
    seconds = clock() - started
    if outcome.ended is not Ended.FINISHED:
        error = outcome.reason or f"the run ended before its end: {outcome.ended}"
        return Played(iteration, seconds, error=error, outcome=outcome)
    judged = tuple(judge(assertion, outcome) for assertion in scenario.assertions)
    return Played(iteration, seconds, judged, outcome=outcome)
