"""Push a delivered model to a hub: look first, ask a person with all that would be seen, push, say where it is."""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langgraph.runtime import Runtime
from sqlmodel import Session

from agents import delivery, gates, hub, model_card, outbox, work
from agents.model_card import Parcel
from agents.services import Services
from agents.state import RunState
from agents.waiting import wait_for
from configs.schema import GateKind
from storage import approvals, datasets, events, publications, runs
from storage.models import (
    Approval,
    Artifact,
    Decision,
    Phase,
    Publication,
    PublicationOutcome,
    Run,
)

SINCE_ASKED = "What would be pushed is not what the question showed, as after an update of this bot. Publish again."


@dataclass(frozen=True)
class _Wanted:
    """The rows of one wish to publish."""

    run: Run
    publication: Publication
    asked: Approval | None
    artifact: Artifact
    parcel: Parcel

    @property
    def id(self) -> int:
        assert self.publication.id is not None
        return self.publication.id


async def publish(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Ask whether to publish, or do what the answer says. What the Hub is against costs nothing but the wish."""
    services = runtime.context
    wanted = await services.db.read(_wanted, services, state["run_id"])
    if wanted.asked is not None and wanted.asked.decision is Decision.OPEN:
        wait_for(wanted.asked)
    folder = services.data_dir / "outbox" / f"run{wanted.run.id}-{wanted.publication.number}"
    try:
        if wanted.asked is None:
            await _ask(services, wanted, folder)
        elif wanted.asked.decision is Decision.APPROVE:
            await _push(services, wanted, folder)
        else:
            expired = wanted.asked.decision is Decision.EXPIRED
            outcome = PublicationOutcome.EXPIRED if expired else PublicationOutcome.REFUSED
            await services.db.write(_close, services, wanted, outcome, None)
    except hub.HubError as error:
        await _fail(services, wanted, hub.explain(error, wanted.publication.repo))
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return state


async def _ask(services: Services, wanted: _Wanted, folder: Path) -> None:
    if services.settings.hub.token is None:
        await _fail(services, wanted, hub.HOW_TO_SET_UP)
        return
    wish = wanted.publication
    seen = await hub.look(services.settings.hub, wish.repo)
    if not seen.may_write:
        await _fail(services, wanted, hub.explain(hub.HubError("http", 403), wish.repo))
        return
    if seen.repository is not None and seen.repository.private is not wish.private:
        await _fail(services, wanted, hub.explain(hub.HubError("visibility"), wish.repo))
        return
    files = await asyncio.to_thread(_fill, services, wanted, folder)
    there = seen.repository.files if seen.repository else ()
    facts = wanted.parcel.facts
    shown = {
        "repo": wish.repo,
        "private": wish.private,
        "what": wish.what,
        "account": seen.account,
        "new": seen.repository is None,
        "head": seen.repository.head if seen.repository else None,
        "replaced": [file.name for file in files if file.name in there],
        "files": [file.as_json() for file in files],
        "base": wanted.parcel.base,
        "licence": model_card.licence_name(facts),
        "commercial_use": facts.commercial_use if facts else None,
    }
    await services.db.write(_open_question, services, wanted, shown)


async def _push(services: Services, wanted: _Wanted, folder: Path) -> None:
    wish = wanted.publication
    files = await asyncio.to_thread(_fill, services, wanted, folder)
    if [file.as_json() for file in files] != wish.shown["files"]:
        await _fail(services, wanted, SINCE_ASKED)
        return
    if services.settings.hub.token is None:
        await _fail(services, wanted, hub.HOW_TO_SET_UP)
        return
    pushed = await hub.push(
        services.settings.hub,
        folder,
        wish.repo,
        private=wish.private,
        head=wish.shown["head"],
        message=f"Upload {wish.what.replace('_', ' ')}, tuned with Tunewright",
    )
    shown = {
        "repo": wish.repo,
        "private": wish.private,
        "what": wish.what,
        "url": pushed.url,
        "commit": pushed.commit,
        "already": pushed.already,
        "base": wanted.parcel.base,
        "scores": wanted.parcel.scores,
    }
    outcome = PublicationOutcome.PUBLISHED
    await services.db.write(_close, services, wanted, outcome, shown)


def _fill(services: Services, wanted: _Wanted, folder: Path) -> list[outbox.Listed]:
    packed = services.files.path(wanted.artifact.sha256)
    wish = wanted.publication
    return outbox.fill(folder, packed, wanted.parcel, wish.what, wish.repo)


async def _fail(services: Services, wanted: _Wanted, cause: str) -> None:
    shown = {"repo": wanted.publication.repo, "what": wanted.publication.what, "cause": cause}
    await services.db.write(_close, services, wanted, PublicationOutcome.FAILED, shown)


def _wanted(session: Session, services: Services, run_id: int) -> _Wanted:
    run = runs.get(session, run_id)
    wish = publications.open_of_run(session, run_id)
    if wish is None:
        raise LookupError(f"run {run_id} has no wish to publish")
    artifact = datasets.artifact(session, run_id, wish.what, run.iteration)
    if artifact is None:
        raise LookupError(f"run {run_id} has nothing to publish")
    asked = approvals.find(session, run_id, GateKind.PUBLISH, wish.iteration, wish.number)
    parcel = delivery.read_parcel(session, services, run_id)
    return _Wanted(run, wish, asked, artifact, parcel)


def _open_question(
    session: Session, services: Services, wanted: _Wanted, shown: dict[str, Any]
) -> None:
    number = wanted.publication.number
    session.get_one(Publication, wanted.id).shown = shown
    gates.ask(session, services, wanted.run, GateKind.PUBLISH, revision=number, shown=shown)
    runs.touch(session, wanted.run)


def _close(
    session: Session,
    services: Services,
    wanted: _Wanted,
    outcome: PublicationOutcome,
    shown: dict[str, Any] | None,
) -> None:
    """Note what became of a wish, say it where the question does not, and let the run rest."""
    now, commit = services.clock.now(), (shown or {}).get("commit")
    publications.close(session, wanted.id, outcome, now, commit_sha=commit)
    if shown is not None:
        key = f"published:{wanted.publication.number}"
        events.say(session, work.number(wanted.run), "published", key, shown, now)
    runs.move(session, wanted.run, Phase.DELIVERED, ended_at=now)
