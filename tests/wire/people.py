"""People: what a test says, uploads, presses, reacts and submits, as a person in a client would.

Every verb is a coroutine; those that ask the bot something return an `Asked`, from which a test awaits
the acknowledgement and the answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.wire import asking, bodies, chat, intents, modals, opening, render, rights, threads
from tests.wire.asking import File, Impossible
from tests.wire.model import (
    AUTOCOMPLETE,
    COMMAND,
    COMPONENT,
    DEFAULT,
    MODAL,
    REPLY,
    Channel,
    Event,
    Interaction,
    Json,
    Message,
    Role,
    User,
    World,
)
from tests.wire.routes_app import dm_with
from tests.wire.waiting import until


@dataclass(frozen=True)
class Ack:
    """The first answer to an interaction."""

    type: int
    """4 message, 5 deferred message, 6 deferred update, 7 update, 8 choices, 9 modal."""
    latency_s: float
    message: Message | None
    modal: Json | None
    choices: list[Json] | None


class Asked:
    """An interaction from its person's side."""

    def __init__(self, world: World, interaction: Interaction) -> None:
        self.interaction = interaction
        self._world = world

    @property
    def original(self) -> Message | None:
        """The original response as it is now: a live object, `.loading` until it is filled."""
        return self._world.find_message(self.interaction.original_id or 0)

    @property
    def followups(self) -> list[Message]:
        found = [self._world.find_message(key) for key in self.interaction.followup_ids]
        return [message for message in found if message is not None]

    async def ack(self, timeout_s: float = 5.0) -> Ack:
        """Wait for the acknowledgement.

        Raises: AssertionError: when none came, as when Discord says that the application did not respond.
        """
        entry = self.interaction
        await until(
            self._world,
            lambda: entry.ack_type is not None,
            timeout_s,
            f"an answer to {entry.name!r}",
        )
        assert entry.ack_type is not None
        assert entry.ack_latency_s is not None
        return Ack(entry.ack_type, entry.ack_latency_s, self.original, entry.modal, entry.choices)

    async def answer(self, timeout_s: float = 10.0) -> Message:
        """Wait for the original response with its content: after a deferral, until it is filled."""
        await self.ack(timeout_s)
        await until(
            self._world, self._filled, timeout_s, f"the answer to {self.interaction.name!r}"
        )
        assert self.original is not None
        return self.original

    def _filled(self) -> bool:
        return self.original is not None and not self.original.loading


