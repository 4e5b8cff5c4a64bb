"""Where it got better and where worse: the same comparison for parts of the test items."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import median_low

import numpy as np

from agents.jobs import ROWS_PER_FILE, Slice, Verdict
from agents.worker import paired, verdict
from agents.worker.checks.languages import language_of
from agents.worker.checks.masks import safe
from agents.worker.evaluate_shaped import Item
from agents.worker.paired import ALPHA, Groups
from agents.worker.related import own_parts
from agents.worker.suggest_metric import are_labels
from agents.worker.verdict import FEWEST_ITEMS

MOST_SLICES = 10
"""Of one kind: the largest ones."""
NAME_CHARS = 60

Parts = Mapping[str, Sequence[int]]
"""Places of items by the name of their part."""


def compare(items: Sequence[Item], groups: Groups | None, seed: int) -> tuple[Slice, ...]:
    """Compare base and tuned on parts of the items by their scores; Holm over all parts that have enough of them."""
    found = [
        (by, name, places, _estimate(items, places, groups, seed))
        for by, parts in _cuts(items)
        for name, places in parts.items()
    ]
    judged = [estimate.p_value for _by, _name, places, estimate in found if _enough(places)]
    adjusted = iter(paired.holm(judged))
    return tuple(
        _slice(by, name, places, estimate, next(adjusted) if _enough(places) else None)
        for by, name, places, estimate in found
    )


def _cuts(items: Sequence[Item]) -> Iterator[tuple[str, Parts]]:
    """Yield the ways to part the items that leave at least one part with enough of them, and more than one part."""
    ways = (
        ("label", _labels(items)),
        ("prompt length", _halves([len(item.prompt) for item in items])),
        ("answer length", _halves([len(item.reference) for item in items])),
        ("language", _named(items, _languages(items))),
        ("file", _named(items, [f"file {1 + i.number // ROWS_PER_FILE}" for i in items])),
    )
    for by, parts in ways:
        if len(parts) > 1 and any(map(_enough, parts.values())):
            yield by, parts


def _labels(items: Sequence[Item]) -> Parts:
    references = [item.reference for item in items]
    return _named(items, references) if are_labels(references) else {}


def _languages(items: Sequence[Item]) -> list[str | None]:
    return [language_of(text) for text in own_parts([item.prompt for item in items])]


def _named(items: Sequence[Item], names: Sequence[str | None]) -> Parts:
    """Part items by name, the most frequent names first; those without one are in no part."""
    return {
        name: [place for place in range(len(items)) if names[place] == name]
        for name, _ in Counter(filter(None, names)).most_common(MOST_SLICES)
    }


def _halves(lengths: Sequence[int]) -> Parts:
    """Part items at the median of a length in characters."""
    middle = median_low(lengths)
    short = [place for place, length in enumerate(lengths) if length <= middle]
    long = [place for place, length in enumerate(lengths) if length > middle]
    if not long:
        return {}
    return {f"up to {middle:,} characters": short, f"over {middle:,} characters": long}


def _enough(places: Sequence[int]) -> bool:
    return len(places) >= FEWEST_ITEMS


def _estimate(
    items: Sequence[Item], places: Sequence[int], groups: Groups | None, seed: int
) -> verdict.Estimate:
    base, tuned = (
        np.array([getattr(items[place], field) for place in places])
        for field in ("base_score", "tuned_score")
    )
    mine = None if groups is None else np.unique(groups[list(places)], return_inverse=True)[1]
    return verdict.compare(base, tuned, seed, mine)


def _slice(
    by: str, name: str, places: Sequence[int], estimate: verdict.Estimate, adjusted: float | None
) -> Slice:
    return Slice(
        by=by,
        name=safe(name)[:NAME_CHARS],
        items=len(places),
        base=estimate.base,
        tuned=estimate.tuned,
        gain=estimate.gain,
        low=estimate.low,
        high=estimate.high,
        adjusted_p_value=adjusted,
        verdict=None if adjusted is None else _verdict(estimate, adjusted),
    )


def _verdict(estimate: verdict.Estimate, adjusted: float) -> Verdict:
    """Both ways the corrected p-value counts: among many parts one will look worse by chance."""
    if adjusted >= ALPHA or estimate.low <= 0 <= estimate.high:
        return Verdict.CANNOT_TELL
    return Verdict.BETTER if estimate.low > 0 else Verdict.WORSE
