"""How a workflow has done, as the jobs tell it to each other."""

from collections.abc import Collection, Mapping

from agents.jobs import ShownFailure, Standing
from agents.workflow.evidence import Failure, Said
from agents.workflow.load import Loaded
from agents.workflow.measuring import Measured
from agents.workflow.round_metrics import metrics
from agents.workflow.suite import Scenario

MAX_FAILURES = 8
MAX_SAID = 12
MAX_CHARS = 2000


def standing(
    measured: Measured,
    side: str,
    loaded: Loaded,
    scenarios: Mapping[str, Scenario],
    shown: Collection[str],
) -> Standing:
    """Return how a side has done; of its failures those that an analyst may see: of the cases that are shown."""
    return Standing(
        scores=dict(measured.scores(side)),
        failures=tuple(
            _as_message(failure) for failure in measured.failures(side) if failure.case in shown
        )[:MAX_FAILURES],
        metrics=metrics(measured, side, loaded, scenarios).plain(),
    )


def failures(told: Standing) -> tuple[Failure, ...]:
    """Return the failures of a standing, as evidence has them."""
    return tuple(
        Failure(
            case=one.case,
            about=one.about,
            answers=one.answers,
            failed=one.failed,
            reached=one.reached,
            said=tuple(Said(*said) for said in one.said),
        )
        for one in told.failures
    )


def _as_message(failure: Failure) -> ShownFailure:
    return ShownFailure(
        case=failure.case,
        about=failure.about[:MAX_CHARS],
        answers=tuple((state, value[:MAX_CHARS]) for state, value in failure.answers),
        failed=tuple(text[:MAX_CHARS] for text in failure.failed[:MAX_SAID]),
        reached=failure.reached[:100],
        said=tuple(
            (one.state, one.prompt[:MAX_CHARS], one.reply[:MAX_CHARS])
            for one in failure.said[-MAX_SAID:]
        ),
    )
