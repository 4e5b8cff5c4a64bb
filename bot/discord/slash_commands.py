"""/finetune: the same verbs that every surface has, as Discord offers them.

Each answer is private. A wish is kept in the database before it is acknowledged, and carried out after that.
"""

import discord
from discord import app_commands

from agents import made_wishes
from agents.jobs import Approve, ExportFormat, WorkflowWish
from agents.services import UserError
from bot.commands import METHODS
from bot.discord import interactions, run_lines
from bot.discord.host import Host
from bot.discord.interactions import AnyInteraction
from bot.discord.library_commands import Knowledge
from bot.discord.wishes import GUILDS_ONLY, NOT_FOR_USERS, TASK_CHARS, Asked, asker, start
from bot.fetching import ADAPTER, OF_WORKFLOWS
from bot.publish_wishes import REPO_CHARS, Publish
from bot.text import plain
from bot.why_wishes import ITEM_CHARS

PRIVATE, PUBLIC = "private", "public"
ASK = {
    Approve.EVIDENCE: "evidence: before a better one is kept",
    Approve.EACH: "each: before a proposal is run, too",
    Approve.AUTO: "auto: never, once the plan is approved",
}
"""When people are asked, as Discord offers it."""
CHOICES = 25
CHOICE_CHARS = 100
RunNumber = app_commands.Range[int, 1, 2**31]
TryNumber = app_commands.Range[int, 0, 1000]
"""0 is the workflow as it was given."""
Rounds = app_commands.Range[int, 1, 50]
Task = app_commands.Range[str, 1, TASK_CHARS]
Item = app_commands.Range[str, 1, ITEM_CHARS]
Generate = app_commands.Range[str, 1, 12]
GENERATE = {
    made_wishes.AUTO: "auto: as many as are missing",
    made_wishes.OFF: "off: none, whatever is missing",
    "100": "100 rows",
}
"""What is offered for rows that are made; any other number can be typed."""


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
        self.add_command(Knowledge(host))

    @app_commands.command()
    @app_commands.describe(
        dataset="CSV, JSON, JSONL, Parquet or Excel with what goes in and what should come out",
        task="What the model should learn, in a sentence",
        model="Base model; without it, this server's usual one",
        method="How to train; without it, what fits the data",
        continue_from="Number of a run whose adapter is trained further",
        file2="A second file, merged with the first; “weight NAME 0.5” in the task uses half of it",
        file3="A third file",
        generate="Rows that I make where yours are few: off, auto, or a number; you see them before they are learnt",
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
        generate: Generate | None = None,
    ) -> None:
        """Start a run: upload data, approve the plan, get an evaluated adapter."""
        asked = Asked(
            dataset,
            task,
            message_id=None,
            model=model,
            method=method,
            continue_from=continue_from,
            generate=generate,
            others=tuple(file for file in (file2, file3) if file is not None),
        )
        await start(self.host, interaction, asked)

    @app_commands.command()
    @app_commands.describe(
        file="The workflow: a state machine of prompts in YAML",
        tests="Its tests; without them I make some",
        goal="What you want of it beside the tests, for example “answers should be polite”",
        rounds="Rounds at most; without it, as it is set up here",
        ask="When you are asked: before a better one is kept, before anything is run too, or not",
    )
    @app_commands.choices(ask=[app_commands.Choice(name=ASK[one], value=one) for one in ASK])
    async def workflow(  # one argument per option
        self,
        interaction: AnyInteraction,
        file: discord.Attachment,
        tests: discord.Attachment | None = None,
        goal: Task | None = None,
        rounds: Rounds | None = None,
        ask: str = Approve.EVIDENCE,
    ) -> None:
        """Improve a workflow: give the file, see what fails, approve changes that were measured to help."""
        wish = WorkflowWish(rounds=rounds, goal=goal or "", approve=Approve(ask))
        others = (tests,) if tests is not None else ()
        asked = Asked(file, goal or "", message_id=None, others=others, workflow=wish)
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

    @start.autocomplete("generate")
    async def _generate(
        self,
        interaction: AnyInteraction,  # noqa: ARG002  # discord.py's signature
        typed: str,
    ) -> list[app_commands.Choice[str]]:
        numbers = {typed: f"{typed} rows"} if typed.isdigit() else {}
        offered = numbers or {k: v for k, v in GENERATE.items() if k.startswith(typed.lower())}
        return [app_commands.Choice(name=name, value=value) for value, name in offered.items()]

    @app_commands.command()
    @app_commands.describe(run="Number of the run; without it, your latest one")
    async def status(self, interaction: AnyInteraction, run: RunNumber | None = None) -> None:
        """Show how a run stands."""
        await interactions.answer(interaction, self._status(interaction, run))

    async def _status(self, interaction: AnyInteraction, run_id: int | None) -> str:
        person = asker(interaction)
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
        return await run_lines.listing(self.host.app, asker(interaction), _guild(interaction))

    @app_commands.command()
    @app_commands.describe(run="Number of the run")
    async def cancel(self, interaction: AnyInteraction, run: RunNumber) -> None:
        """End a run for good."""
        commands = self.host.app.commands
        await interactions.answer(interaction, commands.cancel(run, asker(interaction)))

    @app_commands.command()
    @app_commands.describe(run="Number of the run")
    async def pause(self, interaction: AnyInteraction, run: RunNumber) -> None:
        """Stop a run at its next checkpoint, to be resumed."""
        commands = self.host.app.commands
        await interactions.answer(interaction, commands.pause(run, asker(interaction)))

    @app_commands.command()
    @app_commands.describe(run="Number of the run")
    async def resume(self, interaction: AnyInteraction, run: RunNumber) -> None:
        """Go on with a run that is paused, has failed, or whose question expired."""
        commands = self.host.app.commands
        await interactions.answer(interaction, commands.resume(run, asker(interaction)))

    @app_commands.command()
    @app_commands.describe(run="Number of the run")
    async def history(self, interaction: AnyInteraction, run: RunNumber) -> None:
        """Show the tries of a run: what changed and why, what came of it, who decided."""
        await interactions.answer(interaction, self._history(interaction, run))

    async def _history(self, interaction: AnyInteraction, run_id: int) -> str:
        person, guild = asker(interaction), _guild(interaction)
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
        found = await commands.diff(run_id, asker(interaction), _guild(interaction), numbers)
        return run_lines.fitting(found.as_markdown().splitlines())

    @app_commands.command()
    @app_commands.describe(run="Number of the run", to="Number of the try to go back to")
    async def revert(self, interaction: AnyInteraction, run: RunNumber, to: TryNumber) -> None:
        """Go on from the plan of an earlier try; it is asked about as always."""
        commands = self.host.app.commands
        await interactions.answer(interaction, commands.revert(run, asker(interaction), to))

    @app_commands.command()
    @app_commands.describe(run="Number of the run")
    async def compare(self, interaction: AnyInteraction, run: RunNumber) -> None:
        """Say which answers are better, base or tuned, without knowing which is which."""
        commands = self.host.app.commands
        await interactions.answer(interaction, commands.blind.compare(run, asker(interaction)))

    @app_commands.command()
    @app_commands.describe(run="Number of the run")
    async def judge(self, interaction: AnyInteraction, run: RunNumber) -> None:
        """Have the language model that is configured compare the answers; it is sent them. Advice only."""
        commands = self.host.app.commands
        await interactions.answer(interaction, commands.blind.judge(run, asker(interaction)))

    @app_commands.command()
    @app_commands.describe(
        run="Number of the run", item="Number of a test row, as the report shows it"
    )
    async def why(self, interaction: AnyInteraction, run: RunNumber, item: Item) -> None:
        """Find out why the tuned model answered a test row as it did: words, training rows, layers."""
        await interactions.answer(interaction, self._why(interaction, run, item))

    async def _why(self, interaction: AnyInteraction, run_id: int, item: str) -> str:
        commands = self.host.app.commands
        return await commands.why(run_id, asker(interaction), _guild(interaction), item)

    @app_commands.command()
    @app_commands.describe(
        run="Number of the run", number="Number of the try; without it the best one so far"
    )
    async def deliver(
        self, interaction: AnyInteraction, run: RunNumber, number: TryNumber | None = None
    ) -> None:
        """Hand over the best try so far, or another one that was measured, whatever the run is at."""
        commands = self.host.app.commands
        await interactions.answer(interaction, commands.deliver(run, asker(interaction), number))

    @app_commands.command()
    @app_commands.describe(run="Number of the run", to="What to write it as")
    @app_commands.choices(to=[app_commands.Choice(name=f, value=f) for f in ExportFormat])
    async def export(self, interaction: AnyInteraction, run: RunNumber, to: str) -> None:
        """Write a delivered adapter in another format: merged, GGUF, or GGUF of the adapter alone."""
        commands, wanted = self.host.app.commands, ExportFormat(to)
        await interactions.answer(interaction, commands.export(run, asker(interaction), wanted))

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
        await interactions.answer(interaction, commands.publish(run, asker(interaction), wish))

    @app_commands.command()
    @app_commands.describe(
        run="Number of the run",
        what="The adapter or a format of it; the workflow, its tests or ledger",
    )
    @app_commands.choices(
        what=[app_commands.Choice(name=f, value=f) for f in (ADAPTER, *ExportFormat, *OF_WORKFLOWS)]
    )
    async def download(
        self, interaction: AnyInteraction, run: RunNumber, what: str = ADAPTER
    ) -> None:
        """Get a new link to what a run hands over: its adapter, or its workflow."""
        await interactions.answer(interaction, self._download(interaction, run, what))

    async def _download(self, interaction: AnyInteraction, run_id: int, what: str) -> str:
        person, guild = asker(interaction), _guild(interaction)
        found = await self.host.app.commands.download(run_id, person, guild, what)
        hours = self.host.app.settings.downloads.expires_after_h
        return f"{plain(found.name, 120)} of run #{run_id}, for the next {hours:g} hours: <{found.url}>"

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
            self.host.app, asker(interaction), _guild(interaction), CHOICES
        )
        return [app_commands.Choice(name=n[:CHOICE_CHARS], value=i) for i, n in named]


async def _help(host: Host) -> str:
    return run_lines.help_text(host.app)


def _guild(interaction: AnyInteraction) -> str | None:
    return str(interaction.guild_id) if interaction.guild_id else None
