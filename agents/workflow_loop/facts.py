"""What rows say about a run that improves a workflow: what was given, what stands, what was spent, what was tried."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlmodel import Session

from agents.jobs import (
    ClaimResult,
    FileRef,
    JobKind,
    JobOutcome,
    Left,
    MeasureRoundResult,
    MeasureRoundSpec,
    ProposeResult,
    ReadWorkflowResult,
    Spent,
    Standing,
    TriedChange,
    WorkflowFile,
    WorkflowTerms,
    WorkflowWish,
)
from agents.services import Services
from agents.work import USABLE, file_ref, number, payload
from agents.workflow.workplace import models_ref
from agents.workflow_loop.used import used
from configs.schema import GateKind
from storage import approvals, datasets, jobs, runs
from storage.models import (
    Approval,
    Artifact,
    Dataset,
    Decision,
    Job,
    Plan,
    Run,
    Suggestion,
)

TESTS = "tests"
"""Role of the suite as it is used; that of an uploaded one is `upload2`."""
SNAPSHOT = "snapshot"
"""Kind of the artifact that holds the workflow as it stands after a round."""
WORKFLOW = "workflow"
"""Kind of the artifact that is handed over."""
RESTORED = "workflow"
"""Field of a plan that tells which round's workflow stands again, and who wanted that."""
_UNSAFE = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class Round:
    """One round as its rows tell it."""

    number: int
    plan: Plan
    proposed: ProposeResult | None
    measured: tuple[tuple[MeasureRoundSpec, MeasureRoundResult], ...]
    """Measurements, the first one first: a person's choice among edits is measured anew."""
    kept: Approval | None
    """The newest question whether the winner may stay."""
    snapshot: Artifact | None
    """The workflow as it stood after it; while it goes on None, or the one of an earlier round that it began with again."""
    chosen: tuple[Suggestion, ...] = ()
    """Edits of the proposed change, with whether a person takes them."""

    @property
    def terms(self) -> WorkflowTerms:
        """How it is done."""
        return WorkflowTerms.model_validate(self.plan.recipe)

    @property
    def restored(self) -> tuple[int, str] | None:
        """Which round's workflow it began with again, and who wanted that; None: it began with what stood."""
        told = next((why for why in self.plan.why if why[0] == RESTORED), None)
        return None if told is None else (int(told[1]), str(told[2]))

    @property
    def standing(self) -> Standing | None:
        """How what stood did, measured in this round."""
        if self.measured:
            return self.measured[-1][1].stood
        return self.proposed.standing if self.proposed else None


