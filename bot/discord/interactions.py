"""Answers to commands, buttons and forms: in time, only to the person, and never an exception in their face.

Discord wants a first answer within three seconds; we answer within one, with the result or with "thinking".
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import discord

from agents.services import UserError
from bot.discord import render
from bot.discord.sending import (
    ALREADY_ACKNOWLEDGED,
    UNKNOWN_INTERACTION,
    Sentence,
    insist,
    say,
)

log = logging.getLogger(__name__)

PATIENCE_S = 1.0
"""How long a result may take before the person is told that it does."""
BROKEN = "Something of ours broke, and it has been written down. Please try again; if it happens again, tell who runs this bot: {}"

AnyInteraction = discord.Interaction[Any]


async def answer(interaction: AnyInteraction, work: Coroutine[Any, Any, str | None]) -> None:
    """Tell the person, and only them, what `work` returns; None is for work that shows elsewhere."""
    task = asyncio.create_task(in_words(interaction, work))
    done, _pending = await asyncio.wait({task}, timeout=PATIENCE_S)
    if done:
        await _answer_now(interaction, task.result())
        return
    acknowledged = await _acknowledge(interaction, lambda: _defer(interaction))
    text = await task
    if text is None:
        return
    if acknowledged:
        await _answer_later(interaction, text)
    else:
        await _tell_otherwise(interaction, text)


async def in_words(
    interaction: AnyInteraction, work: Coroutine[Any, Any, str | None]
) -> str | None:
    """Return what work returns, or, where it fails, what to tell the person: the one error boundary."""
    try:
        return await work
    except UserError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  # the boundary: it is logged, and the person is told
        return explain(interaction, error)


def explain(interaction: AnyInteraction, error: BaseException) -> str:
    """Write down an error that is ours and return what to tell the person."""
    name = interaction.command.qualified_name if interaction.command else interaction.type.name
    number = f"error {interaction.id}"
    log.error("%s: %s by %s failed", number, name, interaction.user.id, exc_info=error)
    return BROKEN.format(number)


async def _answer_now(interaction: AnyInteraction, text: str | None) -> None:
    if text is None:
        await _acknowledge(interaction, lambda: interaction.response.defer())
        return
    shown = render.clip(text, render.CONTENT)

    async def send() -> None:
        await interaction.response.send_message(shown, ephemeral=True, suppress_embeds=True)

    if not await _acknowledge(interaction, send):
        await _tell_otherwise(interaction, text)


async def _answer_later(interaction: AnyInteraction, text: str) -> None:
    shown = render.clip(text, render.CONTENT)
    try:
        if interaction.type is discord.InteractionType.component:
            await interaction.followup.send(shown, ephemeral=True, suppress_embeds=True)
        else:
            await insist(lambda: interaction.edit_original_response(content=shown))
    except discord.HTTPException as error:
        log.info("interaction %d: answered in the channel instead: %s", interaction.id, error)
        await _tell_otherwise(interaction, text)


async def _defer(interaction: AnyInteraction) -> None:
    if interaction.type is discord.InteractionType.component:
        await interaction.response.defer()
    else:
        await interaction.response.defer(ephemeral=True, thinking=True)


async def _acknowledge(
    interaction: AnyInteraction, respond: Callable[[], Awaitable[object]]
) -> bool:
    """Give the first answer; False when it came too late for Discord.

    An answer whose confirmation was lost is given again, and "already acknowledged" then means that it had arrived.
    """
    try:
        await insist(respond)
    except discord.HTTPException as error:
        if error.code == ALREADY_ACKNOWLEDGED:
            return True
        if error.code == UNKNOWN_INTERACTION or error.status >= 500:
            log.warning("interaction %d was not acknowledged: %s", interaction.id, error)
            return False
        raise
    return True


async def _tell_otherwise(interaction: AnyInteraction, text: str) -> None:
    """Tell the person in the channel, where Discord takes no answer to the interaction any more."""
    if interaction.channel_id is None:
        return
    sentence = Sentence(text, f"interaction:{interaction.id}", interaction.user.id)
    await say(interaction.client, interaction.channel_id, sentence)
