"""Gateway intents, and emitting an event to a channel that the bot may or may not see."""

from tests.wire import rights
from tests.wire.model import Channel, Event, Json, Message, World

GUILDS = 1 << 0
GUILD_MEMBERS = 1 << 1
GUILD_PRESENCES = 1 << 8
GUILD_MESSAGES = 1 << 9
GUILD_REACTIONS = 1 << 10
DIRECT_MESSAGES = 1 << 12
DIRECT_REACTIONS = 1 << 13
MESSAGE_CONTENT = 1 << 15

PRIVILEGED = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT
KNOWN = (1 << 26) - 1

_DIRECT = {GUILD_MESSAGES: DIRECT_MESSAGES, GUILD_REACTIONS: DIRECT_REACTIONS}


def emit(
    world: World, place: Channel, name: str, data: Json, intent: int, message: Message | None = None
) -> None:
    """Send an event about a channel, if the bot can see that channel.

    Args:
        intent: the guild's intent; in a direct message its twin is asked for instead.
        message: whose content is hidden from sessions without the message content intent.
    """
    direct = place.guild_id is None or (message is not None and message.ephemeral)
    if direct:
        intent = _DIRECT.get(intent, intent)
    elif not rights.may(world, place, world.bot_id, "view_channel"):
        world.touch()
        return
    world.emit(Event(name, data, intent, message))
