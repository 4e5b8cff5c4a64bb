"""A wish for a run, made from a command or a form."""

from dataclasses import dataclass

import discord

from agents.services import UserError
from bot.commands import METHODS
from bot.desk import Wish
from bot.discord.attachments import further, request_of
from bot.discord.interactions import AnyInteraction
from bot.discord.people import home_of
from bot.surface import Person


@dataclass(frozen=True)
class Asked:
    """What was filled in."""

    attachment: discord.Attachment
    task: str
    message_id: int | None
    """The message that holds the file; None when it came with the command."""
    model: str | None = None
    method: str = METHODS[0]
    continue_from: int | None = None
    others: tuple[discord.Attachment, ...] = ()
    """Further files, from where the first one is."""


def as_wish(interaction: AnyInteraction, person: Person, asked: Asked) -> Wish:
    """Return what a person asks for, as plain data that outlives the process."""
    if interaction.channel is None or interaction.channel_id is None:
        raise UserError("I cannot see this channel. Use me in another one.")
    request = request_of(asked.attachment, interaction.channel_id, asked.message_id)
    request |= {
        "id": interaction.id,
        "user_id": interaction.user.id,
        "application_id": interaction.application_id,
        "token": interaction.token,
    }
    return Wish(
        key=f"discord:interaction:{interaction.id}",
        person_id=person.id,
        person_name=person.name,
        person_roles=sorted(person.roles),
        guild=str(interaction.guild_id) if interaction.guild_id else None,
        home=home_of(interaction.channel),
        goal=asked.task,
        file_name=asked.attachment.filename,
        size_bytes=asked.attachment.size,
        model=asked.model,
        method=asked.method,
        continue_from=asked.continue_from,
        more=further(asked.others, interaction.channel_id, asked.message_id),
        request=request,
    )
