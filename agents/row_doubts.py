"""What an inspection of the training rows says: a finding with its numbers, and what is offered about it."""

from collections.abc import Sequence
from typing import Any

from agents.diagnosis.findings import Finding
from agents.jobs import Doubt, InspectResult, row_name
from agents.row_changes import RowsChange

FEWEST = 5
"""Doubtful rows that are worth a change."""
MOST_SHARE = 0.5
"""Where more rows are doubted than this, the classifier knows less than the labels."""
HEARD = 0.75
"""Agreement from which on the training itself is said to doubt the rows too."""
EXAMPLES = 3
ROWS_NAMED = 5
SURE = 0.91
"""How telling rows are whose absence was seen to help: only what spoils any training whatever its rows stands above."""
UNSURE = 0.3
"""Of those that may be right after all: what the numbers of the training say comes first."""


def finding(looked: InspectResult, carried: RowsChange, *, offer: bool) -> Finding | None:
    """Return what an inspection found, None where it found nothing; `offer` a change where it was seen to help.

    A change is offered only where a classifier without the doubtful rows was better, by more than chance, than without as
    many others: on clean rows it is not, whatever the number of doubts.
    """
    if not looked.doubts:
        return None
    if not looked.labels:
        return _odd(looked)
    if not is_proven(looked):
        return _unproven(looked)
    rows = [doubt.row for doubt in looked.doubts]
    share = len(rows) / looked.rows
    advice = (
        f"leave these {len(rows):,} rows out ({named(looked.doubts)}), or reply “relabel them” for the likelier labels. "
        f"The next training has {share:.0%} fewer rows and takes no longer"
    )
    change = carried.dropping(rows)
    if not offer:
        advice = f"reply “drop them” to the plan to leave these {len(rows):,} rows out ({named(looked.doubts)}) as well"
    return Finding(
        "wrong_labels",
        _wrong(looked),
        advice,
        change if offer else None,
        tuple(rows),
        _examples(looked.doubts),
        telling=SURE,
    )


def map_of(looked: InspectResult | None) -> dict[str, Any] | None:
    """Return the map of the rows as an event keeps it, None where nobody looked: a point is confidence, variability, region, doubted."""
    if looked is None or not looked.points:
        return None
    return {
        "easy": looked.easy,
        "ambiguous": looked.ambiguous,
        "hard": looked.hard,
        "points": [
            [point.confidence, point.variability, point.region.value, point.doubted]
            for point in looked.points
        ],
    }


def is_proven(looked: InspectResult) -> bool:
    """Tell whether leaving the doubtful rows out was seen to help, by more than chance."""
    enough = FEWEST <= len(looked.doubts) <= MOST_SHARE * looked.rows
    return enough and looked.trial is not None and looked.trial.low > 0


def named(doubts: Sequence[Doubt]) -> str:
    """Name the first rows."""
    rows = ", ".join(row_name(doubt.row).removeprefix("row ") for doubt in doubts[:ROWS_NAMED])
    return f"row {rows}" + (", …" if len(doubts) > ROWS_NAMED else "")


def _wrong(looked: InspectResult) -> str:
    count = len(looked.doubts)
    said = (
        f"{count:,} of {looked.rows:,} training rows likely have a wrong label: a classifier that has not seen them finds "
        f"another one likelier"
    )
    if looked.agreement is not None and looked.agreement >= HEARD:
        said += ", and the training found theirs unlikely too"
    trial = looked.trial
    if trial is not None:
        said += (
            f". Without them such a classifier gets {100 * trial.gain:+.1f} points of {trial.items} dev rows more than without "
            f"as many at random ({100 * trial.low:+.1f} to {100 * trial.high:+.1f})"
        )
    return said + "."


def _unproven(looked: InspectResult) -> Finding | None:
    if len(looked.doubts) < FEWEST:
        return None
    return Finding(
        "doubtful_labels",
        _wrong(looked) + " That may be chance.",
        f"look at them ({named(looked.doubts)}), and reply “drop row …” to the plan for those that are wrong",
        None,
        tuple(doubt.row for doubt in looked.doubts),
        _examples(looked.doubts),
        telling=UNSURE,
    )


def _odd(looked: InspectResult) -> Finding:
    count = len(looked.doubts)
    rows = "1 training row stands" if count == 1 else f"{count} training rows stand"
    return Finding(
        "odd_rows",
        f"{rows} out: the model found the answer far less likely than all others each time. That can be a mistake, or rare "
        "and right.",
        f"look at {named(looked.doubts)}, and reply “drop row …” to the plan for those that are wrong",
        None,
        tuple(doubt.row for doubt in looked.doubts),
        _examples(looked.doubts),
        telling=UNSURE,
    )


def _examples(doubts: Sequence[Doubt]) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "row": row_name(doubt.row),
            "prompt": doubt.prompt,
            "given": doubt.given,
            "likelier": doubt.likelier,
            "p_given": doubt.p_given,
            "p_likelier": doubt.p_likelier,
        }
        for doubt in doubts[:EXAMPLES]
    )
