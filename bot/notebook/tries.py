"""The tries of a run as its rows tell them: what was planned and why, what came of it, who decided."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel import Session, col, select

from agents import planning
from agents.drafts import ASKED, ORIGINS
from agents.jobs import EvaluateResult, JobKind, TrainResult
from agents.made_rows import MadeRows
from agents.recipe import Recipe
from bot import scenes
from configs.schema import GateKind
from storage import datasets, events, jobs, runs
from storage.models import (
    Approval,
    Artifact,
    Dataset,
    Decision,
    Event,
    Job,
    Phase,
    Plan,
    Run,
    Suggestion,
)

FOLLOWS = "follows from what changed"
DELIVERED = "delivered"
TRAIN = "train"
CARD = "data"
"""Event that tells what was found in the upload."""
ENDS = frozenset({DELIVERED, "ended"})
"""Events that tell how a run has ended."""
OVER = frozenset(
    {Phase.DELIVERED, Phase.EXPORTING, Phase.PUBLISHING, Phase.CANCELLED, Phase.FAILED}
)
"""Nothing more comes of the last try of such a run, unless it is resumed."""
_OF_TRY = re.compile(r"(?P<role>train|aside|made|unused|without)\.(?P<try>\d+)")
_DELIVERED_KEY = re.compile(r":i(\d+):delivered$")


@dataclass(frozen=True)
class Change:
    """One value of the recipe that is not as in the try before."""

    field: str
    before: str
    after: str
    why: str


@dataclass(frozen=True)
class RowsOf:
    """A data set that a try worked with."""

    role: str
    name: str
    sha256: str
    rows: int | None
    size_bytes: int


@dataclass(frozen=True)
class Try:
    """One trip around the loop."""

    number: int
    plan: Plan
    """Its last version."""
    changes: tuple[Change, ...]
    """Against the try before; of the first one what a person asked for."""
    sets: tuple[RowsOf, ...]
    card: Mapping[str, Any] | None
    """What was found in the upload, as the data card told it last."""
    jobs: tuple[Job, ...]
    trained: TrainResult | None
    report: EvaluateResult | None
    partial: bool
    """Its training was stopped early on request."""
    decisions: tuple[Approval, ...]
    """Answered questions of the time in which it was the latest try, in the order in which they were asked."""
    suggestions: tuple[Suggestion, ...]
    made: MadeRows | None
    """What is known of its made rows, learnt or not."""
    handed_over: tuple[Artifact, ...]
    """Adapters that were handed over in that time."""
    ends: tuple[Event, ...]
    """How the run has ended in that time; more than once where it was resumed."""
    over: bool
    """Nothing more will come of it, unless an ended run is resumed."""

    @property
    def recipe(self) -> Recipe:
        """The recipe of its plan."""
        return Recipe.model_validate(self.plan.recipe)


@dataclass(frozen=True)
class Tries:
    """A run and all its tries, oldest first."""

    run: Run
    tries: tuple[Try, ...]

    def find(self, number: int) -> Try | None:
        """Return one try."""
        return next((t for t in self.tries if t.number == number), None)

    def until(self, number: int) -> "Tries":
        """Return what was known when a try was over: it, and those before it."""
        return Tries(self.run, tuple(t for t in self.tries if t.number <= number))

    def last_word(self, number: int) -> Approval | None:
        """Return the newest answer that somebody has given about a try: about its report, else about its plan."""
        said = [
            decision
            for known in self.tries
            for decision in known.decisions
            if decision.iteration == number and decision.decision is not Decision.EXPIRED
        ]
        about_report = [decision for decision in said if decision.gate == GateKind.REPORT]
        return next(reversed(about_report or said), None)

    def was_handed_over(self, number: int) -> bool:
        """Tell whether the adapter of a try was handed over."""
        return any(a.iteration == number for known in self.tries for a in known.handed_over)


def read(session: Session, run_id: int) -> Tries:
    """Read a run with its tries.

    What is told of a try that is over does not change by what happens in later ones: facts without a try of their own
    (a second question about an old report, the end of the run) belong to the one that was the latest when they happened.
    """
    run = runs.get(session, run_id)
    plans = _last_plans(session, run_id)
    told = events.of_run(session, run_id)
    approvals = {a.id: a for a in session.exec(select(Approval).where(Approval.run_id == run_id))}
    work = [job for job in jobs.own_of_run(session, run_id) if job.kind != JobKind.EXPORT]
    sets = _sets(session, run_id)
    found: list[Try] = []
    for plan, following in zip(plans, [*plans[1:], None], strict=True):
        mine = _between(told, plan if found else None, following)
        report = datasets.report_of(session, run_id, plan.iteration)
        found.append(
            Try(
                number=plan.iteration,
                plan=plan,
                changes=_changes(found[-1].plan if found else None, plan),
                sets=_as_used(sets, work, plan.iteration),
                card=_card(mine, found[-1].card if found else None),
                jobs=tuple(job for job in work if job.iteration == plan.iteration),
                trained=_trained(work, plan.iteration),
                report=EvaluateResult.model_validate(report.payload) if report else None,
                partial=report.partial if report else False,
                decisions=_answered(mine, approvals),
                suggestions=tuple(datasets.suggestions(session, run_id, plan.iteration)),
                made=scenes.made_rows_of(session, run_id, plan.iteration),
                handed_over=_handed_over(session, run_id, mine),
                ends=tuple(event for event in mine if event.kind in ENDS),
                over=following is not None or run.phase in OVER,
            )
        )
    return Tries(run, tuple(found))


def _card(mine: Sequence[Event], before: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return next((event.payload for event in reversed(mine) if event.kind == CARD), before)


def _last_plans(session: Session, run_id: int) -> list[Plan]:
    """Return the last version of the plan of each try."""
    rows = session.exec(
        select(Plan).where(Plan.run_id == run_id).order_by(col(Plan.iteration), col(Plan.revision))
    )
    return list({plan.iteration: plan for plan in rows}.values())


def _between(told: Sequence[Event], first: Plan | None, following: Plan | None) -> list[Event]:
    """Return the events from the first version of a plan to that of the next one; None is the beginning, or now."""
    starts = {
        event.payload["iteration"]: event.id for event in reversed(told) if event.kind == "plan"
    }
    begin = (starts.get(first.iteration) if first else None) or 0
    end = starts.get(following.iteration) if following else None
    return [e for e in told if e.id is not None and begin <= e.id and (end is None or e.id < end)]


def _changes(before: Plan | None, plan: Plan) -> tuple[Change, ...]:
    why_of = {name: why for name, _value, why in ORIGINS.validate_python(plan.why)}
    if before is None:
        return tuple(
            Change(name, "", value, why)
            for name, value, why in ORIGINS.validate_python(plan.why)
            if why == ASKED
        )
    old, new = Recipe.model_validate(before.recipe), Recipe.model_validate(plan.recipe)
    return tuple(
        Change(name, was, now, why_of.get(name, FOLLOWS))
        for name, was, now in planning.difference(old, new)
    )


def _sets(session: Session, run_id: int) -> list[RowsOf]:
    rows = session.exec(select(Dataset).where(Dataset.run_id == run_id).order_by(col(Dataset.id)))
    # what models answered is kept for later; it is no data that a try worked with
    return [
        RowsOf(d.role, d.name, d.sha256, d.rows, d.size_bytes)
        for d in rows
        if d.role.partition(".")[0] not in {datasets.KNOWN_ANSWERS, datasets.ANSWERS}
    ]


def _as_used(sets: Sequence[RowsOf], work: Sequence[Job], number: int) -> tuple[RowsOf, ...]:
    """Return the data sets of a run as a try worked with them.

    A try may have rows of its own to learn from, and its jobs may have been given other files.
    """
    given = {
        role: job.spec[role]
        for job in work
        if job.iteration == number and job.kind in {JobKind.TRAIN, JobKind.EVALUATE}
        for role in (TRAIN, "dev", datasets.TEST)
        if isinstance(job.spec.get(role), dict)
    }
    own = {known.role: known for known in sets}.get(datasets.role_of_try(TRAIN, number))
    used = []
    for known in sets:
        of_try = _OF_TRY.fullmatch(known.role)
        if of_try is not None and (of_try["role"] == TRAIN or int(of_try["try"]) != number):
            continue
        if of_try is not None:
            known = replace(known, role=of_try["role"])
        elif known.role == TRAIN and own is not None:
            known = replace(own, role=TRAIN)
        file = given.get(known.role)
        if file is not None and file["sha256"] != known.sha256:
            known = replace(known, sha256=file["sha256"], size_bytes=file["size_bytes"], rows=None)
        used.append(known)
    return tuple(used)


def _trained(work: Sequence[Job], number: int) -> TrainResult | None:
    done = [
        job for job in work if job.kind == JobKind.TRAIN and job.iteration == number and job.payload
    ]
    newest = max(done, key=lambda job: job.attempt, default=None)
    return None if newest is None else TrainResult.model_validate(newest.payload)


def _answered(
    mine: Sequence[Event], approvals: Mapping[int | None, Approval]
) -> tuple[Approval, ...]:
    asked = [approvals.get(event.payload.get("approval_id")) for event in mine]
    closed = [a for a in asked if a is not None and a.decision is not Decision.OPEN]
    return tuple(a for a in closed if a.gate != GateKind.PUBLISH)


def _handed_over(session: Session, run_id: int, mine: Sequence[Event]) -> tuple[Artifact, ...]:
    keys = [_DELIVERED_KEY.search(event.key) for event in mine if event.kind == DELIVERED]
    found = [datasets.artifact(session, run_id, "adapter", int(key[1])) for key in keys if key]
    return tuple(artifact for artifact in found if artifact is not None)
