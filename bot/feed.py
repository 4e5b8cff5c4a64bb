"""The outbox: events become messages, each once, and live messages follow the rows.

Every pump compares what should be shown with what was shown last and sends or edits what differs; so a pump may be lost,
repeated, or killed anywhere. `Delivery` is written before a message is sent and again after it: where the second half is
missing, the message is looked for by its marker before it is sent again.
"""

import asyncio
import logging
import time
from dataclasses import dataclass, field, replace

from agents import work
from agents.jobs import read_progress
from agents.services import Services
from bot import cards, charts, report_files, scenes
from bot.downloads import Links
from bot.surface import Card, File, MessageGone, Parcel, PlaceGone, Surface
from storage import events, runs
from storage.models import Delivery, Event, JobState, Run

log = logging.getLogger(__name__)

LONGEST_BACKOFF_S = 60.0
WITH_LINK = frozenset({"delivered", "exported"})


@dataclass
class _Trouble:
    """A run whose messages could not be sent: tried again later, so that it holds nobody up."""

    failures: int = 0
    not_before_s: float = 0.0


@dataclass
class Feed:
    """Shows the events of runs on the surface that each run came from."""

    services: Services
    surface: Surface
    links: Links
    _troubles: dict[int, _Trouble] = field(default_factory=dict)
    _edited_s: dict[int, float] = field(default_factory=dict)

    async def pump(self) -> None:
        """Send and edit everything that is due, once."""
        held: set[int] = set()
        for event, delivery in await self.services.db.read(events.undelivered, self.surface.name):
            if event.run_id in held or self._resting(event.run_id):
                continue
            try:
                if not await self._show(event, delivery):
                    held.add(event.run_id)  # later messages must not overtake this one
                self._troubles.pop(event.run_id, None)
            except Exception as error:  # noqa: BLE001  # one run's trouble must not silence the others
                held.add(event.run_id)
                self._note_trouble(event.run_id, error)

    def _resting(self, run_id: int) -> bool:
        trouble = self._troubles.get(run_id)
        return trouble is not None and time.monotonic() < trouble.not_before_s

    def _note_trouble(self, run_id: int, error: Exception) -> None:
        trouble = self._troubles.setdefault(run_id, _Trouble())
        trouble.failures += 1
        wait_s = min(2.0**trouble.failures, LONGEST_BACKOFF_S)
        trouble.not_before_s = time.monotonic() + wait_s
        log.warning("run=%d message not shown; next try in %.0f s", run_id, wait_s, exc_info=error)

    async def _show(self, event: Event, delivery: Delivery | None) -> bool:
        scene = await self._scene(event)
        card = cards.render(scene)
        place = scene.run.home if event.kind == "opened" else scene.run.thread
        if place is None:
            return False
        try:
            if delivery is None or delivery.message_id is None:
                await self._post(scene.run, event, card, place)
            else:
                await self._edit(event, delivery, card)
        except MessageGone:
            if delivery is not None and delivery.id is not None:
                await self.services.db.write(events.forget_delivery, delivery.id)
        except PlaceGone:
            await self._move_home(scene.run)
        return True

    async def _scene(self, event: Event) -> scenes.Scene:
        limit = self.services.settings.limits.running_per_user
        scene = await self.services.db.read(
            scenes.load, event, self.services.clock.now(), running_per_user=limit
        )
        if scene.job is not None and scene.job.state is not JobState.QUEUED:
            folder = self.services.job_folder(scene.job.id)
            scene = replace(scene, progress=tuple(await asyncio.to_thread(read_progress, folder)))
        if event.kind in WITH_LINK and "sha256" in event.payload:
            shown = event.payload
            link = self.links.link(shown["sha256"], shown["name"], event.run_id, event.created_at)
            scene = replace(scene, link=link)
        return scene

    async def _post(self, run: Run, event: Event, card: Card, place: str) -> None:
        db, now = self.services.db, self.services.clock.now()
        delivery = await db.write(events.begin_delivery, event, self.surface.name, place, now)
        drawn, files, notes = await self._attachments(card, place)
        shown = replace(card, body="\n\n".join([card.body, *notes])) if notes else card
        parcel = Parcel(
            key=f"tunewright-{event.id}-{delivery.generation}",
            marker=scenes.marker(event),
            maybe_sent=delivery.attempts > 1,
            charts=drawn,
            files=files,
        )
        message_id = await self.surface.post(place, shown, parcel)
        if event.kind == "opened" and run.thread is None:
            thread = await self.surface.open_thread(place, message_id, cards.thread_name(run))
            await db.write(runs.settle_in, event.run_id, thread)
        # what an earlier process has sent may show an older card: then it is edited next
        await self._record(delivery, message_id, card, as_shown=not parcel.maybe_sent)

    async def _edit(self, event: Event, delivery: Delivery, card: Card) -> None:
        assert delivery.message_id is not None
        assert delivery.place is not None
        assert event.id is not None
        if card.sha256() == delivery.shown_sha256:
            if card.final:
                await self._record(delivery, delivery.message_id, card)
            return
        waited_s = time.monotonic() - self._edited_s.get(event.id, float("-inf"))
        if not (card.final or _is_awaited(card)) and waited_s < self.surface.edit_interval_s:
            return
        await self.surface.edit(delivery.place, delivery.message_id, card)
        self._edited_s[event.id] = time.monotonic()
        await self._record(delivery, delivery.message_id, card)

    async def _record(
        self, delivery: Delivery, message_id: str, card: Card, *, as_shown: bool = True
    ) -> None:
        assert delivery.id is not None
        await self.services.db.write(
            events.record_delivery,
            delivery.id,
            message_id=message_id,
            shown_sha256=card.sha256() if as_shown else None,
            settled=card.final and as_shown,
            now=self.services.clock.now(),
        )

    async def _move_home(self, run: Run) -> None:
        """The thread is gone: go on in the channel that the run came from."""
        if run.thread == run.home:
            raise PlaceGone(f"run {run.id}: neither thread nor channel can be written to")
        log.warning("run=%d its thread is gone; going on in its channel", run.id)
        await self.services.db.write(events.move_to, work.number(run), run.home)

    async def _attachments(
        self, card: Card, place: str
    ) -> tuple[tuple[charts.Chart, ...], tuple[File, ...], tuple[str, ...]]:
        """Return pictures and files of a new message, and a sentence for each file of a report that has to be left out."""
        files = [File(name, text.encode()) for name, text in card.texts]
        notes: tuple[str, ...] = ()
        limit_bytes = self.surface.attachment_limit_bytes(place)
        if card.report is not None:
            files.insert(0, File(report_files.MARKDOWN, card.report.encode()))
        if card.reported is not None:
            made = await asyncio.to_thread(report_files.written, card.reported, limit_bytes)
            files.extend(made.files)
            notes = made.notes
        if card.attach is not None:
            path = self.services.files.path(card.attach)
            if path.stat().st_size <= limit_bytes:
                files.append(File(card.attach_name, path))
        wanted = card.charts if self.surface.shows_pictures else ()
        drawn = [await charts.draw(spec) for spec in wanted]
        return tuple(chart for chart in drawn if chart is not None), tuple(files), notes


def _is_awaited(card: Card) -> bool:
    """Tell whether somebody who has just done something looks at a card for its effect."""
    return card.question is not None and bool(card.question.taken)
