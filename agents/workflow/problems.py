"""What is wrong with a workflow or test file: file, line, place, and the word that was probably meant."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

MAX_SHOWN_CHARS = 80

Place = tuple[str | int, ...]
"""Keys and indexes from the root, such as `("states", "ask", "next_options", 0, "state")`."""


class Severity(StrEnum):
    """What a problem means for a run."""

    ERROR = "error"
    """The file cannot be run."""
    WARNING = "warning"
    """It runs, but not as somebody probably thinks."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong at one place."""

    code: str
    """What kind it is, such as `unknown-key`: stable, for tests and for `--ignore`."""
    file: str
    """As the person named it."""
    line: int
    """Counted from 1; 0 for the file as a whole."""
    place: Place
    message: str
    """A sentence without full stop that needs no knowledge of the code."""
    severity: Severity = Severity.ERROR
    nearest: str | None = None
    """The word that was probably meant."""

    def __str__(self) -> str:
        """Return one line as compilers write it, so that editors can jump there."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        place = f" {shown_place(self.place)}:" if self.place else ""
        meant = f"; did you mean “{self.nearest}”?" if self.nearest else ""
        return f"{where}: {self.severity.value}:{place} {self.message}{meant} [{self.code}]"


class WorkflowError(Exception):
    """A file that cannot be used. `str()` is for the person who wrote it: every problem, a line each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        """Return all problems, a line each."""
        return "\n".join(map(str, self.problems))


def has_errors(problems: Iterable[Problem]) -> bool:
    """Tell whether one of them is an error, so that what rests on the file cannot go on."""
    return any(problem.severity is Severity.ERROR for problem in problems)


def shown_place(place: Place) -> str:
    """Write a place as people say it: `states.ask.next_options[0].state`."""
    text = ""
    for key in place:
        text += f"[{key}]" if isinstance(key, int) else f".{shown(key)}" if text else shown(key)
    return text


def shown(text: str) -> str:
    """Cut a text from a file for a message; it stays on one line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= MAX_SHOWN_CHARS else flat[: MAX_SHOWN_CHARS - 1] + "…"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is spelled most like this one, also where only case or `_` differs."""
    words = list(known)
    folded = {_folded(other): other for other in words}
    if (same := folded.get(_folded(word))) is not None:
        return same
    close = get_close_matches(word, words, n=1, cutoff=0.7)
    return close[0] if close else None


def _folded(word: str) -> str:
    return word.replace("_", "").replace("-", "").lower()
