"""Have rows made, looked at and shown to a person; hand those on that were taken, beside the rows of the uploads.

Nothing is learnt from that nobody has said yes to, and nothing that is made is ever a dev or test row. Without rows, whatever the
reason, the plan is carried out without them, and people are told why.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from langgraph.runtime import Runtime
from sqlmodel import Session

from agents import (
    gates,
    made_files,
    made_jobs,
    made_question,
    made_review,
    made_rows,
    planned_generation,
    row_changes,
    work,
)
from agents.jobs import IntakeResult, JobKind
from agents.made_files import MadeFiles, Stock
from agents.made_jobs import Batch, Material
from agents.made_review import Review
from agents.made_rows import Row
from agents.services import Services
from agents.state import RunState
from agents.waiting import wait_for
from configs.schema import GateKind
from storage import approvals, datasets, events, jobs, runs
from storage.files import StoredFile
from storage.models import Approval, Dataset, Decision, Phase, Run


@dataclass(frozen=True)
class _Known:
    run: Run
    stock: Stock
    dev: Dataset
    test: Dataset
    before: tuple[Approval, ...]
    """Questions about made rows in earlier tries."""
    asked: tuple[Approval, ...]
    """Those of this one, oldest first."""

    @property
    def last(self) -> Approval | None:
        return self.asked[-1] if self.asked else None

    @property
    def refused(self) -> bool:
        """Whether nobody wants the rows, or has looked at them in time."""
        return self.last is not None and self.last.decision in {Decision.REJECT, Decision.EXPIRED}


async def enrich(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Make the rows that the plan names, ask whether they may be learnt from, and go on with them or without."""
    services = runtime.context
    known = await services.db.read(_known, state["run_id"])
    if known.last is not None and known.last.decision is Decision.OPEN:
        wait_for(known.last)
    again = await asyncio.to_thread(made_files.again, services, known.stock)
    if known.stock.planned.terms is None or known.refused:
        await _without(services, known, again, _why_refused(known))
        return state
    review = made_review.review(known.before, known.asked)
    plain = await asyncio.to_thread(made_files.without, services, known.stock, again)
    try:
        batch = await made_jobs.batch(services, _material(services, known, plain), review)
    except work.JobFailed as failed:
        await _without(services, known, again, _why_failed(failed))
        return state
    await _with(services, known, batch, review, again)
    return state


async def _with(
    services: Services, known: _Known, batch: Batch, review: Review, again: list[Row]
) -> None:
    """Ask about a batch, or take it where that was answered."""
    rows = made_rows.after(again, made_rows.lines_of(batch.kept))
    left = made_rows.taken(rows, {struck.number for struck in review.struck})
    if not left:
        await _without(services, known, again, _why_empty(batch, review))
    elif known.last is None or known.last.decision is Decision.REVISE:
        file = await asyncio.to_thread(services.files.put, made_question.readable(left))
        shift = made_rows.last_number(again)
        shown = made_question.shown(known.stock.planned, batch, review, left, shift, file)
        await services.db.write(_ask, services, known, batch, shown)
    else:
        files = await asyncio.to_thread(
            made_files.with_new, services, known.stock, batch, review, again, left
        )
        await services.db.write(_take, services, known, files)


async def _without(services: Services, known: _Known, again: list[Row], why: str | None) -> None:
    """Go on without new rows; with those of an earlier try where there are some."""
    files = None
    if again:
        files = await asyncio.to_thread(made_files.only_again, services, known.stock, again)
    await services.db.write(_go_on, services, known, files, why)


def _known(session: Session, run_id: int) -> _Known:
    run = runs.get(session, run_id)
    plan = datasets.latest_plan(session, run_id, run.iteration)
    planned = planned_generation.of_plan(plan.generation if plan else None)
    read = jobs.latest(session, run_id, JobKind.INTAKE)
    if plan is None or planned is None or read is None:
        raise LookupError(f"run {run_id} has no plan with made rows in iteration {run.iteration}")
    base = datasets.train_of(session, run_id, run.iteration)
    dev, test = (datasets.find(session, run_id, role) for role in ("dev", "test"))
    if base is None or dev is None or test is None:
        raise LookupError(f"run {run_id} has no rows to make others from")
    every = approvals.of_gate(session, run_id, GateKind.DATA)
    return _Known(
        run=run,
        stock=Stock(
            planned=planned,
            data=IntakeResult.model_validate(work.payload(read)),
            base=base,
            earlier=None
            if planned.again is None
            else datasets.made_of(session, run_id, planned.again),
            changed=row_changes.change_of(plan.rows),
        ),
        dev=dev,
        test=test,
        before=tuple(asked for asked in every if asked.iteration < run.iteration),
        asked=tuple(asked for asked in every if asked.iteration == run.iteration),
    )


