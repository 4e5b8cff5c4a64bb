"""Runs as messages in Discord's channels and threads: the `Surface` of this package."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import discord

from bot.discord import attachments, ballots, gate_buttons, render
from bot.discord.people import NAME, known_channel, number_of, place_of
from bot.discord.sending import (
    NO_PERMISSION,
    THREAD_ARCHIVED,
    THREAD_EXISTS,
    TOKEN_EXPIRED,
    TOO_LARGE,
    TOO_MANY_THREADS,
    UNKNOWN_MESSAGE,
    UNKNOWN_WEBHOOK,
    WRONG_CHANNEL_TYPE,
    Sentence,
    insist,
    own_messages,
    say,
    send_once,
    translated,
)
from bot.surface import CHOICES, DECISIONS, NUMBERS, Card, Parcel, Question

T = TypeVar("T")
log = logging.getLogger(__name__)

TOKEN_LIFETIME = timedelta(minutes=14)
"""An interaction can be answered for 15 minutes; the last one is left alone."""
NO_THREAD_HERE = frozenset({NO_PERMISSION, TOO_MANY_THREADS, WRONG_CHANNEL_TYPE})
NOT_THIS_WAY = frozenset({NO_PERMISSION, TOO_LARGE})

OnFound = Callable[[discord.Message, Question], None]


class DiscordSurface:
    """Shows cards as embeds with buttons and reactions. Every request may be made twice."""

    name = NAME
    shows_pictures = True

    def __init__(
        self, client: discord.Client, edit_interval_s: float, on_found: OnFound | None = None
    ) -> None:
        self.client = client
        self.edit_interval_s = edit_interval_s
        self._on_found = on_found
        """Told of a question that was sent before a crash: it may have been answered meanwhile."""

    def attachment_limit_bytes(self, place: str) -> int:
        """Return what a server's boosts allow; Discord's least where the place is not known."""
        guild = getattr(self.client.get_channel(number_of(place)), "guild", None)
        return guild.filesize_limit if guild else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES

    async def post(self, place: str, card: Card, parcel: Parcel) -> str:
        """Send a card, or find it where it was sent before; put ✅ and ❌ below a question.

        Raises: PlaceGone. MessageGone: it was deleted at once; the next try sends it anew.
        """
        channel = self._channel(place)
        with translated():
            message = await self._sent_before(channel, parcel) if parcel.maybe_sent else None
            if message is None:
                message = await self._send(channel, card, parcel)
            else:
                await self.edit(place, str(message.id), card)
                if card.question is not None and self._on_found is not None:
                    self._on_found(message, card.question)
            if offered := _offered(card):
                await self._offer_reactions(message, offered)
        return str(message.id)

    async def edit(self, place: str, message_id: str, card: Card) -> None:
        """Change embed and buttons; what else the message holds stays.

        Raises: MessageGone, PlaceGone.
        """
        message = self._channel(place).get_partial_message(int(message_id))

        async def with_embed() -> None:
            await message.edit(embed=render.embed(card), view=_buttons(card))

        async def as_text() -> None:
            await message.edit(content=render.plain_text(card), view=_buttons(card))

        with translated():
            await self._in_open_thread(place, lambda: _first_accepted(with_embed, as_text))

    async def open_thread(self, place: str, message_id: str, name: str) -> str:
        """Return the thread under a message; where there can be none, the channel itself takes its part.

        Raises: MessageGone, PlaceGone.
        """
        with translated():
            channel = await self._known_channel(place)
            if not isinstance(channel, discord.TextChannel):
                return place
            message = channel.get_partial_message(int(message_id))
            try:
                thread = await insist(
                    lambda: message.create_thread(
                        name=render.thread_name(name), auto_archive_duration=10080
                    )
                )
            except discord.HTTPException as error:
                if error.code == THREAD_EXISTS:
                    return place_of(int(message_id))
                if error.code not in NO_THREAD_HERE:
                    raise
                log.warning("no thread in %s, going on in the channel: %s", place, error)
                return place
        return place_of(thread.id)

    async def answer(self, request: dict[str, Any], text: str, key: str) -> None:
        """Tell the person by editing the answer to their command, or else in the channel, notifying only them."""
        if await self._edit_answer(request, text):
            return
        sentence = Sentence(
            text=text,
            key=key,
            to=request["user_id"],
            reply_to=request.get("message_id"),
            since=request["id"],
        )
        await say(self.client, request["channel_id"], sentence)

    async def fetch(self, request: dict[str, Any]) -> AsyncIterator[bytes]:
        """Stream the file of a request from Discord's servers; an expired link is renewed.

        Raises: agents.services.UserError: it is not there any more. OSError: it did not come whole.
        """
        async for chunk in attachments.stream(self.client, request):
            yield chunk

    # --- messages

    async def _send(
        self, channel: discord.PartialMessageable, card: Card, parcel: Parcel
    ) -> discord.Message:
        to, silent = render.mentions(card), not card.loud

        async def send(nonce: str) -> discord.Message:
            view = _buttons(card) or discord.utils.MISSING

            async def with_embed(files: list[discord.File]) -> discord.Message:
                return await channel.send(
                    render.content(card),
                    embed=render.embed(card),
                    files=files,
                    view=view,
                    nonce=nonce,
                    silent=silent,
                    allowed_mentions=to,
                )

            async def whole() -> discord.Message:
                return await with_embed(render.files(parcel))

            async def without_files() -> discord.Message:
                return await with_embed([])

            async def as_text() -> discord.Message:
                return await channel.send(
                    render.plain_text(card),
                    view=view,
                    nonce=nonce,
                    silent=silent,
                    allowed_mentions=to,
                )

            return await _first_accepted(whole, without_files, as_text)

        return await send_once(channel.id, parcel.key, send)

    async def _sent_before(
        self, channel: discord.PartialMessageable, parcel: Parcel
    ) -> discord.Message | None:
        async for message in own_messages(self.client, channel):
            footers = [embed.footer.text or "" for embed in message.embeds]
            if any(text.endswith(parcel.marker) for text in (*footers, message.content)):
                return message
        return None

    async def _offer_reactions(self, message: discord.Message, emojis: Iterable[str]) -> None:
        try:
            await gate_buttons.offer_reactions(message, emojis)
        except discord.Forbidden as error:
            log.warning("message %d: buttons only, reactions not allowed: %s", message.id, error)

    # --- places

    def _channel(self, place: str) -> discord.PartialMessageable:
        return self.client.get_partial_messageable(number_of(place))

    async def _known_channel(self, place: str) -> object:
        return await insist(lambda: known_channel(self.client, number_of(place)))

    async def _in_open_thread(self, place: str, change: Callable[[], Awaitable[T]]) -> T:
        """Make a change; in an archived thread, open it and make the change then."""
        try:
            return await insist(change)
        except discord.HTTPException as error:
            if error.code != THREAD_ARCHIVED:
                raise
        thread = await self._known_channel(place)
        if isinstance(thread, discord.Thread):
            await insist(lambda: thread.edit(archived=False))
        return await insist(change)

    # --- answers

    async def _edit_answer(self, request: dict[str, Any], text: str) -> bool:
        """Edit the first answer to an interaction; False when there is none, or not any more."""
        token = request.get("token")
        begun = discord.utils.snowflake_time(request["id"])
        if token is None or datetime.now(UTC) - begun > TOKEN_LIFETIME:
            return False
        webhook = discord.Webhook.partial(request["application_id"], token, client=self.client)
        shown = render.clip(text, render.CONTENT)
        original: Any = "@original"  # Discord takes this for the first answer's id; discord.py's types do not know
        try:
            await insist(lambda: webhook.edit_message(original, content=shown))
        except discord.HTTPException as error:
            if error.code in (UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK, TOKEN_EXPIRED):
                return False
            raise
        return True


def _buttons(card: Card) -> discord.ui.View | None:
    return gate_buttons.view(card.question) if card.ballot is None else ballots.view(card.ballot)


def _offered(card: Card) -> Iterable[str]:
    """Return the reactions that stand below a card: of a change that can be chosen from also a number per edit."""
    if card.ballot is not None:
        return CHOICES
    if card.question is None:
        return ()
    return (*DECISIONS, *list(NUMBERS)[: len(card.question.taken)])


async def _first_accepted(*ways: Callable[[], Awaitable[T]]) -> T:
    """Say it in the first way that a place lets us: whole, without files, or as text that says the same."""
    *better, last = ways
    for way in better:
        try:
            return await way()
        except discord.HTTPException as error:
            if error.code not in NOT_THIS_WAY:
                raise
            log.warning("said more plainly: %s", error)
    return await last()
