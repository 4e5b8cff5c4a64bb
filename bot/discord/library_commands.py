"""/finetune knowledge: documents that the runs of a server may look things up in."""

import discord
from discord import app_commands

from bot.discord import interactions, run_lines
from bot.discord.host import Host
from bot.discord.interactions import AnyInteraction
from bot.discord.wishes import Asked, as_wish, asker
from bot.library import NAME_CHARS, NONE_YET
from bot.text import plain, size

CHOICES = 25
CHOICE_CHARS = 100
Name = app_commands.Range[str, 1, NAME_CHARS]


class Knowledge(app_commands.Group):
    """All commands that begin with /finetune knowledge."""

    def __init__(self, host: Host) -> None:
        super().__init__(
            name="knowledge", description="Documents that runs here may look things up in"
        )
        self.host = host

    @app_commands.command()
    @app_commands.describe(
        document="PDF, Word, HTML, Markdown, text or CSV; a file of the same name is replaced"
    )
    async def add(self, interaction: AnyInteraction, document: discord.Attachment) -> None:
        """Add a document, for all runs of this server that make rows or look things up."""
        await interactions.answer(interaction, self._add(interaction, document))
        self.host.soon(self.host.app.desk.work_off(), "carrying out a wish")

    async def _add(self, interaction: AnyInteraction, document: discord.Attachment) -> str:
        asked = Asked(document, "", message_id=None, document=True)
        await self.host.app.desk.take(as_wish(interaction, asker(interaction), asked))
        return f"Got it: reading {plain(document.filename, 80)}, {size(document.size)} …"

    @app_commands.command(name="list")
    async def list_(self, interaction: AnyInteraction) -> None:
        """List the documents of this server."""
        await interactions.answer(interaction, self._list(interaction))

    async def _list(self, interaction: AnyInteraction) -> str:
        asker(interaction)
        found = await self.host.app.commands.library.listed(_guild(interaction))
        return run_lines.fitting(["**Documents here**", *found]) if found else NONE_YET

    @app_commands.command()
    @app_commands.describe(name="Name of the document")
    async def remove(self, interaction: AnyInteraction, name: Name) -> None:
        """Take a document away; runs look in it no more."""
        library = self.host.app.commands.library
        person = asker(interaction)
        await interactions.answer(interaction, library.remove(person, _guild(interaction), name))

    @remove.autocomplete("name")
    async def _names(
        self, interaction: AnyInteraction, typed: str
    ) -> list[app_commands.Choice[str]]:
        names = await self.host.app.commands.library.names(_guild(interaction))
        fitting = [name for name in names if typed.lower() in name.lower()]
        short = [name for name in fitting if len(name) <= CHOICE_CHARS]
        return [app_commands.Choice(name=name, value=name) for name in short[:CHOICES]]


def _guild(interaction: AnyInteraction) -> str | None:
    return str(interaction.guild_id) if interaction.guild_id else None
