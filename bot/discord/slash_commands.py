"""/finetune and the message menu "Fine-tune on this file": the same verbs that every surface has, as Discord offers them.

Each answer is private. A wish is kept in the database before it is acknowledged, and carried out after that.
"""

from typing import Any

import discord
from discord import app_commands

from agents.jobs import ExportFormat
from agents.services import UserError
from bot.commands import ADAPTER, METHODS
from bot.discord import attachments, interactions, run_lines
from bot.discord.host import Host
from bot.discord.interactions import AnyInteraction
from bot.discord.people import person_of
from bot.discord.wishes import Asked, as_wish
from bot.publish_wishes import REPO_CHARS, Publish
from bot.surface import Person
from bot.text import plain, size
from bot.why_wishes import ITEM_CHARS

MENU_NAME = "Fine-tune on this file"
TASK_CHARS = 1000
PRIVATE, PUBLIC = "private", "public"
CHOICES = 25
CHOICE_CHARS = 100
GUILDS_ONLY = app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False)
NOT_FOR_USERS = app_commands.AppInstallationType(guild=True, user=False)

RunNumber = app_commands.Range[int, 1, 2**31]
TryNumber = app_commands.Range[int, 1, 1000]
Task = app_commands.Range[str, 1, TASK_CHARS]
Item = app_commands.Range[str, 1, ITEM_CHARS]


