"""What a place where people are must be able to do, and what is shown there."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from bot.charts import Chart, ChartSpec
from bot.reported import Reported
from storage.models import Choice, Decision


class Tone(StrEnum):
    """What a card is about at first sight; surfaces pick colours, never colours alone."""

    PLAIN = "plain"
    """Something to know."""
    WORKING = "working"
    """Something is under way."""
    QUESTION = "question"
    """Somebody is asked."""
    GOOD = "good"
    """It went well."""
    BAD = "bad"
    """It did not."""


@dataclass(frozen=True)
class Field:
    """A name and a value, side by side with others where there is room."""

    name: str
    value: str
    inline: bool = True


@dataclass(frozen=True)
class File:
    """Something to keep, attached to a message."""

    name: str
    source: bytes | Path
    """What is in it, or where that lies."""


@dataclass(frozen=True)
class Question:
    """An open gate: what a ✅ or ❌ on the card is bound to."""

    approval_id: int
    shown_sha256: str
    yes: str
    """What ✅ does, in two or three words."""
    no: str
    taken: tuple[bool, ...] = ()
    """Of each edit that a person may take or drop, whether it is taken; the first one is number 1."""


@dataclass(frozen=True)
class Card:
    """One message. Texts are Markdown of ours; what came from people or models is escaped in them already."""

    title: str
    body: str = ""
    fields: tuple[Field, ...] = ()
    tone: Tone = Tone.PLAIN
    footer: str = ""
    """Ends with the message's marker, by which it is found again after a crash."""
    question: Question | None = None
    ballot: int | None = None
    """Number of the ballot that can be voted on with 🅰️, 🅱️ or 🤝 below the card."""
    notify: tuple[str, ...] = ()
    """`surface:id` of the people whom a new message of this card notifies by name."""
    charts: tuple[ChartSpec, ...] = ()
    attach: str | None = None
    """SHA-256 of a file in the file store that is attached where it is small enough."""
    attach_name: str = ""
    report: str | None = None
    """Markdown of a full report, attached as a file."""
    texts: tuple[tuple[str, str], ...] = ()
    """Names and contents of further files that are attached."""
    reported: Reported | None = None
    """What further files of that report are made from when the message is sent."""
    copyable: tuple[str, ...] = ()
    """Lines of the body that a terminal repeats without a frame, to be copied."""
    loud: bool = False
    """A new message of this card may notify people."""
    final: bool = True
    """It will not change any more."""

    def sha256(self) -> str:
        """Return the hash of all that is shown: an unchanged card is not edited."""
        shown: dict[str, Any] = asdict(replace(self, reported=None))
        shown.pop("final")
        text = json.dumps(shown, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Parcel:
    """What goes along with a new message."""

    key: str
    """Stable name of the message, at most 25 characters: sent twice, it is shown once."""
    marker: str
    """End of the card's footer: how the message is recognised in a history."""
    maybe_sent: bool
    """A try before this one may have succeeded unrecorded, perhaps long ago: look before sending."""
    charts: tuple[Chart, ...] = ()
    files: tuple[File, ...] = ()


@dataclass(frozen=True)
class Person:
    """Somebody who does something."""

    id: str
    """`surface:id`."""
    name: str
    roles: frozenset[str] = frozenset()
    """Role ids at the moment of doing it."""


class CannotConnect(Exception):
    """A surface refuses us for a reason that only a person can mend; starting again would not help."""


class MessageGone(Exception):
    """The message was deleted."""


class PlaceGone(Exception):
    """The thread or channel was deleted, or we may not see it any more."""


class Surface(Protocol):
    """A place where people are. Every implementation passes tests/contracts/test_surfaces.py."""

    name: str
    """First part of every person and place of this surface: `name:id`."""
    shows_pictures: bool
    """Whether drawing a chart for it is worth the time."""
    edit_interval_s: float
    """Least time between two edits of one message that only tell of progress."""

    def attachment_limit_bytes(self, place: str) -> int:
        """Return how large a file may be that is attached to a message there; 0 where files are on this machine anyway."""

    async def post(self, place: str, card: Card, parcel: Parcel) -> str:
        """Show a new card and return the message's id. The same `parcel.key` again shows nothing new.

        Raises: PlaceGone.
        """

    async def edit(self, place: str, message_id: str, card: Card) -> None:
        """Change a shown card; chart and files stay as they are.

        Raises: MessageGone, PlaceGone.
        """

    async def open_thread(self, place: str, message_id: str, name: str) -> str:
        """Return the place under a message where a run's cards go; opening it again returns the same place.

        Raises: MessageGone, PlaceGone.
        """

    async def answer(self, request: dict[str, Any], text: str, key: str) -> None:
        """Tell the person who sent a request what became of it. The same key again says nothing twice."""

    def fetch(self, request: dict[str, Any]) -> AsyncIterator[bytes]:
        """Stream the file that came with a request.

        Raises: agents.services.UserError: it cannot be had any more.
        """


DECISIONS = {"✅": Decision.APPROVE, "❌": Decision.REJECT}
"""The exact code points that count; look-alikes do not."""

CHOICES = {"🅰️": Choice.A, "🅱️": Choice.B, "🤝": Choice.TIE}
"""What a reaction below a ballot votes for."""
ENOUGH = "🏁"
"""Ends a comparison and shows its result."""

NUMBERS = {f"{number}\ufe0f\u20e3": number for number in range(1, 10)}
"""A reaction with a number drops that edit; taking it away takes the edit again."""
