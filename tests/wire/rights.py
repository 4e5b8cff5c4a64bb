"""Permissions: names, the computation from roles and overwrites, and the refusals 50001 and 50013."""

from tests.wire.errors import ApiError
from tests.wire.model import Channel, Guild, World

BITS = {
    "administrator": 1 << 3,
    "manage_channels": 1 << 4,
    "add_reactions": 1 << 6,
    "view_channel": 1 << 10,
    "send_messages": 1 << 11,
    "manage_messages": 1 << 13,
    "embed_links": 1 << 14,
    "attach_files": 1 << 15,
    "read_message_history": 1 << 16,
    "mention_everyone": 1 << 17,
    "use_application_commands": 1 << 31,
    "manage_threads": 1 << 34,
    "create_public_threads": 1 << 35,
    "create_private_threads": 1 << 36,
    "send_messages_in_threads": 1 << 38,
    "pin_messages": 1 << 51,
}

ALL = (1 << 52) - 1

INVITED = 309237763136
"""What the invite link asks for: see, send (also in threads), threads, embeds, files, history, reactions."""

EVERYONE = sum(
    BITS[name]
    for name in (
        "view_channel",
        "send_messages",
        "send_messages_in_threads",
        "embed_links",
        "attach_files",
        "read_message_history",
        "add_reactions",
        "use_application_commands",
        "create_public_threads",
    )
)


def bits(*names: str) -> int:
    total = 0
    for name in names:
        total |= BITS[name]
    return total


def granted(world: World, channel: Channel, user_id: int) -> int:
    """The permission bits of a user in a channel; a thread has those of its parent."""
    if channel.guild_id is None:
        return ALL if user_id in (*channel.recipient_ids, world.bot_id) else 0
    guild = world.guilds[channel.guild_id]
    if user_id not in guild.members:
        return 0
    home = channel
    if channel.thread is not None:
        # A deleted parent takes its threads along, so the parent is always there.
        home = world.channels[channel.thread.parent_id]
    return _in_guild_channel(guild, home, user_id)


def _in_guild_channel(guild: Guild, channel: Channel, user_id: int) -> int:
    role_ids = [guild.id, *guild.members[user_id].role_ids]
    base = 0
    for role_id in role_ids:
        base |= guild.roles[role_id].permissions
    if guild.owner_id == user_id or base & BITS["administrator"]:
        return ALL
    allow_everyone, deny_everyone = channel.overwrites.get(guild.id, (0, 0))
    base = (base & ~deny_everyone) | allow_everyone
    allow = deny = 0
    for role_id in role_ids[1:]:
        role_allow, role_deny = channel.overwrites.get(role_id, (0, 0))
        allow, deny = allow | role_allow, deny | role_deny
    base = (base & ~deny) | allow
    allow_me, deny_me = channel.overwrites.get(user_id, (0, 0))
    base = (base & ~deny_me) | allow_me
    return base if base & BITS["view_channel"] else 0


def may(world: World, channel: Channel, user_id: int, *names: str) -> bool:
    wanted = bits(*names)
    return granted(world, channel, user_id) & wanted == wanted


def require(world: World, channel: Channel, user_id: int, *names: str) -> None:
    """Raises: ApiError: 50001 when the channel is invisible, 50013 when a right is missing."""
    if not may(world, channel, user_id, "view_channel"):
        raise ApiError(50001)
    if not may(world, channel, user_id, *names):
        raise ApiError(50013)


def require_send(world: World, channel: Channel, user_id: int, *names: str) -> None:
    """As `require`, with the right to send here: in threads it is one of its own."""
    send = "send_messages_in_threads" if channel.thread else "send_messages"
    require(world, channel, user_id, send, *names)
