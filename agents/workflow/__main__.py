"""Do the job that lies in a folder, where it is about a workflow: `python -m agents.workflow JOB_DIR`.

The same frame as `python -m agents.worker`, without anything that trains. SIGTERM ends it at once: what was paid for is in
its journal, and the next attempt goes on from there.
"""

import faulthandler
import sys

from agents.jobs import JobError, JobKind
from agents.jobs.program import Program
from agents.workflow.journal import JournalError
from agents.workflow.outside import ModelError
from agents.workflow.problems import WorkflowError
from agents.workflow.purse import OutOfBudget, TooPoor
from agents.workflow.suite_making import NothingHolds
from agents.workflow.workplace import BadFile

CODES: dict[type[Exception], str] = {
    WorkflowError: "workflow",
    BadFile: "workflow",
    NothingHolds: "workflow",
    TooPoor: "budget",
    OutOfBudget: "budget",
    ModelError: "models",
    JournalError: "journal",
}

MISSING = "“{}” is not installed. `pip install 'tunewright[workflows]'` adds what runs of workflows need; `resume` then goes on."


def known(error: Exception) -> JobError | None:
    """Return what is said of an error that is meant for a person."""
    if isinstance(error, ModuleNotFoundError):
        return JobError(code="not_installed", message=MISSING.format(error.name), for_person=True)
    for kind, code in CODES.items():
        if isinstance(error, kind):
            return JobError(code=code, message=str(error), for_person=True)
    return None


PROGRAM = Program(
    name="agents.workflow",
    modules={
        JobKind.WORKFLOW_READ: "agents.workflow.read_job",
        JobKind.WORKFLOW_PROPOSE: "agents.workflow.propose_job",
        JobKind.WORKFLOW_MEASURE: "agents.workflow.measure_job",
        JobKind.WORKFLOW_CLAIM: "agents.workflow.claim_job",
    },
    known=known,
)


if __name__ == "__main__":
    faulthandler.enable()
    sys.exit(PROGRAM.main(sys.argv[1:]))
