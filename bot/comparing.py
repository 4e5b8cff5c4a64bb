"""Comparing answers in a terminal, beside no running bot: `tunewright compare` and `tunewright judge`."""

import getpass

from agents.llm import LLM
from agents.services import UserError
from bot.app import App, open_app
from bot.surface import Person
from bot.terminal import NAME, TerminalSurface, typed
from configs.schema import Settings
from storage import runs
from storage.models import Run

PROMPT = "  a   b   tie   or stop, which shows the result > "


async def compare(settings: Settings, run_id: int, surface: TerminalSurface) -> None:
    """Show pairs of answers and count what is typed, until the result is told.

    Raises: UserError: there is nothing to compare. EOFError: nobody is at the keyboard; the votes stay.
    storage.database.AlreadyOpen: compare in the running bot.
    """
    async with open_app(settings, surfaces=[surface]) as app:
        person = await _person(app, run_id)
        surface.console.print(await app.commands.blind.compare(run_id, person), markup=False)
        await app.pump()
        while (ballot_id := surface.ballot) is not None:
            words = await typed(surface.console, PROMPT)
            if not words.strip():
                continue
            said = await app.commands.blind.reply(ballot_id, person, words)
            if said.text:
                surface.console.print(said.text, markup=False)
            else:
                surface.ballot = None  # the next one is shown, or the result
                await app.pump()


async def judge(
    settings: Settings, run_id: int, surface: TerminalSurface, *, llm: LLM | None = None
) -> None:
    """Have the language model compare the answers and show what it prefers.

    Raises: UserError: none is configured, or there is nothing to compare. storage.database.AlreadyOpen.
    """
    async with open_app(settings, surfaces=[surface], llm_override=llm) as app:
        person = await _person(app, run_id)
        surface.console.print(await app.commands.blind.judge(run_id, person), markup=False)
        await app.jury.work_off()
        await app.pump()


async def _person(app: App, run_id: int) -> Person:
    """Return who sits here. Raises: UserError: the run is shown elsewhere."""
    run: Run = await app.services.db.read(runs.get, run_id)
    if not run.home.startswith(f"{NAME}:"):
        raise UserError(
            f"Run #{run.id} lives in {run.home.partition(':')[0]}; its answers are compared there."
        )
    return Person(f"{NAME}:{getpass.getuser()}", getpass.getuser())
