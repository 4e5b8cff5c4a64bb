"""Answers to questions that stand in Discord messages: which question a message asks, and what an answer does.

A message is known by its `Delivery` row. A reaction can be quicker than that row, or the row can be lost in a crash:
then the message itself says which event it shows, in the marker at the end of its footer, if we wrote it.
"""

import logging
import re
from dataclasses import dataclass

import discord
from sqlmodel import Session

from agents import feedback
from bot.answering import Effect, Reaction
from bot.app import App
from bot.discord.people import NAME, number_of
from bot.discord.sending import Sentence, insist, say
from bot.surface import Person
from storage import approvals, events
from storage.models import Approval, Decision, Event

log = logging.getLogger(__name__)

MARKER = re.compile(r"run #(\d+) · message (\d+)$")
"""What `bot.scenes.marker` makes."""


@dataclass(frozen=True)
class Spot:
    """Where an answer was given, and where its giver is told what became of it."""

    channel_id: int
    message_id: int
    """Of the question, or of the reply."""
    is_reply: bool = False


@dataclass(frozen=True)
class Answer:
    """What somebody said to a question."""

    person: Person
    decision: Decision
    words: str | None = None


@dataclass(frozen=True)
class Gates:
    """Open and closed questions, as messages."""

    client: discord.Client
    app: App

    async def asked_by(
        self, channel_id: int, message_id: int, message: discord.Message | None = None
    ) -> Approval | None:
        """Return the question that a message of ours asks, or asked; None for any other message."""
        event = await self.shown_by(channel_id, message_id, message)
        return None if event is None else await self.app.services.db.read(_asked_in, event)

    async def shown_by(
        self, channel_id: int, message_id: int, message: discord.Message | None = None
    ) -> Event | None:
        """Return what a message of ours shows; None for any other message."""
        event = await self.app.services.db.read(_of_message, str(message_id))
        if event is not None:
            return event
        if message is not None:
            return await self._shown_in(message)
        channel = self.client.get_partial_messageable(channel_id)
        try:
            message = await insist(lambda: channel.fetch_message(message_id))
        except (discord.NotFound, discord.Forbidden):
            return None
        return await self._shown_in(message)

    async def _shown_in(self, message: discord.Message) -> Event | None:
        """Return what a message of ours shows, by the message itself."""
        me = self.client.user
        if me is None or message.author.id != me.id:
            return None
        footers = [embed.footer.text or "" for embed in message.embeds] or [message.content]
        found = MARKER.search(footers[0])
        if found is None:
            return None
        run_id, event_id = (int(number) for number in found.groups())
        return await self.app.services.db.read(_of_event, run_id, event_id)

    async def decide(
        self, approval: Approval, person: Person, decision: Decision, spot: Spot
    ) -> Reaction:
        """Answer with ✅ or ❌, and tell the person what the message itself will not show."""
        assert approval.id is not None
        reaction = await self.app.commands.decide(
            approval.id, approval.shown_sha256, person, decision
        )
        if not await self._counted(reaction, approval.id, Answer(person, decision)):
            await self._tell(reaction, approval.id, person, spot)
        return reaction

    async def toggle(
        self, approval: Approval, person: Person, number: int, spot: Spot, *, taken: bool
    ) -> None:
        """Take or drop an edit of the change that a question is about, and tell the person where that does not count."""
        assert approval.id is not None
        reaction = await self.app.commands.toggle(
            approval.id, approval.shown_sha256, person, number, taken=taken
        )
        if reaction.effect is not Effect.DECIDED:
            await self._tell(reaction, approval.id, person, spot)

    async def reply(self, approval: Approval, person: Person, words: str, spot: Spot) -> Reaction:
        """Answer in words, and tell the person what became of it where nothing else shows it."""
        assert approval.id is not None
        reaction = await self.app.commands.reply(approval.id, person, words)
        answer = Answer(person, feedback.verdict_word(words) or Decision.REVISE, words)
        if not await self._counted(reaction, approval.id, answer):
            await self._tell(reaction, approval.id, person, spot)
        return reaction

    async def _counted(self, reaction: Reaction, approval_id: int, answer: Answer) -> bool:
        """Tell whether an answer counts: now, or before, when it came "too late" only because it was seen twice."""
        if reaction.effect is not Effect.TOO_LATE:
            return reaction.effect is Effect.DECIDED
        approval = await self.app.services.db.read(approvals.get, approval_id)
        if approval is None or approval.decided_by != answer.person.id:
            return False
        if approval.decision is not Decision.REVISE or answer.decision is not Decision.REVISE:
            return approval.decision is answer.decision
        return (answer.words or "").strip().startswith(approval.comment or "")

    async def _tell(self, reaction: Reaction, approval_id: int, person: Person, spot: Spot) -> None:
        """Say in the thread what became of an answer; each person hears each thing about a question once."""
        if reaction.text is None:
            return
        key = f"{reaction.effect}:{approval_id}:{person.id}"
        sentence = Sentence(
            text=reaction.text,
            key=f"{key}:{spot.message_id}" if spot.is_reply else key,
            to=number_of(person.id),
            reply_to=spot.message_id if spot.is_reply else None,
            since=spot.message_id,
        )
        await say(self.client, spot.channel_id, sentence)


def _of_message(session: Session, message_id: str) -> Event | None:
    found = events.by_message(session, NAME, message_id)
    return None if found is None else found[0]


def _of_event(session: Session, run_id: int, event_id: int) -> Event | None:
    event = session.get(Event, event_id)
    return None if event is None or event.run_id != run_id else event


def _asked_in(session: Session, event: Event) -> Approval | None:
    approval_id = event.payload.get("approval_id")
    return None if approval_id is None else approvals.get(session, approval_id)