def _material(services: Services, known: _Known, plain: StoredFile) -> Material:
    return Material(
        run=known.run,
        planned=known.stock.planned,
        data=known.stock.data,
        train=work.file_of(plain, "train.jsonl"),
        dev=work.file_ref(services, known.dev),
        test=work.file_ref(services, known.test),
    )


def _ask(
    session: Session, services: Services, known: _Known, batch: Batch, shown: dict[str, Any]
) -> None:
    run = known.run
    gates.ask(
        session,
        services,
        run,
        GateKind.DATA,
        revision=len(known.asked),
        shown={"iteration": run.iteration, **shown},
        needs_person=made_question.needs_person(batch),
    )


def _take(session: Session, services: Services, known: _Known, files: MadeFiles) -> None:
    """Let the try learn from made rows beside the others, and keep what it is compared with."""
    _keep(session, services, known, files)
    _keep_one(session, services, known, datasets.WITHOUT, files.without, rows=files.without_lines)
    runs.move(session, known.run, Phase.BUILDING)


def _go_on(
    session: Session, services: Services, known: _Known, files: MadeFiles | None, why: str | None
) -> None:
    run, now = known.run, services.clock.now()
    if files is not None:
        _keep(session, services, known, files)
    if why is not None:
        text = why + (
            " The training goes on with the made rows of an earlier try alone."
            if files is not None
            else " The training goes on with your rows alone."
        )
        shown = {
            "title": "No rows were made" if not known.refused else "Without made rows",
            "text": text,
        }
        events.say(session, work.number(run), "notice", f"i{run.iteration}:unmade", shown, now)
    runs.move(session, run, Phase.BUILDING)


def _keep(session: Session, services: Services, known: _Known, files: MadeFiles) -> None:
    facts = files.facts
    _keep_one(session, services, known, "train", files.train, rows=facts.of)
    details = facts.model_dump(mode="json")
    _keep_one(session, services, known, datasets.MADE, files.made, rows=facts.rows, details=details)


def _keep_one(  # noqa: PLR0913  # a data set of a try is named by its role, and described by three facts
    session: Session,
    services: Services,
    known: _Known,
    role: str,
    file: StoredFile,
    *,
    rows: int,
    details: dict[str, Any] | None = None,
) -> None:
    own = datasets.role_of_try(role, known.run.iteration)
    datasets.replace(
        session,
        Dataset(
            run_id=work.number(known.run),
            role=own,
            name=f"{own}.jsonl",
            sha256=file.sha256,
            size_bytes=file.size_bytes,
            rows=rows,
            details=details or {},
            created_at=services.clock.now(),
        ),
    )


def _why_refused(known: _Known) -> str | None:
    if known.last is None:
        return None
    if known.last.decision is Decision.EXPIRED:
        return "Nobody has looked at the made rows in time, so none of them are used."
    return f"{known.last.decided_by_name or 'Somebody'} said no to the made rows, so none of them are used."


def _why_failed(failed: work.JobFailed) -> str:
    job = failed.job
    if job.error and job.error_for_person:
        return f"No rows could be made: {job.error}"
    return f"No rows could be made: the program that does it failed (log: jobs/{job.id}/log.txt on the host)."


def _why_empty(batch: Batch, review: Review) -> str:
    if review.struck:
        return "All made rows were struck."
    if not batch.made.rows:
        return " ".join(["No rows came of it.", *batch.notes])
    held = ", ".join(f"{one.sieve.value} {one.rows:,}" for one in batch.sifted.sifted if one.rows)
    return f"None of {batch.made.rows:,} drafts was fit to learn from (held back for: {held})."
