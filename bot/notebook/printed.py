"""History and differences in a terminal, read beside a running bot."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from agents.services import Services, SystemClock
from bot import overview
from bot.notebook import differences, round_differences, told
from bot.notebook.differences import Difference, Pair
from bot.notebook.history import Line
from bot.notebook.round_differences import RoundDifference
from bot.notebook.round_history import RoundLine
from bot.notebook.told import Lines
from bot.text import visible
from configs.schema import Settings
from storage.files import FileStore


async def lines(settings: Settings, run_id: int) -> Lines:
    """Return the tries or rounds of a run, one line each.

    Raises: UserError: nothing has been run here yet. storage.runs.NoSuchRun.
    """
    with _services(settings) as services:
        return told.lines(services.db.read_now(told.read, services, run_id))


async def difference(
    settings: Settings, run_id: int, first: int, second: int
) -> Difference | RoundDifference:
    """Return what is different between two of them. Raises: as `lines`, and UserError: there is no such one."""
    with _services(settings) as services:
        known = services.db.read_now(told.read, services, run_id)
    return await told.between(known, first, second, services.files)


@contextmanager
def _services(settings: Settings) -> Iterator[Services]:
    """Lend what reading takes. Raises: UserError: nothing has been run here yet."""
    with overview.opened(settings) as db:
        yield Services(
            settings=settings,
            db=db,
            files=FileStore(settings.data_dir.resolve() / "files"),
            clock=SystemClock(),
            llm=None,
            wake=lambda _run_id: None,
        )


def show_history(shown: Lines, console: Console | None = None) -> None:
    """Print tries or rounds as a table."""
    console = console or Console()
    if not shown:
        console.print("This run has no plan yet.")
        return
    of_rounds = isinstance(shown[0], RoundLine)
    table = Table(
        *(
            ("round", "what came of it", "pass rate", "gain", "decided")
            if of_rounds
            else ("try", "what changed, and why", "dev loss", "verdict", "gain", "decided")
        )
    )
    for line in shown:
        number = f"{line.number}" + (f"\n{line.marks}" if line.marks else "")
        table.add_row(number, *_cells(line), _text(line.decided or "–"))
    console.print(table)


def _cells(line: Line | RoundLine) -> list[str | Text]:
    if isinstance(line, RoundLine):
        return [_text(line.outcome), line.rates, line.points or "–"]
    loss = "–" if line.dev_loss is None else f"{line.dev_loss:.3f}"
    return [_text(line.changed), loss, _text(line.verdict), line.gain or "–"]


def show_difference(found: Difference | RoundDifference, console: Console | None = None) -> None:
    """Print what is different between two tries or rounds as a table; of rounds first the lines of the workflow."""
    console = console or Console()
    if isinstance(found, RoundDifference):
        _show_rounds(found, console)
    else:
        _show_tries(found, console)


def _show_tries(found: Difference, console: Console) -> None:
    table = Table("", f"try {found.first}", f"try {found.second}")
    for pair in found.plan:
        _add(table, pair)
    if not found.plan:
        table.add_row("plan", "the same", "the same")
    table.add_section()
    for pair in (found.used, *found.metrics, found.decisions):
        _add(table, pair)
    console.print(table)
    for about in found.about_rows():
        console.print(Text(f"Rows: {about}."))
    console.print(Text(differences.CAVEAT, style="dim"))


def _show_rounds(found: RoundDifference, console: Console) -> None:
    if found.lines:
        console.print(Syntax(visible(found.lines), "diff", background_color="default"))
    else:
        console.print("The workflow is the same.")
    table = Table("", f"round {found.first}", f"round {found.second}")
    for pair in (*found.terms, *found.metrics, found.decisions):
        _add(table, pair)
    console.print(table)
    console.print(Text(round_differences.CAVEAT, style="dim"))


def _add(table: Table, pair: Pair) -> None:
    style = "dim" if pair.same else ""
    table.add_row(_text(pair.what), _text(pair.first), _text(pair.second), style=style)


def _text(words: str) -> Text:
    """Return text in which neither markup nor a control character of people's words has an effect."""
    return Text(visible(words))
