"""All that a card is made from, read in one transaction."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from agents import explanations, preferences
from agents.jobs import Progress
from agents.made_rows import MadeRows
from agents.preferences import Judgement, Licence, People
from agents.workflow_loop.facts import TESTS
from bot import llm_lines
from configs.schema import GateKind
from storage import approvals, blind, comments, datasets, jobs, runs
from storage.models import Advice, Approval, Ballot, Dataset, Event, Job, JobState, Run, Suggestion

SOON_S = 5.0
"""Least that is said of a job that has outlived its estimate."""


@dataclass(frozen=True)
class Place:
    """Where a job stands in line."""

    position: int
    """1 is next."""
    wait_s: float
    """Until its turn, by the estimates of the jobs before it; 0 when a slot is free."""


@dataclass(frozen=True)
class Opinions:
    """What people and a language model preferred who did not know which answer was whose."""

    people: People | None = None
    """None: no result has been told, so that nobody who still votes is influenced."""
    judgements: tuple[tuple[Judgement, Licence], ...] = ()


@dataclass(frozen=True)
class Asked:
    """A ballot and how it stands."""

    ballot: Ballot
    of: int
    """Ballots of the test."""
    votes: int
    """At this one."""
    is_open: bool
    is_newest: bool


@dataclass(frozen=True)
class Scene:
    """An event and the rows around it, as they are now."""

    event: Event
    run: Run
    uploads: tuple[Dataset, ...]
    approval: Approval | None
    job: Job | None
    place: Place | None
    progress: tuple[Progress, ...] = ()
    """Of the job's folder; read after the rows."""
    asked: Asked | None = None
    """Of a ballot's event."""
    opinions: Opinions = Opinions()
    """Of a report's event."""
    edits: tuple[Suggestion, ...] = ()
    """Of the question whether a change of a workflow stays: its edits, each with whether it is taken."""
    made: MadeRows | None = None
    """Of a report's event: what is known of the made rows of its try."""
    tests: Dataset | None = None
    """Of what was read of a workflow: the suite as it is used."""
    advice: Advice | None = None
    """Of the language model, on what a question shows."""
    expenses: llm_lines.Expenses | None = None
    """Of a report's event: what the language model has cost the run."""
    link: str | None = None
    """Where the adapter can be downloaded; made from the event, so that it stays the same."""

    @property
    def marker(self) -> str:
        """Return what the message is found by after a crash: the end of its footer."""
        return marker(self.event)


def marker(event: Event) -> str:
    """Return what the message of an event is found by after a crash."""
    return f"run #{event.run_id} · message {event.id}"


def load(session: Session, event: Event, now: datetime, *, running_per_user: int) -> Scene:
    """Read what a card of this event shows."""
    run = runs.get(session, event.run_id)
    approval_id = event.payload.get("approval_id")
    job = None
    if event.kind == "status":
        job = _shown_job(session, event)
    elif event.kind == explanations.EXPLAINED:
        job = jobs.get(session, event.payload["job_id"])
    elif event.kind in {"checkpoint", "report"}:
        job = jobs.latest(session, event.run_id, "train", event.payload["iteration"])
    return Scene(
        event=event,
        run=run,
        uploads=tuple(datasets.uploads(session, event.run_id)),
        approval=None if approval_id is None else approvals.get(session, approval_id),
        job=job,
        place=_place(session, job, now, running_per_user)
        if job and job.state is JobState.QUEUED
        else None,
        asked=_asked(session, event) if event.kind == blind.BALLOT else None,
        opinions=opinions(session, run, event.payload["iteration"])
        if event.kind == "report"
        else Opinions(),
        edits=tuple(datasets.suggestions(session, event.run_id, event.payload["iteration"]))
        if event.kind == GateKind.KEEP
        else (),
        made=made_rows_of(session, event.run_id, event.payload["iteration"])
        if event.kind == "report"
        else None,
        tests=datasets.find(session, event.run_id, TESTS) if event.kind == "workflow" else None,
        advice=None if event.id is None else comments.find(session, event.id),
        expenses=llm_lines.expenses_of(session, event.run_id) if event.kind == "report" else None,
    )


def _shown_job(session: Session, event: Event) -> Job | None:
    """Return the job that a card follows: the newest attempt at a piece of work, or at one row."""
    kind, iteration = event.payload["kind"], event.payload["iteration"]
    if "row" in event.payload:
        return jobs.of_row(session, event.run_id, kind, event.payload["row"], iteration)
    return jobs.latest(session, event.run_id, kind, iteration)


def made_rows_of(session: Session, run_id: int, iteration: int) -> MadeRows | None:
    """Return what is known of the made rows of a try, learnt or not; None where it has none."""
    for role in (datasets.UNUSED, datasets.MADE):
        found = datasets.find(session, run_id, datasets.role_of_try(role, iteration))
        if found is not None:
            return MadeRows.model_validate(found.details)
    return None


def opinions(session: Session, run: Run, iteration: int) -> Opinions:
    """Return what people and language models think of the answers of a try, as far as it may be told."""
    assert run.id is not None
    test = blind.find(session, run.id, iteration)
    if test is None or test.id is None:
        return Opinions()
    return Opinions(
        preferences.of_people(session, test) if test.told and not test.asking else None,
        ()
        if test.judge or test.asking
        else tuple(
            (preferences.of_judge(session, test, name), preferences.licence(session, run, name))
            for name in blind.judges(session, test.id)
        ),
    )


def _asked(session: Session, event: Event) -> Asked:
    ballot = blind.ballot(session, event.payload["ballot_id"])
    assert ballot is not None
    test = blind.get(session, ballot.test_id)
    newest = blind.newest_asked(session, ballot.test_id)
    given = [vote for vote in blind.votes(session, ballot.test_id) if vote.ballot_id == ballot.id]
    return Asked(
        ballot=ballot,
        of=len(blind.ballots(session, ballot.test_id)),
        votes=len(given),
        is_open=test.asking and not ballot.final,
        is_newest=newest is None or newest.id == ballot.id,
    )


def _place(session: Session, job: Job, now: datetime, running_per_user: int) -> Place | None:
    line = [j for j in jobs.queued(session, running_per_user=running_per_user) if j.needs_slot]
    if job.id not in [j.id for j in line]:
        return None
    position = [j.id for j in line].index(job.id)
    wait_s = sum(j.expected_s or 0.0 for j in line[:position])
    for running in jobs.running(session):
        if running.needs_slot and running.started_at is not None:
            elapsed_s = (now - running.started_at).total_seconds()
            wait_s += max((running.expected_s or 0.0) - elapsed_s, SOON_S)
    return Place(position + 1, wait_s)
