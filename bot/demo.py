"""The demo: a shipped data set, a real model, and a policy that answers every question."""

from pathlib import Path

from agents.recipe import RecipeChange
from agents.services import UserError
from bot.session import Job
from configs.schema import GateKind

DATA = Path(__file__).resolve().parent.parent / "examples" / "tickets.csv"
TASK = "Turn a support ticket into our short house code"
STEPS = 52
"""Enough for a verdict: about three minutes of training on two cores."""
TEST_ROWS = 60


def job(max_steps: int | None = None, *, serve: bool = False) -> Job:
    """Return what the demo does.

    Raises: UserError: the data set is not here.
    """
    if not DATA.is_file():
        raise UserError(
            f"The demo's data set ({DATA.name}) is not here; run the demo from a clone of the project."
        )
    wishes = [
        RecipeChange(field="max_steps", value=max_steps or STEPS),
        RecipeChange(field="max_test_rows", value=TEST_ROWS),
    ]
    return Job(data=DATA, task=TASK, wishes=wishes, policy=tuple(GateKind), serve=serve)
