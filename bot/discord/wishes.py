"""A wish for a run, made from a command or a form: kept, then acknowledged, then carried out."""

from dataclasses import dataclass

import discord
from discord import app_commands

from agents.jobs import WorkflowWish
from agents.services import UserError
from bot.commands import METHODS
from bot.desk import Wish
from bot.discord import interactions
from bot.discord.attachments import further, request_of
from bot.discord.host import Host
from bot.discord.interactions import AnyInteraction
from bot.discord.people import home_of, person_of
from bot.surface import Person
from bot.text import plain, size

TASK_CHARS = 1000
GUILDS_ONLY = app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False)
NOT_FOR_USERS = app_commands.AppInstallationType(guild=True, user=False)


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
    generate: str | None = None
    others: tuple[discord.Attachment, ...] = ()
    """Further files, from where the first one is."""
    workflow: WorkflowWish | None = None
    """How a workflow is to be improved; None: a model is trained."""
    document: bool = False
    """The file goes into the library; no run is started."""


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
        generate=asked.generate,
        more=further(asked.others, interaction.channel_id, asked.message_id),
        document=asked.document,
        workflow=None if asked.workflow is None else asked.workflow.model_dump(mode="json"),
        request=request,
    )


def asker(interaction: AnyInteraction) -> Person:
    """Return who uses a command. Raises: UserError: not in a server."""
    if not isinstance(interaction.user, discord.Member):
        raise UserError("I work in servers only; use me in a channel of one.")
    return person_of(interaction.user)


async def start(host: Host, interaction: AnyInteraction, asked: Asked) -> None:
    """Keep a wish, say so, and carry it out afterwards."""
    await interactions.answer(interaction, _take(host, interaction, asked))
    host.soon(host.app.desk.work_off(), "carrying out a wish")


async def _take(host: Host, interaction: AnyInteraction, asked: Asked) -> str:
    check_we_may_write(interaction)
    await host.app.desk.take(as_wish(interaction, asker(interaction), asked))
    files = (asked.attachment, *asked.others)
    named = "; ".join(f"{plain(file.filename, 80)}, {size(file.size)}" for file in files)
    return f"Got it: reading {named} …"


def check_we_may_write(interaction: AnyInteraction) -> None:
    """Refuse where we could not show the run. Raises: UserError."""
    allowed = interaction.app_permissions
    if isinstance(interaction.channel, discord.Thread) and not allowed.send_messages_in_threads:
        missing = "Send Messages in Threads"
    elif not allowed.view_channel:
        missing = "View Channel"
    elif not allowed.send_messages:
        missing = "Send Messages"
    else:
        return
    raise UserError(
        f"I may not write here: the permission “{missing}” is missing. "
        "The people who run this server can give it to me, or use another channel."
    )