class Person:
    """Somebody in the guild."""

    def __init__(self, world: World, user: User, home: Channel) -> None:
        self.world = world
        self.user = user
        self.home = home
        """Where they are unless a verb names a channel."""

    @property
    def id(self) -> int:
        return self.user.id

    @property
    def mention(self) -> str:
        return f"<@{self.user.id}>"

    # --- talking

    async def say(
        self,
        text: str = "",
        channel: Channel | None = None,
        *,
        files: Sequence[File] = (),
        mention_bot: bool = False,
    ) -> Message:
        """Write into a channel or thread; an archived thread opens again, unless it is locked."""
        place = channel or self.home
        self._require_send(place)
        if mention_bot:
            text = f"<@{self.world.bot_id}> {text}".strip()
        return self._post(place, text, files)

    async def reply(
        self, message: Message, text: str, *, ping: bool = True, files: Sequence[File] = ()
    ) -> Message:
        """Reply to a message; with `ping` its author is mentioned, as in a client by default."""
        place = self.world.channel(message.channel_id)
        self._require_send(place)
        allowed = {"parse": ["users", "roles", "everyone"], "replied_user": ping}
        reference = (place.id, message.id)
        return self._post(
            place, text, files, type=REPLY, reference=reference, allowed_mentions=allowed
        )

    async def start_thread(self, message: Message, name: str) -> Channel:
        """Open a thread from a message."""
        parent = self.world.channel(message.channel_id)
        if not rights.may(self.world, parent, self.id, "create_public_threads"):
            raise Impossible(f"{self.user.name} may not start threads in {parent.name!r}")
        return opening.start(self.world, parent, name, self.id, message)

    async def dm(self, text: str = "", *, files: Sequence[File] = ()) -> Message:
        """Write to the bot directly."""
        return self._post(dm_with(self.world, self.id), text, files)

    def _post(self, place: Channel, text: str, files: Sequence[File], **rest: Any) -> Message:
        stored = [bodies.store_file(self.world, place, *file) for file in files]
        draft = chat.Draft(
            author_id=self.id, content=text, files=stored, **{"type": DEFAULT} | rest
        )
        return chat.post(self.world, place, draft)

    async def edit(self, message: Message, text: str) -> Message:
        self._require_own(message)
        return chat.edit(self.world, message, {"content": text})

    async def delete(self, message: Message) -> None:
        """Delete one's own message, or anybody's with the right to manage messages."""
        place = self.world.channel(message.channel_id)
        if not rights.may(self.world, place, self.id, "manage_messages"):
            self._require_own(message)
        chat.delete(self.world, message)

    # --- reacting

    async def react(self, message: Message, emoji: str, *, burst: bool = False) -> None:
        """React; with `burst` as a super reaction."""
        self._require_open(message)
        place = self.world.channel(message.channel_id)
        if emoji not in message.reactions and not rights.may(
            self.world, place, self.id, "add_reactions"
        ):
            raise Impossible(f"{self.user.name} may not add reactions in {place.name!r}")
        chat.react(self.world, message, self.id, emoji, burst=burst)

    async def unreact(self, message: Message, emoji: str, *, burst: bool = False) -> None:
        self._require_open(message)
        chat.unreact(self.world, message, self.id, emoji, burst=burst)

    # --- asking

    async def slash(self, command: str, channel: Channel | None = None, **options: Any) -> Asked:
        """Use a slash command: `slash("finetune start", dataset=("a.csv", b"..."), task="...")`.

        Files are (name, bytes), users `Person.user`, channels and roles their objects.
        """
        place = channel or self.home
        name, *path = command.split()
        registered = asking.command_named(self.world, place, 1, name)
        asking.check_command_rights(self.world, registered, place, self.id)
        filled = asking.fill(self.world, place, asking.leaf(registered, path), options)
        data = filled.data(registered, path)
        reply_type = asking.reply_type(registered)
        return self._ask(COMMAND, place, data, name=command, reply_type=reply_type)

    async def autocomplete(
        self, command: str, option: str, typed: str, channel: Channel | None = None, **others: Any
    ) -> list[Json]:
        """Type into an option; returns the choices that the bot offers."""
        place = channel or self.home
        name, *path = command.split()
        registered = asking.command_named(self.world, place, 1, name)
        node = asking.leaf(registered, path)
        declared = {entry["name"]: entry for entry in node.get("options") or []}
        if not declared.get(option, {}).get("autocomplete"):
            raise Impossible(f"option {option!r} of {command!r} does not autocomplete")
        filled = asking.Filled(self.world, place)
        filled.options = [
            {"name": key, "type": declared[key]["type"], "value": value}
            for key, value in others.items()
        ]
        focused = {
            "name": option,
            "type": declared[option]["type"],
            "value": typed,
            "focused": True,
        }
        filled.options.append(focused)
        ack = await self._ask(
            AUTOCOMPLETE, place, filled.data(registered, path), name=command
        ).ack()
        return ack.choices or []

    async def context_menu(
        self, name: str, target: Message | User, channel: Channel | None = None
    ) -> Asked:
        """Use a context menu command on a message or a user."""
        place = channel or self.home
        if isinstance(target, Message):
            place = self.world.channel(target.channel_id)
        kind = 3 if isinstance(target, Message) else 2
        registered = asking.command_named(self.world, place, kind, name)
        asking.check_command_rights(self.world, registered, place, self.id)
        data = asking.menu_data(self.world, registered, place, target)
        return self._ask(COMMAND, place, data, name=name, reply_type=asking.reply_type(registered))

    async def press(self, message: Message, wanted: str) -> Asked:
        """Press a button, found by its custom id or label."""
        return self._use(message, wanted, None)

    async def choose(self, message: Message, wanted: str, *values: str) -> Asked:
        """Pick from a select menu, found by its custom id."""
        return self._use(message, wanted, list(values))

    def _use(self, message: Message, wanted: str, values: list[str] | None) -> Asked:
        if message.deleted or message.seen_by not in (None, self.id):
            raise Impossible(f"{self.user.name} does not see this message")
        node = asking.component(message, wanted)
        place = self.world.channel(message.channel_id)
        data = asking.component_data(node, values)
        return self._ask(COMPONENT, place, data, name=node["custom_id"], message_id=message.id)

    async def submit_modal(self, asked: Asked, **fields: Any) -> Asked:
        """Submit the modal that answered `asked`; fields by custom id (or `**{"A label": ...}`)."""
        ack = await asked.ack()
        if ack.modal is None:
            raise Impossible(f"{asked.interaction.name!r} was not answered with a modal")
        opener = asked.interaction
        place = self.world.channel(opener.channel_id)
        filled = asking.Filled(self.world, place)
        data = modals.submission(ack.modal, filled, fields)
        return self._ask(
            MODAL,
            place,
            data,
            name=ack.modal["custom_id"],
            message_id=opener.message_id,
            from_modal_of=opener.id,
        )

    def _ask(self, kind: int, place: Channel, data: Json, **about: Any) -> Asked:
        return Asked(self.world, asking.begin(self.world, kind, self.id, place, data, **about))

    # --- belonging

    async def give_role(self, role: Role) -> None:
        self._change_roles(lambda held: [*held, role.id])

    async def take_role(self, role: Role) -> None:
        self._change_roles(lambda held: [key for key in held if key != role.id])

    def _change_roles(self, change: Callable[[list[int]], list[int]]) -> None:
        assert self.home.guild_id is not None
        member = self.world.guilds[self.home.guild_id].members[self.id]
        member.role_ids = change(member.role_ids)
        body = {**render.member(self.world, member), "guild_id": str(self.home.guild_id)}
        self.world.emit(Event("GUILD_MEMBER_UPDATE", body, intents.GUILD_MEMBERS))

    async def leave(self) -> None:
        """Leave the guild, and its threads with it."""
        assert self.home.guild_id is not None
        guild = self.world.guilds[self.home.guild_id]
        del guild.members[self.id]
        for place in list(self.world.threads(guild.id)):
            threads.leave(self.world, place, self.id)
        body = {"guild_id": str(guild.id), "user": render.user(self.user)}
        self.world.emit(Event("GUILD_MEMBER_REMOVE", body, intents.GUILD_MEMBERS))

    # --- what a client does not offer

    def _require_send(self, place: Channel) -> None:
        self.world.channel(place.id)
        name = "send_messages_in_threads" if place.thread else "send_messages"
        if not rights.may(self.world, place, self.id, name):
            raise Impossible(f"{self.user.name} may not write in {place.name!r}")
        locked = place.thread is not None and place.thread.locked
        if locked and not rights.may(self.world, place, self.id, "manage_threads"):
            raise Impossible(f"{place.name!r} is locked")

    def _require_own(self, message: Message) -> None:
        if message.author_id != self.id:
            raise Impossible(f"message {message.id} is not {self.user.name}'s")

    def _require_open(self, message: Message) -> None:
        place = self.world.channel(message.channel_id)
        self.world.message(place.id, message.id)
        if place.thread is not None and place.thread.archived:
            raise Impossible(f"{place.name!r} is archived: reactions are off")
