"""REST operations on messages, pins and reactions."""

import re

from tests.wire import bodies, chat, intents, limits, message_json, render, rights
from tests.wire.calls import Call, Route
from tests.wire.errors import ApiError, invalid_form
from tests.wire.model import DEFAULT, DM, FORUM, PIN_NOTICE, REPLY, Channel, Json, Message, Reaction

_CUSTOM_EMOJI = re.compile(r"^\w{2,32}:\d+$")
_SYSTEM = (PIN_NOTICE, 18, 21)


def shown(call: Call, message: Message) -> Json:
    """A message as this app may read it."""
    privileged = bool(call.world.privileged_intents & intents.MESSAGE_CONTENT)
    return message_json.message(call.world, message, privileged=privileged)


def _place(call: Call, *names: str) -> Channel:
    place = call.world.channel(call.id("channel"))
    rights.require(call.world, place, call.world.bot_id, *names)
    return place


def _message(call: Call, *names: str) -> Message:
    place = _place(call, "read_message_history", *names)
    message = call.world.message(place.id, call.id("message"))
    if message.ephemeral:
        raise ApiError(10008)
    return message


def require_open(call: Call, place: Channel) -> None:
    """Raises: ApiError: 50083 in an archived thread."""
    if place.thread is not None and place.thread.archived:
        raise ApiError(50083)


def require_sendable(call: Call, place: Channel) -> None:
    """Raises: ApiError: where the bot cannot post: wrong kind, no right, locked thread, closed DMs."""
    world = call.world
    if place.type == FORUM:
        raise ApiError(50008)
    if place.type == DM and not all(world.users[key].accepts_dms for key in place.recipient_ids):
        raise ApiError(50007)
    rights.require_send(world, place, world.bot_id)
    meta = place.thread
    if meta and meta.locked and not rights.may(world, place, world.bot_id, "manage_threads"):
        raise ApiError(50083 if meta.archived else 160005)


def create_message(call: Call) -> Json:
    world, payload = call.world, call.json
    place = world.channel(call.id("channel"))
    require_sendable(call, place)
    bodies.require_content_rights(call, place, payload)
    earlier = _same_nonce(call, payload)
    if earlier is not None:
        return shown(call, earlier)
    reference = _reply_target(call, place, payload)
    kind = REPLY if reference else DEFAULT
    draft = bodies.draft(call, place, payload, reference=reference, type=kind)
    message = chat.post(world, place, draft)
    if payload.get("nonce") is not None:
        key = (world.bot_id, str(payload["nonce"]))
        world.nonces[key] = (place.id, message.id, world.now_s())
    return shown(call, message)


def _same_nonce(call: Call, payload: Json) -> Message | None:
    """The message that this nonce already made, within the window.

    Raises: ApiError: 10008 when that message was deleted.
    """
    world = call.world
    if not payload.get("enforce_nonce") or payload.get("nonce") is None:
        return None
    found = world.nonces.get((world.bot_id, str(payload["nonce"])))
    if found is None or world.now_s() - found[2] > world.nonce_window_s:
        return None
    return world.message(found[0], found[1])


def _reply_target(call: Call, place: Channel, payload: Json) -> tuple[int, int] | None:
    reference = payload.get("message_reference")
    if not reference or reference.get("type", 0) != 0:
        return None
    if not rights.may(call.world, place, call.world.bot_id, "read_message_history"):
        raise ApiError(160002)
    target = int(reference["message_id"])
    try:
        call.world.message(place.id, target)
    except ApiError:
        if reference.get("fail_if_not_exists", True):
            raise invalid_form(
                {"message_reference": ("REPLIES_UNKNOWN_MESSAGE", "Unknown message")}
            ) from None
        return None
    return place.id, target


def get_messages(call: Call) -> list[Json]:
    place = _place(call)
    if not rights.may(call.world, place, call.world.bot_id, "read_message_history"):
        return []
    limit = call.number("limit", 50, 1, 100)
    before, after, around = (call.snowflake(key) for key in ("before", "after", "around"))
    held = call.world.history(place.id)
    if around is not None:
        half = limit // 2
        older = [m for m in held if m.id < around][-half:] if half else []
        chosen = older + [m for m in held if m.id >= around][: half + 1]
    elif after is not None:
        chosen = [m for m in held if m.id > after][:limit]
    else:
        chosen = [m for m in held if before is None or m.id < before][-limit:]
    return [shown(call, message) for message in reversed(chosen)]


def get_message(call: Call) -> Json:
    return shown(call, _message(call))


def edit_message(call: Call) -> Json:
    message = _message(call)
    place = call.world.channel(message.channel_id)
    if message.author_id != call.world.bot_id:
        raise ApiError(50005)
    if message.type in _SYSTEM:
        raise ApiError(50021)
    require_open(call, place)
    bodies.require_content_rights(call, place, call.json)
    return shown(call, bodies.apply_edit(call, message, call.json))


def delete_message(call: Call) -> None:
    message = _message(call)
    if message.author_id != call.world.bot_id:
        _place(call, "manage_messages")
    chat.delete(call.world, message)


