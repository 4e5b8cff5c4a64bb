"""Files that people attach: which one is meant, and how it is fetched."""

import logging
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

import aiohttp
import discord
from discord.http import Route

from agents.services import UserError
from bot.discord.sending import insist

log = logging.getLogger(__name__)

HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".txt", ".parquet", ".xlsx", ".gz")
CHUNK_BYTES = 2**18
TIMEOUT = aiohttp.ClientTimeout(total=900, sock_connect=15, sock_read=60)
GONE = "Your file is not there any more. Please attach it again."


class NotFetched(OSError):
    """The file did not come, or not whole; another try may help."""


def the_data_files(attached: Sequence[discord.Attachment]) -> list[discord.Attachment]:
    """Return all attachments whose names look like data; the first attachment where none does."""
    looks_right = [a for a in attached if a.filename.lower().endswith(SUFFIXES)]
    return looks_right or list(attached[:1])


def further(
    others: Sequence[discord.Attachment], channel_id: int, message_id: int | None
) -> list[dict[str, Any]]:
    """Return what a wish keeps of the files after its first."""
    return [
        {
            "file_name": other.filename,
            "size_bytes": other.size,
            "request": request_of(other, channel_id, message_id),
        }
        for other in others
    ]


def request_of(
    attachment: discord.Attachment, channel_id: int, message_id: int | None
) -> dict[str, Any]:
    """Return what is kept of an attachment: enough to fetch it after a restart, when its link has expired."""
    return {
        "url": attachment.url,
        "attachment_id": attachment.id,
        "size_bytes": attachment.size,
        "channel_id": channel_id,
        "message_id": message_id,
    }


async def stream(client: discord.Client, request: dict[str, Any]) -> AsyncIterator[bytes]:
    """Yield a file that came with a request.

    Raises: UserError: it is not there any more. OSError: it did not come whole; trying again may help.
    """
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        try:
            response = await _open(session, request["url"])
            if response is None:
                fresh = await _fresh_link(client, request)
                response = await _open(session, fresh) if fresh else None
            if response is None:
                raise UserError(GONE)
            size_bytes = 0
            async with response:
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    size_bytes += len(chunk)
                    yield chunk
        except (aiohttp.ClientError, discord.HTTPException) as error:
            raise NotFetched(f"{type(error).__name__}: {error}") from error
    if size_bytes < request["size_bytes"]:
        raise NotFetched(f"{size_bytes} of {request['size_bytes']} bytes came")


async def _open(session: aiohttp.ClientSession, url: str) -> aiohttp.ClientResponse | None:
    """Open a link; None when it has expired.

    Raises: NotFetched: no answer, or not a file.
    """
    if not _is_discords(urlsplit(url)):
        raise UserError("That file is not on Discord. Please attach it again.")
    response = await session.get(url, allow_redirects=False)
    if response.status == 200:
        return response
    response.release()
    if response.status in (403, 404):
        return None
    raise NotFetched(f"status {response.status}")


def _is_discords(url: SplitResult) -> bool:
    """Tell whether a link leads to Discord's file servers, or to the loopback server that plays Discord in tests."""
    api = urlsplit(Route.BASE)
    if _is_loopback(api.hostname or ""):
        return (url.scheme, url.netloc) == (api.scheme, api.netloc)
    return url.scheme == "https" and url.netloc in HOSTS


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def _fresh_link(client: discord.Client, request: dict[str, Any]) -> str | None:
    """Return a link that has not expired; None when the file is gone with its message."""
    if request["message_id"] is None:
        return await _refreshed(client, request["url"])
    channel = client.get_partial_messageable(request["channel_id"])
    try:
        message = await insist(lambda: channel.fetch_message(request["message_id"]))
    except (discord.NotFound, discord.Forbidden):
        return None
    links = [a.url for a in message.attachments if a.id == request["attachment_id"]]
    return links[0] if links else None


async def _refreshed(client: discord.Client, url: str) -> str | None:
    """Ask for a fresh link to a file that belongs to no message, such as a command's."""
    route = Route("POST", "/attachments/refresh-urls")
    try:
        answer = await insist(lambda: client.http.request(route, json={"attachment_urls": [url]}))
    except discord.HTTPException as error:
        log.warning("link not refreshed: %s", error)
        return None
    return next((str(entry["refreshed"]) for entry in answer["refreshed_urls"]), None)
