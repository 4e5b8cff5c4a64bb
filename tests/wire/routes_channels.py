"""REST operations on channels and threads."""

from datetime import datetime

from tests.wire import bodies, chat, intents, limits, opening, render, rights, threads
from tests.wire.calls import Call, Reply, Route
from tests.wire.errors import ApiError
from tests.wire.model import FORUM, PRIVATE_THREAD, PUBLIC_THREAD, TEXT, Channel, Json
from tests.wire.routes_messages import require_open, shown

_THREAD_MEMBERS_MAX = 1000


def _place(call: Call, *names: str) -> Channel:
    place = call.world.channel(call.id("channel"))
    rights.require(call.world, place, call.world.bot_id, *names)
    return place


def _thread(call: Call, *names: str) -> Channel:
    place = _place(call, *names)
    call.world.thread_of(place)
    return place


def get_channel(call: Call) -> Json:
    return render.channel(call.world, _place(call))


def edit_channel(call: Call) -> Json:
    place = _place(call)
    limits.check_thread(call.json)
    if place.thread is not None:
        _require_thread_edit(call, place)
        threads.update(call.world, place, call.json)
        return render.thread(call.world, place)
    rights.require(call.world, place, call.world.bot_id, "manage_channels")
    place.name = call.json.get("name", place.name)
    place.topic = call.json.get("topic", place.topic)
    body = render.channel(call.world, place)
    intents.emit(call.world, place, "CHANNEL_UPDATE", body, intents.GUILDS)
    return body


def _require_thread_edit(call: Call, place: Channel) -> None:
    """Raises: ApiError: 50013 for a stranger's or locked thread, 50083 when it stays archived."""
    world, meta = call.world, call.world.thread_of(place)
    managed = rights.may(world, place, world.bot_id, "manage_threads")
    reopens = call.json.get("archived") is False
    if "locked" in call.json or meta.locked:
        rights.require(world, place, world.bot_id, "manage_threads")
    if meta.archived and not reopens:
        raise ApiError(50083)
    if meta.archived and reopens:
        _require_room(call, place)
    only_reopens = reopens and set(call.json) == {"archived"}
    if not (managed or only_reopens or meta.owner_id == world.bot_id):
        raise ApiError(50013)


def _require_room(call: Call, place: Channel) -> None:
    """Raises: ApiError: 160006 when the guild has as many active threads as it may."""
    assert place.guild_id is not None
    guild = call.world.guilds[place.guild_id]
    if len(threads.active(call.world, guild.id)) >= guild.active_threads_max:
        raise ApiError(160006)


def delete_channel(call: Call) -> Json:
    place = _place(call)
    needed = "manage_threads" if place.thread else "manage_channels"
    rights.require(call.world, place, call.world.bot_id, needed)
    body = render.channel(call.world, place)
    threads.delete_channel(call.world, place)
    return body


# --- starting threads


def start_from_message(call: Call) -> Reply:
    world = call.world
    parent = _place(call, "create_public_threads", "read_message_history")
    if parent.type != TEXT:
        raise ApiError(50024)
    message = world.message(parent.id, call.id("message"))
    if message.id in world.channels or message.id in world.deleted_channels:
        raise ApiError(160004)
    limits.check_thread({"name": "", **call.json})
    _require_room(call, parent)
    place = opening.start(
        world, parent, call.json["name"], world.bot_id, message, _archive_min(call.json)
    )
    return Reply(201, render.thread(world, place))


def start_without_message(call: Call) -> Reply:
    world = call.world
    parent = call.world.channel(call.id("channel"))
    if parent.type == FORUM:
        return _start_in_forum(call, parent)
    kind = call.json.get("type", PRIVATE_THREAD)
    private = kind == PRIVATE_THREAD
    rights.require(
        world,
        parent,
        world.bot_id,
        "create_private_threads" if private else "create_public_threads",
    )
    if parent.type != TEXT:
        raise ApiError(50024)
    limits.check_thread({"name": "", **call.json})
    _require_room(call, parent)
    place = opening.start(
        world, parent, call.json["name"], world.bot_id, None, _archive_min(call.json), kind
    )
    if not private:
        opening.notice(world, parent, place, world.bot_id)
    return Reply(201, render.thread(world, place))


