"""Hand over a try that has been measured, at any time: the best so far, or the one that a person names."""

import re
from dataclasses import dataclass

from sqlmodel import Session

from agents import work
from agents.jobs import TrainResult
from agents.services import Services, UserError
from bot.surface import Person
from configs.schema import GateKind
from storage import approvals, datasets, events, jobs, runs
from storage.approvals import Answer
from storage.models import Approval, Decision, EvaluationReport, JobState, Phase, Run

_WISH = re.compile(
    r"\s*(?:please\s+)?(?:deliver|hand\s+over|give\s+me)\s+(?:the\s+)?(?:adapter\s+of\s+)?(?:the\s+)?(?:(?:try|iteration|round)\s+(\d+)|"
    r"what\s+stands|"
    r"best(?:\s+(?:one|try|so\s+far))*)(?:\s+please)?\s*[.!]?\s*",
    re.IGNORECASE,
)
ANSWERED = frozenset({GateKind.PLAN, GateKind.CHANGE, GateKind.DATA, GateKind.REPORT})
"""Questions that handing over a try answers."""
WORDS = "Hand over try {}."
LATER = frozenset({Phase.DELIVERING, Phase.EXPORTING, Phase.PUBLISHING})


@dataclass(frozen=True)
class Wanted:
    """What a reply wants handed over."""

    number: int | None
    """Of the try; None: the best one so far."""


def wished(words: str) -> Wanted | None:
    """Return what is to be handed over, for a reply that says nothing else: "deliver try 1", "deliver the best"."""
    match = _WISH.fullmatch(words)
    return None if match is None else Wanted(int(match[1]) if match[1] else None)


def deliver(
    session: Session, services: Services, run: Run, number: int | None, person: Person
) -> str:
    """Have a try handed over, and return what to tell the person; without a number the best one so far.

    An open question about a plan or result is answered by it; a training that is under way is stopped.
    Raises: UserError: there is no such try, it was handed over before, or the run is over for good or busy with what comes later.
    """
    assert run.id is not None
    _check(run)
    chosen = run.best_iteration if number is None else number
    report = None if chosen is None else datasets.report_of(session, run.id, chosen)
    if chosen is None or report is None or not _has_adapter(session, report):
        raise UserError(_none_such(session, run, number))
    if datasets.artifact(session, run.id, "adapter", chosen) is not None:
        raise UserError(
            f"Try {chosen} of run #{run.id} was handed over already. `/finetune download` gives a new link."
        )
    stopped = _stops_work(session, run)
    now = services.clock.now()
    for question in _answered_by_it(session, run):
        answer = Answer(Decision.REVISE, person.id, person.name, WORDS.format(chosen))
        approvals.decide(session, question.id or 0, question.shown_sha256, answer, now)
    approvals.void(session, run.id, now, by="policy:delivered")
    runs.bring_back(session, run, Phase.DELIVERING, iteration=chosen, revert=None)
    events.unsettle(session, run.id)
    shown = {
        "title": f"Handing over try {chosen}",
        "text": f"{person.name} takes try {chosen}{_is_best(run, chosen)}.{stopped}",
    }
    events.say(session, run.id, "notice", f"v{run.version}:handing-over", shown, now)
    return f"Run #{run.id} hands over try {chosen}{_is_best(run, chosen)}. The link follows in its thread.{stopped}"


def by_reply(
    session: Session, services: Services, approval: Approval, person: Person, words: str | None
) -> bool:
    """Have a try handed over where that is all that an answer to an open question says; tell whether it was.

    Raises: UserError: it cannot be.
    """
    wanted = wished(words or "")
    if wanted is None or approval.decision is not Decision.OPEN or approval.gate not in ANSWERED:
        return False
    deliver(session, services, runs.get(session, approval.run_id), wanted.number, person)
    return True


def _check(run: Run) -> None:
    """Refuse where nothing can be handed over now. Raises: UserError."""
    if run.phase is Phase.CANCELLED:
        raise UserError(f"Run #{run.id} was cancelled, and that is for good. Start a new one.")
    if run.phase in LATER or (run.phase is Phase.FAILED and run.failed_phase in LATER):
        raise UserError(
            f"Run #{run.id} is {run.phase.value} what was handed over before. Try again when that is over, or `/finetune resume` it."
        )


def _has_adapter(session: Session, report: EvaluationReport) -> bool:
    assert report.iteration is not None
    job = jobs.latest(session, report.run_id, "train", report.iteration)
    trained = TrainResult.model_validate(job.payload) if job and job.payload else None
    return trained is not None and trained.adapter_dir is not None


def _none_such(session: Session, run: Run, number: int | None) -> str:
    run_id = work.number(run)
    last = datasets.latest_plan(session, run_id)
    tried = range(1, (last.iteration if last else 0) + 1)
    reports = [r for i in tried if (r := datasets.report_of(session, run_id, i))]
    there = [str(r.iteration) for r in reports if _has_adapter(session, r)]
    if not there:
        return f"Run #{run_id} has no try yet that was trained and measured."
    return f"Run #{run_id} has no try {number} that was trained and measured. There is: {', '.join(there)}."


def _answered_by_it(session: Session, run: Run) -> list[Approval]:
    return [a for a in approvals.open_of_run(session, work.number(run)) if a.gate in ANSWERED]


def _stops_work(session: Session, run: Run) -> str:
    """Say that work is stopped, where some is under way."""
    mine = jobs.own_of_run(session, work.number(run))
    busy = any(job.state is not JobState.CLOSED for job in mine)
    return " What runs for another try stops within half a minute." if busy else ""


def _is_best(run: Run, chosen: int) -> str:
    return ", the best so far" if chosen == run.best_iteration else ""
