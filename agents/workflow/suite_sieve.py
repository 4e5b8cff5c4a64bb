"""Play scenarios that were thought of, and keep what can be believed: always so on the workflow, and not so on a spoilt one.

What is not always so is chance, what is never so is a wish, and what is so whatever the workflow does is no test.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from agents.workflow.assertions import Assertion, judge
from agents.workflow.coverage import Coverage, coverage
from agents.workflow.load import Loaded
from agents.workflow.measuring import hash_of
from agents.workflow.mutants import Mutant
from agents.workflow.outcome import Outcome
from agents.workflow.playing import Played
from agents.workflow.suite import Scenario
from agents.workflow.suite_facts import facts

PlayScenario = Callable[[Loaded, Scenario, str, int], Awaitable[Played]]
"""Plays a scenario once on a workflow: which one (a name), and for the n-th time from 0; see `Rehearsal`."""
SEED_SIDE = "given"
"""Name of the workflow itself; mutants go by theirs."""


class Dropped(StrEnum):
    """Why something was not kept."""

    UNREADABLE = "could not be read"
    DUPLICATE = "said the same as another one"
    NOT_PLAYED = "could not be played"
    NO_END = "did not come to an end each time"
    NEVER_SO = "was not so"
    NOT_ALWAYS_SO = "was not so each time"
    TOOTHLESS = "was so on every spoilt workflow"
    EMPTY = "had nothing left to look at"


@dataclass
class Sieve:
    """What was kept so far, and what that has cost."""

    loaded: Loaded
    play: PlayScenario
    repeats: int
    kept: list[Scenario] = field(default_factory=list)
    runs: list[tuple[Scenario, Outcome]] = field(default_factory=list)
    """Of kept scenarios on the workflow itself."""
    dropped: Counter[Dropped] = field(default_factory=Counter)
    """Scenarios; of NEVER_SO, NOT_ALWAYS_SO and TOOTHLESS assertions."""
    wishes: list[Scenario] = field(default_factory=list)
    """Scenarios with what was asserted and in no run so."""
    tried: int = 0
    """Scenarios that were played."""
    played: int = 0
    """Runs, on the workflow and on spoilt ones."""
    no_end: str | None = None
    """Why the first run on the workflow itself that came to no end did not."""
    names: set[str] = field(default_factory=set)
    """Of all scenarios that were tried: each has one of its own, by which its runs are kept."""

    @property
    def seen(self) -> Coverage:
        """Return what kept scenarios have seen of the workflow."""
        return coverage(self.loaded.workflow, self.runs)

    async def offer(self, scenario: Scenario) -> bool:
        """Play a scenario on the workflow, and tell whether it is kept.

        One without assertions gets what was so each time; of others what was not so each time is dropped.
        """
        if any(_same(scenario, other) for other in self.kept):
            self.dropped[Dropped.DUPLICATE] += 1
            return False
        self.tried += 1
        self.names.add(scenario.name)
        outcomes = await self._outcomes(scenario)
        if outcomes is None:
            return False
        asserted = scenario.assertions or facts(self.loaded.workflow, scenario, outcomes)
        times = {one: sum(judge(one, outcome).passed for outcome in outcomes) for one in asserted}
        held = tuple(one for one, so in times.items() if so == len(outcomes))
        never = tuple(one for one, so in times.items() if not so)
        self.dropped[Dropped.NEVER_SO] += len(never)
        self.dropped[Dropped.NOT_ALWAYS_SO] += len(times) - len(held) - len(never)
        if never:
            self.wishes.append(replace(scenario, assertions=never))
        if not held:
            self.dropped[Dropped.EMPTY] += 1
            return False
        whole = replace(scenario, assertions=held)
        self.kept.append(whole)
        self.runs.extend((whole, outcome) for outcome in outcomes)
        return True

    async def _outcomes(self, scenario: Scenario) -> list[Outcome] | None:
        """Return what came of all runs; None where one did not come to an end."""
        outcomes = []
        for repeat in range(self.repeats):
            played = await self._played(self.loaded, scenario, SEED_SIDE, repeat)
            if played.outcome is None or played.error is not None:
                away = played.outcome is None
                self.no_end = self.no_end or played.error
                self.dropped[Dropped.NOT_PLAYED if away else Dropped.NO_END] += 1
                return None
            outcomes.append(played.outcome)
        return outcomes

    async def _played(self, loaded: Loaded, scenario: Scenario, side: str, repeat: int) -> Played:
        self.played += 1
        return await self.play(loaded, scenario, side, repeat)

    async def bite(self, mutants: Sequence[Mutant]) -> frozenset[str]:
        """Drop every assertion that is so on all mutants; return the names of the mutants on which one is not.

        A mutant whose fault lies where a scenario never comes is not played with it, nor where nothing could come of it.
        """
        killed: set[str] = set()
        failed: dict[str, set[Assertion]] = {scenario.name: set() for scenario in self.kept}
        for mutant in mutants:
            for scenario in self.kept:
                open_ones = set(scenario.assertions) - failed[scenario.name]
                if not self._entered(scenario, mutant.state):
                    continue
                if mutant.name in killed and not open_ones:
                    continue
                played = await self._played(mutant.loaded, scenario, mutant.name, 0)
                broken = _broken(scenario, played)
                if broken:
                    killed.add(mutant.name)
                    failed[scenario.name] |= broken
        self._keep_only(failed)
        return frozenset(killed)

    def _entered(self, scenario: Scenario, state: str) -> bool:
        return any(
            visit.state == state
            for played, outcome in self.runs
            if played.name == scenario.name
            for visit in outcome.visits
        )

    def _keep_only(self, failed: dict[str, set[Assertion]]) -> None:
        left = []
        for scenario in self.kept:
            biting = tuple(one for one in scenario.assertions if one in failed[scenario.name])
            self.dropped[Dropped.TOOTHLESS] += len(scenario.assertions) - len(biting)
            if biting:
                left.append(replace(scenario, assertions=biting))
            else:
                self.dropped[Dropped.EMPTY] += 1
        self.kept = left
        names = {scenario.name for scenario in left}
        self.runs = [run for run in self.runs if run[0].name in names]


def _same(one: Scenario, other: Scenario) -> bool:
    return _said(one) == _said(other) and one.mocks == other.mocks


def _said(scenario: Scenario) -> dict[str, str]:
    """Return what is said by state; of two answers in a state the first counts."""
    return {answer.state: scenario.answer(answer.state).strip() for answer in scenario.answers}


def _broken(scenario: Scenario, played: Played) -> set[Assertion]:
    """Return the assertions that are not so; a run that ended early is looked at as far as it came."""
    if played.outcome is None:
        return set()
    outcome = played.outcome
    return {one for one in scenario.assertions if not judge(one, outcome).passed}


def spread(found: Iterable[Mutant], most: int, seed: int) -> tuple[Mutant, ...]:
    """Return some of the mutants, of as many kinds and states as possible, the same each time for a seed."""
    left = sorted(found, key=lambda mutant: hash_of(seed, mutant.name))
    faults: Counter[str] = Counter()
    states: Counter[str] = Counter()
    chosen: list[Mutant] = []
    while left and len(chosen) < most:
        best = min(left, key=lambda one: (faults[one.fault], states[one.state]))
        left.remove(best)
        chosen.append(best)
        faults[best.fault] += 1
        states[best.state] += 1
    return tuple(chosen)
