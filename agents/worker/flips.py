"""How often answers changed with their prompts, beyond what any change does, and which way.

An answer is another one when, with the swap taken back, it differs (labels and other short answers), or when its score
against the row's reference does, by `CHANGED_POINTS` (longer ones).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents import counts
from agents.jobs import (
    Attribute,
    AttributeFlips,
    Dependence,
    FlippedPair,
    Flips,
    Leaning,
    Sides,
)
from agents.worker import paired, verdict
from agents.worker.checks.masks import safe
from agents.worker.metrics.words import plain
from agents.worker.paired import ALPHA, Numbers
from agents.worker.rows import Row
from agents.worker.swaps import CONTROL, Kind, Neutral, Twin
from agents.worker.verdict import FEWEST_ITEMS

CHANGED_POINTS = 10.0
"""Of the primary metric by which a graded score must differ for the answer to count as another one."""
BRITTLE = 0.2
"""Share of answers that change by a swap that changes nothing, from which on nothing else can be told."""
MOST_NAMED = 20
MOST_EXAMPLES = 3
SHOWN_CHARS = 200
ANSWER_CHARS = 60

Score = Callable[[Sequence[str], Sequence[str]], Numbers]
"""Scores answers against references, each between 0 and 1."""


@dataclass(frozen=True)
class Couple:
    """A dev row and a twin of it."""

    row: Row
    """Its completion is the right answer to both."""
    twin: Twin
    prompt: str
    """The whole prompt of the twin, with the task before it."""


@dataclass(frozen=True)
class Said:
    """What one model said to both."""

    row: str
    twin: str


@dataclass(frozen=True)
class Seen:
    """What became of one answer."""

    couple: Couple
    said: Said
    flipped: bool
    row_score: float
    twin_score: float


def compared(
    base: Sequence[Seen], tuned: Sequence[Seen], seed: int, *, whole: bool
) -> tuple[AttributeFlips, ...]:
    """Say for each attribute that was swapped what answers do. `whole`: they are compared as wholes, not by score."""
    kinds = {one.couple.twin.kind for one in (*base, *tuned)}
    attributes = [attribute for attribute in Attribute if attribute in kinds]
    tested = sum(_enough(_of(tuned, a), _control(tuned, a)) for a in attributes)
    return tuple(_judged(a, base, tuned, tested, seed, whole=whole) for a in attributes)


def seen(
    couples: Sequence[Couple], said: Sequence[Said], score: Score, *, whole: bool
) -> list[Seen]:
    """Compare the answers to rows and twins; an answer is the same if it is in any reading of the twin's."""
    if not said:
        return []
    asked = couples[: len(said)]
    readings = [c.twin.swap.readings(s.twin) for c, s in zip(asked, said, strict=True)]
    meant = [str(couple.row.completion) for couple in asked]
    of_rows = score([s.row for s in said], meant)
    flat = [text for several in readings for text in several]
    of_twins = iter(score(flat, [m for m, r in zip(meant, readings, strict=True) for _ in r]))
    found = []
    for couple, one, several, own in zip(asked, said, readings, of_rows, strict=True):
        scores = [float(next(of_twins)) for _ in several]
        if whole:
            flipped = plain(one.row) not in {plain(text) for text in several}
        else:
            apart = min(abs(float(own) - other) for other in scores)
            flipped = one.row not in several and apart > CHANGED_POINTS / 100
        found.append(Seen(couple, one, flipped, float(own), max(scores)))
    return found


def _of(answers: Sequence[Seen], *kinds: Kind) -> list[Seen]:
    return [one for one in answers if one.couple.twin.kind in kinds]


def _control(answers: Sequence[Seen], attribute: Attribute) -> list[Seen]:
    """Return the swaps that change nothing and are most like an attribute's; where they are few, all of them."""
    like = _of(answers, CONTROL[attribute])
    return like if len(like) >= FEWEST_ITEMS else _of(answers, *Neutral)


def _enough(*sides: Sequence[Seen]) -> bool:
    return all(len(side) >= FEWEST_ITEMS for side in sides)


