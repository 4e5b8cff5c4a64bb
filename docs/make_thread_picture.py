"""Run the demo and keep a picture of its thread: `python docs/make_thread_picture.py` writes docs/thread.svg.

It takes as long as the demo. Long cards are cut in the middle, and what only tells that work is under way is left out.
"""

import asyncio
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bot import demo
from bot.session import run as run_session
from bot.terminal import TerminalSurface
from configs.load import load
from storage.models import Phase

PICTURE = Path(__file__).with_name("thread.svg")
WIDTH = 100
HEAD, TAIL = 11, 4
"""Lines that are kept of a long card."""
UNINTERESTING = (
    "─ Reading your data",
    "─ Measuring",
    "↳ Reading your data",
    "↳ Measuring",
    "↳ Run #",
)
"""What begins so only tells that work is under way."""
KEPT_PROGRESS = 4
"""Of so many lines of progress one is kept."""
PROGRESS_SECONDS = 15.0
SOMEBODY = "anna"

PROGRESS = ("  █", "  ░")
BEGINNINGS = ("╭", "↳", "curl", *PROGRESS)
FONT_FROM_THE_WEB = re.compile(r"@font-face\s*\{[^}]*\}")
STYLE = re.compile(r"\x1b\[[0-9;]*m")


def picture(recorded: Console, data_dir: Path) -> str:
    """Return what a console has recorded as SVG, shortened to what is worth a look and without this machine's paths."""
    shown = Console(width=WIDTH, record=True, force_terminal=True, file=io.StringIO())
    progress = 0
    text = recorded.export_text(styles=True).replace(str(data_dir.resolve()), "data")
    for part in _parts(text.splitlines()):
        first = STYLE.sub("", part[0])
        if any(beginning in first for beginning in UNINTERESTING):
            continue
        if first.startswith(PROGRESS):
            progress += 1
            if progress % KEPT_PROGRESS:
                continue
        for line in _shortened(part):
            shown.print(Text.from_ansi(line), soft_wrap=True)
    svg = shown.export_svg(title="tunewright demo", unique_id="thread")
    return FONT_FROM_THE_WEB.sub("", svg)


def _parts(lines: list[str]) -> Iterator[list[str]]:
    """Yield what was printed at once, without empty lines: cards, news of a card, lines of progress."""
    part: list[str] = []
    for line in lines:
        text = STYLE.sub("", line)
        if text.startswith(BEGINNINGS) and part:
            yield part
            part = []
        if text.strip(" │"):
            part.append(line)
    if part:
        yield part


def _shortened(part: list[str]) -> list[str]:
    if len(part) <= HEAD + TAIL + 1:
        return part
    left_out = f"│ {'⋮':<{WIDTH - 4}} │"
    return [*part[:HEAD], left_out, *part[-TAIL:]]


def main() -> None:
    """Run the demo with the configured settings and write the picture."""
    os.environ["LOGNAME"] = SOMEBODY  # the picture shows no name of whoever makes it
    console = Console(width=WIDTH, record=True, force_terminal=True)
    surface = TerminalSurface(console)
    surface.edit_interval_s = PROGRESS_SECONDS
    settings = load(dict(os.environ)).settings
    phase = asyncio.run(run_session(settings, demo.job(), surface))
    if phase is not Phase.DELIVERED:
        raise SystemExit(f"The demo ended as {phase.value}; the picture is left as it is.")
    PICTURE.write_text(picture(console, settings.data_dir), encoding="utf-8")


if __name__ == "__main__":
    main()
