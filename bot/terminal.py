"""The same thread in a terminal: cards as panels, progress as one line, gates as y / n / words."""

import asyncio
import re
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bot.answering import Effect, Reaction
from bot.app import App
from bot.charts import describe
from bot.surface import Card, Parcel, Person, Question, Tone

NAME = "terminal"
HERE = f"{NAME}:here"
ATTACHED = "attached"
"""Folder in the data folder that the files of messages are written to."""
MARKS = ("☑", "☐")
"""Begin the lines of a card that say which edits are taken."""
BORDERS = {
    Tone.PLAIN: "white",
    Tone.WORKING: "blue",
    Tone.QUESTION: "yellow",
    Tone.GOOD: "green",
    Tone.BAD: "red",
}
_NOT_A_NAME = re.compile(r"[^a-z0-9]+")
PROMPT = "  ✅ y   ❌ n   or say what should be different > "
PROMPT_WITH_NUMBERS = (
    "  ✅ y   ❌ n   a number drops or takes that edit   or say what should be different > "
)


class TerminalSurface:
    """Prints cards in the order in which they come; a changed card is printed as what is new about it."""

    name = NAME
    shows_pictures = False

    def __init__(self, console: Console, folder: Path | None = None) -> None:
        self.console = console
        self.folder = folder
        """Where what goes along with a message is written; None: it is only named."""
        # on a screen a line can be followed; in a log every line stays
        self.edit_interval_s = 2.0 if console.is_terminal else 15.0
        self.question: Question | None = None
        """The one shown last, while it is open."""
        self.ballot: int | None = None
        """The one shown last, while it can be voted on."""
        self.asked = asyncio.Event()
        self._shown: dict[str, Card] = {}

    def attachment_limit_bytes(self, place: str) -> int:
        """Return 0: a stored file lies on this machine anyway."""
        return 0

    async def post(self, place: str, card: Card, parcel: Parcel) -> str:
        """Print a card, once."""
        message_id = parcel.key
        if message_id in self._shown:
            return message_id
        self._shown[message_id] = card
        self.console.print(_panel(card, parcel))
        for path in await asyncio.to_thread(self._written, parcel):
            self.console.print(f"→ {path}", soft_wrap=True, highlight=False, markup=False)
        for line in card.copyable:
            self.console.print(line, soft_wrap=True, highlight=False, markup=False)
        if card.ballot is not None:
            self.ballot = card.ballot
        if card.question is not None:
            self.question = card.question
            self.asked.set()
        return message_id

    def _written(self, parcel: Parcel) -> list[Path]:
        """Write the files of a message where a person finds them, and return where; a message sent twice writes the same."""
        made = [(file.name, file.source) for file in parcel.files if isinstance(file.source, bytes)]
        if self.folder is None or not made:
            return []
        folder = self.folder / _NOT_A_NAME.sub("-", parcel.marker).strip("-")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, content in made:
            (folder / name).write_bytes(content)
        return [folder / name for name, _content in made]

    async def edit(self, place: str, message_id: str, card: Card) -> None:
        """Print what has changed about a card."""
        before = self._shown.get(message_id)
        self._shown[message_id] = card
        if card.question is not None and self._is_asked(card.question):
            self.question = card.question
        if before is not None and _chosen(before) != _chosen(card) and card.question is not None:
            for line in _chosen(card):
                self.console.print(_markdown(f"  {line}"))
        elif before is not None and before.question is not None and card.question is None:
            self.settle(before.question)
            answer = card.body.rsplit("\n", 1)[-1]
            self.console.print(Markdown(f"↳ {card.title}: {answer}"))
        elif before is None or before.title != card.title:
            self.console.print(_markdown(f"↳ **{card.title}**\n{card.body}"))
        elif card.body != before.body and before.ballot is None:
            line = "  " + _one_line(card.body)
            self.console.print(
                line, style="dim", highlight=False, no_wrap=True, overflow="ellipsis"
            )

    def settle(self, question: Question) -> None:
        """Take note that a question has been answered."""
        if self._is_asked(question):
            self.question = None
            self.asked.clear()

    def _is_asked(self, question: Question) -> bool:
        """Tell whether a question is the one that stands open here."""
        return self.question is not None and self.question.approval_id == question.approval_id

    async def open_thread(self, place: str, message_id: str, name: str) -> str:
        """Return the one place there is."""
        return place

    async def answer(self, request: dict[str, Any], text: str, key: str) -> None:
        """Print an answer."""
        self.console.print(text, markup=False)

    async def fetch(self, request: dict[str, Any]) -> AsyncIterator[bytes]:
        """Read a file of this machine."""
        yield await asyncio.to_thread(Path(request["path"]).read_bytes)


