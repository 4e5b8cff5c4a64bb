"""The entry “Fine-tune on this file” in the menu of a message, and the form that asks for the sentence."""

from typing import Any

import discord
from discord import app_commands

from agents.services import UserError
from bot.discord import attachments, interactions
from bot.discord.host import Host
from bot.discord.interactions import AnyInteraction
from bot.discord.wishes import GUILDS_ONLY, NOT_FOR_USERS, TASK_CHARS, Asked, start

MENU_NAME = "Fine-tune on this file"


class TaskForm(discord.ui.Modal):
    """Asks what the model should learn from a file that is already in the channel."""

    def __init__(
        self, host: Host, attached: list[discord.Attachment], message: discord.Message
    ) -> None:
        super().__init__(title=MENU_NAME, timeout=3600)
        self.host = host
        self.attached = attached
        self.message_id = message.id
        self.task: discord.ui.TextInput[Any] = discord.ui.TextInput(
            custom_id="task",
            style=discord.TextStyle.paragraph,
            max_length=TASK_CHARS,
            placeholder="for example: classify support tickets",
        )
        self.add_item(
            discord.ui.Label(text="What should the model learn from it?", component=self.task)
        )

    async def on_submit(self, interaction: AnyInteraction) -> None:
        """Take the wish."""
        if self.host.is_new(interaction.id):
            first, *others = self.attached
            asked = Asked(first, self.task.value, message_id=self.message_id, others=tuple(others))
            await start(self.host, interaction, asked)


def menu(host: Host) -> app_commands.ContextMenu:
    """Return the entry in the menu of a message."""

    async def on_this_file(interaction: AnyInteraction, message: discord.Message) -> None:
        chosen = attachments.the_data_files(message.attachments)
        if not chosen:
            await interactions.answer(interaction, _no_file())
            return
        await interaction.response.send_modal(TaskForm(host, chosen, message))

    return app_commands.ContextMenu(
        name=MENU_NAME,
        callback=on_this_file,
        allowed_contexts=GUILDS_ONLY,
        allowed_installs=NOT_FOR_USERS,
    )


async def _no_file() -> str:
    raise UserError(
        "There is no file in that message. Use this on a message with a CSV, JSON, JSONL, Parquet or Excel file."
    )
