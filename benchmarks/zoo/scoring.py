"""The debugger as a classifier: its first and first three findings against what was planted, with Wilson intervals."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.zoo.situations import ALL, Situation

TUNING_SEEDS = (1, 2, 3, 4, 5, 6, 7, 8)
"""Thresholds were chosen on these."""
SEEN_SEEDS = (101, 102, 103, 104, 105)
"""The score was of these once; what went wrong on them has changed rules since, so they count no more."""
SCORE_SEEDS = (201, 202, 203, 204, 205)
"""The score is of these."""
Z_95 = 1.96
TOP = 3
LEAST_FIRST, LEAST_AMONG_THREE, MOST_ALARMS = 0.9, 0.97, 0.05
"""What has to be reached."""
HEALTHY = "nothing"
BEGIN, END = "<!-- zoo: begin -->", "<!-- zoo: end -->"


@dataclass(frozen=True)
class Case:
    """What was found in one situation with one seed."""

    situation: Situation
    seed: int
    found: tuple[str, ...]
    """Names of the rules, the most telling first."""

    @property
    def first(self) -> str:
        """The diagnosis."""
        return self.found[0] if self.found else HEALTHY


@dataclass(frozen=True)
class Share:
    """A count of cases, with the 95 % interval of the share."""

    count: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's."""
        if not self.of:
            return 0.0, 1.0
        p, n = self.count / self.of, self.of
        shrink = 1 + Z_95**2 / n
        centre = (p + Z_95**2 / (2 * n)) / shrink
        half = Z_95 * math.sqrt(p * (1 - p) / n + Z_95**2 / (4 * n * n)) / shrink
        return max(0.0, centre - half), min(1.0, centre + half)

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{100 * self.count / max(1, self.of):.1f} % ({self.count} of {self.of}; "
            f"95 % interval {100 * low:.1f} to {100 * high:.1f})"
        )


@dataclass(frozen=True)
class Score:
    """How often the debugger was right."""

    cases: Sequence[Case]

    @property
    def faulty(self) -> list[Case]:
        """Cases with a planted fault."""
        return [case for case in self.cases if case.situation.expected is not None]

    @property
    def healthy(self) -> list[Case]:
        """Cases with none."""
        return [case for case in self.cases if case.situation.expected is None]

    @property
    def top_1(self) -> Share:
        """Faults that were the first finding."""
        return Share(sum(c.first == c.situation.expected for c in self.faulty), len(self.faulty))

    @property
    def top_3(self) -> Share:
        """Faults among the first three findings."""
        hits = sum(c.situation.expected in c.found[:TOP] for c in self.faulty)
        return Share(hits, len(self.faulty))

    @property
    def false_alarms(self) -> Share:
        """Healthy trainings in which anything was found."""
        return Share(sum(bool(case.found) for case in self.healthy), len(self.healthy))

    @property
    def missed(self) -> list[str]:
        """Bars that were not reached, in words."""
        first, among, alarms = self.top_1, self.top_3, self.false_alarms
        bars = (
            (first.count < LEAST_FIRST * first.of, f"{100 * LEAST_FIRST:g} % found first"),
            (
                among.count < LEAST_AMONG_THREE * among.of,
                f"{100 * LEAST_AMONG_THREE:g} % among the first three",
            ),
            (
                alarms.count > MOST_ALARMS * alarms.of,
                f"at most {100 * MOST_ALARMS:g} % false alarms",
            ),
        )
        return [words for is_missed, words in bars if is_missed]

    def summary(self) -> list[str]:
        """Return the three figures, a line each."""
        return [
            f"first finding right: {self.top_1}",
            f"among the first three: {self.top_3}",
            f"false alarms on healthy trainings: {self.false_alarms}",
        ]


def confusion(score: Score) -> str:
    """Return the confusion matrix as text: what was planted by what was found first."""
    seen = Counter((case.situation.expected or HEALTHY, case.first) for case in score.cases)
    planted = list(dict.fromkeys(case.situation.expected or HEALTHY for case in score.cases))
    found = [*planted, *sorted({first for _planted, first in seen} - set(planted))]
    width = max(map(len, found))
    head = " " * width + "".join(f"{place:>4}" for place in range(1, len(found) + 1))
    lines = [
        f"{name:<{width}}" + "".join(f"{seen[name, other] or '.':>4}" for other in found)
        for name in planted
    ]
    legend = ", ".join(f"{place} {name}" for place, name in enumerate(found, start=1))
    return "\n".join([head, *lines, f"columns: {legend}"])


def table(score: Score, seeds: Sequence[int]) -> str:
    """Return the score as the page shows it."""
    rows = [
        "| situation | planted | seeds | found first | among the first three | else found first |",
        "|---|---|---|---|---|---|",
    ]
    for situation in ALL:
        cases = [case for case in score.cases if case.situation.name == situation.name]
        expected = situation.expected or HEALTHY
        first = sum(case.first == expected for case in cases)
        top = sum(expected in (case.found[:TOP] or (HEALTHY,)) for case in cases)
        others = Counter(case.first for case in cases if case.first != expected)
        told = ", ".join(f"`{name}` × {times}" for name, times in others.most_common())
        rows.append(
            f"| `{situation.name}` | `{expected}` | {len(cases)} | {first} | {top} | {told or '–'} |"
        )
    said = "; ".join(score.summary())
    kind = "Tuning seeds" if set(seeds) & {*TUNING_SEEDS, *SEEN_SEEDS} else "Seeds"
    return "\n".join([f"{kind} {', '.join(map(str, seeds))}: {said}.", "", *rows])


def publish(page: Path, told: str) -> None:
    """Put the score between the marks of a page."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{told}\n{END}{after}", encoding="utf-8")
