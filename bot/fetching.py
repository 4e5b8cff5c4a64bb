"""What of a run can be fetched by a link, by the words that people have for it."""

from dataclasses import dataclass

from sqlmodel import Session

from agents import work
from agents.services import UserError
from agents.workflow_loop import facts
from agents.workflow_loop.handing_over import LEDGER
from storage import datasets
from storage.models import Artifact, Dataset, Run, Target

ADAPTER = "adapter"
OF_WORKFLOWS = (facts.WORKFLOW, facts.TESTS, LEDGER)
"""What there is of a run that improves a workflow: the file itself, the tests as they were used, a line per decision."""


@dataclass(frozen=True)
class Fetched:
    """A file with a link of limited life."""

    name: str
    url: str


def find(session: Session, run: Run, what: str) -> Artifact | Dataset:
    """Return a file of a run; asked for its adapter, a run that improves a workflow has that.

    Raises: UserError: it is not there, or not yet.
    """
    if run.target is Target.WORKFLOW:
        return _of_workflow(session, run, facts.WORKFLOW if what == ADAPTER else what)
    found = datasets.artifact(session, work.number(run), what)
    if found is not None:
        return found
    if what == ADAPTER:
        raise UserError(f"Run #{run.id} has no adapter yet; it is {run.phase.value}.")
    if what in OF_WORKFLOWS:
        raise UserError(f"Run #{run.id} trains a model; there is no {what} of it.")
    raise UserError(
        f"Run #{run.id} has not been written as {what} yet. `/finetune export` does it."
    )


def _of_workflow(session: Session, run: Run, what: str) -> Artifact | Dataset:
    run_id = work.number(run)
    if what not in OF_WORKFLOWS:
        raise UserError(
            f"Run #{run.id} improves a workflow. Of it there is: {', '.join(OF_WORKFLOWS)}."
        )
    found = (
        datasets.find(session, run_id, facts.TESTS)
        if what == facts.TESTS
        else datasets.artifact(session, run_id, what)
    )
    if found is None:
        raise UserError(f"Run #{run.id} has no {what} yet; it is {run.phase.value}.")
    return found
