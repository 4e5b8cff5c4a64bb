"""Where wishes with files are taken in: kept first, acknowledged then, carried out once, also after a crash.

A surface calls `take` and may say "got it" when it returns. Carrying out means: fetch the file, start the run, tell the
person. Each part may run twice; the run is keyed by the wish, the file by its content, the answer by the wish.
"""

import asyncio
import errno
import logging
from dataclasses import asdict, dataclass, field
from typing import Any

from agents import made_wishes
from agents.jobs import WorkflowWish
from agents.services import Services, UserError
from agents.workflow.yaml_source import MAX_SIZE_BYTES
from bot.commands import METHODS, Commands, Start
from bot.library import MAX_DOCUMENT_BYTES
from bot.surface import Person, Surface
from bot.text import size
from bot.uploads import MOST_FILES, Upload
from bot.workflow_start import StartWorkflow, check_goal, check_name
from storage import inbox
from storage.files import FileTooLarge, StoredFile
from storage.models import Inbox, InboxState

log = logging.getLogger(__name__)

START = "start"
FETCH_TRIES = 3
NOT_FETCHED = "I could not fetch your file. Please send it again."
NO_ROOM = "There is no room left on my disk for your file. Tell who runs this bot, and send it again then."
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True)
class Wish:
    """What a person asked for, as plain data that outlives the process."""

    key: str
    """`surface:kind:id` of the interaction or message that carried it."""
    person_id: str
    person_name: str
    person_roles: list[str]
    guild: str | None
    home: str
    goal: str
    file_name: str
    size_bytes: int
    """As the surface announced it; what counts is what streams in."""
    model: str | None = None
    method: str = METHODS[0]
    continue_from: int | None = None
    """Run whose adapter is to be trained further."""
    more: list[dict[str, Any]] = field(default_factory=list)
    """Further files: `file_name`, `size_bytes` and the `request` that fetches each."""
    generate: str | None = None
    """Rows that a program is to make: `off`, `auto` or their number."""
    document: bool = False
    """The file goes into the library; no run is started."""
    workflow: dict[str, Any] | None = None
    """How a workflow is to be improved (`agents.jobs.WorkflowWish`); its tests are the further file. None: a model is trained."""
    request: dict[str, Any] = field(default_factory=dict)
    """What the surface needs to fetch the file and to answer: URLs, ids, tokens."""

    @property
    def person(self) -> Person:
        """Return who asked, with the roles they had then."""
        return Person(self.person_id, self.person_name, frozenset(self.person_roles))


@dataclass
class Desk:
    """Takes wishes and carries them out in order."""

    services: Services
    commands: Commands
    surfaces: dict[str, Surface]
    _busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    _tries: dict[int, int] = field(default_factory=dict)

    async def take(self, wish: Wish) -> bool:
        """Keep a wish; False when it was kept before. After this returns it will not be lost.

        Raises: UserError: it is refused at once: no right, or a file that is announced as too large.
        """
        self.commands.check_may_start(wish.person, wish.guild)
        made_wishes.of_option(wish.generate)
        if wish.document:
            self.commands.library.check(wish.person, wish.guild, wish.file_name)
        elif wish.workflow is not None:
            for name in (wish.file_name, *(more["file_name"] for more in wish.more)):
                check_name(name)
            check_goal(wish.goal)
        elif len(wish.more) >= MOST_FILES:
            raise UserError(f"I merge up to {MOST_FILES} files in one run. Put some together.")
        limit = self._limit(wish)
        for size_bytes in (wish.size_bytes, *(more["size_bytes"] for more in wish.more)):
            if size_bytes > limit:
                raise UserError(_too_large(wish, limit))
        _row, new = await self.services.db.write(
            inbox.receive, wish.key, START, asdict(wish), self.services.clock.now()
        )
        return new

    async def work_off(self) -> None:
        """Carry out every wish that has not had its effect yet."""
        async with self._busy:
            for row in await self.services.db.read(inbox.waiting):
                if row.kind != START:
                    continue
                try:
                    await self._carry_out(row)
                except Exception:
                    log.exception("wish %s is tried again later", row.key)

    async def _carry_out(self, row: Inbox) -> None:
        assert row.id is not None
        wish = Wish(**row.payload)
        surface = self.surfaces.get(wish.home.partition(":")[0])
        if surface is None:
            return  # that surface is switched off today; the wish waits for it
        state, run_id = InboxState.DONE, None
        try:
            if wish.document:
                text = await self._add(wish, surface)
            else:
                run_id = await self._start(wish, surface)
                text = f"Run #{run_id} has started. Its thread tells how it goes."
        except UserError as error:
            state, text = InboxState.REFUSED, str(error)
        except OSError as error:
            if not self._give_up(row.id, error):
                return
            state, text = InboxState.REFUSED, NO_ROOM if error.errno in FULL else NOT_FETCHED
        await surface.answer(wish.request, text, wish.key)
        now = self.services.clock.now()
        await self.services.db.write(inbox.finish, row.id, state, now, outcome=text, run_id=run_id)

    async def _start(self, wish: Wish, surface: Surface) -> int:
        file = await self._fetched(surface, wish, wish.request)
        more = [
            Upload(await self._fetched(surface, wish, other["request"]), other["file_name"])
            for other in wish.more
        ]
        if wish.workflow is not None:
            return await self._start_workflow(wish, Upload(file, wish.file_name), more)
        run = await self.commands.start(
            Start(
                key=wish.key,
                person=wish.person,
                guild=wish.guild,
                home=wish.home,
                goal=wish.goal,
                file=file,
                file_name=wish.file_name,
                model=wish.model,
                method=wish.method,
                continue_from=wish.continue_from,
                more=tuple(more),
                made_rows=made_wishes.of_option(wish.generate),
            )
        )
        assert run.id is not None
        return run.id

    async def _add(self, wish: Wish, surface: Surface) -> str:
        file = await self._fetched(surface, wish, wish.request)
        library = self.commands.library
        return await library.add(wish.person, wish.guild, file, wish.file_name)

    async def _start_workflow(self, wish: Wish, file: Upload, more: list[Upload]) -> int:
        run = await self.commands.start_workflow(
            StartWorkflow(
                key=wish.key,
                person=wish.person,
                guild=wish.guild,
                home=wish.home,
                file=file,
                tests=more[0] if more else None,
                goal=wish.goal,
                wish=WorkflowWish.model_validate(wish.workflow),
            )
        )
        assert run.id is not None
        return run.id

    async def _fetched(self, surface: Surface, wish: Wish, request: dict[str, Any]) -> StoredFile:
        limit = self._limit(wish)
        try:
            return await self.services.files.put_stream(surface.fetch(request), limit)
        except FileTooLarge:
            raise UserError(_too_large(wish, limit)) from None

    def _limit(self, wish: Wish) -> int:
        """Return how large a file of a wish may be."""
        most = self.services.settings.intake.max_upload_bytes
        if wish.document:
            return min(most, MAX_DOCUMENT_BYTES)
        return most if wish.workflow is None else min(most, MAX_SIZE_BYTES)

    def _give_up(self, row_id: int, error: OSError) -> bool:
        self._tries[row_id] = self._tries.get(row_id, 0) + 1
        log.warning("wish %d: file not kept (%s), try %d", row_id, error, self._tries[row_id])
        return self._tries[row_id] >= FETCH_TRIES


def _too_large(wish: Wish, limit_bytes: int) -> str:
    advice = "Send fewer rows." if wish.workflow is None else "Workflows and tests are smaller."
    advice = "Split the document." if wish.document else advice
    return f"That file is larger than {size(limit_bytes)}, the most I take here. {advice}"
