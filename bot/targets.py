"""What verbs mean for what a run improves. One that makes no sense for it is refused, in a sentence that says what does."""

from enum import StrEnum

from agents.services import UserError
from storage.models import Run, Target


class Verb(StrEnum):
    """What only runs of models can be asked for."""

    EXPORT = "export"
    PUBLISH = "publish"
    WHY = "why"
    COMPARE = "compare"
    JUDGE = "judge"
    REPRODUCE = "reproduce"
    CONTINUE = "continue"


NOT_OF_WORKFLOWS = {
    Verb.EXPORT: "its result is one file in YAML, which needs no other format. `download` gives it",
    Verb.PUBLISH: "only adapters are pushed to the Hub. `download` gives you the workflow as a file",
    Verb.WHY: "there is no answer of a tuned model to look into. `diff` shows what was changed between two rounds",
    Verb.COMPARE: "its cases say which answers are right, so nobody has to compare them. `history` tells how many pass",
    Verb.JUDGE: "its cases say which answers are right, so no language model is asked. `history` tells how many pass",
    Verb.REPRODUCE: "nothing was trained. `tunewright workflow test` runs its cases again, with the workflow of any round",
    Verb.CONTINUE: "it has no adapter that another run could go on from. Start a run with the workflow that it handed over",
}
"""Why, and what to do instead; after “Run #3 improves a workflow: ”."""


def check(run: Run, verb: Verb) -> None:
    """Refuse a verb that makes no sense for what a run improves. Raises: UserError."""
    if run.target is Target.WORKFLOW:
        raise UserError(f"Run #{run.id} improves a workflow: {NOT_OF_WORKFLOWS[verb]}.")
