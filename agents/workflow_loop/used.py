"""What the jobs of a run that improves a workflow have used, whatever became of them."""

from pathlib import Path

from sqlmodel import Session

from agents.jobs import JobKind, Spent
from agents.workflow.purse import used_of
from agents.workflow.workplace import PURSE
from storage import jobs
from storage.models import JobState

KINDS = (
    JobKind.WORKFLOW_READ,
    JobKind.WORKFLOW_PROPOSE,
    JobKind.WORKFLOW_MEASURE,
    JobKind.WORKFLOW_CLAIM,
)


def used(session: Session, run_id: int, until: int | None = None) -> dict[str, Spent]:
    """Return what the jobs of a run, or of its rounds as far as one, have used, by the folder that attempts share.

    A later attempt counts what earlier ones used. One that was closed without a result has left it in its purse.
    """
    found: dict[str, Spent] = {}
    for job in jobs.own_of_run(session, run_id):
        in_time = until is None or job.iteration <= until
        if job.kind not in KINDS or job.state is not JobState.CLOSED or not in_time:
            continue
        folder = str(job.spec["journal_dir"])
        told = job.payload["spent"] if job.payload else used_of(Path(folder) / PURSE)
        now, before = Spent.model_validate(told), found.get(folder, Spent())
        found[folder] = max(now, before, key=_amount)
    return found


def _amount(spent: Spent) -> tuple[int, float, int]:
    return spent.calls, spent.seconds, spent.tokens