def _archive_min(payload: Json) -> int:
    return int(payload.get("auto_archive_duration") or 4320)


def _start_in_forum(call: Call, parent: Channel) -> Reply:
    world = call.world
    rights.require(world, parent, world.bot_id, "send_messages")
    limits.check_thread({"name": "", **call.json})
    _require_room(call, parent)
    payload = call.json.get("message") or {}
    bodies.require_content_rights(call, parent, payload)
    draft = bodies.draft(call, parent, payload)
    place = opening.start(
        world, parent, call.json["name"], world.bot_id, None, _archive_min(call.json), PUBLIC_THREAD
    )
    world.thread_of(place).tag_ids = [int(tag) for tag in call.json.get("applied_tags") or []]
    for file in draft.files:
        file.channel_id = place.id
    message = chat.post(world, place, draft, message_id=place.id)
    return Reply(201, {**render.thread(world, place), "message": shown(call, message)})


# --- listing threads


def active_threads(call: Call) -> Json:
    guild = call.world.guild(call.id("guild"))
    return _listing(call, threads.active(call.world, guild.id))


def archived_threads(call: Call) -> Json:
    place = _place(call, "read_message_history")
    limit = call.number("limit", 50, 2, 100)
    before = datetime.fromisoformat(call.query["before"]) if "before" in call.query else None
    found = threads.archived(call.world, place.id, before)
    return {**_listing(call, found[:limit]), "has_more": len(found) > limit}


def _listing(call: Call, found: list[Channel]) -> Json:
    world = call.world
    seen = [c for c in found if rights.may(world, c, world.bot_id, "view_channel")]
    joined = [c for c in seen if c.thread and world.bot_id in c.thread.members]
    return {
        "threads": [render.thread(world, c) for c in seen],
        "members": [render.thread_member(c, world.bot_id) for c in joined],
        "has_more": False,
    }


# --- thread members


def get_thread_members(call: Call) -> list[Json]:
    place = _thread(call)
    return [render.thread_member(place, key) for key in call.world.thread_of(place).members]


def get_thread_member(call: Call) -> Json:
    place = _thread(call)
    if call.id("user") not in call.world.thread_of(place).members:
        raise ApiError(10007)
    return render.thread_member(place, call.id("user"))


def join_thread(call: Call) -> None:
    place = _thread(call)
    require_open(call, place)
    threads.join(call.world, place, [call.world.bot_id])


def leave_thread(call: Call) -> None:
    place = _thread(call)
    require_open(call, place)
    threads.leave(call.world, place, call.world.bot_id)


def add_thread_member(call: Call) -> None:
    place = _thread(call, "send_messages_in_threads")
    require_open(call, place)
    assert place.guild_id is not None
    if call.id("user") not in call.world.guilds[place.guild_id].members:
        raise ApiError(10007)
    if len(call.world.thread_of(place).members) >= _THREAD_MEMBERS_MAX:
        raise ApiError(30033)
    threads.join(call.world, place, [call.id("user")])


def remove_thread_member(call: Call) -> None:
    place = _thread(call, "manage_threads")
    require_open(call, place)
    threads.leave(call.world, place, call.id("user"))


_CHANNEL = "/channels/{channel_id}"

ROUTES = [
    Route("GET", _CHANNEL, get_channel),
    Route("PATCH", _CHANNEL, edit_channel),
    Route("DELETE", _CHANNEL, delete_channel),
    Route("POST", _CHANNEL + "/messages/{message_id}/threads", start_from_message),
    Route("POST", _CHANNEL + "/threads", start_without_message),
    Route("GET", _CHANNEL + "/threads/archived/public", archived_threads),
    Route("GET", "/guilds/{guild_id}/threads/active", active_threads),
    Route("GET", _CHANNEL + "/thread-members", get_thread_members),
    Route("PUT", _CHANNEL + "/thread-members/@me", join_thread),
    Route("DELETE", _CHANNEL + "/thread-members/@me", leave_thread),
    Route("GET", _CHANNEL + "/thread-members/{user_id}", get_thread_member),
    Route("PUT", _CHANNEL + "/thread-members/{user_id}", add_thread_member),
    Route("DELETE", _CHANNEL + "/thread-members/{user_id}", remove_thread_member),
]
