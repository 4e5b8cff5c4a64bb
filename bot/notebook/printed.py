"""History and differences in a terminal, read beside a running bot."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot import overview
from bot.notebook import differences, history, tries
from bot.notebook.differences import CAVEAT, Difference, Pair
from bot.notebook.history import Line
from bot.text import visible
from configs.schema import Settings
from storage.files import FileStore


async def lines(settings: Settings, run_id: int) -> list[Line]:
    """Return the tries of a run, one line each.

    Raises: UserError: nothing has been run here yet. storage.runs.NoSuchRun.
    """
    with overview.opened(settings) as db:
        return history.lines(db.read_now(tries.read, run_id))


async def difference(settings: Settings, run_id: int, first: int, second: int) -> Difference:
    """Return what is different between two tries. Raises: as `lines`, and UserError: there is no such try."""
    with overview.opened(settings) as db:
        told = db.read_now(tries.read, run_id)
    files = FileStore(settings.data_dir.resolve() / "files")
    return await differences.between(told, first, second, files)


def show_history(shown: Sequence[Line], console: Console | None = None) -> None:
    """Print tries as a table."""
    console = console or Console()
    if not shown:
        console.print("This run has no plan yet.")
        return
    table = Table("try", "what changed, and why", "dev loss", "verdict", "gain", "decided")
    for line in shown:
        table.add_row(
            f"{line.number}" + (f"\n{line.marks}" if line.marks else ""),
            _text(line.changed),
            "–" if line.dev_loss is None else f"{line.dev_loss:.3f}",
            _text(line.verdict),
            line.gain or "–",
            _text(line.decided or "–"),
        )
    console.print(table)


def show_difference(found: Difference, console: Console | None = None) -> None:
    """Print what is different between two tries as a table."""
    console = console or Console()
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
    console.print(Text(CAVEAT, style="dim"))


def _add(table: Table, pair: Pair) -> None:
    style = "dim" if pair.same else ""
    table.add_row(_text(pair.what), _text(pair.first), _text(pair.second), style=style)


def _text(words: str) -> Text:
    """Return text in which neither markup nor a control character of people's words has an effect."""
    return Text(visible(words))
