"""What a person is told about wishes that the plan cannot show: weights of files, and repairs of rows."""

from collections.abc import Sequence

from agents import feedback, weights
from agents.jobs import IntakeResult
from agents.services import UserError
from storage.models import Dataset, Run


def about_weights(run: Run, uploads: Sequence[Dataset], words: str) -> list[str]:
    """Say how much of each file is used now, or why it is as it was."""
    if run.iteration > 1:
        return [
            "The files are used as before: a model has been tested on them. Start a new run to weigh them anew."
        ]
    try:
        weights.settled([upload.name for upload in uploads], weights.named(words))
    except UserError as error:
        return [str(error)]
    used = ", ".join(f"{upload.name} × {weights.of(upload):g}" for upload in uploads)
    return [f"Used of the files' training rows: {used}."]


def about_repairs(run: Run, data: IntakeResult, words: str) -> list[str]:
    """Say what became of a wish to repair rows, which has been carried out by now where it could be."""
    if not feedback.asks_for_repairs(words):
        return []
    if run.iteration > 1:
        return [
            "The rows are as they are: a model has been tested on them. Start a new run to repair them."
        ]
    return list(data.repaired) or ["I found nothing of that kind to repair in your rows."]
