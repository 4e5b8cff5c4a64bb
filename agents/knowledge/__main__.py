"""Do the job that lies in a folder, where it is about knowledge: `python -m agents.knowledge JOB_DIR`."""

import faulthandler
import sys

from agents.jobs import JobError, JobKind
from agents.jobs.program import Program
from agents.knowledge.embedding import NoEmbeddings

MISSING = "“{}” is not installed. `pip install 'tunewright[knowledge]'` adds what looking things up needs; `resume` then goes on."


def known(error: Exception) -> JobError | None:
    """Return what is said of an error that is meant for a person."""
    if isinstance(error, ModuleNotFoundError):
        return JobError(code="not_installed", message=MISSING.format(error.name), for_person=True)
    if isinstance(error, NoEmbeddings):
        return JobError(code="knowledge", message=str(error), for_person=True)
    return None


PROGRAM = Program(
    name="agents.knowledge",
    modules={JobKind.GATHER: "agents.knowledge.gather_job"},
    known=known,
)


if __name__ == "__main__":
    faulthandler.enable()
    sys.exit(PROGRAM.main(sys.argv[1:]))
