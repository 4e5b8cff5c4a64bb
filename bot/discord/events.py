"""What happens on Discord while we are there: each event, once, to the one who deals with it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

import discord
from sqlmodel import Session

from bot.discord import ballots, numbers
from bot.discord.catch_up import CatchUp
from bot.discord.gates import Spot
from bot.discord.host import Host
from bot.discord.messages import Messages
from bot.discord.people import NAME, fetch_person, person_of, place_of
from bot.surface import DECISIONS, Person
from configs.schema import GateKind
from storage import events, runs
from storage.models import FINAL, Choice

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listening:
    """Hears events; every one may come twice, late, or in another order."""

    host: Host
    messages: Messages
    catch_up: CatchUp
    _orders: WeakValueDictionary[int, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    """By message, as long as somebody waits."""

    async def to_message(self, message: discord.Message) -> None:
        """Hear what somebody wrote."""
        async with self._or_again():
            await self.messages.hear(message, live=True)
            self.catch_up.heard(message.id)

    async def to_reaction(self, payload: discord.RawReactionActionEvent) -> None:
        """Count a ✅, a ❌ or a number, normal or super, below a question; look-alikes, bots and other messages do not count."""
        async with self._or_again(), self._in_order(payload.message_id):
            await self._count(payload)

    async def to_reaction_taken_away(self, payload: discord.RawReactionActionEvent) -> None:
        """Take an edit again whose number is taken away from a question; any other reaction stays counted."""
        number, me = numbers.number_in(payload.emoji.name), self.host.user
        if number is None or me is None or payload.user_id == me.id or payload.emoji.id:
            return
        async with self._or_again(), self._in_order(payload.message_id):
            spot = Spot(payload.channel_id, payload.message_id)
            question = await self.host.gates.asked_by(spot.channel_id, spot.message_id)
            if question is not None:
                await numbers.taken_away(self.host, question, payload.user_id, number, spot)

    async def _count(self, payload: discord.RawReactionActionEvent) -> None:
        me = self.host.user
        if me is None or payload.user_id == me.id or payload.emoji.id:
            return
        if payload.message_author_id not in (None, me.id):
            return
        if (choice := ballots.choice_of(payload.emoji.name)) is not None:
            await self._count_vote(payload, choice)
            return
        decision = DECISIONS.get(payload.emoji.name)
        number = numbers.number_in(payload.emoji.name)
        if decision is None and number is None:
            return
        question = await self.host.gates.asked_by(payload.channel_id, payload.message_id)
        person = await self._reacting(payload) if question is not None else None
        if question is None or person is None:
            return
        spot = Spot(payload.channel_id, payload.message_id)
        if decision is not None:
            await self.host.gates.decide(question, person, decision, spot)
        elif number is not None and question.gate == GateKind.KEEP:
            await self.host.gates.toggle(question, person, number, spot, taken=False)

    async def _count_vote(self, payload: discord.RawReactionActionEvent, choice: Choice) -> None:
        """Count a 🅰️, 🅱️ or 🤝 below a ballot."""
        ballot_id = await self.host.ballots.shown_by(payload.channel_id, payload.message_id)
        person = await self._reacting(payload) if ballot_id is not None else None
        if ballot_id is not None and person is not None:
            spot = Spot(payload.channel_id, payload.message_id)
            await self.host.ballots.vote(ballot_id, person, choice, spot, only_first=False)

    async def to_deleted(self, message_id: int) -> None:
        """Send a card again that was deleted while it was still of use."""
        db = self.host.app.services.db
        if await db.read(events.by_message, NAME, str(message_id)) is not None:
            await db.write(events.forget_message, NAME, str(message_id))

    async def to_deleted_thread(self, thread_id: int) -> None:
        """Go on in the channel with a run whose thread was deleted."""
        await self.host.app.services.db.write(_move_home, place_of(thread_id))

    async def to_removal(self, guild_id: int) -> None:
        """End the runs of a server that has removed us; an outage is no removal."""
        log.warning("guild=%d has removed the bot; its runs end", guild_id)
        await self.host.app.commands.leave({str(guild_id)})

    async def to_removals_missed(self) -> None:
        """End the runs of servers that removed us while we were away: Discord does not name them any more."""
        still = {str(guild.id) for guild in self.host.guilds}
        open_now = await self.host.app.services.db.read(_guilds_with_runs)
        if gone := open_now - still:
            log.warning("guilds %s have removed the bot; their runs end", sorted(gone))
            await self.host.app.commands.leave(gone)

    @asynccontextmanager
    async def _or_again(self) -> AsyncIterator[None]:
        """Deal with an event; where that fails, have everything that was missed read again soon."""
        try:
            yield
        except Exception:
            log.exception("an event could not be dealt with; what it told is read again")
            self.catch_up.read_again()

    @asynccontextmanager
    async def _in_order(self, message_id: int) -> AsyncIterator[None]:
        """Deal with the reactions to a message one after the other, as they came: a ✅ is for what was left before it."""
        lock = self._orders.get(message_id)
        if lock is None:
            lock = self._orders[message_id] = asyncio.Lock()
        async with lock:
            yield

    async def _reacting(self, payload: discord.RawReactionActionEvent) -> Person | None:
        """Return who reacts, with the roles of this moment: Discord sends them along."""
        if payload.member is not None:
            return None if payload.member.bot else person_of(payload.member)
        if payload.guild_id is None:
            return None
        return await fetch_person(self.host, payload.guild_id, payload.user_id)


def _guilds_with_runs(session: Session) -> set[str]:
    """Return the servers with open runs that began on Discord."""
    found = runs.open_runs(session)
    return {run.guild for run in found if run.guild and run.home.startswith(f"{NAME}:")}


def _move_home(session: Session, thread: str) -> None:
    run = runs.in_thread(session, thread)
    if run is not None and run.id is not None and run.phase not in FINAL and run.home != thread:
        log.warning("run=%d its thread was deleted; going on in its channel", run.id)
        events.move_to(session, run.id, run.home)
