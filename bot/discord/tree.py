"""All commands together, as discord.py hands interactions to them."""

import discord
from discord import app_commands

from bot.discord import interactions
from bot.discord.file_menu import menu
from bot.discord.host import Host
from bot.discord.slash_commands import Finetune


class Tree(app_commands.CommandTree[Host]):
    """All commands, each carried out once and none ending in a bare exception."""

    async def interaction_check(self, interaction: discord.Interaction[Host], /) -> bool:
        """Let each interaction in once: Discord may send one twice."""
        return interaction.client.is_new(interaction.id)

    async def on_error(
        self, interaction: discord.Interaction[Host], error: app_commands.AppCommandError, /
    ) -> None:
        """Tell the person what failed before a command could begin, or while it opened a form."""
        cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error

        async def failed() -> str:
            raise cause

        if not interaction.response.is_done():
            await interactions.answer(interaction, failed())
        else:
            interactions.explain(interaction, cause)


def add_commands(tree: Tree, host: Host) -> None:
    """Fill a tree."""
    tree.add_command(Finetune(host))
    tree.add_command(menu(host))
