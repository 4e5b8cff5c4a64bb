"""For whom a model is asked just now: for scripts and recordings, which reply by the state."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from agents.workflow.events import Purpose


@dataclass(frozen=True)
class Asking:
    """Which state asks, and why."""

    state: str
    purpose: Purpose


_ASKING: ContextVar[Asking | None] = ContextVar("asking", default=None)


def now_asking() -> Asking | None:
    """Return for whom a model is asked; None outside of a run."""
    return _ASKING.get()


@contextmanager
def asking(state: str, purpose: Purpose) -> Iterator[None]:
    """Say for whom models are asked meanwhile."""
    token = _ASKING.set(Asking(state, purpose))
    try:
        yield
    finally:
        _ASKING.reset(token)
