"""What people did while nobody listened: read over REST whenever a session begins.

Discord replays events only to a session that it still knows. After a restart, or when a session was lost, reactions and
messages are read instead. Reading something twice does no harm: a question has one answer, a message is handled once.
Replies are heard before reactions, and a ❌ before a ✅: words say more than signs, and nothing is spent against a no.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

import aiohttp
import discord
from sqlmodel import Session, col, select

from bot.discord import numbers
from bot.discord.ballots import choice_of
from bot.discord.gates import Spot
from bot.discord.host import Host
from bot.discord.messages import Messages
from bot.discord.people import NAME, fetch_person, known_channel, number_of, place_of
from bot.discord.reactions import people_behind
from bot.discord.sending import history, insist, translated
from bot.surface import DECISIONS, MessageGone, PlaceGone
from storage import approvals, blind, events, inbox, runs
from storage.models import Approval, Ballot, Choice, Cursor, Delivery, Event, Run

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Places and questions that are read side by side."""
MESSAGES_READ = 2000
"""Of one place, at most."""
BALLOTS_READ = 25
"""The newest ones whose votes are read."""
MARGIN_S = 120.0
"""Messages younger than the newest one seen by less than this may still be under way; they are read again."""
NOTED_EVERY_S = 30.0
AGAIN_AFTER_S = 2.0
LONGEST_WAIT_S = 60.0
UNANSWERED = (discord.DiscordException, aiohttp.ClientError, OSError)
"""Discord's troubles, which pass; others are ours and stay."""
_SNOWFLAKES_PER_S = 1000 << 22


@dataclass(frozen=True)
class Asked:
    """An open question and the message that asks it."""

    approval: Approval
    delivery: Delivery
    run: Run


