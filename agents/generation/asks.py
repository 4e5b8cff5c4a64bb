"""A call of a language model as plain data, and the desk that makes calls: each once, into a journal, repaired once."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from agents.generation.form import Form, Unreadable
from agents.generation.questions import Question
from agents.jobs import RowsBackend
from agents.workflow.journal import Journal
from agents.workflow.outside import ModelError

SAID_CHARS = 4_000
"""Of a reply that is sent back to be repaired."""
ERROR_CHARS = 500
AT_ONCE = 64
"""Calls that are handed over at a time: what is known by then of failures counts for the next ones."""


@dataclass(frozen=True)
class Turn:
    """One message."""

    role: str
    """`system`, `user` or `assistant`."""
    text: str


@dataclass(frozen=True)
class Ask:
    """One call."""

    place: str
    turns: tuple[Turn, ...]
    form: Form
    model: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def plain(self) -> dict[str, Any]:
        """Return all that the reply depends on."""
        return {
            "model": self.model,
            "parameters": dict(self.parameters),
            "messages": [{"role": turn.role, "content": turn.text} for turn in self.turns],
            "schema": self.form.schema(),
        }

    @property
    def sha256(self) -> str:
        """Return the hash of that."""
        text = json.dumps(self.plain, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Said:
    """A reply, and when it came."""

    text: str
    at: str
    """UTC."""


Keep = Callable[[Ask, str], None]
"""Keeps the reply to a call; when it returns, that survives a loss of power."""


class Caller(Protocol):
    """Who makes calls: the language model itself, or curator."""

    @property
    def backend(self) -> RowsBackend:
        """Which of the back ends it is."""

    @property
    def model(self) -> str:
        """Name of the model, as its server calls it."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """How it is to write."""

    async def call(self, asks: Sequence[Ask], keep: Keep) -> None:
        """Make calls, and keep each reply as soon as it is there; one that fails is left out.

        Raises: ModelError: going on would be of no use; OutOfBudget, a ModelError, where there is no room for more.
        """


@dataclass(frozen=True)
class Answered:
    """What came of a question."""

    rows: tuple[Mapping[str, str], ...]
    prompt_sha256: str
    at: str


@dataclass
class Desk:
    """Asks questions. What a process that was killed has paid for is in the journal, and not asked again."""

    caller: Caller
    journal: Journal
    unusable: int = 0
    """Replies, or rows of replies, that could not be read after another try."""
    trouble: ModelError | None = None
    """Why nothing more is asked."""
    heard: Callable[[int], None] = lambda _rows: None
    """Called when a reply has been kept, with the rows that are in it."""

    async def answers(self, questions: Sequence[Question]) -> list[Answered | None]:
        """Return what came of each question; None where there is no usable reply. Raises nothing of a model: `trouble` says it."""
        asks = [self._ask(question) for question in questions]
        said = await self._said(asks)
        again = {
            place: self._repair(ask, reply.text, why)
            for place, (ask, reply) in enumerate(zip(asks, said, strict=True))
            if reply is not None and (why := _trouble(ask, reply.text)) is not None
        }
        mended = dict(zip(again, await self._said(list(again.values())), strict=True))
        found: list[Answered | None] = []
        for place, ask in enumerate(asks):
            last = again.get(place, ask)
            found.append(self._read(last, mended[place] if place in again else said[place]))
        return found

    def _ask(self, question: Question) -> Ask:
        turns = (Turn("system", question.instructions), Turn("user", question.data))
        return Ask(question.place, turns, question.form, self.caller.model, self.caller.parameters)

    def _repair(self, ask: Ask, said: str, why: str) -> Ask:
        wish = f"That cannot be used: {why[:ERROR_CHARS]}. Reply again, with JSON of the schema."
        more = (Turn("assistant", said[:SAID_CHARS]), Turn("user", wish))
        place = f"{ask.place}:again"
        return Ask(place, (*ask.turns, *more), ask.form, ask.model, ask.parameters)

    def _read(self, ask: Ask, said: Said | None) -> Answered | None:
        if said is None:
            self.unusable += self.trouble is None
            return None
        try:
            read = ask.form.read(said.text)
        except Unreadable:
            self.unusable += 1
            return None
        self.unusable += read.unusable
        return Answered(read.rows, ask.sha256, said.at)

    async def _said(self, asks: Sequence[Ask]) -> list[Said | None]:
        for start in range(0, len(asks), AT_ONCE):
            left = [ask for ask in asks[start : start + AT_ONCE] if self._known(ask) is None]
            if left and self.trouble is None:
                try:
                    await self.caller.call(left, self._keep)
                except ModelError as error:
                    self.trouble = error
        return [self._known(ask) for ask in asks]

    def _known(self, ask: Ask) -> Said | None:
        value = self.journal.recall(ask.place, ask.plain)
        return None if value is None else Said(value["text"], value["at"])

    def _keep(self, ask: Ask, text: str) -> None:
        self.journal.keep(ask.place, ask.plain, {"text": text, "at": now()})
        trouble = _trouble(ask, text)
        self.heard(0 if trouble else len(ask.form.read(text).rows))


def now() -> str:
    """Return the time, UTC, as it is written down."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _trouble(ask: Ask, said: str) -> str | None:
    """Return why nothing of a reply can be used; None where something can."""
    try:
        ask.form.read(said)
    except Unreadable as error:
        return str(error)
    return None
