"""Starting threads: from a message, on their own, or as a post in a forum."""

from tests.wire import chat, intents, render
from tests.wire.model import (
    HAS_THREAD,
    PUBLIC_THREAD,
    STARTER,
    THREAD_NOTICE,
    Channel,
    Message,
    Thread,
    World,
)


def start(
    world: World,
    parent: Channel,
    name: str,
    owner_id: int,
    message: Message | None = None,
    auto_archive_min: int = 4320,
    kind: int = PUBLIC_THREAD,
) -> Channel:
    """Open a thread, from a message (it then has the message's id) or on its own."""
    now = world.now()
    place = Channel(
        id=message.id if message else world.snowflake(),
        type=kind,
        name=name,
        guild_id=parent.guild_id,
        thread=Thread(parent.id, owner_id, now, now, auto_archive_min=auto_archive_min),
    )
    assert place.thread is not None
    place.thread.members[owner_id] = now
    world.channels[place.id] = place
    body = {**render.thread(world, place), "newly_created": True}
    intents.emit(world, parent, "THREAD_CREATE", body, intents.GUILDS)
    if message is not None:
        message.flags |= HAS_THREAD
        chat.announce(world, message)
        opening = chat.Draft(
            author_id=message.author_id,
            type=STARTER,
            reference=(parent.id, message.id),
            allowed_mentions={},
        )
        chat.post(world, place, opening)
    return place


def notice(world: World, parent: Channel, place: Channel, owner_id: int) -> None:
    """The "started a thread" line in the parent channel, for a thread without a message."""
    draft = chat.Draft(
        author_id=owner_id,
        content=place.name,
        type=THREAD_NOTICE,
        reference=(place.id, None),
        allowed_mentions={},
    )
    chat.post(world, parent, draft)
