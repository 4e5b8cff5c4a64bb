"""Interactions under the real discord.py: commands, buttons, modals, menus, and their deadlines."""

import asyncio
import io
import re
from typing import Self

import discord
import pytest
from discord import app_commands

from tests.wire.asking import Impossible
from tests.wire.dpy import Bot, default_intents, running
from tests.wire.server import WireServer


class Gate(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=r"run:(?P<run>\d+):ok"
):
    """A button that outlives the process: its custom id says all."""

    def __init__(self, run: int) -> None:
        super().__init__(discord.ui.Button(label="Start", custom_id=f"run:{run}:ok"))
        self.run = run

    @classmethod
    async def from_custom_id(
        cls,
        interaction: discord.Interaction,
        item: discord.ui.Item[discord.ui.View],
        match: re.Match[str],
    ) -> Self:
        return cls(int(match["run"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        await interaction.response.edit_message(content=f"run {self.run} approved", view=None)


class Feedback(discord.ui.Modal, title="What to change"):
    why: discord.ui.Label[discord.ui.Modal] = discord.ui.Label(
        text="Why", component=discord.ui.TextInput(custom_id="why", max_length=20)
    )
    data: discord.ui.Label[discord.ui.Modal] = discord.ui.Label(
        text="Data", component=discord.ui.FileUpload(custom_id="data", required=False, max_values=2)
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        assert isinstance(self.why.component, discord.ui.TextInput)
        assert isinstance(self.data.component, discord.ui.FileUpload)
        files = [await file.read() for file in self.data.component.values]
        await interaction.response.send_message(
            f"{self.why.component.value}: {files}", ephemeral=True
        )


def finetune(bot: Bot) -> None:
    """Register the commands that the tests use."""
    group = app_commands.Group(name="finetune", description="Fine-tune a model")

    @group.command(description="Start a run")
    async def start(
        interaction: discord.Interaction,
        dataset: discord.Attachment,
        task: str,
        epochs: app_commands.Range[int, 1, 9] = 1,
    ) -> None:
        await interaction.response.defer(thinking=True)
        size = len(await dataset.read())
        await interaction.edit_original_response(
            content=f"{dataset.filename} {size} {task} {epochs}"
        )

    @group.command(description="Show a run")
    async def status(interaction: discord.Interaction, run: str) -> None:
        await interaction.response.send_message(f"run {run}", ephemeral=True)

    @status.autocomplete("run")
    async def runs(interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=f"#{typed}1", value=f"{typed}1")]

    @group.command(description="Give feedback")
    async def feedback(interaction: discord.Interaction) -> None:
        await interaction.response.send_modal(Feedback())

    @app_commands.context_menu(name="Fine-tune on this file")
    async def on_this(interaction: discord.Interaction, message: discord.Message) -> None:
        text = (await message.attachments[0].read()).decode()
        await interaction.response.send_message(f"{message.content} {text}")

    bot.tree.add_command(group)
    bot.tree.add_command(on_this)


async def test_a_slash_command_with_a_file_is_deferred_and_answered(
    judged_wire: WireServer,
) -> None:
    bot = Bot(default_intents())
    finetune(bot)
    async with running(judged_wire, bot):
        await bot.tree.sync()
        ada = judged_wire.person("ada")
        asked = await ada.slash(
            "finetune start", dataset=("a.csv", b"q,a\n"), task="sort", epochs=2
        )
        ack = await asked.ack()
        answer = await asked.answer()

        assert ack.type == 5
        assert answer.content == "a.csv 4 sort 2"
        assert answer.edited_at is None
        assert "to ada's 'finetune start'" in judged_wire.transcript(judged_wire.general)
        with pytest.raises(Impossible, match="requires the option 'task'"):
            await ada.slash("finetune start", dataset=("a.csv", b""))
        with pytest.raises(Impossible, match="at most 9"):
            await ada.slash("finetune start", dataset=("a.csv", b""), task="x", epochs=10)
        with pytest.raises(Impossible, match="no subcommand 'stop'"):
            await ada.slash("finetune stop")


async def test_commands_keep_their_ids_and_work_per_guild(judged_wire: WireServer) -> None:
    bot = Bot(default_intents())
    finetune(bot)
    async with running(judged_wire, bot):
        first = await bot.tree.sync()
        second = await bot.tree.sync()
        guild = discord.Object(judged_wire.guild.id)
        bot.tree.copy_global_to(guild=guild)
        local = await bot.tree.sync(guild=guild)

        assert [command.id for command in first] == [command.id for command in second]
        assert {command.id for command in local}.isdisjoint(command.id for command in first)
        choices = await judged_wire.person("ada").autocomplete("finetune status", "run", "4")
        assert [choice["value"] for choice in choices] == ["41"]
        asked = await judged_wire.person("ada").slash("finetune status", run="41")
        answer = await asked.answer()
        assert (answer.content, answer.ephemeral) == ("run 41", True)
        assert judged_wire.messages(judged_wire.general) == []


async def test_a_context_menu_shows_the_message_in_full_without_the_content_intent() -> None:
    bot = Bot(default_intents(content=False))
    finetune(bot)
    async with WireServer(message_content=False) as wire, running(wire, bot):
        await bot.tree.sync()
        ada = wire.person("ada")
        said = await ada.say("intents", files=[("a.csv", b"q,a")])
        asked = await ada.context_menu("Fine-tune on this file", said)

        assert (await asked.answer()).content == "intents q,a"


async def test_a_button_found_by_its_custom_id_alone_updates_its_message(
    judged_wire: WireServer,
) -> None:
    bot = Bot(default_intents())
    bot.add_dynamic_items(Gate)
    async with running(judged_wire, bot):
        view = discord.ui.View(timeout=None)
        view.add_item(Gate(7))
        await bot.guilds[0].text_channels[0].send("plan", view=view)
        gate = judged_wire.messages(judged_wire.general)[0]
        asked = await judged_wire.person("ada").press(gate, "Start")

        assert (await asked.ack()).type == 7
        assert (gate.content, gate.components) == ("run 7 approved", [])
        with pytest.raises(Impossible, match="no component"):
            await judged_wire.person("ada").press(gate, "Start")


async def test_a_modal_takes_texts_and_files(judged_wire: WireServer) -> None:
    bot = Bot(default_intents())
    finetune(bot)
    async with running(judged_wire, bot):
        await bot.tree.sync()
        ada = judged_wire.person("ada")
        asked = await ada.slash("finetune feedback")
        with pytest.raises(Impossible, match="requires 'Why'"):
            await ada.submit_modal(asked)
        submitted = await ada.submit_modal(asked, why="too long", data=[("b.csv", b"1")])

        assert (await submitted.answer()).content == "too long: [b'1']"


async def test_a_menu_answers_with_what_was_chosen(judged_wire: WireServer) -> None:
    bot = Bot(default_intents())
    async with running(judged_wire, bot):
        menu: discord.ui.Select[discord.ui.View] = discord.ui.Select(custom_id="model")
        menu.add_option(label="Small", value="s")
        menu.add_option(label="Large", value="l")

        async def chosen(interaction: discord.Interaction) -> None:
            await interaction.response.send_message(menu.values[0])

        menu.callback = chosen  # type: ignore[method-assign]  # as discord.py documents it
        view = discord.ui.View(timeout=None)
        view.add_item(menu)
        await bot.guilds[0].text_channels[0].send("Which?", view=view)
        question = judged_wire.messages(judged_wire.general)[0]
        asked = await judged_wire.person("ada").choose(question, "model", "l")

        answer = await asked.answer()
        assert (answer.content, answer.reference) == ("l", (question.channel_id, question.id))
        with pytest.raises(Impossible, match="offers"):
            await judged_wire.person("ada").choose(question, "model", "xl")


async def test_follow_ups_fill_the_deferral_first_and_files_go_along(
    judged_wire: WireServer,
) -> None:
    bot = Bot(default_intents())

    @bot.tree.command(description="Report")
    async def report(interaction: discord.Interaction) -> None:
        await interaction.response.defer(ephemeral=True)
        await interaction.followup.send("filled")
        await interaction.followup.send("more", file=discord.File(io.BytesIO(b"x"), "x.txt"))

    async with running(judged_wire, bot):
        await bot.tree.sync()
        asked = await judged_wire.person("ada").slash("report")
        await judged_wire.until(lambda: asked.followups)

        original = await asked.answer()
        assert (original.content, original.ephemeral) == ("filled", True)
        more = asked.followups[0]
        assert (more.content, more.attachments[0].data, more.ephemeral) == ("more", b"x", False)


async def test_deadlines_and_double_answers_have_their_codes(judged_wire: WireServer) -> None:
    bot = Bot(default_intents())
    codes: list[int] = []
    judged_wire.world.ack_within_s = 0.1

    @bot.tree.command(description="Slow")
    async def slow(interaction: discord.Interaction) -> None:
        await asyncio.sleep(0.2)
        with pytest.raises(discord.NotFound) as late:
            await interaction.response.send_message("late")
        codes.append(late.value.code)

    @bot.tree.command(description="Long")
    async def long(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("first")
        interaction.response._response_type = None
        with pytest.raises(discord.HTTPException) as twice:
            await interaction.response.send_message("second")
        judged_wire.advance(15 * 60 + 1)
        with pytest.raises(discord.HTTPException) as expired:
            await interaction.followup.send("after 15 minutes")
        codes.extend((twice.value.code, expired.value.status, expired.value.code))

    async with running(judged_wire, bot):
        await bot.tree.sync()
        ada = judged_wire.person("ada")
        unanswered = await ada.slash("slow")
        await judged_wire.until(lambda: codes)
        with pytest.raises(AssertionError, match="in vain"):
            await unanswered.ack(timeout_s=0.05)
        await ada.slash("long")
        await judged_wire.until(lambda: len(codes) == 4, poll_s=0.05)

        assert codes == [10062, 40060, 401, 50027]


class Settings(discord.ui.Modal, title="Settings"):
    size: discord.ui.Label[discord.ui.Modal] = discord.ui.Label(
        text="Size",
        component=discord.ui.Select(
            custom_id="size",
            options=[discord.SelectOption(label="S"), discord.SelectOption(label="L")],
        ),
    )
    ask: discord.ui.Label[discord.ui.Modal] = discord.ui.Label(
        text="Ask me", component=discord.ui.Checkbox(custom_id="ask", default=True)
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        assert isinstance(self.size.component, discord.ui.Select)
        assert isinstance(self.ask.component, discord.ui.Checkbox)
        chosen = f"{self.size.component.values} {self.ask.component.value}"
        await interaction.response.edit_message(content=chosen)


class Open(discord.ui.View):
    @discord.ui.button(label="Settings", custom_id="settings")
    async def settings(self, interaction: discord.Interaction, _: discord.ui.Button[Self]) -> None:
        await interaction.response.send_modal(Settings())


async def test_a_modal_of_a_button_edits_the_buttons_message(judged_wire: WireServer) -> None:
    async with running(judged_wire, Bot(default_intents())) as bot:
        await bot.guilds[0].text_channels[0].send("ready", view=Open(timeout=None))
        (card,) = judged_wire.messages(judged_wire.general)
        ada = judged_wire.person("ada")
        asked = await ada.press(card, "settings")
        submitted = await ada.submit_modal(asked, size=["L"])

        assert (await submitted.ack()).type == 7
        assert card.content == "['L'] True"
        with pytest.raises(Impossible, match="no field"):
            await ada.submit_modal(asked, size=["L"], colour="red")


async def test_people_and_channels_can_be_options(judged_wire: WireServer) -> None:
    bot = Bot(default_intents())

    @bot.tree.command(description="Hand over")
    async def hand(
        interaction: discord.Interaction, to: discord.Member, at: discord.TextChannel, loud: bool
    ) -> None:
        await interaction.response.send_message(f"{to.name} {at.name} {loud}")

    async with running(judged_wire, bot):
        await bot.tree.sync()
        ada, ben = judged_wire.person("ada"), judged_wire.person("ben")
        asked = await ada.slash("hand", to=ben.user, at=judged_wire.general, loud=True)

        assert (await asked.answer()).content == "ben general True"
        with pytest.raises(Impossible, match="does not take"):
            await ada.slash("hand", to="ben", at=judged_wire.general, loud=True)
        judged_wire.deny(judged_wire.general, "use_application_commands", person=ada)
        with pytest.raises(Impossible, match="may not use commands"):
            await ada.slash("hand", to=ben.user, at=judged_wire.general, loud=True)
