"""Do the job that lies in a folder, where it makes rows: `python -m agents.generation JOB_DIR`.

The same frame as `python -m agents.worker`, without anything that trains. SIGTERM ends it at once: what was paid for is in
its journal, and the next attempt goes on from there.
"""

import faulthandler
import sys

from agents import llm
from agents.generation.curator import CuratorFailed
from agents.generation.curator_venv import NotInstalled
from agents.generation.files import BadFile
from agents.jobs import JobError, JobKind
from agents.jobs.program import Program
from agents.workflow.journal import JournalError
from agents.workflow.outside import ModelError
from agents.workflow.purse import OutOfBudget

CODES: dict[type[Exception], str] = {
    CuratorFailed: "curator",
    BadFile: "bad_data",
    OutOfBudget: "budget",
    ModelError: "models",
    JournalError: "journal",
    NotInstalled: "not_installed",
    llm.NotInstalled: "not_installed",
}


def known(error: Exception) -> JobError | None:
    """Return what is said of an error that is meant for a person."""
    for kind, code in CODES.items():
        if isinstance(error, kind):
            return JobError(code=code, message=str(error), for_person=True)
    return None


PROGRAM = Program(
    name="agents.generation",
    modules={JobKind.GENERATE: "agents.generation.generate_job"},
    known=known,
)


if __name__ == "__main__":
    faulthandler.enable()
    sys.exit(PROGRAM.main(sys.argv[1:]))
