"""Explanations of single answers, asked for beside a run's own work: they wait for no phase and move none.

An explanation is a job of its own, with one message that shows how it goes and one that shows what came of it. What is asked
for twice is done once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from agents import kept, work
from agents.jobs import Answered, ExplainSpec, JobKind, JobOutcome, TrainResult, row_name
from agents.recipe import Method, Recipe, Tuning
from agents.services import Services, UserError
from storage import datasets, events, jobs, runs
from storage.jobs import Closing
from storage.models import Dataset, EvaluationReport, Job, JobState, Phase, Run

MOST_WAITING = 5
"""Of one run, that are looked into at once."""
LOADING_S = 20.0
"""Beside the time there is: about so long the model takes to load."""
EXPLAINED = "explained"
"""Kind of the events that show what came of one."""


@dataclass(frozen=True)
class Measured:
    """The newest try of a run that was measured: whose answers can be explained."""

    run: Run
    report: EvaluationReport
    recipe: Recipe
    trained: TrainResult
    training_job_id: str
    test: Dataset
    train: Dataset
    answers: Dataset


def measured(session: Session, run: Run) -> Measured:
    """Return what is known of the newest measured try. Raises: UserError: there is none that can be explained."""
    run_id = work.number(run)
    reports = (datasets.report_of(session, run_id, i) for i in range(run.iteration, 0, -1))
    report = next((found for found in reports if found is not None), None)
    if report is None:
        raise UserError(
            f"Run #{run_id} has no answers yet that could be explained: base and tuned have not answered the test rows."
        )
    if run.phase is Phase.CANCELLED:
        raise UserError(f"Run #{run_id} was cancelled; nothing works for it any more.")
    plan = datasets.latest_plan(session, run_id, report.iteration)
    job = jobs.latest(session, run_id, JobKind.TRAIN, report.iteration)
    if plan is None or job is None:
        raise LookupError(f"run {run_id} has a report without a plan or a training")
    recipe = kept.recipe_of(plan, job)
    if recipe.method is not Method.SFT or recipe.tuning is not Tuning.LORA:
        raise UserError(
            "Only answers of a supervised training with LoRA can be explained. "
            f"Run #{run_id} was trained otherwise ({recipe.method.value}, {recipe.tuning.value})."
        )
    trained = TrainResult.model_validate(work.payload(job))
    test = datasets.find(session, run_id, datasets.TEST)
    train = datasets.train_of(session, run_id, report.iteration)
    role = datasets.role_of_try(datasets.ANSWERS, report.iteration)
    answers = datasets.find(session, run_id, role)
    if test is None or train is None or answers is None or trained.adapter_dir is None:
        raise UserError(
            f"What the models of run #{run_id} answered was not kept: it was measured by an older version. A further try keeps it."
        )
    return Measured(run, report, recipe, trained, job.id, test, train, answers)


def ask(session: Session, services: Services, known: Measured, said: Answered, asker: str) -> str:
    """Have one answer explained, or show again what is known of it; return what to tell the person.

    Raises: UserError: enough are being looked into already.
    """
    run_id, iteration = work.number(known.run), known.report.iteration
    name = f"{row_name(said.row)} of run #{run_id}"
    job = jobs.of_row(session, run_id, JobKind.EXPLAIN, said.row, iteration)
    if job is not None and job.state is not JobState.CLOSED:
        return f"I am looking into {name} already; its thread tells what comes of it."
    if job is not None and job.outcome == JobOutcome.SUCCEEDED:
        event = events.find(session, run_id, _told_key(job))
        if event is not None:
            events.show_anew(session, event)
        return (
            f"{name[0].upper()}{name[1:]} was explained before; I show it once more in its thread."
        )
    waiting = [
        other
        for other in jobs.of_run(session, run_id)
        if other.kind == JobKind.EXPLAIN and other.state is not JobState.CLOSED
    ]
    if len(waiting) >= MOST_WAITING:
        raise UserError(
            f"{len(waiting)} answers of run #{run_id} are being looked into already. Ask again when one of them is done."
        )
    again = events.find(session, run_id, _status_key(iteration, said.row))
    if again is not None:  # the last attempt failed, perhaps long ago
        events.show_anew(session, again)
    _open(session, services, known.run, _spec(services, known, said), iteration, asker)
    return f"I look into why the tuned model answered {name} as it did. Its thread tells what comes of it, in some minutes."


def close(session: Session, services: Services, job_id: str, closing: Closing) -> bool:
    """Close a job; of an explanation also tell what came of it, or try again where its worker died, in the same transaction.

    Return False when it was closed before.
    """
    now = services.clock.now()
    if not jobs.close(session, job_id, closing, now):
        return False
    job = jobs.get(session, job_id)
    session.refresh(job)
    if job.kind != JobKind.EXPLAIN or closing.outcome == JobOutcome.CANCELLED:
        return True
    spec = ExplainSpec.model_validate(job.spec)
    if closing.outcome == JobOutcome.ABANDONED and _may_try_again(session, services, job, spec.row):
        run = runs.get(session, job.run_id)
        _open(session, services, run, spec, job.iteration, job.owner)
        return True
    shown = {"job_id": job.id, "iteration": job.iteration, "row": spec.row}
    events.say(session, job.run_id, EXPLAINED, _told_key(job), shown, now)
    return True


def find(answers: Sequence[Answered], row: int) -> Answered:
    """Return the answer to a row. Raises: UserError: it is none of those that were asked; it names some that are."""
    found = next((said for said in answers if said.row == row), None)
    if found is not None:
        return found
    wrong_first = sorted(answers, key=lambda said: said.tuned_score)
    named = ", ".join(f"{said.row}" for said in wrong_first[:8])
    first = "those answered worst first" if answers else "none"
    raise UserError(
        f"{row_name(row).capitalize()} is none of the {len(answers)} test rows. There are, {first}: {named}."
    )


def _told_key(job: Job) -> str:
    return f"i{job.iteration}:explained:{job.attempt}"


def _status_key(iteration: int, row: int) -> str:
    return f"i{iteration}:status:{JobKind.EXPLAIN}:{row}"


def _may_try_again(session: Session, services: Services, job: Job, row: int) -> bool:
    tries = [
        other
        for other in jobs.of_run(session, job.run_id)
        if (other.kind, other.iteration) == (job.kind, job.iteration) and other.spec["row"] == row
    ]
    return len(tries) < services.settings.launcher.max_attempts


def _open(  # as `work.open_job`
    session: Session,
    services: Services,
    run: Run,
    spec: ExplainSpec,
    iteration: int,
    asker: str,
) -> None:
    """Queue an attempt, together with the message that shows how it goes: the same for all attempts at a row."""
    now, run_id = services.clock.now(), work.number(run)
    last = jobs.latest(session, run_id, JobKind.EXPLAIN, iteration)
    attempt = 1 if last is None else last.attempt + 1
    shown = {"kind": JobKind.EXPLAIN.value, "iteration": iteration, "row": spec.row}
    events.say(session, run_id, "status", _status_key(iteration, spec.row), shown, now)
    jobs.open_or_get(
        session,
        Job(
            id=jobs.job_id(run_id, iteration, JobKind.EXPLAIN, attempt),
            run_id=run_id,
            owner=asker,
            iteration=iteration,
            kind=JobKind.EXPLAIN,
            attempt=attempt,
            spec=spec.model_dump(mode="json"),
            expected_s=spec.budget_s + LOADING_S,
            created_at=now,
        ),
    )


def _spec(services: Services, known: Measured, said: Answered) -> ExplainSpec:
    folder = services.job_folder(known.training_job_id) / (known.trained.adapter_dir or "")
    return ExplainSpec(
        model=services.model_ref(known.recipe.model),
        adapter_dir=str(folder),
        adapter_sha256=known.trained.adapter_sha256,
        test=work.file_ref(services, known.test),
        row=said.row,
        train=work.file_ref(services, known.train),
        recipe=known.recipe,
        said=said.tuned,
        is_right=said.tuned_score >= 1,
        budget_s=services.settings.evaluation.explain_s,
        threads=services.settings.launcher.threads,
    )