def bulk_delete(call: Call) -> None:
    place = _place(call, "manage_messages")
    for key in call.json.get("messages") or []:
        chat.delete(call.world, call.world.message(place.id, int(key)))


def typing(call: Call) -> None:
    place = call.world.channel(call.id("channel"))
    require_sendable(call, place)
    call.world.typing.append((place.id, call.world.bot_id))


# --- pins


def get_pins(call: Call) -> Json:
    place = _place(call, "read_message_history")
    limit = call.number("limit", 50, 1, 50)
    newest = sorted(place.pins.items(), key=lambda pin: pin[1], reverse=True)
    items = [
        {"pinned_at": render.stamp(when), "message": shown(call, call.world.message(place.id, key))}
        for key, when in newest[:limit]
    ]
    return {"items": items, "has_more": len(newest) > limit}


def pin(call: Call) -> None:
    message = _message(call, "pin_messages")
    place = call.world.channel(message.channel_id)
    require_open(call, place)
    if message.id in place.pins:
        return
    if len(place.pins) >= limits.PINS:
        raise ApiError(30003)
    place.pins[message.id] = call.world.now()
    _announce_pins(call, place)
    notice = chat.Draft(
        author_id=call.world.bot_id,
        type=PIN_NOTICE,
        reference=(place.id, message.id),
        allowed_mentions={},
    )
    chat.post(call.world, place, notice)


def unpin(call: Call) -> None:
    message = _message(call, "pin_messages")
    place = call.world.channel(message.channel_id)
    if place.pins.pop(message.id, None):
        _announce_pins(call, place)


def _announce_pins(call: Call, place: Channel) -> None:
    last = max(place.pins.values(), default=None)
    body: Json = {
        "channel_id": str(place.id),
        "last_pin_timestamp": render.stamp(last) if last else None,
    }
    body |= chat.guild_part(place)
    intents.emit(call.world, place, "CHANNEL_PINS_UPDATE", body, intents.GUILDS)


# --- reactions


def _emoji(call: Call) -> str:
    """The emoji of the path.

    Raises: ApiError: 10014 for a text that is none.
    """
    name = call.params["emoji_name"]
    if name.isascii() and not _CUSTOM_EMOJI.match(name):
        raise ApiError(10014)
    return name


def add_reaction(call: Call) -> None:
    message, emoji = _message(call), _emoji(call)
    place = call.world.channel(message.channel_id)
    require_open(call, place)
    if emoji not in message.reactions:
        rights.require(call.world, place, call.world.bot_id, "add_reactions")
        if len(message.reactions) >= limits.REACTIONS:
            raise ApiError(30010)
    chat.react(call.world, message, call.world.bot_id, emoji)


def remove_own_reaction(call: Call) -> None:
    message = _message(call)
    require_open(call, call.world.channel(message.channel_id))
    chat.unreact(call.world, message, call.world.bot_id, _emoji(call))


def remove_reaction(call: Call) -> None:
    message = _message(call, "manage_messages")
    require_open(call, call.world.channel(message.channel_id))
    for burst in (False, True):
        chat.unreact(call.world, message, call.id("user"), _emoji(call), burst=burst)


def get_reactions(call: Call) -> list[Json]:
    message, emoji = _message(call), _emoji(call)
    limit = call.number("limit", 25, 1, 100)
    burst = call.number("type", 0, 0, 1) == 1
    after = call.snowflake("after") or 0
    entry = message.reactions.get(emoji, Reaction(emoji))
    users = sorted(key for key in entry.users(burst) if key > after)
    return [render.user(call.world.users[key]) for key in users[:limit]]


def clear_reactions(call: Call) -> None:
    chat.clear_reactions(call.world, _message(call, "manage_messages"))


def clear_emoji(call: Call) -> None:
    chat.clear_reactions(call.world, _message(call, "manage_messages"), _emoji(call))


_MESSAGES = "/channels/{channel_id}/messages"
_MESSAGE = _MESSAGES + "/{message_id}"
_REACTIONS = _MESSAGE + "/reactions"

ROUTES = [
    Route("POST", _MESSAGES, create_message),
    Route("GET", _MESSAGES, get_messages),
    Route("POST", _MESSAGES + "/bulk-delete", bulk_delete),
    Route("GET", _MESSAGES + "/pins", get_pins),
    Route("PUT", _MESSAGES + "/pins/{message_id}", pin),
    Route("DELETE", _MESSAGES + "/pins/{message_id}", unpin),
    Route("GET", _MESSAGE, get_message),
    Route("PATCH", _MESSAGE, edit_message),
    Route("DELETE", _MESSAGE, delete_message),
    Route("POST", "/channels/{channel_id}/typing", typing),
    Route("DELETE", _REACTIONS, clear_reactions),
    Route("GET", _REACTIONS + "/{emoji_name}", get_reactions),
    Route("DELETE", _REACTIONS + "/{emoji_name}", clear_emoji),
    Route("PUT", _REACTIONS + "/{emoji_name}/@me", add_reaction),
    Route("DELETE", _REACTIONS + "/{emoji_name}/@me", remove_own_reaction),
    Route("DELETE", _REACTIONS + "/{emoji_name}/{user_id}", remove_reaction),
]
