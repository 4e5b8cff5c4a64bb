"""Keeps the notebooks: notes what is final as entries, writes them as commits, pushes them where that is configured.

A reader of rows, like the feed: nothing waits for it, and nothing that goes wrong here touches a run.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlmodel import Session

from agents.services import Services
from bot.notebook import remote, repository, told
from bot.notebook.told import Page
from storage import entries
from storage.models import Entry, Run

log = logging.getLogger(__name__)

FOLDER = "notebooks"
LAST_PUSH_S = 8.0
"""How long the end of the process waits for a push; the next start goes on with it."""
LONGEST_REST_S = 3600.0


@dataclass
class _Trouble:
    """A notebook that could not be pushed: tried again later."""

    failures: int = 0
    not_before_s: float = 0.0


@dataclass
class Keeper:
    """Keeps the notebooks of one data folder."""

    services: Services
    _looked_at: dict[int, int] = field(default_factory=dict)
    _dirty: bool = True
    _all_compared: bool = False
    _busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    _pushing: "asyncio.Task[None] | None" = None
    _pushed: dict[int, str] = field(default_factory=dict)
    _troubles: dict[int, _Trouble] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the repositories lie."""
        return self.services.data_dir / FOLDER

    def note_change(self) -> None:
        """Rows have changed: the next look is worth its time."""
        self._dirty = True

    async def look(self) -> None:
        """Write what has become final since the last look; at the first look also what is missing on the disk."""
        async with self._busy:
            if not self._dirty:
                return
            self._dirty = False
            try:
                moved = await self.services.db.read(entries.candidates, self._looked_at)
                for run_id, version in moved.items():
                    self._looked_at[run_id] = version
                    await self._note(run_id)
                if not self._all_compared:
                    await self._write_missing()
            except Exception:
                log.exception("the notebooks are looked at again when something changes")
        self.push_soon()

    def push_soon(self) -> None:
        """Push in the background what the remote does not have, where there is one."""
        wanted = self.services.settings.notebook.remote is not None
        if wanted and (self._pushing is None or self._pushing.done()):
            self._pushing = asyncio.create_task(self._push_all(), name="notebooks")

    async def pushes_due(self) -> None:
        """`push_soon` for the clock."""
        self.push_soon()

    async def close(self) -> None:
        """Write what is final, and give a push under way a little time."""
        self._dirty = True
        await self.look()
        if self._pushing is not None:
            await asyncio.wait({self._pushing}, timeout=LAST_PUSH_S)
            self._pushing.cancel()
            with suppress(asyncio.CancelledError):
                await self._pushing

    async def _note(self, run_id: int) -> None:
        """Append what is final to a run's notebook. What goes wrong is logged, and tried again when the run moves."""
        try:
            fresh = await self.services.db.read(due, self.services, run_id)
            if fresh:
                await self.services.db.write(_save, fresh)
                await self._write(run_id)
        except Exception:
            log.exception("run=%d its notebook could not be kept", run_id)

    async def _write(self, run_id: int) -> None:
        known = await self.services.db.read(entries.of_run, run_id)
        try:
            await asyncio.to_thread(repository.write, self.folder, known)
        except OSError as error:
            self._all_compared = False  # tried again with the next change
            log.warning("run=%d its notebook could not be written: %s", run_id, error)

    async def _write_missing(self) -> None:
        """Write the notebooks that are not at their newest entry: deleted, restored, or left by a kill."""
        self._all_compared = True
        heads = await self.services.db.read(entries.heads)
        there = await asyncio.to_thread(self._on_disk, list(heads))
        for run_id, commit in heads.items():
            if there[run_id] != commit:
                await self._write(run_id)

    def _on_disk(self, numbers: Sequence[int]) -> dict[int, str | None]:
        return {run_id: repository.head(self.folder, run_id) for run_id in numbers}

    async def _push_all(self) -> None:
        for run_id, commit in (await self.services.db.read(entries.heads)).items():
            trouble = self._troubles.get(run_id)
            resting = trouble is not None and time.monotonic() < trouble.not_before_s
            if self._pushed.get(run_id) == commit or resting:
                continue
            try:
                await remote.push(self.folder, run_id, self.services.settings.notebook)
            except remote.PushFailed as error:
                self._note_trouble(run_id, error)
            except Exception:
                log.exception("run=%d its notebook could not be pushed", run_id)
                self._pushed[run_id] = commit  # an error of ours: not every half minute again
            else:
                self._pushed[run_id] = commit
                if self._troubles.pop(run_id, None) is not None:
                    log.info("run=%d its notebook has been pushed after all", run_id)

    def _note_trouble(self, run_id: int, error: remote.PushFailed) -> None:
        trouble = self._troubles.setdefault(run_id, _Trouble())
        trouble.failures += 1
        rest_s = min(
            self.services.settings.schedule.sweep_interval_s * 2.0**trouble.failures, LONGEST_REST_S
        )
        trouble.not_before_s = time.monotonic() + rest_s
        if trouble.failures == 1:
            log.warning(
                "run=%d its notebook is not pushed: %s. %s `tunewright doctor` tells how it stands.",
                run_id,
                error,
                error.fix,
            )


def due(session: Session, services: Services, run_id: int) -> list[Entry]:
    """Return the entries that the notebook of a run lacks."""
    known = told.read(session, services, run_id)
    written = entries.of_run(session, run_id)
    before = len(written)
    for page in told.over(known, services.files, since=written[-1].iteration if written else 0):
        last = written[-1] if written else None
        if last is None or (last.iteration, last.files) != (page.number, page.files):
            written.append(_entry(known.run, page, last))
    return written[before:]


def _entry(run: Run, page: Page, last: Entry | None) -> Entry:
    assert run.id is not None
    commit = repository.commit_of(
        page.files, page.author, page.message, page.at, last.commit_sha if last else None
    )
    return Entry(
        run_id=run.id,
        number=last.number + 1 if last else 1,
        iteration=page.number,
        run_version=run.version,
        files=dict(page.files),
        author=page.author,
        message=page.message,
        at=page.at,
        commit_sha=commit.id.decode(),
    )


def _save(session: Session, fresh: Sequence[Entry]) -> None:
    for entry in fresh:
        entries.add(session, entry)
