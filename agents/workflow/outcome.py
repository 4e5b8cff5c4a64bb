"""What came of one run of a workflow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Ended(StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    """It reached `end`."""
    FAILED = "failed"
    """A state failed, and nothing was said to handle that."""
    STOPPED = "stopped"
    """A person stopped it between two states."""
    LIMIT = "limit"
    """Too many steps, calls, tokens or seconds; or it went in a circle in which nothing changed."""


@dataclass(frozen=True)
class Visit:
    """One state that was entered."""

    state: str
    seconds: float
    calls: int
    prompt_tokens: int
    reply_tokens: int
    went_to: str | None = None
    """None where the run ended here."""
    routed: str | None = None
    """How the way out was chosen where there were several: `chosen`, or `default` where the reply named none."""
    error: str | None = None
    """What failed here, also where it was handled."""


@dataclass(frozen=True)
class Outcome:
    """One run, from its start to its end."""

    ended: Ended
    visits: tuple[Visit, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    """All that is known at the end: variables of the file, and what states have saved."""
    reason: str | None = None
    """For a person: why it did not finish."""

    @property
    def reached(self) -> tuple[str, ...]:
        """Return the states that were entered, in order, and `end` where it came to that."""
        ended = ("end",) if self.ended is Ended.FINISHED else ()
        return (*(visit.state for visit in self.visits), *ended)

    @property
    def calls(self) -> int:
        """Return how often a model was asked."""
        return sum(visit.calls for visit in self.visits)

    @property
    def tokens(self) -> int:
        """Return the tokens of prompts and replies."""
        return sum(visit.prompt_tokens + visit.reply_tokens for visit in self.visits)

    @property
    def seconds(self) -> float:
        """Return how long the states took."""
        return sum(visit.seconds for visit in self.visits)