@dataclass
class CatchUp:
    """Reads what was missed, and remembers how far reading and hearing have got."""

    host: Host
    messages: Messages
    _newest: int = 0
    _noted: int = 0
    _gaps: int = 0
    """Times the connection was lost."""
    _whole: bool = False
    """Everything up to `_newest` has been heard or read."""
    _was_whole: bool = False
    """It was so before the connection was lost."""
    _due: bool = False
    """It will be read again in a moment."""
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    def heard(self, message_id: int) -> None:
        """A message came live."""
        self._newest = max(self._newest, message_id)

    def interrupted(self) -> None:
        """The connection is gone: from here on something may be missing."""
        self._was_whole = self._was_whole or self._whole
        self._whole = False
        self._gaps += 1

    def resumed(self) -> None:
        """Discord has replayed everything that was missing."""
        self._whole = self._was_whole

    async def read(self) -> None:
        """Read what was missed since the last session and act on it."""
        async with self._one_at_a_time:
            gaps, self._whole, self._was_whole = self._gaps, False, False
            await _until_answered(self._read_all)
            self._whole = gaps == self._gaps
            await self.note()

    def read_again(self) -> None:
        """Read it soon, once for all who ask in the meantime: something that was heard could not be dealt with."""
        self.interrupted()
        if not self._due:
            self._due = True
            self.host.soon(self._read_soon(), "reading again")

    async def _read_soon(self) -> None:
        await asyncio.sleep(AGAIN_AFTER_S)
        self._due = False
        await self.read()

    async def read_below(self, message: discord.Message, approval: Approval) -> None:
        """Count the answers below a question that was found again after a crash, after the words said meanwhile."""
        async with self._one_at_a_time:

            async def count() -> bool:
                return all(await _side_by_side([self._count(message, approval)]))

            await _until_answered(count)

    async def note(self) -> None:
        """Note how far we have heard, so that a later start knows from where to read."""
        if not self._whole:
            return
        newest = self._newest or discord.utils.time_snowflake(self.host.app.services.clock.now())
        if newest > self._noted:
            await self.host.app.services.db.write(inbox.advance_cursor, NAME, str(newest))
            self._noted = newest

    async def keep_noting(self) -> None:
        """Note it now and then, until cancelled."""
        while True:
            await asyncio.sleep(NOTED_EVERY_S)
            await self.note()

    async def _count(self, message: discord.Message, approval: Approval) -> None:
        """Count the numbers below a question, then its ✅ and ❌, of both kinds: what is approved is what was left."""
        await numbers.count(self.host, message, approval)
        run = await self.host.app.services.db.read(runs.get, approval.run_id)
        given = {str(reaction.emoji): reaction for reaction in message.reactions}
        for emoji in reversed(DECISIONS):
            reaction = given.get(emoji)
            if reaction is None or run.guild is None:
                continue
            for user_id in await people_behind(reaction):
                person = await fetch_person(self.host, int(run.guild), user_id)
                if person is not None:
                    spot = Spot(message.channel.id, message.id)
                    await self.host.gates.decide(approval, person, DECISIONS[emoji], spot)

    async def _read_all(self) -> bool:
        """Read everything once; False when Discord kept something from us that should be tried again."""
        after = await self.host.app.services.db.read(_since, NAME)
        places = await self._places(after)
        heard = await _side_by_side(self._read_place(p, since) for p, since in places.items())
        unheard = {place_of(place) for place, ok in zip(places, heard, strict=True) if not ok}
        asked = await self.host.app.services.db.read(_open_questions)
        due = [question for question in asked if question.delivery.place not in unheard]
        counted = await _side_by_side(self._read_reactions(question) for question in due)
        ballots_shown = await self.host.app.services.db.read(blind.shown, NAME, BALLOTS_READ)
        voted = await _side_by_side(self._read_votes(*shown) for shown in ballots_shown)
        await self.host.app.desk.work_off()
        log.info("caught up: %d places, %d open questions", len(places), len(asked))
        return all([*heard, *counted, *voted])

    # --- messages

    async def _places(self, after: int | None) -> dict[int, int]:
        """Return the channels and threads in which something may have been written, and since when.

        A place that a run is told about in is read in any case; others where Discord says that there is news.
        """
        found: dict[int, int] = {}
        for guild in self.host.guilds:
            readable: list[discord.TextChannel | discord.Thread]
            readable = [*guild.text_channels, *guild.threads]
            for channel in readable:
                newest = channel.last_message_id
                if after is not None and newest is not None and newest > after:
                    found[channel.id] = after
        for place in await self.host.app.services.db.read(_places_of_runs):
            number = number_of(place)
            found.setdefault(number, max(after or 0, number))
        noted = await self.host.app.services.db.read(_cursors)
        return {
            number: max(since, noted.get(place_of(number), 0)) for number, since in found.items()
        }

    async def _read_place(self, channel_id: int, since: int) -> None:
        last, count = since, 0
        try:
            with translated():
                channel = await insist(lambda: known_channel(self.host, channel_id))
                if not isinstance(channel, discord.abc.Messageable):
                    return
                async for message in history(channel, after=since, limit=MESSAGES_READ):
                    last, count = message.id, count + 1
                    await self._hear(message)
        except (PlaceGone, MessageGone) as error:
            log.info("%s is not read: %s", place_of(channel_id), error)
            return
        if count >= MESSAGES_READ:
            log.warning("%s: only the first %d messages were read", place_of(channel_id), count)
        if last > since:
            self._newest = max(self._newest, last)
            await self.host.app.services.db.write(
                inbox.advance_cursor, place_of(channel_id), str(last)
            )

    async def _hear(self, message: discord.Message) -> None:
        """Hear a message; one that we cannot deal with does not keep those after it from being heard."""
        try:
            await self.messages.hear(message, live=False)
        except UNANSWERED:
            raise
        except Exception:
            log.exception("message %d could not be dealt with", message.id)

    # --- reactions

    async def _read_reactions(self, asked: Asked) -> None:
        assert asked.delivery.place is not None
        channel_id, message_id = (
            number_of(asked.delivery.place),
            int(asked.delivery.message_id or 0),
        )
        channel = self.host.get_partial_messageable(channel_id)
        try:
            with translated():
                message = await insist(lambda: channel.fetch_message(message_id))
        except MessageGone:
            assert asked.delivery.id is not None
            await self.host.app.services.db.write(events.forget_delivery, asked.delivery.id)
        except PlaceGone:
            await self.host.app.services.db.write(
                events.move_to, asked.approval.run_id, asked.run.home
            )
        else:
            await self._count(message, asked.approval)

    async def _read_votes(self, ballot: Ballot, run: Run, delivery: Delivery) -> None:
        """Count the votes below a ballot, of people who have not voted there and want one thing only."""
        assert delivery.place is not None
        assert ballot.id is not None
        channel_id, message_id = number_of(delivery.place), int(delivery.message_id or 0)
        channel = self.host.get_partial_messageable(channel_id)
        try:
            with translated():
                message = await insist(lambda: channel.fetch_message(message_id))
        except (MessageGone, PlaceGone) as error:
            log.info("the votes of message %d are not read: %s", message_id, error)
            return
        wanted: dict[int, list[Choice]] = {}
        for reaction in message.reactions:
            if (choice := choice_of(str(reaction.emoji))) is not None:
                for user_id in await people_behind(reaction):
                    wanted.setdefault(user_id, []).append(choice)
        spot = Spot(channel_id, message_id)
        for user_id, choices in wanted.items():
            if len(choices) > 1 or run.guild is None:
                continue  # which of them was the last word cannot be told
            person = await fetch_person(self.host, int(run.guild), user_id)
            if person is not None:
                await self.host.ballots.vote(ballot.id, person, choices[0], spot, only_first=True)


