"""Ways to start the same program on the same folder."""

from pathlib import Path
from typing import Protocol

from agents.jobs import JobKind, read_spec

WORKER, WORKFLOW = "agents.worker", "agents.workflow"
KNOWLEDGE, GENERATION = "agents.knowledge", "agents.generation"
WORKFLOW_KINDS = frozenset(
    {
        JobKind.WORKFLOW_READ,
        JobKind.WORKFLOW_PROPOSE,
        JobKind.WORKFLOW_MEASURE,
        JobKind.WORKFLOW_CLAIM,
    }
)
PROGRAMS = {
    **dict.fromkeys(WORKFLOW_KINDS, WORKFLOW),
    JobKind.GATHER: KNOWLEDGE,
    JobKind.GENERATE: GENERATION,
}
"""Who does what the worker does not."""


def program_of(folder: Path) -> str:
    """Return the module that does the job in a folder, as its spec has it.

    Raises: FileNotFoundError: it has no spec.
    """
    return PROGRAMS.get(read_spec(folder).spec.kind, WORKER)


class Launcher(Protocol):
    """Starts, watches and stops workers. Every implementation passes tests/contracts/test_launchers.py."""

    def start(self, folder: Path) -> str:
        """Start a worker on a folder with a `spec.json` and return a handle.

        Starting a folder again while its worker lives, or after it has left a result, does no harm.
        """

    def alive(self, folder: Path, handle: str | None) -> bool:
        """Tell whether a worker of this folder is running. A hint: the folder is the truth."""

    def killed_for_memory(self, folder: Path) -> bool:
        """Tell whether a worker that died without a result was probably ended because the machine had no memory left.

        Asked again, also by another process, the answer stays the same.
        """

    def stop(self, folder: Path, handle: str | None) -> None:
        """End the worker and all it has started, at once. Stopping a dead worker does no harm."""
