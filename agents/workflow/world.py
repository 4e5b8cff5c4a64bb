"""What a run happens in: models, people, tools, files, limits, and who listens."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from agents.workflow.events import Listener, nobody
from agents.workflow.journal import Journal
from agents.workflow.model import Rag
from agents.workflow.outside import Limits, Models, Person
from agents.workflow.rag import context_for
from agents.workflow.reach import Reach
from agents.workflow.tools import NoTools, Tools

Retrieve = Callable[[Rag, str, Models, Reach], Awaitable[str]]
"""Returns a whole prompt with what was found for it."""


class StateError(Exception):
    """A state failed: what `on_error` is for. `str()` is for a person."""


class LimitReached(Exception):
    """A limit ends the run, and no state handles that. `str()` is for a person."""


def never() -> bool:
    """Do not stop."""
    return False


@dataclass(frozen=True)
class World:
    """All that a run needs from outside."""

    models: Models
    person: Person
    reach: Reach
    """How far paths in prompts may lead."""
    tools: Tools = field(default_factory=NoTools)
    retrieve: Retrieve = context_for
    limits: Limits = field(default_factory=Limits)
    journal: Journal = field(default_factory=Journal)
    """Of this run; one of an earlier process is gone on with."""
    listen: Listener = nobody
    stopped: Callable[[], bool] = never
    """Asked between two states."""
    run_directory: Path | None = None
    """The variable `run_directory`; None leaves it unknown, as under test."""
    clock: Callable[[], float] = time.monotonic
