"""What people write: a wish with a file, a reply to a question, or words to the bot."""

import logging
import re
from dataclasses import dataclass, field
from datetime import datetime

import discord
from sqlmodel import Session, select

from agents.services import UserError
from bot.desk import Wish
from bot.discord import attachments
from bot.discord.gates import Spot
from bot.discord.host import Host
from bot.discord.people import fetch_person, home_of, person_of, place_of
from bot.discord.sending import Sentence, insist, say
from bot.surface import Person
from configs.schema import GateKind
from storage import approvals, inbox, runs
from storage.models import Approval, Decision, Inbox, InboxState

log = logging.getLogger(__name__)

HEARD = frozenset({discord.MessageType.default, discord.MessageType.reply})
SEEN = "👀"
MESSAGE = "message"
"""Kind of the inbox rows of messages that are not wishes."""
NO_WORDS = (
    "I cannot read replies here that do not mention me. Mention me in your reply, "
    "or ask who runs this bot to switch on its message content intent."
)
NO_TASK = (
    "What should the model learn from it? Send the file again and say so in the same message, "
    "for example “classify support tickets”."
)
SHORT_HELP = (
    "Mention me in a message with a CSV, JSON, JSONL, Parquet or Excel file and a sentence about what a model should learn from it, "
    "or use `/finetune start`. `/finetune help` tells more."
)


@dataclass
class Messages:
    """Hears messages, each once, whether they come live or are read after a downtime."""

    host: Host
    _under_way: set[int] = field(default_factory=set)

    async def hear(self, message: discord.Message, *, live: bool) -> None:
        """Do what a message asks for. A message that is not for us is not looked at further."""
        if message.author.bot or message.guild is None or message.type not in HEARD:
            return
        question = await self._question_replied_to(message)
        ballot_id = await self._ballot_replied_to(message) if question is None else None
        if question is None and ballot_id is None and not self._is_for_us(message):
            return
        if message.id in self._under_way or await self._is_done(message):
            return
        self._under_way.add(message.id)
        try:
            person = await self._author(message, live=live)
            if person is not None and ballot_id is not None:
                await self._vote(message, person, ballot_id)
            elif person is not None:
                await self._act(message, person, question)
        finally:
            self._under_way.discard(message.id)

    async def _act(
        self, message: discord.Message, person: Person, question: Approval | None
    ) -> None:
        if question is None and message.attachments:
            await self._wish(message, person)
            return
        if question is None:
            question = await self._only_question(message)
        if question is None:
            await self._tell(message, SHORT_HELP)
        elif not message.content and not message.attachments:
            await self._tell(message, NO_WORDS)
        else:
            await self._reply(message, person, question)
        await self._note(message)

    async def _vote(self, message: discord.Message, person: Person, ballot_id: int) -> None:
        """Count a vote in words."""
        if message.content:
            spot = Spot(message.channel.id, message.id, is_reply=True)
            await self.host.ballots.reply(ballot_id, person, self._words(message), spot)
        else:
            await self._tell(message, NO_WORDS)
        await self._note(message)

    async def _reply(self, message: discord.Message, person: Person, question: Approval) -> None:
        """Answer a question in words; after a crash in between, the same question and not the one that came after it."""
        db, now = self.host.app.services.db, self.host.app.services.clock.now()
        bound = await db.write(_bind, _key(message), question.id, now)
        approval = await db.read(approvals.get, bound)
        if approval is not None:
            spot = Spot(message.channel.id, message.id, is_reply=True)
            await self.host.gates.reply(approval, person, self._words(message), spot)

    # --- wishes

    async def _wish(self, message: discord.Message, person: Person) -> None:
        try:
            await self.host.app.desk.take(self._as_wish(message, person))
        except UserError as error:
            await self._tell(message, str(error))
            await self._note(message)
            return
        await self._show_seen(message)
        self.host.soon(self.host.app.desk.work_off(), "carrying out a wish")

    def _as_wish(self, message: discord.Message, person: Person) -> Wish:
        """Return what a message with a file asks for.

        Raises: UserError: it does not say what the model should learn.
        """
        assert message.guild is not None
        chosen, *others = attachments.the_data_files(message.attachments)
        words = self._words(message)
        if not words:
            raise UserError(NO_TASK)
        request = attachments.request_of(chosen, message.channel.id, message.id)
        return Wish(
            key=_key(message),
            person_id=person.id,
            person_name=person.name,
            person_roles=sorted(person.roles),
            guild=str(message.guild.id),
            home=home_of(message.channel),
            goal=words,
            file_name=chosen.filename,
            size_bytes=chosen.size,
            more=attachments.further(others, message.channel.id, message.id),
            request=request | {"id": message.id, "user_id": message.author.id},
        )

    async def _show_seen(self, message: discord.Message) -> None:
        try:
            await insist(lambda: message.add_reaction(SEEN))
        except discord.HTTPException as error:
            log.info("message %d: seen, but not marked so: %s", message.id, error)

    # --- questions

    async def _question_replied_to(self, message: discord.Message) -> Approval | None:
        replied_to = self._replied_to(message)
        if replied_to is None:
            return None
        question = await self.host.gates.asked_by(message.channel.id, *replied_to)
        if question is None or question.decision is Decision.OPEN:
            return question
        follow_up = await self.host.app.services.db.read(_asked_for_words, question.run_id)
        return follow_up or question

    async def _ballot_replied_to(self, message: discord.Message) -> int | None:
        replied_to = self._replied_to(message)
        if replied_to is None:
            return None
        return await self.host.ballots.shown_by(message.channel.id, *replied_to)

    def _replied_to(self, message: discord.Message) -> tuple[int, discord.Message | None] | None:
        """Return the message that is replied to, as far as it may be one of ours: its id and, where at hand, itself."""
        reference = message.reference
        if message.type is not discord.MessageType.reply or reference is None:
            return None
        if reference.message_id is None or isinstance(
            reference.resolved, discord.DeletedReferencedMessage
        ):
            return None
        me, resolved = self.host.user, reference.resolved
        if resolved is not None and (me is None or resolved.author.id != me.id):
            return None
        return reference.message_id, resolved

    async def _only_question(self, message: discord.Message) -> Approval | None:
        """Return the one open question of the run whose thread this is, when it is addressed to us by name."""
        if not self._names_us(message):
            return None
        place = place_of(message.channel.id)
        return await self.host.app.services.db.read(_only_open, place)

    # --- reading

    def _is_for_us(self, message: discord.Message) -> bool:
        """Tell whether we are mentioned; a reply that pings us says nothing to us unless a file comes with it."""
        me = self.host.user
        pinged = me is not None and any(user.id == me.id for user in message.mentions)
        return pinged and (bool(message.attachments) or self._names_us(message))

    def _names_us(self, message: discord.Message) -> bool:
        return self._name.search(message.content) is not None

    def _words(self, message: discord.Message) -> str:
        return " ".join(self._name.sub(" ", message.content).split())

    @property
    def _name(self) -> re.Pattern[str]:
        me = self.host.user
        return re.compile(rf"<@!?{me.id if me else 0}>")

    async def _author(self, message: discord.Message, *, live: bool) -> Person | None:
        """Return who wrote it, with the roles that they have now."""
        assert message.guild is not None
        if live and isinstance(message.author, discord.Member):
            return person_of(message.author)
        return await fetch_person(self.host, message.guild.id, message.author.id)

    # --- remembering

    async def _is_done(self, message: discord.Message) -> bool:
        return await self.host.app.services.db.read(_is_done, _key(message))

    async def _note(self, message: discord.Message) -> None:
        services = self.host.app.services
        await services.db.write(_note_done, _key(message), services.clock.now())

    async def _tell(self, message: discord.Message, text: str) -> None:
        sentence = Sentence(text, _key(message), message.author.id, message.id, since=message.id)
        await say(self.host, message.channel.id, sentence)


