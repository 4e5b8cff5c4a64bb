"""What happens to threads and channels: joined, archived, deleted. Each verb emits its gateway event."""

from collections.abc import Sequence
from datetime import datetime

from tests.wire import intents, render
from tests.wire.model import Channel, Json, World


def join(world: World, place: Channel, user_ids: Sequence[int]) -> None:
    """Make users members of a thread; those who are already in stay."""
    assert place.thread is not None
    new = [key for key in dict.fromkeys(user_ids) if key not in place.thread.members]
    for user_id in new:
        place.thread.members[user_id] = world.now()
    if new:
        _announce_members(world, place, new, [])


def leave(world: World, place: Channel, user_id: int) -> None:
    assert place.thread is not None
    if place.thread.members.pop(user_id, None):
        _announce_members(world, place, [], [user_id])


def _announce_members(world: World, place: Channel, added: list[int], removed: list[int]) -> None:
    assert place.thread is not None
    body: Json = {
        "id": str(place.id),
        "guild_id": str(place.guild_id),
        "member_count": min(len(place.thread.members), 50),
    }
    if added:
        body["added_members"] = [render.thread_member(place, key) for key in added]
    if removed:
        body["removed_member_ids"] = [str(key) for key in removed]
    # Without the members intent Discord tells a bot only about its own membership.
    own = world.bot_id in (*added, *removed)
    intent = intents.GUILDS if own else intents.GUILD_MEMBERS
    intents.emit(world, place, "THREAD_MEMBERS_UPDATE", body, intent)


def update(world: World, place: Channel, changes: Json) -> None:
    """Apply `archived`, `locked`, `name`, `auto_archive_duration`, `applied_tags`, `rate_limit_per_user`."""
    assert place.thread is not None
    meta = place.thread
    if "archived" in changes and changes["archived"] != meta.archived:
        meta.archived, meta.archived_at = changes["archived"], world.now()
    meta.locked = changes.get("locked", meta.locked)
    meta.auto_archive_min = changes.get("auto_archive_duration", meta.auto_archive_min)
    meta.tag_ids = [int(tag) for tag in changes.get("applied_tags", meta.tag_ids)]
    place.name = changes.get("name", place.name)
    place.slowmode_s = changes.get("rate_limit_per_user") or place.slowmode_s
    intents.emit(world, place, "THREAD_UPDATE", render.thread(world, place), intents.GUILDS)


def delete_channel(world: World, place: Channel) -> None:
    """Remove a thread, or a channel with all its threads."""
    if place.thread is None:
        for child in _children(world, place.id):
            _forget(world, child)
        body, name = render.channel(world, place), "CHANNEL_DELETE"
    else:
        body = {
            "id": str(place.id),
            "guild_id": str(place.guild_id),
            "parent_id": str(place.thread.parent_id),
            "type": place.type,
        }
        name = "THREAD_DELETE"
    intents.emit(world, place, name, body, intents.GUILDS)
    _forget(world, place)


def _children(world: World, parent_id: int) -> list[Channel]:
    return [c for c in world.channels.values() if c.thread and c.thread.parent_id == parent_id]


def _forget(world: World, place: Channel) -> None:
    world.deleted_channels[place.id] = world.channels.pop(place.id)


def active(world: World, guild_id: int) -> list[Channel]:
    """The threads of a guild that are not archived, newest first."""
    found = [c for c in world.threads(guild_id) if c.thread and not c.thread.archived]
    return sorted(found, key=lambda c: c.id, reverse=True)


def archived(world: World, parent_id: int, before: datetime | None) -> list[Channel]:
    """The archived threads of a channel, last archived first, those archived before `before`."""
    found = [c for c in _children(world, parent_id) if c.thread and c.thread.archived]
    if before is not None:
        found = [c for c in found if c.thread and c.thread.archived_at < before]
    return sorted(found, key=_archived_at, reverse=True)


def _archived_at(place: Channel) -> datetime:
    assert place.thread is not None
    return place.thread.archived_at
