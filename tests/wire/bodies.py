"""From a request body to a message: the part that channels, interactions and webhooks share."""

from typing import Any

from tests.wire import chat, limits, rights
from tests.wire.calls import Call, Upload
from tests.wire.errors import ApiError
from tests.wire.model import (
    COMPONENTS_V2,
    SILENT,
    SUPPRESS_EMBEDS,
    Attachment,
    Channel,
    Json,
    Message,
    World,
)

CREATE_FLAGS = SUPPRESS_EMBEDS | SILENT | COMPONENTS_V2
_CONTENT_KEYS = ("content", "embeds", "components", "sticker_ids", "poll")


def check(call: Call, place: Channel, payload: Json) -> None:
    """Raises: ApiError: where Discord's limits are exceeded."""
    limit = 10 * 1024 * 1024
    if place.guild_id is not None:
        limit = call.world.guilds[place.guild_id].upload_limit_bytes
    limits.check_message(payload, [len(upload.data) for upload in call.uploads], limit)


def has_content(call: Call, payload: Json) -> bool:
    return bool(call.uploads) or any(payload.get(key) for key in _CONTENT_KEYS)


def draft(call: Call, place: Channel, payload: Json, **rest: Any) -> chat.Draft:
    """The message that a body describes.

    Raises: ApiError: 50006 when it says nothing, or another where limits are exceeded.
    """
    check(call, place, payload)
    if not has_content(call, payload):
        raise ApiError(50006)
    ephemeral = rest.get("seen_by") is not None
    made = chat.Draft(
        author_id=call.world.bot_id,
        content=payload.get("content") or "",
        embeds=payload.get("embeds") or [],
        components=payload.get("components") or [],
        files=new_files(call, place, payload, ephemeral),
        tts=bool(payload.get("tts")),
        nonce=payload.get("nonce"),
        allowed_mentions=payload.get("allowed_mentions"),
        **{"flags": int(payload.get("flags") or 0) & CREATE_FLAGS} | rest,
    )
    _check_pictures(call, made.embeds, {file.filename for file in made.files})
    return made


def new_files(call: Call, place: Channel, payload: Json, ephemeral: bool) -> list[Attachment]:
    """The uploaded files, described by the entries of `attachments` with their placeholder ids."""
    listed = {str(entry.get("id")): entry for entry in payload.get("attachments") or []}
    return [_store(call.world, place, upload, listed, ephemeral) for upload in call.uploads]


def _store(
    world: World, place: Channel, upload: Upload, listed: dict[str, Json], ephemeral: bool
) -> Attachment:
    entry = listed.get(str(upload.index), {})
    name = entry.get("filename") or upload.filename
    return store_file(world, place, name, upload.data, entry.get("description"), ephemeral)


def store_file(
    world: World,
    place: Channel,
    filename: str,
    data: bytes,
    description: str | None = None,
    ephemeral: bool = False,
) -> Attachment:
    """Put a file on the CDN."""
    file = Attachment(world.snowflake(), place.id, filename, data, description, ephemeral)
    world.attachments[file.id] = file
    return file


def _check_pictures(call: Call, embeds: list[Json], filenames: set[str]) -> None:
    for embed in embeds:
        for part in ("image", "thumbnail"):
            url = (embed.get(part) or {}).get("url") or ""
            if (
                url.startswith("attachment://")
                and url.removeprefix("attachment://") not in filenames
            ):
                call.world.violation(
                    f"{call.method} {call.path}: embed shows {url}, which is not attached"
                )


def apply_edit(call: Call, message: Message, payload: Json) -> Message:
    """Edit a message as a PATCH says: what is absent stays.

    Raises: ApiError: 50006 when nothing would be left, or another where limits are exceeded.
    """
    place = call.world.channel(message.channel_id)
    check(call, place, payload)
    changes: Json = {}
    for key, empty in (("content", ""), ("embeds", []), ("components", [])):
        if key in payload:
            changes[key] = payload[key] or empty
    if "attachments" in payload or call.uploads:
        changes["attachments"] = _kept(message, payload) + new_files(
            call, place, payload, message.ephemeral
        )
    if payload.get("flags") is not None:
        settable = SUPPRESS_EMBEDS | COMPONENTS_V2
        changes["flags"] = (message.flags & ~SUPPRESS_EMBEDS) | (int(payload["flags"]) & settable)
    if "allowed_mentions" in payload:
        changes["allowed_mentions"] = payload["allowed_mentions"]
    shown = [changes.get(key, getattr(message, key)) for key in ("content", "embeds", "components")]
    files = changes.get("attachments", message.attachments)
    if not any(shown) and not files:
        raise ApiError(50006)
    _check_pictures(call, changes.get("embeds", []), {file.filename for file in files})
    return chat.edit(call.world, message, changes)


def _kept(message: Message, payload: Json) -> list[Attachment]:
    if "attachments" not in payload:
        return message.attachments
    listed = {str(entry.get("id")): entry for entry in payload["attachments"] or []}
    kept = [file for file in message.attachments if str(file.id) in listed]
    for file in kept:
        file.description = listed[str(file.id)].get("description", file.description)
    return kept


def require_content_rights(call: Call, place: Channel, payload: Json) -> None:
    """Raises: ApiError: 50013 without the right to embed or attach what the body holds."""
    needed = []
    if payload.get("embeds"):
        needed.append("embed_links")
    if call.uploads:
        needed.append("attach_files")
    rights.require(call.world, place, call.world.bot_id, *needed)