def _key(message: discord.Message) -> str:
    return f"discord:message:{message.id}"


def _is_done(session: Session, key: str) -> bool:
    row = session.exec(select(Inbox).where(Inbox.key == key)).first()
    return row is not None and (row.kind != MESSAGE or row.state is not InboxState.RECEIVED)


def _bind(session: Session, key: str, approval_id: int | None, now: datetime) -> int:
    """Note which question a message answers, before it does; return the question noted first."""
    row, _new = inbox.receive(session, key, MESSAGE, {"approval_id": approval_id}, now)
    return int(row.payload["approval_id"])


def _note_done(session: Session, key: str, now: datetime) -> None:
    row, _new = inbox.receive(session, key, MESSAGE, {}, now)
    assert row.id is not None
    if row.state is InboxState.RECEIVED:
        inbox.finish(session, row.id, InboxState.DONE, now, outcome="")


def _only_open(session: Session, place: str) -> Approval | None:
    run = runs.in_thread(session, place)
    asked = [] if run is None or run.id is None else approvals.open_of_run(session, run.id)
    return asked[0] if len(asked) == 1 else None


def _asked_for_words(session: Session, run_id: int) -> Approval | None:
    """Return the open question what should be different: a reply to the plan that was refused answers it as well."""
    asked = approvals.open_of_run(session, run_id)
    return next((a for a in asked if a.gate == GateKind.CHANGE), None)
