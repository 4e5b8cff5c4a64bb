"""A map of the rows from what the model thought of each of them in the course of its training.

After "Dataset Cartography" (Swayamdipta 2020, arXiv 2009.10795): a row whose answer is found likely throughout is easy, one
on which the model changes its mind is ambiguous, one whose answer it never finds likely is hard: hard rows are where wrong
answers are. The mean log-probability of a token stands in for the probability of a class. Needs three looks.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, pstdev

from agents.jobs import MapPoint, Region
from agents.worker.row_log import Look

FEWEST_LOOKS = 3
LIKELY = 0.5
"""An answer with more than half of the probability is the likeliest one."""
TO_SD = 1.4826
"""A median deviation times this is the standard deviation, for values that vary normally."""
FAR = 3.5
"""Standard deviations below the median from which on an answer stands out (Iglewicz and Hoaglin 1993)."""
MOST_ODD = 20
MOST_POINTS = 500
"""On the map that is shown."""
MOST_DOUBTED = 100
"""Of them."""
CELLS = 10
"""The map is parted into so many strips each way, and each cell that holds rows keeps one at least."""


@dataclass(frozen=True)
class Standing:
    """Where a row stands on the map."""

    confidence: float
    """Mean over the looks of the probability of a token of the answer."""
    variability: float
    """Standard deviation of the same."""
    correctness: float
    """Share of the looks in which no other answer could have been likelier."""
    log_prob: float
    """Mean over the looks of the mean log-probability of a token."""
    looks: int

    @property
    def region(self) -> Region:
        """Hard is never right, easy always, ambiguous at times."""
        if self.correctness in (0, 1):
            return Region.EASY if self.correctness else Region.HARD
        return Region.AMBIGUOUS


@dataclass(frozen=True)
class Regions:
    """How many rows are where."""

    easy: int
    ambiguous: int
    hard: int


def standing(looks: Sequence[Look]) -> Standing:
    """Return where a row stands; `looks` is not empty."""
    means = [look.mean_prob for look in looks]
    return Standing(
        confidence=fmean(means),
        variability=pstdev(means),
        correctness=fmean(look.whole_prob > LIKELY for look in looks),
        log_prob=fmean(look.log_prob / max(1, look.tokens) for look in looks),
        looks=len(looks),
    )


def mapped(looks: Mapping[int, Sequence[Look]]) -> dict[int, Standing]:
    """Return where each row stands, by row number."""
    return {row: standing(seen) for row, seen in looks.items() if seen}


def regions(standings: Sequence[Standing]) -> Regions:
    """Count the regions."""
    found = [s.region for s in standings]
    return Regions(*(found.count(part) for part in (Region.EASY, Region.AMBIGUOUS, Region.HARD)))


def points(standings: Mapping[int, Standing], doubted: Sequence[int]) -> tuple[MapPoint, ...]:
    """Return the map, thinned so that it keeps its shape.

    Of the doubted rows the first stay, as a person looks for them. Of the others each cell of the map keeps a share of its rows
    that is the same everywhere, and one at least, so that neither the crowd nor the margin is lost.
    """
    marked = [row for row in doubted if row in standings][:MOST_DOUBTED]
    hidden = set(doubted)
    rest = {row: s for row, s in standings.items() if row not in hidden}
    kept = [*marked, *_thinned(rest, MOST_POINTS - len(marked))]
    return tuple(_point(row, standings[row], hidden) for row in sorted(kept))


def _thinned(standings: Mapping[int, Standing], most: int) -> list[int]:
    if len(standings) <= most:
        return list(standings)
    cells: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row, s in standings.items():
        cells[int(s.confidence * CELLS), int(2 * s.variability * CELLS)].append(row)
    share = (most - len(cells)) / len(standings)
    kept = []
    for rows in cells.values():
        ordered = sorted(rows, key=lambda row: (standings[row].confidence, row))
        room = 1 + int(share * len(ordered))
        kept += [ordered[place * len(ordered) // room] for place in range(room)]
    return kept


def _point(row: int, known: Standing, doubted: Collection[int]) -> MapPoint:
    return MapPoint(
        row=row,
        confidence=round(known.confidence, 3),
        variability=round(known.variability, 3),
        region=known.region,
        doubted=row in doubted,
    )


def odd_ones(standings: Mapping[int, Standing]) -> list[int]:
    """Return rows whose answers the model found far less likely than the others' each time, the least likely first.

    They are for a person to look at: rare and right looks the same as wrong.
    """
    seen = {row: s for row, s in standings.items() if s.looks >= FEWEST_LOOKS}
    if len(seen) < MOST_ODD:
        return []
    usual = median(s.log_prob for s in seen.values())
    spread = TO_SD * median(abs(s.log_prob - usual) for s in seen.values())
    steady = median(s.variability for s in seen.values())
    found = [
        row
        for row, s in seen.items()
        if s.log_prob < usual - FAR * spread
        and s.confidence < LIKELY
        and s.variability <= max(steady, LIKELY / 2)
    ]
    return sorted(found, key=lambda row: seen[row].log_prob)[:MOST_ODD]
