"""Requests that survive Discord's bad moments, and sentences that are said once.

discord.py repeats a request after 500, 502, 504 and 429. What it lets through is repeated here: 503, and connections
that end without an answer. Everything sent this way is safe to send twice: messages carry a nonce of ours, by which
Discord knows them again for some minutes.
"""

import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
import discord
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from bot.discord import render
from bot.surface import MessageGone, PlaceGone

T = TypeVar("T")
log = logging.getLogger(__name__)

TRIES = 4
REPEATED_BY_THE_LIBRARY = frozenset({500, 502, 504, 524})
NONCE_CHARS = 25
PAGE = 100
LOOK_BACK = 1000
"""Messages of a place that are looked through for one of ours."""

UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK, UNKNOWN_INTERACTION = 10003, 10008, 10015, 10062
NO_ACCESS, NO_PERMISSION, TOKEN_EXPIRED = 50001, 50013, 50027
TOO_LARGE, ALREADY_ACKNOWLEDGED = 40005, 40060
THREAD_ARCHIVED, THREAD_EXISTS, THREAD_LOCKED = 50083, 160004, 160005
WRONG_CHANNEL_TYPE, TOO_MANY_THREADS = 50024, 160006

PLACE_IS_GONE = frozenset(
    {UNKNOWN_CHANNEL, NO_ACCESS, NO_PERMISSION, THREAD_LOCKED, THREAD_ARCHIVED}
)


@dataclass(frozen=True)
class Sentence:
    """Something to tell one person."""

    text: str
    key: str
    """The same key in the same place is said once."""
    to: int
    """The only one who is notified."""
    reply_to: int | None = None
    """The message it answers."""
    since: int | None = None
    """Look first whether it was said after this message; None trusts the nonce alone."""


async def insist(request: Callable[[], Awaitable[T]]) -> T:
    """Make a request that may be made twice until Discord answers it, four times at most."""
    retrying = AsyncRetrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_attempt(TRIES),
        wait=wait_exponential_jitter(multiplier=0.3, max=5, jitter=0.2),
        reraise=True,
    )
    async for attempt in retrying:
        with attempt:
            return await request()
    raise AssertionError("tenacity raises the last error")


@contextmanager
def translated() -> Iterator[None]:
    """Turn Discord's words for "gone" into ours.

    Raises: MessageGone, PlaceGone.
    """
    try:
        yield
    except discord.HTTPException as error:
        if error.code == UNKNOWN_MESSAGE:
            raise MessageGone(str(error)) from error
        if error.code in PLACE_IS_GONE:
            raise PlaceGone(str(error)) from error
        raise


def nonces(place: int, key: str) -> Iterator[str]:
    """Yield the names of a message: the next one is for when a message with the last one was deleted."""
    for turn in range(5):
        yield hashlib.sha256(f"{place} {key} {turn}".encode()).hexdigest()[:NONCE_CHARS]


async def send_once(place: int, key: str, send: Callable[[str], Awaitable[T]]) -> T:
    """Send a message under its nonce.

    Discord answers "unknown message" to the nonce of a message that was deleted meanwhile: then it is sent anew.
    """
    deleted: discord.NotFound | None = None
    for nonce in nonces(place, key):
        try:
            return await insist(lambda nonce=nonce: send(nonce))  # type: ignore[misc]  # mypy cannot infer a lambda's default
        except discord.NotFound as error:
            if error.code != UNKNOWN_MESSAGE:
                raise
            deleted = error
    assert deleted is not None
    raise deleted


async def say(client: discord.Client, place: int, sentence: Sentence) -> None:
    """Tell one person something in a channel, once; where the channel is gone nobody is told."""
    channel = client.get_partial_messageable(place)
    text = render.clip(f"<@{sentence.to}> {sentence.text}", render.CONTENT)
    reference = None
    if sentence.reply_to is not None:
        text = render.clip(sentence.text, render.CONTENT)
        reference = discord.MessageReference(
            message_id=sentence.reply_to, channel_id=place, fail_if_not_exists=False
        )
    to = discord.AllowedMentions(
        everyone=False, roles=False, users=[discord.Object(sentence.to)], replied_user=True
    )

    async def send(nonce: str) -> None:
        # mypy: an absent reference is None, which the overloads of `send` do not name
        await channel.send(
            text,
            nonce=nonce,
            allowed_mentions=to,
            suppress_embeds=True,
            reference=reference,  # type: ignore[arg-type]
        )

    try:
        with translated():
            if not await _said_before(client, channel, sentence, text):
                await send_once(place, sentence.key, send)
    except (PlaceGone, MessageGone) as error:
        log.warning("nobody was told “%s”: %s", sentence.text, error)


async def history(
    channel: discord.abc.Messageable, *, after: int | None, limit: int
) -> AsyncIterator[discord.Message]:
    """Yield the messages of a place, newest first; those after a message, where one is given, oldest first."""
    read, last = 0, None if after is None else discord.Object(after)
    forward = after is not None
    while read < limit:

        async def page(last: discord.Object | None = last) -> list[discord.Message]:
            if forward:
                found = channel.history(limit=PAGE, after=last, oldest_first=True)
            else:
                found = channel.history(limit=PAGE, before=last)
            return [message async for message in found]

        messages = await insist(page)
        for message in messages:
            yield message
        read += len(messages)
        if len(messages) < PAGE:
            return
        last = discord.Object(messages[-1].id)


async def own_messages(
    client: discord.Client, channel: discord.abc.Messageable, after: int | None = None
) -> AsyncIterator[discord.Message]:
    """Yield our messages of a place, in the order of `history`. Without the right to read it there are none."""
    try:
        async for message in history(channel, after=after, limit=LOOK_BACK):
            if client.user is not None and message.author.id == client.user.id:
                yield message
    except discord.Forbidden as error:
        if error.code not in (NO_ACCESS, NO_PERMISSION):
            raise


async def _said_before(
    client: discord.Client, channel: discord.PartialMessageable, sentence: Sentence, text: str
) -> bool:
    if sentence.since is None:
        return False
    async for message in own_messages(client, channel, after=sentence.since):
        answers = message.reference.message_id if message.reference else None
        if message.content == text and answers == sentence.reply_to:
            return True
    return False


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, discord.DiscordServerError):
        return error.status not in REPEATED_BY_THE_LIBRARY
    return isinstance(error, aiohttp.ClientError | OSError)
