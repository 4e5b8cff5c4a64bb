"""Whether a run can be written in another format, and noting that it should be."""

from sqlmodel import Session

from agents.jobs import ExportFormat
from agents.recipe import Recipe, Tuning
from agents.services import UserError
from storage import datasets, events, runs
from storage.models import Phase, Run


def note(session: Session, run: Run, wanted: ExportFormat) -> str:
    """Queue a format and return what to tell the person.

    Raises: UserError: there is no adapter yet, or none for this format, or the format is there or on its way.
    """
    assert run.id is not None
    if run.phase is Phase.PUBLISHING:
        raise UserError(
            f"Run #{run.id} is being published. Answer that question first, or `/finetune cancel` takes it back."
        )
    if run.phase not in {Phase.DELIVERED, Phase.EXPORTING}:
        raise UserError(
            f"Run #{run.id} has no adapter to write in another format; it is {run.phase.value}."
        )
    plan = datasets.latest_plan(session, run.id, run.iteration)
    full = plan is not None and Recipe.model_validate(plan.recipe).tuning is Tuning.FULL
    if wanted is ExportFormat.GGUF_ADAPTER and full:
        raise UserError(
            f"Run #{run.id} trained all layers, and a GGUF adapter holds low-rank weights only: there is nothing to write "
            f"beside a base. “{ExportFormat.GGUF.value}” writes the whole model for the same programs."
        )
    if datasets.artifact(session, run.id, wanted.value, run.iteration) is not None:
        raise UserError(
            f"Run #{run.id} has been written as {wanted.value} already. `/finetune download` gives a link."
        )
    if wanted.value in run.exports:
        raise UserError(f"Run #{run.id} is being written as {wanted.value} already.")
    if run.phase is Phase.DELIVERED:
        runs.move(session, run, Phase.EXPORTING, exports=[wanted.value])
    else:
        runs.touch(session, run, exports=[*run.exports, wanted.value])
    events.unsettle(session, run.id)
    return f"Run #{run.id} is written as {wanted.value} next; its thread tells when it is there."