async def answer_questions(app: App, surface: TerminalSurface, person: Person) -> None:
    """Give every line that is typed to the question shown last, until cancelled.

    Raises: EOFError: a question is open and nobody is at the keyboard.
    """
    while True:
        await surface.asked.wait()
        asked = surface.question
        prompt = PROMPT_WITH_NUMBERS if asked is not None and asked.taken else PROMPT
        words = await typed(surface.console, prompt)
        question = surface.question
        if question is None:
            surface.console.print("No question is open right now.")
        elif words.strip():
            number = _number(words) if question.taken else None
            if number is not None:
                reaction = await _toggle(app, surface, question, person, number)
            else:
                reaction = await app.commands.reply(question.approval_id, person, words)
                if reaction.effect is Effect.DECIDED:
                    surface.settle(question)
            if reaction.text:
                surface.console.print(reaction.text, markup=False)


async def _toggle(
    app: App, surface: TerminalSurface, question: Question, person: Person, number: int
) -> Reaction:
    """Drop an edit that is taken, or take one that was dropped, as it was shown last."""
    known = number in range(1, len(question.taken) + 1)
    taken = not (known and question.taken[number - 1])
    reaction = await app.commands.toggle(
        question.approval_id, question.shown_sha256, person, number, taken=taken
    )
    if reaction.effect is Effect.DECIDED:
        before, after = question.taken[: number - 1], question.taken[number:]
        surface.question = replace(question, taken=(*before, taken, *after))
    return reaction


def _number(words: str) -> int | None:
    """Return the number that somebody types; None where they say something else."""
    digits = words.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 4 else None


async def typed(console: Console, prompt: str) -> str:
    """Return the next line from the keyboard. Waiting for it can be cancelled and holds no exit up.

    Raises: EOFError: there will be none.
    """
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()

    def settle(text: str | None) -> None:
        if not line.done():
            line.set_exception(EOFError()) if text is None else line.set_result(text)

    def read() -> None:
        try:
            text = console.input(prompt)
        except EOFError:
            text = None
        with suppress(RuntimeError):  # the loop has ended meanwhile: nobody waits for the line
            loop.call_soon_threadsafe(settle, text)

    # a daemon: the interpreter does not wait for a line that nobody will type
    threading.Thread(target=read, name="keyboard", daemon=True).start()
    return await line


def console() -> Console:
    """Return a console for the thread: as wide as the screen, 100 columns where there is none."""
    return Console(width=None if sys.stdout.isatty() else 100)


def _panel(card: Card, parcel: Parcel) -> Panel:
    parts: list[RenderableType] = [_markdown(card.body)] if card.body else []
    if card.fields:
        table = Table.grid(padding=(0, 2))
        for field in card.fields:
            table.add_row(Markdown(f"*{field.name}*"), Markdown(field.value))
        parts.append(table)
    parts.extend(Text(describe(chart), style="italic") for chart in card.charts)
    if parcel.files:
        parts.append(Markdown("*attached: " + ", ".join(file.name for file in parcel.files) + "*"))
    return Panel(
        Group(*parts),
        title=card.title,
        title_align="left",
        subtitle=card.footer,
        subtitle_align="right",
        border_style=BORDERS[card.tone],
    )


def _markdown(text: str) -> Markdown:
    """Chat keeps every line break, Markdown folds them: two spaces at the end of a line keep one."""
    lines, fenced = [], False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        lines.append(line if fenced or line.startswith("```") else line + "  ")
    return Markdown("\n".join(lines))


def _chosen(card: Card) -> list[str]:
    """Return the lines that say which edits are taken."""
    return [line for line in card.body.splitlines() if line.startswith(MARKS)]


def _one_line(body: str) -> str:
    return " · ".join(
        line.replace("`", "").replace("\\", "") for line in body.splitlines() if line.strip()
    )