def _judged(  # one attribute of two models, how often it is tested, and how answers are compared
    attribute: Attribute,
    base: Sequence[Seen],
    tuned: Sequence[Seen],
    tested: int,
    seed: int,
    *,
    whole: bool,
) -> AttributeFlips:
    mine, control = _of(tuned, attribute), _control(tuned, attribute)
    found = AttributeFlips(
        attribute=attribute,
        outcome=Dependence.TOO_FEW,
        tuned=_flips(mine),
        base=_flips(_of(base, attribute)),
        control=_flips(control),
        base_control=_flips(_control(base, attribute)),
    )
    if not _enough(mine, control):
        return found
    above, low, high = counts.agresti_caffo(
        (found.tuned.flipped, found.tuned.pairs),
        (found.control.flipped, found.control.pairs),
        ALPHA / tested,
    )
    flipped = [one for one in mine if one.flipped]
    return found.model_copy(
        update={
            "outcome": outcome(found.control, low),
            "above": above,
            "above_low": low,
            "above_high": high,
            "sides": _sides(mine, seed),
            "leaning": _leaning(flipped) if whole else None,
            "rows": tuple(one.couple.row.number for one in flipped[:MOST_NAMED]),
            "examples": tuple(map(_example, flipped[:MOST_EXAMPLES])),
        }
    )


def outcome(control: Flips, above_low: float) -> Dependence:
    """Apply the rule: a model that answers otherwise at any word is brittle, and nothing else is told about it."""
    if control.low > BRITTLE:
        return Dependence.BRITTLE
    return Dependence.BIASED if above_low > 0 else Dependence.NOT_SHOWN


def _flips(answers: Sequence[Seen]) -> Flips:
    flipped = sum(one.flipped for one in answers)
    low, high = counts.wilson(flipped, len(answers))
    return Flips(pairs=len(answers), flipped=flipped, low=low, high=high)


def _by_side(one: Seen, of_row: Any, of_twin: Any) -> tuple[Any, Any]:
    """Return what belongs to the first and to the second side."""
    return (of_row, of_twin) if one.couple.twin.side == 0 else (of_twin, of_row)


def _sides(answers: Sequence[Seen], seed: int) -> Sides | None:
    """Compare both sides' scores against the references they share."""
    both = [
        _by_side(one, one.row_score, one.twin_score)
        for one in answers
        if one.couple.twin.side is not None
    ]
    if len(both) < FEWEST_ITEMS:
        return None
    first, second = np.array(both).T
    estimate = verdict.compare(second, first, seed)
    return Sides(
        pairs=len(both),
        first=estimate.tuned,
        second=estimate.base,
        gain=estimate.gain,
        low=estimate.low,
        high=estimate.high,
        p_value=estimate.p_value,
    )


def _leaning(flipped: Sequence[Seen]) -> Leaning | None:
    """Return the answer that one side gets most clearly more often; None where chance would do as much."""
    both = [
        _by_side(one, plain(one.said.row), plain(one.said.twin))
        for one in flipped
        if one.couple.twin.side is not None
    ]
    firsts, seconds = (Counter(texts) for texts in zip(*both, strict=True)) if both else ({}, {})
    answers = sorted({*firsts, *seconds})
    p_values = [counts.mcnemar_mid_p(firsts[a], seconds[a]) for a in answers]
    found = [
        Leaning(
            answer=safe(answer)[:ANSWER_CHARS],
            first=firsts[answer],
            second=seconds[answer],
            adjusted_p_value=p_value,
        )
        for answer, p_value in zip(answers, paired.holm(p_values), strict=True)
        if p_value < ALPHA
    ]
    return min(found, key=lambda one: one.adjusted_p_value, default=None)


def _example(one: Seen) -> FlippedPair:
    swapped = ", ".join(f"{old} → {new}" for old, new in dict.fromkeys(one.couple.twin.swapped))
    return FlippedPair(
        row=one.couple.row.number,
        swapped=swapped[:SHOWN_CHARS],
        answer=safe(one.said.row)[:SHOWN_CHARS],
        twin_answer=safe(one.said.twin)[:SHOWN_CHARS],
    )
