"""Where the parts meet: settings, lock, database, files, graph, launcher, surfaces, clock, downloads."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiosqlite
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from agents import graph, llm
from agents.adviser import Adviser
from agents.dispatch import Dispatcher
from agents.jury import Jury
from agents.launchers import GENERATION, WORKFLOW, Launcher
from agents.launchers.local import LocalLauncher
from agents.services import Clock, Services, SystemClock
from agents.workflow.workplace import API_KEY
from bot import downloads
from bot.commands import Commands
from bot.desk import Desk
from bot.driver import Driver
from bot.feed import Feed
from bot.notebook.keeper import Keeper
from bot.schedule import schedule, sweep
from bot.surface import Surface
from configs.schema import Settings
from storage.database import Database, FolderLock, sqlite_url
from storage.files import FileStore

log = logging.getLogger(__name__)

CHECKPOINT_WAIT_S = 10.0


@dataclass(frozen=True)
class App:
    """A running Tunewright."""

    settings: Settings
    services: Services
    commands: Commands
    desk: Desk
    driver: Driver
    dispatcher: Dispatcher
    keeper: Keeper
    jury: Jury
    adviser: Adviser
    feeds: dict[str, Feed]
    surfaces: dict[str, Surface]
    nudge: asyncio.Event
    """Set when something may have to be shown."""

    def add_surface(self, surface: Surface) -> None:
        """Show runs on a further surface from now on."""
        self.surfaces[surface.name] = surface
        self.feeds[surface.name] = Feed(self.services, surface, self.commands.links)
        self.nudge.set()

    def drop_surface(self, name: str) -> None:
        """Show nothing there any more, until the surface is added again; what is due waits."""
        self.surfaces.pop(name, None)
        self.feeds.pop(name, None)

    async def pump(self) -> None:
        """Show what is due on every surface, once."""
        await asyncio.gather(*(feed.pump() for feed in self.feeds.values()))

    async def catch_up(self) -> None:
        """After a start: carry out what was kept, and drive every open run to where it waits."""
        await self.desk.work_off()
        await sweep(self.services)


@asynccontextmanager
async def open_app(
    settings: Settings,
    *,
    surfaces: Sequence[Surface] = (),
    launcher: Launcher | None = None,
    clock: Clock | None = None,
    llm_override: llm.LLM | None = None,
) -> AsyncIterator[App]:
    """Open everything but the clock and the downloads; what is opened is closed in the opposite order.

    Raises: storage.database.AlreadyOpen: another process works on the data folder.
    """
    data_dir = settings.data_dir.resolve()
    async with AsyncExitStack() as stack:
        stack.callback(FolderLock(data_dir).release)
        db = _open_database(settings, stack)
        files = FileStore(data_dir / "files")
        checkpointer = await stack.enter_async_context(_checkpoints(settings))
        compiled = graph.build(checkpointer)
        driver = Driver(lambda run_id: graph.advance(compiled, services, run_id))
        stack.push_async_callback(driver.close)
        language_model = llm_override or llm.from_settings(settings)
        if language_model is not None:
            stack.callback(language_model.close)
        services = Services(
            settings=settings,
            db=db,
            files=files,
            clock=clock or SystemClock(),
            llm=language_model,
            wake=driver.wake,
        )
        links = downloads.Links(settings.downloads, downloads.load_key(data_dir), files)
        commands = Commands(services, links)
        by_name: dict[str, Surface] = {}
        app = App(
            settings=settings,
            services=services,
            commands=commands,
            desk=Desk(services, commands, by_name),
            driver=driver,
            dispatcher=Dispatcher(services, launcher or _launcher(settings)),
            keeper=Keeper(services),
            jury=Jury(services),
            adviser=Adviser(services),
            feeds={},
            surfaces=by_name,
            nudge=asyncio.Event(),
        )
        stack.push_async_callback(app.dispatcher.close)
        db.on_commit(app.nudge.set)
        db.on_commit(app.keeper.note_change)
        for surface in surfaces:
            app.add_surface(surface)
        yield app


def _launcher(settings: Settings) -> Launcher:
    """Return what starts jobs. A key of a back end goes to the jobs that ask it: of workflows, of rows that are made."""
    key = settings.workflows.api_key
    secrets = {
        WORKFLOW: {} if key is None else {API_KEY: key.get_secret_value()},
        GENERATION: llm.key_for_child(settings),
    }
    return LocalLauncher(settings.launcher, secrets)


@asynccontextmanager
async def run_app(app: App) -> AsyncIterator[None]:
    """Start clock and downloads, catch up, and keep the surfaces current until the block is left."""
    async with AsyncExitStack() as stack:
        server = await downloads.serve(
            downloads.application(app.commands.links, app.services.clock), app.settings.downloads
        )
        stack.push_async_callback(server.close)
        app.commands.links.use_port(server.port)
        stack.push_async_callback(app.keeper.close)
        scheduler = schedule(
            app.services, app.dispatcher, app.desk, app.jury, app.adviser, app.keeper
        )
        scheduler.start()
        stack.callback(partial(scheduler.shutdown, wait=False))
        shower = asyncio.create_task(_keep_showing(app), name="feed")
        stack.push_async_callback(_end, shower)
        await app.catch_up()
        yield


async def _keep_showing(app: App) -> None:
    """Pump whenever a row has changed, and now and then for what only folders know: progress."""
    while True:
        app.nudge.clear()
        try:
            await app.pump()
        except Exception:
            log.exception("nothing could be shown; trying again")
        # not wait_for: on Python 3.11 it may lose a cancellation that comes together with the nudge
        with suppress(TimeoutError):
            async with asyncio.timeout(app.settings.schedule.poll_interval_s):
                await app.nudge.wait()


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _open_database(settings: Settings, stack: AsyncExitStack) -> Database:
    url = settings.database.url or sqlite_url(settings.data_dir.resolve() / "tunewright.sqlite")
    db = Database(url, busy_timeout_s=settings.database.busy_timeout_s)
    stack.callback(db.close)
    db.migrate()
    return db


@asynccontextmanager
async def _checkpoints(settings: Settings) -> AsyncIterator[AsyncSqliteSaver]:
    """Open LangGraph's own file: a cursor that may be deleted at any time, read without building any object."""
    path = settings.data_dir.resolve() / "checkpoints.sqlite"
    async with AsyncExitStack() as stack:
        try:
            saver = await _saver(path, stack)
        except sqlite3.DatabaseError as error:
            # damaged, or held by what a crash left behind: rows are the truth, so a new file costs nothing
            log.warning("checkpoints are made anew: %s", error)
            for file in path.parent.glob(path.name + "*"):
                file.unlink(missing_ok=True)
            saver = await _saver(path, stack)
        yield saver


async def _saver(path: Path, stack: AsyncExitStack) -> AsyncSqliteSaver:
    connection = await stack.enter_async_context(aiosqlite.connect(path, timeout=CHECKPOINT_WAIT_S))
    # strict: the default serializer runs code that somebody planted in the database
    saver = AsyncSqliteSaver(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
    await saver.setup()
    return saver
