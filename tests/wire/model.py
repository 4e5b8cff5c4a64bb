"""The world behind the wire: guilds, people, channels, threads, messages, interactions.

Plain mutable dataclasses; ids are ints here and strings only in JSON (render.py). A test holds on to a
`Message` or `Channel` and sees later edits in it.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.wire.errors import ApiError

Json = dict[str, Any]

DISCORD_EPOCH_MS = 1420070400000

TEXT, DM, FORUM, PUBLIC_THREAD, PRIVATE_THREAD = 0, 1, 15, 11, 12

# Message types
DEFAULT, PIN_NOTICE, THREAD_NOTICE, REPLY, COMMAND_REPLY, STARTER, MENU_REPLY = (
    0,
    6,
    18,
    19,
    20,
    21,
    23,
)

# Message flags
SUPPRESS_EMBEDS, HAS_THREAD, EPHEMERAL, LOADING = 1 << 2, 1 << 5, 1 << 6, 1 << 7
SILENT, COMPONENTS_V2 = 1 << 12, 1 << 15

# Interaction types
COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 2, 3, 4, 5


@dataclass
class User:
    id: int
    name: str
    bot: bool = False
    locale: str = "en-US"
    accepts_dms: bool = True


@dataclass
class Role:
    id: int
    name: str
    permissions: int
    position: int
    mentionable: bool = False
    managed: bool = False


@dataclass
class Member:
    user_id: int
    role_ids: list[int]
    joined_at: datetime
    nick: str | None = None


@dataclass
class Guild:
    id: int
    name: str
    owner_id: int
    roles: dict[int, Role] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    premium_tier: int = 0
    active_threads_max: int = 1000
    available: bool = True

    @property
    def upload_limit_bytes(self) -> int:
        return {2: 50, 3: 100}.get(self.premium_tier, 10) * 1024 * 1024


@dataclass
class Thread:
    """What a channel has in addition when it is a thread."""

    parent_id: int
    owner_id: int
    created_at: datetime
    archived_at: datetime
    archived: bool = False
    locked: bool = False
    auto_archive_min: int = 4320
    members: dict[int, datetime] = field(default_factory=dict)
    tag_ids: list[int] = field(default_factory=list)
    sent: int = 0


@dataclass
class Channel:
    id: int
    type: int
    name: str
    guild_id: int | None
    position: int = 0
    topic: str | None = None
    slowmode_s: int = 0
    overwrites: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Role or user id -> (allow, deny)."""
    recipient_ids: list[int] = field(default_factory=list)
    pins: dict[int, datetime] = field(default_factory=dict)
    tags: list[Json] = field(default_factory=list)
    thread: Thread | None = None
    last_message_id: int | None = None


@dataclass
class Attachment:
    id: int
    channel_id: int
    filename: str
    data: bytes
    description: str | None = None
    ephemeral: bool = False

    @property
    def size(self) -> int:
        return len(self.data)


@dataclass
class Reaction:
    """Who reacted with one emoji: `normal` and `burst` (super) are kept apart, as Discord does."""

    emoji: str
    normal: list[int] = field(default_factory=list)
    burst: list[int] = field(default_factory=list)

    def users(self, burst: bool) -> list[int]:
        return self.burst if burst else self.normal


@dataclass(frozen=True)
class Revision:
    """What a message said until `until`, when it was edited."""

    until: datetime
    content: str
    embeds: list[Json]
    components: list[Json]


@dataclass
class Message:
    id: int
    channel_id: int
    author_id: int
    created_at: datetime
    type: int = DEFAULT
    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    reactions: dict[str, Reaction] = field(default_factory=dict)
    flags: int = 0
    nonce: str | int | None = None
    tts: bool = False
    edited_at: datetime | None = None
    reference: tuple[int, int | None] | None = None
    """(channel id, message id) of what this answers or starts from; a thread notice names no message."""
    allowed_mentions: Json | None = None
    mention_ids: list[int] = field(default_factory=list)
    mention_role_ids: list[int] = field(default_factory=list)
    mention_everyone: bool = False
    interaction_id: int | None = None
    seen_by: int | None = None
    """The only person who sees it, for an ephemeral message."""
    revisions: list[Revision] = field(default_factory=list)
    """What it said before each edit, oldest first."""
    deleted: bool = False

    @property
    def ephemeral(self) -> bool:
        return bool(self.flags & EPHEMERAL)

    @property
    def loading(self) -> bool:
        return bool(self.flags & LOADING)


@dataclass
class Interaction:
    id: int
    token: str
    type: int
    user_id: int
    channel_id: int
    created_at_s: float
    """On the server's clock."""
    created_mono_s: float
    """Monotonic: latencies and the 3 s limit are never moved by `World.advance`."""
    name: str = ""
    reply_type: int = REPLY
    """The type of the message that answers it: to a command, a menu command, or a component."""
    message_id: int | None = None
    """The message whose component was used."""
    from_modal_of: int | None = None
    """The interaction that was answered with the modal submitted here."""
    ack_type: int | None = None
    ack_latency_s: float | None = None
    original_id: int | None = None
    followup_ids: list[int] = field(default_factory=list)
    modal: Json | None = None
    choices: list[Json] | None = None


