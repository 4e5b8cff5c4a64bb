"""What a plan is made from, read from rows."""

from sqlmodel import Session

from agents import kept, row_changes, run_documents, work
from agents.drafts import Known, Revert
from agents.jobs import InspectResult, IntakeResult, JobKind
from configs.schema import GateKind
from storage import approvals, datasets, jobs, runs
from storage.models import Approval, Dataset, Plan, Run


def read(session: Session, run_id: int) -> Known:
    """Return the rows that the next plan of a run is made from."""
    run = runs.get(session, run_id)
    intake_job = jobs.latest(session, run_id, JobKind.INTAKE)
    sets = {role: datasets.find(session, run_id, role) for role in ("train", "dev")}
    files = {role: dataset for role, dataset in sets.items() if dataset is not None}
    if intake_job is None or len(files) < len(sets):
        raise LookupError(f"run {run_id} has no data to plan with")
    this = datasets.latest_plan(session, run_id, run.iteration)
    revert = None if run.revert is None else Revert.model_validate(run.revert)
    before = _as_trained(session, datasets.latest_plan(session, run_id, run.iteration - 1))
    looked = jobs.latest(session, run_id, JobKind.INSPECT)
    found = InspectResult.model_validate(looked.payload) if looked and looked.payload else None
    return Known(
        run=run,
        uploads=datasets.uploads(session, run_id),
        data=IntakeResult.model_validate(work.payload(intake_job)),
        files=files,
        before=this or _as_trained(session, datasets.latest_plan(session, run_id)),
        answer=_answer(session, run, this),
        suggestions=[]
        if revert is not None
        else datasets.suggestions(session, run_id, run.iteration - 1),
        tried=before,
        revert=revert,
        earlier=_as_trained(session, datasets.latest_plan(session, run_id, revert.iteration))
        if revert
        else None,
        carried=row_changes.change_of(None if before is None else before.rows),
        doubts=found.doubts if found else (),
        ahead=found.forecast if found else None,
        made=_made(session, run, this, revert),
        documents=run_documents.of_run(session, run),
    )


def _answer(session: Session, run: Run, this: Plan | None) -> Approval | None:
    """Return the reply to the last version of the plan."""
    if this is None:
        return None
    answer = None
    for gate in (GateKind.CHANGE, GateKind.PLAN):
        answer = answer or approvals.find(
            session, work.number(run), gate, run.iteration, this.revision
        )
    return answer


def _made(session: Session, run: Run, this: Plan | None, revert: Revert | None) -> Dataset | None:
    """Return the made rows that a plan takes over: those of the try before, or of the one to go back to."""
    earlier = run.iteration - 1 if revert is None else revert.iteration
    if revert is None and this is not None and this.generation is not None:
        earlier = this.generation.get("again") or earlier
    return datasets.made_of(session, work.number(run), earlier)


def _as_trained(session: Session, plan: Plan | None) -> Plan | None:
    """Return a plan with the candidate that its training has kept, if it had several."""
    if plan is None:
        return None
    training = jobs.latest(session, plan.run_id, JobKind.TRAIN, plan.iteration)
    return kept.plan_of(plan, training)
