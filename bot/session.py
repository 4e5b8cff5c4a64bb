"""One run from start to end in a terminal: what `tunewright finetune`, `resume` and `demo` do."""

import asyncio
import getpass
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from agents import delivery, work
from agents.jobs import ExportFormat, ModelRef
from agents.launchers import Launcher
from agents.made_wishes import MadeRowsWish
from agents.recipe import RecipeChange
from agents.services import UserError
from bot import controls, fetching
from bot.app import App, open_app, run_app
from bot.commands import METHODS, Start
from bot.fetching import ADAPTER
from bot.publish_wishes import Publish
from bot.surface import Person
from bot.terminal import HERE, NAME, TerminalSurface, answer_questions
from bot.uploads import Upload
from configs.schema import GateKind, Settings
from storage import blind, datasets, events, publications, runs
from storage.models import FINAL, Phase, PublicationOutcome, Target


@dataclass(frozen=True)
class Job:
    """What to do in a terminal: a new run, or one to go on with."""

    data: Path | None = None
    task: str = ""
    model: str | None = None
    method: str = METHODS[0]
    wishes: list[RecipeChange] = field(default_factory=list)
    policy: tuple[GateKind, ...] = ()
    continue_from: int | None = None
    """Run whose adapter is trained further."""
    more: tuple[Path, ...] = ()
    """Further files, merged with the first."""
    weights: tuple[tuple[str, float], ...] = ()
    made_rows: MadeRowsWish | None = None
    """Rows that a program is to make, or that none are."""
    run_id: int | None = None
    export: ExportFormat | None = None
    """The format that a delivered run is to be written in."""
    publish: Publish | None = None
    """Where a delivered run is to be pushed to."""
    revert_to: int | None = None
    """The try whose plan a run is to go on from."""
    deliver: bool = False
    """A try of a run is to be handed over."""
    deliver_try: int | None = None
    """Which one; None: the best one so far."""
    serve: bool = False
    """Keep the download link alive until Ctrl+C."""


async def run(
    settings: Settings, job: Job, surface: TerminalSurface, *, launcher: Launcher | None = None
) -> Phase:
    """Carry a run to its end and return how it ended.

    Raises: UserError: it cannot be started. EOFError: a question needs somebody at the keyboard.
    """
    person = Person(f"{NAME}:{getpass.getuser()}", getpass.getuser())
    async with open_app(settings, surfaces=[surface], launcher=launcher) as app, run_app(app):
        run_id = await _begin(app, job, person)
        phase = await see_through(app, surface, person, run_id)
        if job.publish is not None and not await _published(app, run_id):
            return Phase.FAILED
        if phase is Phase.DELIVERED and job.export is None and job.publish is None:
            await _show_how_to_load(app, run_id, surface)
        if phase is Phase.DELIVERED and job.serve:
            surface.console.print("The link works until you press Ctrl+C.")
            await asyncio.Event().wait()
        return phase