class Finetune(app_commands.Group):
    """All commands that begin with /finetune."""

    def __init__(self, host: Host) -> None:
        super().__init__(
            name="finetune",
            description="Fine-tune a language model on your data",
            allowed_contexts=GUILDS_ONLY,
            allowed_installs=NOT_FOR_USERS,
        )
        self.host = host

    @app_commands.command()
    @app_commands.describe(
        dataset="CSV, JSON, JSONL, Parquet or Excel with what goes in and what should come out",
        task="What the model should learn, in a sentence",
        model="Base model; without it, this server's usual one",
        method="How to train; without it, what fits the data",
        continue_from="Number of a run whose adapter is trained further",
        file2="A second file, merged with the first; “weight NAME 0.5” in the task uses half of it",
        file3="A third file",
    )
    @app_commands.choices(method=[app_commands.Choice(name=m, value=m) for m in METHODS])
    async def start(  # noqa: PLR0913  # one argument per option
        self,
        interaction: AnyInteraction,
        dataset: discord.Attachment,
        task: Task,
        model: str | None = None,
        method: str = METHODS[0],
        continue_from: RunNumber | None = None,
        file2: discord.Attachment | None = None,
        file3: discord.Attachment | None = None,
    ) -> None:
        """Start a run: upload data, approve the plan, get an evaluated adapter."""
        asked = Asked(
            dataset,
            task,
            message_id=None,
            model=model,
            method=method,
            continue_from=continue_from,
            others=tuple(file for file in (file2, file3) if file is not None),
        )
        await start(self.host, interaction, asked)

    @start.autocomplete("model")
    async def _models(
        self, interaction: AnyInteraction, typed: str
    ) -> list[app_commands.Choice[str]]:
        settings = self.host.app.settings
        usual = settings.default_model(_guild(interaction))
        names = sorted(settings.models.catalogue, key=lambda name: (name != usual, name))
        fitting = [name for name in names if typed.lower() in name.lower()]
        return [app_commands.Choice(name=n[:CHOICE_CHARS], value=n) for n in fitting[:CHOICES]]

    @app_commands.command()
    @app_commands.describe(run="Number of the run; without it, your latest one")
    async def status(self, interaction: AnyInteraction, run: RunNumber | None = None) -> None:
        """Show how a run stands."""
        await interactions.answer(interaction, self._status(interaction, run))

    async def _status(self, interaction: AnyInteraction, run_id: int | None) -> str:
        person = _person(interaction)
        found = run_id or await run_lines.latest_of(self.host.app, person)
        if found is None:
            raise UserError("You have no runs yet. `/finetune start` begins one.")
        run = await self.host.app.commands.visible(found, person, _guild(interaction))
        return await run_lines.details(self.host.app, run)

    @app_commands.command(name="list")
    async def list_(self, interaction: AnyInteraction) -> None:
        """List your latest runs, and this server's."""
        await interactions.answer(interaction, self._list(interaction))

    async def _list(self, interaction: AnyInteraction) -> str:
        return await run_lines.listing(self.host.app, _person(interaction), _guild(interaction))

    @app_commands.command()
    @app_commands.describe(run="Number of the run")
    async def cancel(self, interaction: AnyInteraction, run: RunNumber) -> None:
        """End a run for good."""
        commands = self.host.app.commands
        await interactions.answer(interaction, commands.cancel(run, _person(interaction)))

    @app_commands.command()
    @app_commands.describe(run="Number of the run")
    async def pause(self, interaction: AnyInteraction, run: RunNumber) -> None:
        """Stop a run at its next checkpoint, to be resumed."""
        commands = self.host.app.commands
        await interactions.answer(interaction, commands.pause(run, _person(interaction)))

    @app_commands.command()
    @app_commands.describe(run="Number of the run")
    async def resume(self, interaction: AnyInteraction, run: RunNumber) -> None:
        """Go on with a run that is paused, has failed, or whose question expired."""
        commands = self.host.app.commands
        await interactions.answer(interaction, commands.resume(run, _person(interaction)))

    @app_commands.command()
    @app_commands.describe(run="Number of the run")
    async def history(self, interaction: AnyInteraction, run: RunNumber) -> None:
        """Show the tries of a run: what changed and why, what came of it, who decided."""
        await interactions.answer(interaction, self._history(interaction, run))

    async def _history(self, interaction: AnyInteraction, run_id: int) -> str:
        person, guild = _person(interaction), _guild(interaction)
        told = await self.host.app.commands.tries(run_id, person, guild)
        return run_lines.history_of(told)

    @app_commands.command()
    @app_commands.describe(
        run="Number of the run", first="Number of a try", second="Number of another one"
    )
    async def diff(
        self, interaction: AnyInteraction, run: RunNumber, first: TryNumber, second: TryNumber
    ) -> None:
        """Show what is different between two tries of a run: plan, rows, metrics, decisions."""
        await interactions.answer(interaction, self._diff(interaction, run, (first, second)))

    async def _diff(
        self, interaction: AnyInteraction, run_id: int, numbers: tuple[int, int]
    ) -> str:
        commands = self.host.app.commands
        found = await commands.diff(run_id, _person(interaction), _guild(interaction), numbers)
        return run_lines.fitting(found.as_markdown().splitlines())

    @app_commands.command()
    @app_commands.describe(run="Number of the run", to="Number of the try to go back to")
    async def revert(self, interaction: AnyInteraction, run: RunNumber, to: TryNumber) -> None:
        """Go on from the plan of an earlier try; it is asked about as always."""
        commands = self.host.app.commands
        await interactions.answer(interaction, commands.revert(run, _person(interaction), to))

    @app_commands.command()
    @app_commands.describe(run="Number of the run")
    async def compare(self, interaction: AnyInteraction, run: RunNumber) -> None:
        """Say which answers are better, base or tuned, without knowing which is which."""
        commands = self.host.app.commands
        await interactions.answer(interaction, commands.blind.compare(run, _person(interaction)))

    @app_commands.command()
    @app_commands.describe(run="Number of the run")
    async def judge(self, interaction: AnyInteraction, run: RunNumber) -> None:
        """Have the language model that is configured compare the answers; it is sent them. Advice only."""
        commands = self.host.app.commands
        await interactions.answer(interaction, commands.blind.judge(run, _person(interaction)))

    @app_commands.command()
    @app_commands.describe(
        run="Number of the run", item="Number of a test row, as the report shows it"
    )
    async def why(self, interaction: AnyInteraction, run: RunNumber, item: Item) -> None:
        """Find out why the tuned model answered a test row as it did: words, training rows, layers."""
        await interactions.answer(interaction, self._why(interaction, run, item))

    async def _why(self, interaction: AnyInteraction, run_id: int, item: str) -> str:
        commands = self.host.app.commands
        return await commands.why(run_id, _person(interaction), _guild(interaction), item)

    @app_commands.command()
    @app_commands.describe(
        run="Number of the run", number="Number of the try; without it the best one so far"
    )
    async def deliver(
        self, interaction: AnyInteraction, run: RunNumber, number: TryNumber | None = None
    ) -> None:
        """Hand over the best try so far, or another one that was measured, whatever the run is at."""
        commands = self.host.app.commands
        await interactions.answer(interaction, commands.deliver(run, _person(interaction), number))

    @app_commands.command()
    @app_commands.describe(run="Number of the run", to="What to write it as")
    @app_commands.choices(to=[app_commands.Choice(name=f, value=f) for f in ExportFormat])
    async def export(self, interaction: AnyInteraction, run: RunNumber, to: str) -> None:
        """Write a delivered adapter in another format: merged, GGUF, or GGUF of the adapter alone."""
        commands, wanted = self.host.app.commands, ExportFormat(to)
        await interactions.answer(interaction, commands.export(run, _person(interaction), wanted))

    @app_commands.command()
    @app_commands.describe(
        run="Number of the run",
        repo="Where to, as owner/name",
        what="The adapter, or a format it was written in",
        visibility="Who can see it; without it, only who has access to the repository",
    )
    @app_commands.choices(
        what=[app_commands.Choice(name=f, value=f) for f in (ADAPTER, *ExportFormat)],
        visibility=[app_commands.Choice(name=v, value=v) for v in (PRIVATE, PUBLIC)],
    )
    async def publish(
        self,
        interaction: AnyInteraction,
        run: RunNumber,
        repo: app_commands.Range[str, 3, REPO_CHARS],
        what: str = ADAPTER,
        visibility: str = PRIVATE,
    ) -> None:
        """Push a delivered adapter to the Hub, after a question; private unless you say public."""
        wish = Publish(repo.strip(), what, public=visibility == PUBLIC)
        commands = self.host.app.commands
        await interactions.answer(interaction, commands.publish(run, _person(interaction), wish))

    @app_commands.command()
    @app_commands.describe(
        run="Number of the run", what="The adapter, or a format it was written in"
    )
    @app_commands.choices(
        what=[app_commands.Choice(name=f, value=f) for f in (ADAPTER, *ExportFormat)]
    )
    async def download(
        self, interaction: AnyInteraction, run: RunNumber, what: str = ADAPTER
    ) -> None:
        """Get a new link to the adapter of a run."""
        await interactions.answer(interaction, self._download(interaction, run, what))

    async def _download(self, interaction: AnyInteraction, run_id: int, what: str) -> str:
        person, guild = _person(interaction), _guild(interaction)
        link = await self.host.app.commands.download(run_id, person, guild, what)
        hours = self.host.app.settings.downloads.expires_after_h
        return f"The {what} of run #{run_id}, for the next {hours:g} hours: <{link}>"

    @app_commands.command(name="help")
    async def help_(self, interaction: AnyInteraction) -> None:
        """Say what I can do, and how questions are answered."""
        await interactions.answer(interaction, _help(self.host))

    @start.autocomplete("continue_from")
    @status.autocomplete("run")
    @cancel.autocomplete("run")
    @pause.autocomplete("run")
    @resume.autocomplete("run")
    @history.autocomplete("run")
    @diff.autocomplete("run")
    @revert.autocomplete("run")
    @compare.autocomplete("run")
    @judge.autocomplete("run")
    @why.autocomplete("run")
    @deliver.autocomplete("run")
    @export.autocomplete("run")
    @publish.autocomplete("run")
    @download.autocomplete("run")
    async def _runs(
        self,
        interaction: AnyInteraction,
        typed: int | str,  # noqa: ARG002  # a number half typed says little; the latest runs say more
    ) -> list[app_commands.Choice[int]]:
        named = await run_lines.names(
            self.host.app, _person(interaction), _guild(interaction), CHOICES
        )
        return [app_commands.Choice(name=n[:CHOICE_CHARS], value=i) for i, n in named]


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


async def start(host: Host, interaction: AnyInteraction, asked: Asked) -> None:
    """Keep a wish, say so, and carry it out afterwards."""
    await interactions.answer(interaction, _take(host, interaction, asked))
    host.soon(host.app.desk.work_off(), "carrying out a wish")


async def _take(host: Host, interaction: AnyInteraction, asked: Asked) -> str:
    _check_we_may_write(interaction)
    await host.app.desk.take(as_wish(interaction, _person(interaction), asked))
    files = (asked.attachment, *asked.others)
    named = "; ".join(f"{plain(file.filename, 80)}, {size(file.size)}" for file in files)
    return f"Got it: reading {named} …"


def _check_we_may_write(interaction: AnyInteraction) -> None:
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


async def _help(host: Host) -> str:
    return run_lines.help_text(host.app)


def _person(interaction: AnyInteraction) -> Person:
    """Return who uses a command. Raises: UserError: not in a server."""
    if not isinstance(interaction.user, discord.Member):
        raise UserError("I work in servers only; use me in a channel of one.")
    return person_of(interaction.user)


def _guild(interaction: AnyInteraction) -> str | None:
    return str(interaction.guild_id) if interaction.guild_id else None
