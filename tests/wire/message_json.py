"""JSON of messages, and the rule of who may read their content."""

from tests.wire import cdn, render
from tests.wire.model import (
    COMMAND,
    DM,
    STARTER,
    Interaction,
    Json,
    Message,
    World,
)

_HIDDEN = {"content": "", "embeds": [], "attachments": [], "components": []}
_PICTURES = (("image", "url"), ("thumbnail", "url"), ("author", "icon_url"), ("footer", "icon_url"))


def readable(world: World, message: Message) -> bool:
    """Whether an app without the MESSAGE_CONTENT intent still sees what a message says.

    Discord's rule: its own messages, direct messages, and messages that mention it; a reply that
    pings the bot is such a mention.
    """
    if message.author_id == world.bot_id or world.bot_id in message.mention_ids:
        return True
    channel = world.channels.get(message.channel_id)
    return message.ephemeral or (channel is not None and channel.type == DM)


def message(world: World, entry: Message, *, privileged: bool = True, nested: bool = True) -> Json:
    """A message as REST shows it.

    Args:
        privileged: the app has the message content intent; otherwise `readable` decides.
        nested: include the message it refers to.
    """
    body: Json = {
        "id": str(entry.id),
        "channel_id": str(entry.channel_id),
        "type": entry.type,
        "author": render.user(world.users[entry.author_id]),
        "content": entry.content,
        "embeds": [_embed(world, entry, embed) for embed in entry.embeds],
        "attachments": [
            cdn.attachment(world, f) for f in entry.attachments if not _embedded(entry, f.filename)
        ],
        "components": entry.components,
        "timestamp": render.stamp(entry.created_at),
        "edited_timestamp": render.stamp(entry.edited_at) if entry.edited_at else None,
        "flags": entry.flags,
        "pinned": entry.id in world.channels[entry.channel_id].pins,
        "mention_everyone": entry.mention_everyone,
        "mentions": [render.user(world.users[key]) for key in entry.mention_ids],
        "mention_roles": [str(key) for key in entry.mention_role_ids],
        "tts": entry.tts,
    }
    if entry.reactions:
        body["reactions"] = [render.reaction(world, r) for r in entry.reactions.values()]
    if entry.nonce is not None:
        body["nonce"] = entry.nonce
    if entry.id in world.channels and world.channels[entry.id].thread:
        body["thread"] = render.thread(world, world.channels[entry.id])
    if entry.interaction_id is not None:
        body |= _interaction_part(world, world.interactions[entry.interaction_id])
    if entry.reference is not None:
        body |= _reference_part(world, entry, privileged, nested)
    if not privileged and not readable(world, entry):
        body |= _HIDDEN
    return body


def _interaction_part(world: World, interaction: Interaction) -> Json:
    who = render.user(world.users[interaction.user_id])
    metadata: Json = {
        "id": str(interaction.id),
        "type": interaction.type,
        "user": who,
        "authorizing_integration_owners": {},
    }
    part: Json = {
        "webhook_id": str(world.application_id),
        "application_id": str(world.application_id),
        "interaction_metadata": metadata,
    }
    if interaction.type == COMMAND:
        summary = {
            "id": str(interaction.id),
            "type": COMMAND,
            "name": interaction.name,
            "user": who,
        }
        part["interaction"] = summary
    elif interaction.message_id is not None:
        metadata["interacted_message_id"] = str(interaction.message_id)
    if interaction.from_modal_of is not None:
        opener = world.interactions[interaction.from_modal_of]
        opened_by = _interaction_part(world, opener)["interaction_metadata"]
        metadata["triggering_interaction_metadata"] = opened_by
    return part


def _reference_part(world: World, entry: Message, privileged: bool, nested: bool) -> Json:
    assert entry.reference is not None
    channel_id, message_id = entry.reference
    reference: Json = {"type": 0, "channel_id": str(channel_id)}
    if message_id is None:
        return {"message_reference": reference}
    reference["message_id"] = str(message_id)
    guild_id = world.channels[entry.channel_id].guild_id
    if guild_id is not None:
        reference["guild_id"] = str(guild_id)
    part: Json = {"message_reference": reference}
    if nested and channel_id in world.channels:
        target = world.messages.get(channel_id, {}).get(message_id)
        gone = target is None or target.deleted
        if target is not None and not gone:
            part["referenced_message"] = message(world, target, privileged=privileged, nested=False)
        elif entry.type != STARTER:
            part["referenced_message"] = None
    return part


def _embed(world: World, entry: Message, embed: Json) -> Json:
    """An embed as sent back: typed, and with `attachment://name` turned into a link."""
    body: Json = {**embed, "type": "rich"}
    if "fields" in body:
        body["fields"] = [{"inline": False, **field} for field in body["fields"]]
    for part, key in _PICTURES:
        url = (body.get(part) or {}).get(key) or ""
        if url.startswith("attachment://"):
            body[part] = {**body[part], key: _resolved(world, entry, url)}
    return body


def _resolved(world: World, entry: Message, url: str) -> str:
    name = url.removeprefix("attachment://")
    files = [file for file in entry.attachments if file.filename == name]
    return cdn.link(world, files[0]) if files else url


def embedded_names(entry: Message) -> set[str]:
    """File names that embeds show; Discord then leaves them out of `attachments`."""
    urls = [
        (embed.get(part) or {}).get(key) or "" for embed in entry.embeds for part, key in _PICTURES
    ]
    return {url.removeprefix("attachment://") for url in urls if url.startswith("attachment://")}


def _embedded(entry: Message, filename: str) -> bool:
    return filename in embedded_names(entry)


def message_event(world: World, entry: Message) -> Json:
    """A message as the gateway sends it: with the guild, and the author's membership."""
    body = message(world, entry)
    guild_id = world.channels[entry.channel_id].guild_id
    # An ephemeral message reaches the bot like a direct message: no guild, no member.
    if guild_id is None or entry.ephemeral:
        return body
    members = world.guilds[guild_id].members
    body["guild_id"] = str(guild_id)
    if entry.author_id in members:
        body["member"] = render.member(world, members[entry.author_id], with_user=False)
    for shown in body["mentions"]:
        if int(shown["id"]) in members:
            shown["member"] = render.member(world, members[int(shown["id"])], with_user=False)
    return body


def hidden(data: Json, world: World, entry: Message) -> Json:
    """`data` without what a session lacking the message content intent may not read."""
    fitted = dict(data)
    if not readable(world, entry):
        fitted |= _HIDDEN
    if entry.reference and fitted.get("referenced_message"):
        target = world.find_message(int(fitted["referenced_message"]["id"]))
        if target is not None and not readable(world, target):
            fitted["referenced_message"] = {**fitted["referenced_message"], **_HIDDEN}
    return fitted
