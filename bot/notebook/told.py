"""What a notebook tells of a run, whatever it improves: the tries of a model, or the rounds of a workflow."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from agents.services import Services
from bot.notebook import (
    differences,
    history,
    pages,
    round_differences,
    round_history,
    round_pages,
    rounds,
    tries,
)
from bot.notebook.differences import Difference
from bot.notebook.history import Line
from bot.notebook.round_differences import RoundDifference
from bot.notebook.round_history import RoundLine
from bot.notebook.rounds import Rounds
from bot.notebook.tries import Tries
from storage import runs
from storage.files import FileStore
from storage.models import Target

Told = Tries | Rounds
Lines = Sequence[Line] | Sequence[RoundLine]

READ: dict[Target, Callable[[Session, Services, int], Told]] = {
    Target.MODEL: lambda session, _services, run_id: tries.read(session, run_id),
    Target.WORKFLOW: rounds.read,
}


@dataclass(frozen=True)
class Page:
    """What one commit of a notebook says."""

    number: int
    """Of the try or round."""
    files: dict[str, str]
    author: str
    message: str
    at: datetime


def read(session: Session, services: Services, run_id: int) -> Told:
    """Read a run with all that was tried. Raises: storage.runs.NoSuchRun."""
    return READ[runs.get(session, run_id).target](session, services, run_id)


def lines(told: Told) -> Lines:
    """Return what was tried, a line each, oldest first."""
    return round_history.lines(told) if isinstance(told, Rounds) else history.lines(told)


async def between(
    told: Told, first: int, second: int, files: FileStore
) -> Difference | RoundDifference:
    """Return what is different between two tries or rounds. Raises: UserError: there is no such one."""
    if isinstance(told, Rounds):
        return await round_differences.between(told, first, second, files)
    return await differences.between(told, first, second, files)


def over(told: Told, files: FileStore, since: int) -> Iterator[Page]:
    """Yield a page for each try or round that is over, from a number on, oldest first."""
    if isinstance(told, Rounds):
        for one in told.rounds:
            if one.over and one.number >= since:
                yield Page(
                    number=one.number,
                    files=round_pages.files(told, one, files),
                    author=pages.author_of(one.decisions),
                    message=round_pages.message(told, one),
                    at=round_pages.time(one),
                )
        return
    for known in told.tries:
        if known.over and known.number >= since:
            yield Page(
                number=known.number,
                files=pages.files(told, known.number),
                author=pages.author_of(known.decisions),
                message=pages.message(told, known.number),
                at=pages.time(told, known.number),
            )
