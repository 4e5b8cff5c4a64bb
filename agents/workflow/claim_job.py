"""The job at the end: is what is left better than what was given, on cases that nobody has looked at?"""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from agents.jobs import ClaimResult, ClaimSpec, JobOutcome, JobResult
from agents.workflow import claims, rounds
from agents.workflow.acceptance import Scores
from agents.workflow.claims import Claim
from agents.workflow.load import Loaded
from agents.workflow.measure_job import STAGES
from agents.workflow.measuring import Measured
from agents.workflow.purse import OutOfBudget
from agents.workflow.round_metrics import metrics
from agents.workflow.rounds import FRESH, INCUMBENT, Ask, Stage, Terms
from agents.workflow.workplace import Workplace, parts, workplace

LEFT = "left"
UNCHANGED = "No change was kept: this is the workflow that you gave."
NONE_SEALED = (
    "No case was held back, so nothing can be said about cases other than those that changes were chosen by: that takes at "
    "least ten cases."
)
CUT_SHORT = "The budget was used up before the last comparison, so nothing can be claimed."


def run(folder: Path, spec: ClaimSpec) -> JobResult:
    """Compare for the last time.

    Raises: WorkflowError: a file cannot be used. ModelError: the models are away.
    """
    with workplace(folder, spec, spec.terms, "preparing") as place:
        result = asyncio.run(_claimed(spec, place))
    return JobResult(job_id=folder.name, outcome=JobOutcome.SUCCEEDED, payload=result)


async def _claimed(spec: ClaimSpec, place: Workplace) -> ClaimResult:
    nothing = ClaimResult(
        gave_back=False,
        claim=Claim.CANNOT_TELL.value,
        words=UNCHANGED,
        sealed_cases=0,
        spent=place.spent,
    )
    if spec.left_over.text.sha256 == spec.given.text.sha256:
        return nothing
    sides = {INCUMBENT: place.load(spec.given), LEFT: place.load(spec.left_over)}
    try:
        return await _compared(spec, place, sides, nothing)
    except OutOfBudget:
        cut = {"words": CUT_SHORT, "out_of_budget": True, "spent": place.spent}
        return nothing.model_copy(update=cut)


async def _compared(
    spec: ClaimSpec, place: Workplace, sides: Mapping[str, Loaded], nothing: ClaimResult
) -> ClaimResult:
    scenarios = place.scenarios(spec.tests, spec.tests_path, sides[INCUMBENT])
    played = Measured()

    async def measure(ask: Ask) -> dict[str, Scores]:
        runs = len(ask.sides) * len(ask.cases) * ask.repeats
        tell = place.counting(STAGES[ask.stage], runs)
        bench = place.bench(sides, scenarios, spec.given, "claim", *ask.cases, tell=tell)
        found = await bench.play(ask)
        played.plays.extend(found.plays)
        return {side: found.scores(side) for side in ask.sides}

    terms = Terms(parts(spec.cases, "shown", "validation"), spec.terms.repeats)
    afresh = await rounds.outlasts(LEFT, terms, measure)
    numbers = {
        "gain_afresh": afresh.gain,
        "before_metrics": metrics(played, INCUMBENT, sides[INCUMBENT], scenarios).plain(),
        "after_metrics": metrics(played, LEFT, sides[LEFT], scenarios).plain(),
    }
    if afresh.gain < 0:
        words = (
            f"Measured afresh, what was left scored {-100 * afresh.gain:.1f} points less than the workflow that you gave, so "
            "that one is handed over."
        )
        return nothing.model_copy(
            update={**numbers, "gave_back": True, "words": words, "spent": place.spent}
        )
    sealed = parts(spec.cases, "sealed")
    if not sealed:
        return nothing.model_copy(update={**numbers, "words": NONE_SEALED, "spent": place.spent})
    scores = await measure(Ask(Stage.LAST, (INCUMBENT, LEFT), sealed, FRESH * spec.terms.repeats))
    judged = claims.judge(scores[INCUMBENT], scores[LEFT], spec.openings)
    return ClaimResult.model_validate(
        {
            **numbers,
            "gave_back": False,
            "claim": judged.claim.value,
            "words": judged.words,
            "sealed_cases": judged.cases,
            "openings": judged.openings,
            "before": judged.before,
            "after": judged.after,
            "gain": judged.gain,
            "low": judged.low,
            "high": judged.high,
            "p_value": judged.p_value,
            "smallest_gain": judged.smallest_gain,
            "spent": place.spent,
        }
    )
