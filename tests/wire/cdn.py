"""Files and their links: signed, expiring after a day, fresh on every look at a message."""

import hashlib
import hmac
import mimetypes
import struct
from urllib.parse import quote

from aiohttp import web
from yarl import URL

from tests.wire.model import Attachment, Json, World

LINK_LIFETIME_S = 24 * 3600
_SECRET = b"wire server link secret"


def link(world: World, file: Attachment) -> str:
    """The link as of now: `?ex=<expiry>&is=<issued>&hm=<signature>`, times in hexadecimal seconds."""
    issued = int(world.now_s())
    return _signed(world, file, issued, issued + LINK_LIFETIME_S)


def _signed(world: World, file: Attachment, issued: int, expires: int) -> str:
    kind = "ephemeral-attachments" if file.ephemeral else "attachments"
    path = f"/{kind}/{file.channel_id}/{file.id}/{quote(file.filename)}"
    return (
        f"{world.base_url}{path}?ex={expires:x}&is={issued:x}&hm={_mac(file.id, issued, expires)}"
    )


def _mac(file_id: int, issued: int, expires: int) -> str:
    text = f"{file_id}:{issued:x}:{expires:x}".encode()
    return hmac.new(_SECRET, text, hashlib.sha256).hexdigest()


def attachment(world: World, file: Attachment) -> Json:
    """The attachment object of a message or an interaction."""
    url = link(world, file)
    body: Json = {
        "id": str(file.id),
        "filename": file.filename,
        "size": file.size,
        "url": url,
        "proxy_url": url,
    }
    kind = content_type(file.filename)
    if kind:
        body["content_type"] = kind
    if file.description is not None:
        body["description"] = file.description
    if file.ephemeral:
        body["ephemeral"] = True
    return body | _image_size(file.data)


def content_type(filename: str) -> str | None:
    kind = mimetypes.guess_type(filename)[0]
    if kind and (kind.startswith("text/") or kind == "application/json"):
        return f"{kind}; charset=utf-8"
    return kind


def _image_size(data: bytes) -> Json:
    """Width and height of a PNG, the only image format the bot draws."""
    if data[:8] != b"\x89PNG\r\n\x1a\n" or len(data) < 24:
        return {}
    width, height = struct.unpack(">II", data[16:24])
    return {"width": width, "height": height}


async def serve(world: World, request: web.Request) -> web.Response:
    """Answer a download: 404 when the link is forged, expired, or its file is gone."""
    file = world.attachments.get(int(request.match_info["file_id"]))
    query = request.query
    try:
        issued, expires = int(query["is"], 16), int(query["ex"], 16)
    except (KeyError, ValueError):
        return gone()
    if file is None or query.get("hm") != _mac(file.id, issued, expires):
        return gone()
    if world.now_s() >= expires:
        return gone()
    kind = content_type(file.filename) or "application/octet-stream"
    return web.Response(body=file.data, headers={"Content-Type": kind})


def gone() -> web.Response:
    return web.Response(status=404, text="This content is no longer available.")


def refreshed(world: World, url: str) -> str:
    """A fresh link for an old one; an unknown file keeps its old link, as Discord does."""
    parts = URL(url).parts
    file = world.attachments.get(int(parts[3])) if len(parts) == 5 and parts[3].isdigit() else None
    return link(world, file) if file else url
