"""What a test file of a workflow says: scenarios of answers and assertions. `suite_file` reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agents.workflow.assertions import Assertion


class SuiteDialect(StrEnum):
    """In which of the forms a test file is written."""

    MAIN = "main"
    """`test_scenarios`: what the original's released parser reads."""
    BRANCH = "branch"
    """The same with `iterations`, `llm_input_generation` or our `persona`."""
    LEGACY = "legacy"
    """`scenarios`."""


@dataclass(frozen=True)
class Answer:
    """What a person says in a state."""

    state: str
    value: str


@dataclass(frozen=True)
class Generated:
    """Answers that a language model makes up before a run."""

    model: str | None
    context: str


@dataclass(frozen=True)
class Card:
    """Whom a model plays where nothing is scripted: all that this person knows of themselves. Never what a test expects."""

    goal: str
    facts: tuple[str, ...] = ()
    manner: str = ""


@dataclass(frozen=True)
class Scenario:
    """One way through a workflow, and what should be so after it."""

    name: str
    assertions: tuple[Assertion, ...]
    description: str = ""
    answers: tuple[Answer, ...] = ()
    generated: Generated | None = None
    persona: Card | None = None
    """Whom a model plays in states for which nothing is said; made of the description where a file has none."""
    mocks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What models say, by state: visit by visit, the last one also after that."""
    iterations: int | None = None
    timeout_s: float | None = None
    line: int = 0

    def says(self, state: str) -> bool:
        """Tell whether something is said for a state, be it nothing."""
        return any(answer.state == state for answer in self.answers)

    def answer(self, state: str) -> str:
        """Return what is said in a state; nothing, where nothing is said, so that its default counts."""
        return next((answer.value for answer in self.answers if answer.state == state), "")

    def mock(self, state: str, visit: int) -> str | None:
        """Return what a model says in a state, at its n-th visit from 0; None where it is really asked."""
        responses = self.mocks.get(state)
        return responses[min(visit, len(responses) - 1)] if responses else None


@dataclass(frozen=True)
class Suite:
    """All scenarios of a workflow."""

    name: str
    """As the person named the file."""
    workflow: str
    """As written."""
    dialect: SuiteDialect
    scenarios: tuple[Scenario, ...]
    iterations: int | None = None

    def times(self, scenario: Scenario, wanted: int | None = None) -> int:
        """Return how often a scenario is played: as wanted, else as it says, else as the file says, else once."""
        return wanted or scenario.iterations or self.iterations or 1