async def see_through(app: App, surface: TerminalSurface, person: Person, run_id: int) -> Phase:
    """Give what is typed to the questions of a run until it has ended, and return how.

    Raises: EOFError: a question needs somebody at the keyboard.
    """
    asking = asyncio.create_task(answer_questions(app, surface, person))
    ending = asyncio.create_task(_until_ended(app, run_id))
    try:
        done, _pending = await asyncio.wait({asking, ending}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # nobody at the keyboard: EOFError
    finally:
        asking.cancel()
        ending.cancel()
        with suppress(asyncio.CancelledError):
            await asking
    return ending.result()


async def _begin(app: App, job: Job, person: Person) -> int:
    if job.run_id is not None:
        await _go_on(app, job, job.run_id, person)
        return job.run_id
    first, *others = await asyncio.to_thread(_kept, app, (job.data, *job.more))
    run = await app.commands.start(
        Start(
            key=f"{NAME}:{uuid4()}",
            person=person,
            guild=None,
            home=HERE,
            goal=job.task,
            file=first.file,
            file_name=first.name,
            more=tuple(others),
            weights=job.weights,
            model=job.model,
            method=job.method,
            wishes=job.wishes,
            policy=job.policy,
            continue_from=job.continue_from,
            made_rows=job.made_rows,
            sees_all=True,
        )
    )
    return work.number(run)


async def _go_on(app: App, job: Job, run_id: int, person: Person) -> None:
    """Do with a run that is there what was asked for. Raises: UserError."""
    run = await app.services.db.read(runs.get, run_id)
    if not run.home.startswith(f"{NAME}:"):
        raise UserError(
            f"Run #{run.id} lives in {run.home.partition(':')[0]}; `tunewright run` goes on with it there."
        )
    if job.export is not None:
        await app.commands.export(run_id, person, job.export)
        return
    if job.publish is not None and run.phase is not Phase.PUBLISHING:
        await app.commands.publish(run_id, person, job.publish)
        return
    if job.revert_to is not None:
        await app.commands.revert(run_id, person, job.revert_to)
        return
    if job.deliver:
        await app.commands.deliver(run_id, person, job.deliver_try)
        return
    if run.phase in {Phase.DELIVERED, Phase.CANCELLED}:
        raise UserError(
            f"Run #{run.id} is over ({run.phase.value}). `tunewright download {run.id}` fetches what it has handed over, if it has."
        )
    await app.services.db.write(events.show_again, run_id)
    if run.paused or run.phase is Phase.FAILED:
        await app.commands.resume(run_id, person)


async def _published(app: App, run_id: int) -> bool:
    """Tell whether the last wish to publish a run was carried out."""
    wishes = await app.services.db.read(publications.of_run, run_id)
    return wishes[-1].outcome is PublicationOutcome.PUBLISHED


def _kept(app: App, paths: Sequence[Path | None]) -> list[Upload]:
    """Put files of this machine into the store. Raises: UserError: one is not there, or too large."""
    limit = app.settings.intake.max_upload_bytes
    kept = []
    for path in paths:
        if path is None or not path.is_file():
            raise UserError(f"There is no file {path}.")
        if path.stat().st_size > limit:
            raise UserError(
                f"{path.name} is larger than {limit // 2**20} MiB, the most I take (intake.max_upload_bytes)."
            )
        kept.append(Upload(app.services.files.put(path), path.name))
    return kept


async def _show_how_to_load(app: App, run_id: int, surface: TerminalSurface) -> None:
    """Print the two lines with the base as it lies here, so that they work without a model hub; of a workflow how to get it."""
    run = await app.services.db.read(runs.get, run_id)
    if run.target is Target.WORKFLOW:
        surface.console.print(
            f"`tunewright download {run_id}` copies it here, `tunewright workflow run FILE` runs it.",
            soft_wrap=True,
            highlight=False,
        )
        return
    ref = app.services.model_ref(run.model)
    base = await asyncio.to_thread(_base_here, ref)
    packed = await app.services.db.read(datasets.artifact, run_id, "adapter")
    if packed is not None:
        surface.console.print("On this machine, after unpacking:")
        surface.console.print(
            delivery.snippet(base, packed.name.removesuffix(".zip")),
            soft_wrap=True,
            highlight=False,
            markup=False,
        )


def _base_here(ref: ModelRef) -> str:
    """Return what loads a base model on this machine: its folder, or the name that a hub knows it by."""
    kind, _, place = ref.source.partition(":")
    converted = sorted(Path(ref.cache_dir).glob(f"{ref.name}-*/config.json"))
    return str(converted[-1].parent) if kind == "package" and converted else place


async def _until_ended(app: App, run_id: int) -> Phase:
    """Wait until a run has ended and everything about it has been shown."""
    while True:
        run = await app.services.db.read(runs.get, run_id)
        shown = not [
            e
            for e, _d in await app.services.db.read(events.undelivered, NAME)
            if e.run_id == run_id and e.kind != blind.BALLOT  # it waits for no end
        ]
        if run.phase in FINAL and shown:
            return run.phase
        await asyncio.sleep(0.2)


async def download(settings: Settings, run_id: int, folder: Path, what: str = ADAPTER) -> Path:
    """Copy the adapter of a run, or another format of it, into a folder and return where it is.

    Raises: UserError: there is none. storage.database.AlreadyOpen: a running bot gives links out instead.
    """
    async with open_app(settings) as app:
        run = await app.services.db.read(controls.find, run_id)
        if run is None:
            raise UserError(
                f"There is no run #{run_id}. `tunewright status` lists those that there are."
            )
        packed = await app.services.db.read(fetching.find, run, what)
        target = folder / packed.name
        await asyncio.to_thread(shutil.copyfile, app.services.files.path(packed.sha256), target)
        return target


async def cancel(settings: Settings, run_id: int) -> str:
    """End a run and whatever works for it; return what to tell the person.

    Raises: UserError: there is no such run, or it is over. storage.database.AlreadyOpen: ask the running bot.
    """
    async with open_app(settings) as app:
        run = await app.services.db.read(runs.get, run_id)
        text = await app.commands.cancel(run_id, Person(run.owner, getpass.getuser()))
        await app.dispatcher.end_all(run_id)
        return text