async def _until_answered(part: Callable[[], Awaitable[bool]]) -> None:
    """Do something again, ever more patiently, until Discord has answered all of it."""
    wait_s = 1.0
    while not await part():
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


async def _side_by_side(work: Iterable[Awaitable[None]]) -> list[bool]:
    """Do all of it, a few at once, and tell for each part whether Discord has answered. None holds another up."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(part: Awaitable[None]) -> bool:
        async with free:
            try:
                await part
            except UNANSWERED as error:
                log.warning("part of a catch-up is tried again: %s", error)
                return False
            except Exception:
                log.exception("part of a catch-up failed")
            return True

    return list(await asyncio.gather(*(one(part) for part in work)))


def _since(session: Session, name: str) -> int | None:
    """Return up to where everything was heard, with a margin for what was under way."""
    noted = inbox.cursor(session, name)
    return None if noted is None else int(noted) - int(MARGIN_S * _SNOWFLAKES_PER_S)


def _cursors(session: Session) -> dict[str, int]:
    rows = session.exec(select(Cursor).where(col(Cursor.place).startswith(f"{NAME}:")))
    return {row.place: int(row.message_id) for row in rows}


def _places_of_runs(session: Session) -> set[str]:
    places = {place for run in runs.open_runs(session) for place in (run.home, run.thread)}
    return {place for place in places if place is not None and place.startswith(f"{NAME}:")}


def _open_questions(session: Session) -> list[Asked]:
    """Return the open questions that were sent, oldest first; those not sent yet will be found when they are."""
    found = []
    for approval in approvals.all_open(session):
        run = runs.get(session, approval.run_id)
        for event in events.of_run(session, approval.run_id):
            if event.payload.get("approval_id") == approval.id:
                found += _as_asked(session, approval, run, event)
    return found


def _as_asked(session: Session, approval: Approval, run: Run, event: Event) -> list[Asked]:
    assert event.id is not None
    delivery = events.delivery_of(session, event.id, NAME)
    if delivery is None or delivery.message_id is None or delivery.place is None:
        return []
    return [Asked(approval, delivery, run)]
