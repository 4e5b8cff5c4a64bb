"""What happens to messages: posted, edited, deleted, reacted to. Each verb emits its gateway event.

No rights and no limits here: REST checks the bot (rest.py), people may do what a client lets them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.wire import intents, message_json, render, rights, threads
from tests.wire.model import (
    DEFAULT,
    LOADING,
    REPLY,
    SILENT,
    Attachment,
    Channel,
    Json,
    Message,
    Ping,
    Reaction,
    Revision,
    World,
)

_USER = re.compile(r"<@!?(\d+)>")
_ROLE = re.compile(r"<@&(\d+)>")
_KINDS = ("users", "roles", "everyone")
_EVERYONE = re.compile(r"@(everyone|here)\b")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A message before it stands somewhere."""

    author_id: int
    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    files: Sequence[Attachment] = ()
    flags: int = 0
    tts: bool = False
    nonce: str | int | None = None
    type: int = DEFAULT
    reference: tuple[int, int | None] | None = None
    allowed_mentions: Json | None = None
    """As the sender gave it; None lets everything in the text ping."""
    interaction_id: int | None = None
    seen_by: int | None = None


def post(world: World, place: Channel, draft: Draft, message_id: int | None = None) -> Message:
    """Put a message into a channel; an archived thread opens again."""
    message = Message(
        id=message_id or world.snowflake(),
        channel_id=place.id,
        author_id=draft.author_id,
        created_at=world.now(),
        type=draft.type,
        content=draft.content,
        embeds=draft.embeds,
        components=numbered(draft.components),
        attachments=list(draft.files),
        flags=draft.flags,
        nonce=draft.nonce,
        tts=draft.tts,
        reference=draft.reference,
        allowed_mentions=draft.allowed_mentions,
        interaction_id=draft.interaction_id,
        seen_by=draft.seen_by,
    )
    _resolve_mentions(world, place, message)
    world.messages.setdefault(place.id, {})[message.id] = message
    if not message.ephemeral:
        _arrive(world, place, message)
    body = message_json.message_event(world, message)
    intents.emit(world, place, "MESSAGE_CREATE", body, intents.GUILD_MESSAGES, message)
    return message


def _arrive(world: World, place: Channel, message: Message) -> None:
    place.last_message_id = message.id
    if place.thread is not None:
        if place.thread.archived:
            threads.update(world, place, {"archived": False})
        place.thread.sent += 1
        threads.join(world, place, [message.author_id, *message.mention_ids])
    if message.mention_ids or message.mention_role_ids or message.mention_everyone:
        ping = Ping(
            message.id,
            place.id,
            message.author_id,
            tuple(message.mention_ids),
            tuple(message.mention_role_ids),
            message.mention_everyone,
            bool(message.flags & SILENT),
        )
        world.pings.append(ping)


def numbered(components: list[Json]) -> list[Json]:
    """Components as Discord returns them: each with an integer `id`."""
    counter = iter(range(1, 1000))

    def walk(node: Json) -> Json:
        node = {"id": next(counter), **{k: v for k, v in node.items() if v is not None}}
        for key in ("components", "items"):
            if key in node:
                node[key] = [walk(child) if "type" in child else child for child in node[key]]
        if "accessory" in node:
            node["accessory"] = walk(node["accessory"])
        return node

    return [walk(component) for component in components]


def _resolve_mentions(world: World, place: Channel, message: Message) -> None:
    """Fill the mention fields with those who are pinged: named in the text and allowed."""
    allowed = message.allowed_mentions
    parse = set(_KINDS if allowed is None else allowed.get("parse") or ())
    users = {int(key) for key in _USER.findall(message.content)} & _present(world, place)
    roles = {int(key) for key in _ROLE.findall(message.content)}
    if allowed is not None:
        users = users if "users" in parse else users & _ids(allowed.get("users"))
        roles = roles if "roles" in parse else roles & _ids(allowed.get("roles"))
    if _pings_replied(world, message):
        users.add(_replied_author(world, message))
    loud = rights.may(world, place, message.author_id, "mention_everyone")
    known = world.guilds[place.guild_id].roles if place.guild_id else {}
    message.mention_ids = sorted(users)
    message.mention_role_ids = sorted(
        key for key in roles if key in known and (loud or known[key].mentionable)
    )
    named = _EVERYONE.search(message.content) is not None
    message.mention_everyone = named and loud and "everyone" in parse


def _ids(listed: list[str] | None) -> set[int]:
    return {int(key) for key in listed or ()}