@dataclass(frozen=True)
class Ping:
    """One message that notified somebody: what `mentions` and `allowed_mentions` left over."""

    message_id: int
    channel_id: int
    author_id: int
    user_ids: tuple[int, ...]
    role_ids: tuple[int, ...]
    everyone: bool
    silent: bool


@dataclass(frozen=True)
class Event:
    """One gateway event before it is fitted to a session's intents."""

    name: str
    data: Json
    intent: int = 0
    message: Message | None = None


class World:
    """All state, the clock, the ids, and the two ways out: `emit` (gateway) and `changed` (tests)."""

    def __init__(self) -> None:
        self.users: dict[int, User] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.deleted_channels: dict[int, Channel] = {}
        self.messages: dict[int, dict[int, Message]] = {}
        self.attachments: dict[int, Attachment] = {}
        self.interactions: dict[int, Interaction] = {}
        self.commands: dict[int | None, list[Json]] = {None: []}
        """Registered commands by guild id; None holds the global ones."""
        self.nonces: dict[tuple[int, str], tuple[int, int, float]] = {}
        """(author, nonce) -> (channel, message, when)."""
        self.pings: list[Ping] = []
        self.violations: list[str] = []
        self.typing: list[tuple[int, int]] = []
        """(channel, user) of every typing notice."""
        self.base_url = ""
        """Where files are served: `http://127.0.0.1:PORT`, known once the server listens."""
        self.bot_id = 0
        self.application_id = 0
        self.privileged_intents = 0
        """What the app's owner has switched on in the portal."""
        self.identifies_left = 1000
        self.nonce_window_s = 300.0
        self.ack_within_s = 3.0
        self.token_lifetime_s = 900.0
        self.listeners: list[Callable[[Event], None]] = []
        self._offset_s = 0.0
        self._last_id = 0
        self._changed = asyncio.Event()

    # --- time and ids

    def now_s(self) -> float:
        return time.time() + self._offset_s

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_s(), UTC)

    def advance(self, seconds: float) -> None:
        """Move the server's clock: link, token and nonce lifetimes follow; the 3 s limit does not."""
        self._offset_s += seconds
        self.touch()

    def snowflake(self) -> int:
        made = int(self.now_s() * 1000 - DISCORD_EPOCH_MS) << 22
        self._last_id = max(made, self._last_id + 1)
        return self._last_id

    # --- ways out

    def emit(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)
        self.touch()

    def touch(self) -> None:
        """Wake everyone who waits for a change."""
        waiters, self._changed = self._changed, asyncio.Event()
        waiters.set()

    @property
    def changed(self) -> asyncio.Event:
        """Set at the next change; take it before looking, so that no change is missed."""
        return self._changed

    def violation(self, text: str) -> None:
        """Write down something that Discord or its documentation would not accept."""
        self.violations.append(text)
        self.touch()

    # --- lookups that answer as Discord does

    @property
    def bot(self) -> User:
        return self.users[self.bot_id]

    def channel(self, channel_id: int) -> Channel:
        """Raises: ApiError: 10003 when it does not exist (any more)."""
        if channel_id not in self.channels:
            raise ApiError(10003)
        return self.channels[channel_id]

    def guild(self, guild_id: int) -> Guild:
        """Raises: ApiError: 10004 when unknown or the bot is not in it."""
        guild = self.guilds.get(guild_id)
        if guild is None or self.bot_id not in guild.members:
            raise ApiError(10004)
        return guild

    def message(self, channel_id: int, message_id: int) -> Message:
        """Raises: ApiError: 10003 for the channel, 10008 for the message, also when deleted."""
        self.channel(channel_id)
        message = self.messages.get(channel_id, {}).get(message_id)
        if message is None or message.deleted:
            raise ApiError(10008)
        return message

    def thread_of(self, place: Channel) -> Thread:
        """Raises: ApiError: 50024 when the channel is not a thread."""
        if place.thread is None:
            raise ApiError(50024)
        return place.thread

    def find_message(self, message_id: int) -> Message | None:
        for held in self.messages.values():
            if message_id in held:
                return held[message_id]
        return None

    def history(self, channel_id: int) -> list[Message]:
        """What stands in a channel, oldest first; ephemeral and deleted messages do not."""
        held = self.messages.get(channel_id, {})
        return [held[key] for key in sorted(held) if not (held[key].deleted or held[key].ephemeral)]

    def threads(self, guild_id: int) -> Iterator[Channel]:
        return (c for c in self.channels.values() if c.thread and c.guild_id == guild_id)
