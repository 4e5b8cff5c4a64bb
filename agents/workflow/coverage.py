"""What the scenarios of a test file have seen of a workflow: states, ways out, failures that were handled, defaults."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from agents.workflow.flow import ways
from agents.workflow.model import Kind, Workflow
from agents.workflow.outcome import Outcome
from agents.workflow.suite import Scenario


class Seen(StrEnum):
    """What can be seen of a workflow."""

    STATE = "state"
    """A state was entered."""
    BRANCH = "branch"
    """One of several ways out was taken."""
    ERROR = "error"
    """A state failed, and it went on where `on_error` says."""
    DEFAULT = "default"
    """A person said nothing, and the default counted."""


@dataclass(frozen=True)
class Spot:
    """One thing that can be seen."""

    kind: Seen
    state: str
    to: str | None = None
    """Of a way out and of a failure: where it leads."""

    def __str__(self) -> str:
        """Say it as people do."""
        return f"{self.kind.value} {self.state}" + (f" → {self.to}" if self.to else "")


@dataclass(frozen=True)
class Coverage:
    """What can be seen, and how often it was."""

    times: Mapping[Spot, int]

    @property
    def missed(self) -> tuple[Spot, ...]:
        """Return what was never seen, in the order of the file."""
        return tuple(spot for spot, times in self.times.items() if not times)

    def share(self, kind: Seen | None = None) -> float:
        """Return the share that was seen, of a kind or of all; 1 where there is nothing to see."""
        wanted = [n for spot, n in self.times.items() if kind is None or spot.kind is kind]
        return sum(1 for n in wanted if n) / len(wanted) if wanted else 1.0


def spots(workflow: Workflow) -> tuple[Spot, ...]:
    """Return all that can be seen of a workflow."""
    found: list[Spot] = []
    for name, state in workflow.states.items():
        found.append(Spot(Seen.STATE, name))
        if len(state.leads_to()) > 1:
            found.extend(Spot(Seen.BRANCH, name, to) for to in state.leads_to())
        found.extend(Spot(Seen.ERROR, name, way.to) for way in ways(state) if way.failing)
        if state.kind is Kind.INPUT and state.default_value is not None:
            found.append(Spot(Seen.DEFAULT, name))
    return tuple(found)


def coverage(workflow: Workflow, runs: Iterable[tuple[Scenario, Outcome]]) -> Coverage:
    """Return what runs have seen of a workflow."""
    times = dict.fromkeys(spots(workflow), 0)
    for scenario, outcome in runs:
        for spot in _seen(workflow, scenario, outcome):
            if spot in times:
                times[spot] += 1
    return Coverage(times)


def _seen(workflow: Workflow, scenario: Scenario, outcome: Outcome) -> Iterable[Spot]:
    for visit in outcome.visits:
        yield Spot(Seen.STATE, visit.state)
        if visit.error is not None:
            yield Spot(Seen.ERROR, visit.state, visit.went_to)
        elif visit.went_to is not None:
            yield Spot(Seen.BRANCH, visit.state, visit.went_to)
        state = workflow.states.get(visit.state)
        asked = state is not None and state.kind is Kind.INPUT and scenario.generated is None
        if asked and not scenario.answer(visit.state).strip():
            yield Spot(Seen.DEFAULT, visit.state)
