"""The rounds of a run that improves a workflow, as its rows tell them: what was tried, what stands, who decided."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlmodel import Session, col, select

from agents.jobs import ClaimResult, FileRef, Standing
from agents.services import Services, UserError
from agents.workflow_loop import facts
from agents.workflow_loop.facts import Facts, Round
from agents.workflow_loop.planning import difference
from agents.workflow_loop.used import used
from bot.notebook.tries import ENDS, OVER
from storage import datasets, events, jobs
from storage.models import Approval, Artifact, Decision, Event, Job, Run


@dataclass(frozen=True)
class Played:
    """A round, with what people decided in it and how the run ended in it."""

    then: Facts
    """The run as it was when the round was over; of one under way as it is now. `stands` is what stood after it."""
    round: Round
    stood: FileRef
    """The workflow that it began with."""
    changes: tuple[tuple[str, str, str], ...]
    """(term, before, after) against the round before."""
    decisions: tuple[Approval, ...]
    """Its answered questions, in the order in which they were asked."""
    jobs: tuple[Job, ...]
    claim: ClaimResult | None
    """What may be said, where the run ended with it."""
    handed_over: Artifact | None
    ends: tuple[Event, ...]
    """How the run has ended in it; more than once where it was resumed."""
    over: bool
    """Nothing more will come of it, unless an ended run is resumed."""

    @property
    def number(self) -> int:
        """From 1."""
        return self.round.number

    @property
    def stands(self) -> FileRef:
        """The workflow as it stood after it."""
        return self.then.stands.text

    @property
    def kept(self) -> bool:
        """Tell whether a change of this round stands after it."""
        measured = {told.name for _spec, found in self.round.measured for told in found.measured}
        return self.stands.sha256 in measured

    @property
    def before(self) -> Standing | None:
        """How what stood at its beginning did; None: it was not measured."""
        return self.round.standing

    @property
    def after(self) -> Standing | None:
        """How what stood after it did; None: it was not measured."""
        return self.then.standing()


@dataclass(frozen=True)
class Rounds:
    """A run and its rounds, oldest first."""

    known: Facts
    rounds: tuple[Played, ...]

    @property
    def run(self) -> Run:
        """The run."""
        return self.known.run

    def find(self, number: int) -> Played:
        """Return one round. Raises: UserError: there is none with this number."""
        found = next((one for one in self.rounds if one.number == number), None)
        if found is None:
            there = ", ".join(str(one.number) for one in self.rounds) or "none yet"
            raise UserError(f"Run #{self.run.id} has no round {number}. Its rounds: {there}.")
        return found

    def until(self, number: int) -> "Rounds":
        """Return what was known when a round was over: it, and those before it."""
        return Rounds(
            self.find(number).then, tuple(one for one in self.rounds if one.number <= number)
        )


def read(session: Session, services: Services, run_id: int) -> Rounds:
    """Read a run with its rounds. What is told of a round that is over does not change by what happens later."""
    known = facts.read(session, services, run_id)
    work = jobs.own_of_run(session, run_id)
    answered = list(_answered(session, run_id))
    ends = [event for event in events.of_run(session, run_id) if event.kind in ENDS]
    found: list[Played] = []
    for place, one in enumerate(known.rounds):
        last = one is known.rounds[-1]
        then = _as_it_was(session, services, known, place)
        report = datasets.report_of(session, run_id, one.number)
        found.append(
            Played(
                then=then,
                round=one,
                stood=_begun_with(services, known, place),
                changes=_changes(known.rounds[place - 1] if place else None, one),
                decisions=tuple(a for a in answered if a.iteration == one.number),
                jobs=tuple(job for job in work if job.iteration == one.number),
                claim=None if report is None else ClaimResult.model_validate(report.payload),
                handed_over=datasets.artifact(session, run_id, facts.WORKFLOW, one.number),
                ends=tuple(e for e in ends if _is_of(e, one.number, last=last)),
                over=not last or known.run.phase in OVER,
            )
        )
    return Rounds(known, tuple(found))


def _as_it_was(session: Session, services: Services, known: Facts, place: int) -> Facts:
    """Return what was known when a round was over."""
    one = known.rounds[place]
    return replace(
        known,
        rounds=known.rounds[: place + 1],
        stands=known.given.model_copy(update={"text": _stands_after(services, known, place)}),
        used=used(session, known.run.id or 0, until=one.number),
    )


def _stands_after(services: Services, known: Facts, place: int) -> FileRef:
    """Return the workflow as it stood after a round; after one that was broken off it is the one before."""
    for one in reversed(known.rounds[: place + 1]):
        if one.snapshot is not None:
            return facts.as_file(services, known.given, one.snapshot).text
    return known.given.text


def _begun_with(services: Services, known: Facts, place: int) -> FileRef:
    one = known.rounds[place]
    if one.restored is None:
        return _stands_after(services, known, place - 1) if place else known.given.text
    snapshot = known.after(one.restored[0])
    if isinstance(snapshot, Artifact):
        return facts.as_file(services, known.given, snapshot).text
    return snapshot or known.given.text


def _changes(before: Round | None, one: Round) -> tuple[tuple[str, str, str], ...]:
    if before is None:
        return ()
    return tuple((name, was, now) for name, was, now in difference(before.terms, one.terms))


def _answered(session: Session, run_id: int) -> Sequence[Approval]:
    return session.exec(
        select(Approval)
        .where(Approval.run_id == run_id, Approval.decision != Decision.OPEN)
        .order_by(col(Approval.id))
    ).all()


def _is_of(event: Event, number: int, *, last: bool) -> bool:
    """Tell whether the run ended in a round; where it did before a further one had a plan, that was in the last one."""
    ended_in = event.payload.get("iteration")
    if ended_in is None:
        return f":i{number}:" in event.key
    return bool(ended_in == number or (last and ended_in > number))