@dataclass(frozen=True)
class Facts:
    """A run and all that is known of it."""

    run: Run
    wish: WorkflowWish
    given: WorkflowFile
    given_name: str
    read: ReadWorkflowResult | None
    tests: FileRef | None
    tests_path: str
    stands: WorkflowFile
    rounds: tuple[Round, ...]
    used: Mapping[str, Spent]
    """By all attempts at a job, whatever became of them; by the folder that they share."""
    final: Artifact | None
    """What was handed over."""

    @property
    def now(self) -> Round:
        """The round that the run is at. Raises: LookupError: it has none."""
        found = next((one for one in self.rounds if one.number == self.run.iteration), None)
        if found is None:
            raise LookupError(f"run {self.run.id} has no round {self.run.iteration}")
        return found

    @property
    def found(self) -> ReadWorkflowResult:
        """What was read. Raises: LookupError: nothing yet."""
        if self.read is None:
            raise LookupError(f"run {self.run.id} has not read its workflow")
        return self.read

    @property
    def spent(self) -> Spent:
        """Return what was used in all."""
        return sum(self.used.values(), Spent())

    @property
    def suite(self) -> FileRef:
        """The tests. Raises: LookupError: there are none yet."""
        if self.tests is None:
            raise LookupError(f"run {self.run.id} has no tests")
        return self.tests

    def left(
        self, terms: WorkflowTerms, journal: str | None = None, held: Spent | None = None
    ) -> Left:
        """Return what is left of the budget of all rounds.

        Args:
            terms: Name the budget.
            journal: Folder of a job that is to use it: what earlier attempts at it have used stands there, and is not
                taken off twice.
            held: Kept for something else.
        """
        used = [spent for folder, spent in self.used.items() if folder != journal]
        off = sum(used, held or Spent())
        return Left(
            calls=max(0, terms.max_calls - off.calls),
            tokens=None if terms.max_tokens is None else max(0, terms.max_tokens - off.tokens),
            seconds=None
            if terms.max_seconds is None
            else max(0.0, terms.max_seconds - off.seconds),
        )

    def standing(self) -> Standing | None:
        """Return how the workflow that stands has done when it was measured last; None: it was not."""
        stands = self.stands.text.sha256
        for one in reversed(self.rounds):
            for spec, told in reversed(one.measured):
                if told.would_stand is not None and stands == told.winner:
                    return told.would_stand
                if stands == spec.workflow.text.sha256:
                    return told.stood
            unmeasured = one.proposed is not None and not one.measured
            if unmeasured and (one.snapshot is None or one.snapshot.sha256 == stands):
                return one.standing
        return None

    def after(self, number: int) -> FileRef | Artifact | None:
        """Return the workflow as it stood after a round, 0 being the one that was given; None: there is none."""
        if number == 0:
            return self.given.text
        return next((one.snapshot for one in self.rounds if one.number == number), None)

    def tried(self) -> tuple[TriedChange, ...]:
        """Return what was proposed before, and what came of it, the newest last."""
        return tuple(change for one in self.rounds for change in _tried(one))

    def strategies(self) -> dict[str, tuple[int, int]]:
        """Return how often each strategy was tried and kept, by name."""
        found: dict[str, tuple[int, int]] = {}
        for one in self.tried():
            tried, kept = found.get(one.strategy, (0, 0))
            found[one.strategy] = (tried + 1, kept + one.kept)
        return found

    def known(self) -> tuple[str, ...]:
        """Return the hashes of all texts that were there."""
        seen = [self.given.text.sha256]
        for one in self.rounds:
            seen += [proposed.name for proposed in (one.proposed.proposals if one.proposed else ())]
            seen += [told.name for _spec, result in one.measured for told in result.measured]
        return tuple(dict.fromkeys(seen))

    def remarks(self) -> tuple[str, ...]:
        """Return what people have said about rounds before this one, the newest last."""
        return tuple(
            one.kept.comment
            for one in self.rounds
            if one.number < self.run.iteration and one.kept is not None and one.kept.comment
        )


def read(session: Session, services: Services, run_id: int) -> Facts:
    """Read all of it in one transaction."""
    run = runs.get(session, run_id)
    wish = WorkflowWish.model_validate(run.workflow or {})
    uploads = datasets.uploads(session, run_id)
    if not uploads:
        raise LookupError(f"run {run_id} has no workflow")
    given = _file(services, run, wish, uploads[0])
    tests = datasets.find(session, run_id, TESTS)
    rounds = tuple(_rounds(session, services, run))
    latest = datasets.artifact(session, run_id, SNAPSHOT)
    return Facts(
        run=run,
        wish=wish,
        given=given,
        given_name=uploads[0].name,
        read=_read(session, run_id),
        tests=None if tests is None else file_ref(services, tests),
        tests_path=wish.tests_place
        or str(Path(given.path).with_name(_safe(uploads[1].name) if uploads[1:] else "tests.yaml")),
        stands=given if latest is None else as_file(services, given, latest),
        rounds=rounds,
        used=used(session, run_id),
        final=datasets.artifact(session, run_id, WORKFLOW),
    )


def claim_of(session: Session, run_id: int) -> ClaimResult | None:
    """Return what was claimed at the end; None: it has not come to that."""
    job = jobs.latest(session, run_id, JobKind.WORKFLOW_CLAIM)
    if job is None or job.outcome not in USABLE:
        return None
    return ClaimResult.model_validate(payload(job))


def journal_dir(services: Services, run: Run, kind: JobKind, measurement: int = 0) -> str:
    """Return the folder that all attempts at a job share; each measurement of a round has one of its own."""
    first = jobs.job_id(number(run), run.iteration, kind, 1)
    return str(services.job_folder(first) / f"paid{measurement}")


def on_cases(
    services: Services,
    known: Facts,
    kind: JobKind,
    terms: WorkflowTerms,
    measurement: int = 0,
    *,
    held: Spent | None = None,
) -> dict[str, Any]:
    """Return what every job is told that runs cases: fields of `agents.jobs.workflows.OnCases`; `held` it may not use."""
    journal = journal_dir(services, known.run, kind, measurement)
    return {
        "models": models_ref(services.settings, known.wish.ollama_url),
        "journal_dir": journal,
        "left": known.left(terms, journal, held),
        "tests": known.suite,
        "tests_path": known.tests_path,
        "cases": known.found.cases,
        "terms": terms,
    }