def _present(world: World, place: Channel) -> set[int]:
    return set(world.guilds[place.guild_id].members) if place.guild_id else set(place.recipient_ids)


def _pings_replied(world: World, message: Message) -> bool:
    if _replied_author(world, message) in (0, message.author_id):
        return False
    allowed = message.allowed_mentions
    return True if allowed is None else bool(allowed.get("replied_user"))


def _replied_author(world: World, message: Message) -> int:
    """The author of the message replied to; 0 when this is no reply."""
    if message.type != REPLY or message.reference is None:
        return 0
    target = world.messages.get(message.reference[0], {}).get(message.reference[1] or 0)
    return target.author_id if target else 0


def edit(world: World, message: Message, changes: Json) -> Message:
    """Change content, embeds, components, attachments or flags; mentions of an edit ping nobody."""
    past = Revision(world.now(), message.content, message.embeds, message.components)
    message.revisions.append(past)
    was_loading = message.loading
    if "components" in changes:
        changes = {**changes, "components": numbered(changes["components"])}
    for name, value in changes.items():
        setattr(message, name, value)
    message.flags &= ~LOADING
    if not was_loading:
        message.edited_at = world.now()
    place = world.channel(message.channel_id)
    _resolve_mentions(world, place, message)
    announce(world, message)
    return message


def announce(world: World, message: Message) -> None:
    """Send MESSAGE_UPDATE with the message as it is now."""
    body = message_json.message_event(world, message)
    place = world.channels[message.channel_id]
    intents.emit(world, place, "MESSAGE_UPDATE", body, intents.GUILD_MESSAGES, message)


def delete(world: World, message: Message) -> None:
    message.deleted = True
    place = world.channels[message.channel_id]
    place.pins.pop(message.id, None)
    body = {"id": str(message.id), "channel_id": str(place.id)} | guild_part(place)
    intents.emit(world, place, "MESSAGE_DELETE", body, intents.GUILD_MESSAGES)


def guild_part(place: Channel) -> Json:
    return {"guild_id": str(place.guild_id)} if place.guild_id else {}


def react(world: World, message: Message, user_id: int, emoji: str, *, burst: bool = False) -> None:
    """Add a reaction; doing it twice changes nothing and sends nothing."""
    entry = message.reactions.setdefault(emoji, Reaction(emoji))
    if user_id in entry.users(burst):
        return
    entry.users(burst).append(user_id)
    place = world.channels[message.channel_id]
    body = _reaction_body(place, message, emoji, user_id, burst)
    body["message_author_id"] = str(message.author_id)
    if burst:
        body["burst_colors"] = ["#77b255"]
    if place.guild_id and user_id in world.guilds[place.guild_id].members:
        body["member"] = render.member(world, world.guilds[place.guild_id].members[user_id])
    intents.emit(world, place, "MESSAGE_REACTION_ADD", body, intents.GUILD_REACTIONS)


def unreact(
    world: World, message: Message, user_id: int, emoji: str, *, burst: bool = False
) -> None:
    """Take a reaction back; one that is not there changes nothing."""
    entry = message.reactions.get(emoji)
    if entry is None or user_id not in entry.users(burst):
        return
    entry.users(burst).remove(user_id)
    if not entry.normal and not entry.burst:
        del message.reactions[emoji]
    place = world.channels[message.channel_id]
    body = _reaction_body(place, message, emoji, user_id, burst)
    intents.emit(world, place, "MESSAGE_REACTION_REMOVE", body, intents.GUILD_REACTIONS)


def _reaction_body(place: Channel, message: Message, emoji: str, user_id: int, burst: bool) -> Json:
    return {
        "user_id": str(user_id),
        "channel_id": str(place.id),
        "message_id": str(message.id),
        "emoji": render.emoji(emoji),
        "burst": burst,
        "type": int(burst),
    } | guild_part(place)


def clear_reactions(world: World, message: Message, emoji: str | None = None) -> None:
    """Remove everybody's reactions: all of them, or those with one emoji."""
    place = world.channels[message.channel_id]
    body: Json = {"channel_id": str(place.id), "message_id": str(message.id)} | guild_part(place)
    if emoji is None:
        message.reactions.clear()
        intents.emit(world, place, "MESSAGE_REACTION_REMOVE_ALL", body, intents.GUILD_REACTIONS)
        return
    message.reactions.pop(emoji, None)
    body["emoji"] = render.emoji(emoji)
    intents.emit(world, place, "MESSAGE_REACTION_REMOVE_EMOJI", body, intents.GUILD_REACTIONS)
