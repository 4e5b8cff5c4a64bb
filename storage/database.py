"""The engine: SQLite with WAL, one writer at a time, every write in one `BEGIN IMMEDIATE` transaction.

Units of work are plain functions with a `Session` first. They run in one thread of their own, so that a slow disk never
blocks the event loop, and never wait for anything but the disk.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlmodel import Session, SQLModel, select

from storage.models import Migration

P = ParamSpec("P")
T = TypeVar("T")
Migrate = Callable[[Connection], None]


def _add_exports(connection: Connection) -> None:
    """Runs know which formats are still to be written."""
    _add_list(connection, "exports")


def _add_reservations(connection: Connection) -> None:
    SQLModel.metadata.tables["reservation"].create(connection, checkfirst=True)


def _add_repairs(connection: Connection) -> None:
    """Runs know what is to be repaired in their rows."""
    _add_list(connection, "repairs")


def _add_parents(connection: Connection) -> None:
    """Runs know which earlier adapter they start from."""
    _add_column(connection, "parent", "JSON")


def _add_publications(connection: Connection) -> None:
    SQLModel.metadata.tables["publication"].create(connection, checkfirst=True)


def _add_notebooks(connection: Connection) -> None:
    """Runs have a notebook, plans know the configuration they were made under, and a run can go back to a try."""
    SQLModel.metadata.tables["entry"].create(connection, checkfirst=True)
    _add_column(connection, "settings", "JSON NOT NULL DEFAULT '{}'", table="plan")
    _add_column(connection, "revert", "JSON")


def _add_rows_of_plans(connection: Connection) -> None:
    """Plans know what they change in the rows to learn from."""
    _add_column(connection, "rows", "JSON", table="plan")


def _add_blind_tests(connection: Connection) -> None:
    for table in ("blindtest", "ballot", "vote", "ruling"):
        SQLModel.metadata.tables[table].create(connection, checkfirst=True)


def _add_evidence(connection: Connection) -> None:
    """Suggestions know what a person has said."""
    _add_column(connection, "evidence", "JSON", table="suggestion")


def _add_workflow_wishes(connection: Connection) -> None:
    """Runs know how a workflow is to be improved, and what they improve by a name of its own."""
    _add_column(connection, "workflow", "JSON")
    connection.execute(text("UPDATE run SET target = 'MODEL' WHERE target = 'model'"))


def _add_language_model(connection: Connection) -> None:
    """What a language model costs is kept, and what it advises."""
    for table in ("expense", "advice"):
        SQLModel.metadata.tables[table].create(connection, checkfirst=True)


def _add_made_rows(connection: Connection) -> None:
    """Runs know what was said about rows that a program makes, plans which ones are made."""
    _add_column(connection, "made_rows", "JSON")
    _add_column(connection, "generation", "JSON", table="plan")


def _add_library(connection: Connection) -> None:
    SQLModel.metadata.tables["librarydocument"].create(connection, checkfirst=True)


def _add_list(connection: Connection, column: str) -> None:
    """Add a column with an empty list to all runs."""
    _add_column(connection, column, "JSON NOT NULL DEFAULT '[]'")


def _add_column(connection: Connection, column: str, kind: str, *, table: str = "run") -> None:
    """Add a column to all runs, or rows of another table. A new database has it already."""
    if column not in {known["name"] for known in inspect(connection).get_columns(table)}:
        connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {column} {kind}"))


MIGRATIONS: dict[str, Migrate] = {
    "0001_first_tables": SQLModel.metadata.create_all,
    "0002_exports": _add_exports,
    "0003_reservations": _add_reservations,
    "0004_repairs": _add_repairs,
    "0005_parents": _add_parents,
    "0006_publications": _add_publications,
    "0007_notebooks": _add_notebooks,
    "0008_rows_of_plans": _add_rows_of_plans,
    "0009_blind_tests": _add_blind_tests,
    "0010_evidence": _add_evidence,
    "0011_workflow_wishes": _add_workflow_wishes,
    "0012_language_model": _add_language_model,
    "0013_made_rows": _add_made_rows,
    "0014_library": _add_library,
}
"""Applied in this order, each once, each in its own transaction together with its mark."""


class AlreadyOpen(Exception):
    """Another process works on this data folder."""


class NewerSchema(Exception):
    """The database was written by a later release."""


class Database:
    """All rows of one Tunewright."""

    def __init__(self, url: str, *, busy_timeout_s: float = 10.0) -> None:
        self.engine = _engine(url, busy_timeout_s)
        self._writing = self.engine.execution_options(tunewright_write=True)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._listeners: list[Callable[[], None]] = []

    def migrate(self) -> None:
        """Bring the schema up to this release.

        Raises: NewerSchema: it is already beyond it.
        """
        with self._writing.begin() as connection:
            SQLModel.metadata.tables["migration"].create(connection, checkfirst=True)
        with Session(self._writing) as session, session.begin():
            applied = {row.name for row in session.exec(select(Migration))}
        if unknown := applied - set(MIGRATIONS):
            raise NewerSchema(
                f"The database has changes this release does not know ({', '.join(sorted(unknown))}). "
                "Install the release that wrote it, or restore an older backup."
            )
        for name, change in MIGRATIONS.items():
            if name not in applied:
                with Session(self._writing) as session, session.begin():
                    change(session.connection())
                    session.add(Migration(name=name, applied_at=datetime.now(UTC)))

    def write_now(
        self, work: Callable[Concatenate[Session, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a unit of work in one write transaction and return what it returns."""
        with Session(self._writing, expire_on_commit=False) as session, session.begin():
            return work(session, *args, **kwargs)

    def read_now(
        self, work: Callable[Concatenate[Session, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a unit of work that only reads, on one snapshot."""
        with Session(self.engine, expire_on_commit=False) as session:
            return work(session, *args, **kwargs)

    async def write(
        self, work: Callable[Concatenate[Session, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`write_now` in the database thread; listeners hear of it after the commit."""
        done = await self._run(lambda: self.write_now(work, *args, **kwargs))
        for listener in self._listeners:
            listener()
        return done

    async def read(
        self, work: Callable[Concatenate[Session, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`read_now` in the database thread."""
        return await self._run(lambda: self.read_now(work, *args, **kwargs))

    def on_commit(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every commit made through `write`."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Finish the work under way and close all connections."""
        self._thread.shutdown(wait=True)
        self.engine.dispose()

    async def _run(self, call: Callable[[], T]) -> T:
        # shielded: a cancelled caller must not leave us guessing whether its transaction was made
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, call))


def sqlite_url(path: Path) -> str:
    """Return the URL of a SQLite file."""
    return f"sqlite:///{path}"


class FolderLock:
    """Keep a second process off a data folder for as long as this one lives."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "tunewright.lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            pid = self._file.read().strip() or "unknown"
            self._file.close()
            raise AlreadyOpen(
                f"Another Tunewright (process {pid}) already works on {folder}. Stop it, or give this one "
                "its own folder with TUNEWRIGHT_DATA_DIR."
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let the next process in."""
        self._file.close()


def _engine(url: str, busy_timeout_s: float) -> Engine:
    engine = create_engine(
        url, connect_args={"check_same_thread": False, "timeout": busy_timeout_s}
    )

    @event.listens_for(engine, "connect")
    def _settle(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, and which kind
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={int(busy_timeout_s * 1000)}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # a deferred transaction that turns into a writer fails at once with SQLITE_BUSY_SNAPSHOT, however long it may wait
        write = connection.get_execution_options().get("tunewright_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