def snapshot(run: Run, text: FileRef, name: str, services: Services) -> Artifact:
    """Return the row that keeps the workflow as it stands after the round that a run is at."""
    return Artifact(
        run_id=number(run),
        iteration=run.iteration,
        kind=SNAPSHOT,
        name=name,
        sha256=text.sha256,
        size_bytes=text.size_bytes,
        created_at=services.clock.now(),
    )


def stored(services: Services, file: FileRef) -> FileRef:
    """Return a file that was kept, by where it lies in the store."""
    return file.model_copy(update={"path": str(services.files.path(file.sha256))})


def _read(session: Session, run_id: int) -> ReadWorkflowResult | None:
    job = jobs.latest(session, run_id, JobKind.WORKFLOW_READ)
    if job is None or job.outcome not in USABLE:
        return None
    return ReadWorkflowResult.model_validate(payload(job))


def _file(services: Services, run: Run, wish: WorkflowWish, upload: Dataset) -> WorkflowFile:
    """Return the workflow as it was given. One from a chat stands alone in a folder of the run."""
    alone = services.data_dir / "workflows" / f"run{number(run)}" / _safe(upload.name)
    return WorkflowFile(
        text=file_ref(services, upload), path=wish.place or str(alone), own_files=wish.own_files
    )


def _safe(name: str) -> str:
    """Return a file name that is one, whatever somebody called a file."""
    kept = _UNSAFE.sub("_", Path(name).name).strip("._")[-80:]
    return kept or "workflow.yaml"


def as_file(services: Services, given: WorkflowFile, artifact: Artifact) -> WorkflowFile:
    """Return a snapshot as the workflow that was given, with another text."""
    text = FileRef(
        path=str(services.files.path(artifact.sha256)),
        sha256=artifact.sha256,
        size_bytes=artifact.size_bytes,
        name=artifact.name,
    )
    return given.model_copy(update={"text": text})


def _rounds(session: Session, services: Services, run: Run) -> Iterator[Round]:
    run_id = number(run)
    last = datasets.latest_plan(session, run_id)
    for iteration in range(1, (last.iteration if last else 0) + 1):
        plan = datasets.latest_plan(session, run_id, iteration)
        if plan is None:
            continue
        proposed = jobs.latest(session, run_id, JobKind.WORKFLOW_PROPOSE, iteration)
        yield Round(
            number=iteration,
            plan=plan,
            proposed=None
            if proposed is None or proposed.outcome not in USABLE
            else ProposeResult.model_validate(payload(proposed)),
            measured=tuple(_measurements(session, services, run_id, iteration)),
            kept=approvals.latest(session, run_id, GateKind.KEEP, iteration),
            snapshot=datasets.artifact(session, run_id, SNAPSHOT, iteration),
            chosen=tuple(datasets.suggestions(session, run_id, iteration)),
        )


def _measurements(
    session: Session, services: Services, run_id: int, iteration: int
) -> Iterator[tuple[MeasureRoundSpec, MeasureRoundResult]]:
    mine = [
        job
        for job in jobs.of_run(session, run_id)
        if job.kind == JobKind.WORKFLOW_MEASURE and job.iteration == iteration
    ]
    for job in sorted(mine, key=_attempt):
        if job.outcome == JobOutcome.SUCCEEDED:
            spec = MeasureRoundSpec.model_validate(job.spec)
            told = MeasureRoundResult.model_validate(payload(job))
            kept = [
                one.model_copy(update={"text": stored(services, one.text)}) for one in told.measured
            ]
            yield spec, told.model_copy(update={"measured": tuple(kept)})


def _attempt(job: Job) -> int:
    return job.attempt


def _tried(one: Round) -> Iterator[TriedChange]:
    """Yield what was proposed in a round, each with what came of it."""
    refused = one.kept is not None and one.kept.decision in {Decision.REJECT, Decision.REVISE}
    said = f": “{one.kept.comment}”" if one.kept is not None and one.kept.comment else ""
    proposals = {p.name: p for p in (one.proposed.proposals if one.proposed else ())}
    for _spec, result in one.measured:
        for told in result.measured:
            proposed = proposals.get(told.name)
            won = told.name == result.winner
            stays = one.snapshot is not None and one.snapshot.sha256 == told.name
            outcome = f"a person did not want it{said}" if won and refused else told.reason
            yield TriedChange(
                strategy=told.strategy,
                reason=proposed.reason if proposed else "some of the edits of another one",
                outcome="kept" if stays else outcome,
                kept=stays,
            )
