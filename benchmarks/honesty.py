"""How often the verdict is wrong: simulated projects and intervals, through the code that decides; `make honesty`.

Projects without a true gain must hardly ever see "better", whenever they stop; a true gain must be seen; and 95 of 100
intervals must hold the truth. Every share is printed beside its bar; where one is missed, this fails. The same numbers
come out each time.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context

import numpy as np

from agents.jobs import Verdict
from agents.worker import verdict
from agents.worker.paired import Groups, Numbers
from agents.worker.verdict import Estimate

PROJECTS = 4000
TRIES = 5
"""Iterations of a project, each of which opens the same test set."""
BASE_ACCURACY, DISCORDANT = 0.7, 0.2
GAIN = 0.1
GROUP_SIZE = 4
MOST_FALSE, LEAST_POWER = 0.05, 0.85
COVERED = (0.94, 0.96)
INTERVALS = 1200

Chance = np.random.Generator
Draw = Callable[[Chance, int], tuple[Numbers, Numbers]]
"""Draws what each of n items gives base and tuned: a row per item, what it adds to the totals."""


@dataclass(frozen=True)
class Line:
    """A share that was measured and where it has to lie."""

    what: str
    share: float
    trials: int
    least: float = 0.0
    most: float = 1.0

    @property
    def kept(self) -> bool:
        """Tell whether it lies there."""
        return self.least <= self.share <= self.most

    @property
    def bar(self) -> str:
        """Return the bar in words; empty for a share that is only told."""
        if self.least and self.most < 1:
            return f"{100 * self.least:.0f} … {100 * self.most:.0f} %"
        if self.least:
            return f"at least {100 * self.least:.0f} %"
        return f"at most {100 * self.most:.0f} %" if self.most < 1 else ""


# ---- projects -------------------------------------------------------------------------------------------------------


def right_or_wrong(
    chance: Chance, n: int, tries: int, gain: float
) -> list[tuple[Numbers, Numbers]]:
    """Return a base's answers and those of each try, which differ from it on a fifth of the items."""
    base = (chance.random(n) < BASE_ACCURACY).astype(float)
    right, wrong = (DISCORDANT + gain) / 2, (DISCORDANT - gain) / 2
    flips = np.where(base == 0, right / (1 - BASE_ACCURACY), wrong / BASE_ACCURACY)
    return [(base, np.where(chance.random(n) < flips, 1 - base, base)) for _ in range(tries)]


def in_groups(chance: Chance, n: int, tries: int, gain: float) -> list[tuple[Numbers, Numbers]]:
    """Return the same where items come in groups that are all answered alike."""
    drawn = right_or_wrong(chance, n // GROUP_SIZE, tries, gain)
    return [(np.repeat(base, GROUP_SIZE), np.repeat(tuned, GROUP_SIZE)) for base, tuned in drawn]


def graded(chance: Chance, n: int, tries: int, gain: float) -> list[tuple[Numbers, Numbers]]:
    """Return a base's scores and those of each try, which answers two fifths of the items anew."""
    base = chance.beta(2, 2, n)
    return [
        (base, np.where(chance.random(n) < 0.4, np.minimum(1, chance.beta(2, 2, n) + gain), base))
        for _ in range(tries)
    ]


Projects = Callable[[Chance, int, int, float], list[tuple[Numbers, Numbers]]]


def openings(
    tries: Sequence[tuple[Numbers, Numbers]], groups: Groups | None = None
) -> list[Verdict]:
    """Judge the tries of a project one after the other, with the earlier p-values, as the evaluator passes them."""
    earlier: list[float] = []
    found = []
    for base, tuned in tries:
        estimate = verdict.compare(base, tuned, len(earlier), groups)
        found.append(verdict.judge(estimate, len(base), tuple(earlier)).verdict)
        earlier.append(estimate.p_value)
    return found


def ever_better(
    projects: Projects, n: int, tries: int, gain: float, seed: int, count: int
) -> float:
    """Return the share of projects in which any opening says "better".

    This is what those get who stop at the first one, and those who take the best of all; who takes the last gets less.
    """
    chance = np.random.default_rng(seed)
    groups = np.arange(n) // GROUP_SIZE if projects is in_groups else None
    found = (openings(projects(chance, n, tries, gain), groups) for _ in range(count))
    return sum(Verdict.BETTER in verdicts for verdicts in found) / count


def last_better(n: int, tries: int, seed: int, count: int) -> float:
    """Return the share of projects without a gain whose last opening says "better"."""
    chance = np.random.default_rng(seed)
    found = (openings(right_or_wrong(chance, n, tries, 0.0)) for _ in range(count))
    return sum(verdicts[-1] is Verdict.BETTER for verdicts in found) / count


def higher_wins(n: int, tries: int, seed: int, count: int) -> float:
    """Return the share of projects without a gain in which some try has the higher score."""
    chance = np.random.default_rng(seed)
    found = (right_or_wrong(chance, n, tries, 0.0) for _ in range(count))
    return sum(any(t.sum() > b.sum() for b, t in project) for project in found) / count


# ---- intervals ------------------------------------------------------------------------------------------------------


def covers(draw: Draw, truth: float, compare: Callable[..., Estimate], n: int, count: int) -> float:
    """Return the share of intervals that hold the true gain."""
    chance = np.random.default_rng(n)
    inside = 0
    for _ in range(count):
        estimate = compare(*draw(chance, n))
        inside += estimate.low <= truth <= estimate.high
    return inside / count


def answers(chance: Chance, n: int) -> tuple[Numbers, Numbers]:
    """Return answers whose true gain is `GAIN`."""
    return right_or_wrong(chance, n, 1, GAIN)[0]


def answers_in_groups(chance: Chance, n: int) -> tuple[Numbers, Numbers]:
    """Return answers in groups of 1 to 7 items, half of which follow the first of their group."""
    base, tuned = answers(chance, n)
    first = _firsts(n)
    follow = chance.random(n) < 0.5
    return np.where(follow, base[first], base), np.where(follow, tuned[first], tuned)


def scores(chance: Chance, n: int) -> tuple[Numbers, Numbers]:
    """Return scores of which half change; the true gain is 0.05."""
    base = chance.beta(2, 2, n)
    return base, np.where(chance.random(n) < 0.5, chance.beta(3, 2, n), base)


def scores_in_groups(chance: Chance, n: int) -> tuple[Numbers, Numbers]:
    """Return such scores in groups of 1 to 7 items, half of which follow the first of their group."""
    base, tuned = scores(chance, n)
    first = _firsts(n)
    follow = chance.random(n) < 0.5
    return np.where(follow, base[first], base), np.where(follow, tuned[first], tuned)


def groups_of_seven_sizes(n: int) -> Groups:
    """Return groups of 1, 2, …, 7, 1, 2, … items."""
    sizes = [1 + i % 7 for i in range(n)]
    return np.repeat(np.arange(n), sizes)[:n]


def _firsts(n: int) -> Groups:
    groups = groups_of_seven_sizes(n)
    return np.searchsorted(groups, groups)


def phrases(chance: Chance, n: int) -> tuple[Numbers, Numbers]:
    """Return what BLEU counts in n answers of base and tuned: matches and n-grams of 1 to 4 words, and both lengths."""
    meant = chance.integers(6, 30, n)
    return _counts(chance, meant, 0.60), _counts(chance, meant, 0.65)


def _counts(chance: Chance, meant: Groups, right: float) -> Numbers:
    said = np.maximum(4, meant + chance.integers(-2, 3, len(meant)))
    easy = chance.beta(8 * right, 8 * (1 - right), len(meant))
    ngrams = [said - k for k in range(4)]
    matches = [chance.binomial(grams, easy ** (k + 1)) for k, grams in enumerate(ngrams)]
    return np.column_stack([*matches, *ngrams, said, meant]).astype(float)


def bleu(totals: Numbers) -> Numbers:
    """Return the corpus BLEU of rows of totals, without smoothing: no total is 0 here."""
    precision = np.exp(np.log(totals[:, :4] / totals[:, 4:8]).mean(axis=1))
    short = np.minimum(1, np.exp(1 - totals[:, 9] / totals[:, 8]))
    return np.asarray(precision * short)


@cache
def true_phrases_gain() -> float:
    """Return the gain in BLEU of so many answers that chance plays no part."""
    base, tuned = phrases(np.random.default_rng(0), 200_000)
    return float(np.subtract(*(bleu(side.sum(axis=0, keepdims=True))[0] for side in (tuned, base))))


def by_items(base: Numbers, tuned: Numbers) -> Estimate:
    """Compare what does not come in groups."""
    return verdict.compare(base, tuned, 1)


def by_groups(base: Numbers, tuned: Numbers) -> Estimate:
    """Compare what comes in groups of 1 to 7."""
    return verdict.compare(base, tuned, 1, groups_of_seven_sizes(len(base)))


def by_corpus(base: Numbers, tuned: Numbers) -> Estimate:
    """Compare corpus BLEU."""
    return verdict.compare_totals(base, tuned, bleu, 1)


# ---- the table ------------------------------------------------------------------------------------------------------


def _false(what: str, projects: Projects, n: int, tries: int, count: int) -> Line:
    share = ever_better(projects, n, tries, 0.0, seed=n + tries, count=count)
    return Line(
        f"false “better” at any of {tries} openings, {what}, n = {n}", share, count, most=MOST_FALSE
    )


def _cover(
    what: str, draw: Draw, truth: float, compare: Callable[..., Estimate], n: int, count: int
) -> Line:
    share = covers(draw, truth, compare, n, count)
    return Line(f"intervals that hold the truth, {what}, n = {n}", share, count, *COVERED)


def _told(what: str, measure: Callable[[int], float], count: int, **bar: float) -> Line:
    return Line(what, measure(count), count, **bar)


def plan(scale: float = 1.0) -> list[Callable[[], Line]]:
    """Return what is measured, a task each, with this share of the trials."""

    def some(count: int) -> int:
        return max(1, round(scale * count))

    many, half, few = some(PROJECTS), some(PROJECTS // 2), some(PROJECTS // 8)
    gain = true_phrases_gain()
    return [
        partial(
            _told,
            "“higher wins” accepts one of 5 without a gain, n = 100",
            partial(higher_wins, 100, TRIES, 1),
            many,
        ),
        partial(
            _told,
            "false “better” at the last of 5 openings, right or wrong, n = 100",
            partial(last_better, 100, TRIES, 2),
            many,
            most=MOST_FALSE,
        ),
        *(
            partial(_false, "right or wrong", right_or_wrong, n, TRIES, many)
            for n in (50, 100, 200, 500)
        ),
        partial(_false, "right or wrong", right_or_wrong, 200, 20, half),
        partial(_false, "in groups of 4", in_groups, 200, TRIES, half),
        partial(_false, "scores", graded, 50, TRIES, few),
        partial(
            _told,
            "a true +10 points is seen at the first opening, n = 200",
            partial(ever_better, right_or_wrong, 200, 1, GAIN, 3),
            many,
            least=LEAST_POWER,
        ),
        partial(
            _told,
            "the same, all answers alike in groups of 4, n = 800",
            partial(ever_better, in_groups, 800, 1, GAIN, 4),
            half,
            least=LEAST_POWER,
        ),
        *(
            partial(_cover, "right or wrong", answers, GAIN, by_items, n, some(10 * INTERVALS))
            for n in (100, 200, 500)
        ),
        partial(
            _cover,
            "right or wrong in groups of 1 to 7",
            answers_in_groups,
            GAIN,
            by_groups,
            400,
            some(INTERVALS),
        ),
        *(
            partial(_cover, "scores", scores, 0.05, by_items, n, some(INTERVALS))
            for n in (20, 50, 200)
        ),
        partial(
            _cover,
            "scores in groups of 1 to 7",
            scores_in_groups,
            0.05,
            by_groups,
            200,
            some(INTERVALS),
        ),
        *(
            partial(_cover, "corpus BLEU", phrases, gain, by_corpus, n, some(INTERVALS))
            for n in (50, 200)
        ),
    ]


def run(task: Callable[[], Line]) -> Line:
    """Measure one line."""
    return task()


def told(lines: Iterable[Line]) -> bool:
    """Print each line as it comes; tell whether every bar was kept."""
    kept = True
    for line in lines:
        kept &= line.kept
        mark = "" if line.kept else "  MISSED"
        share = f"{100 * line.share:5.1f} % of {line.trials:>6,}"
        print(f"{share}  {line.bar:<13}  {line.what}{mark}", flush=True)
    return kept


def measure(tasks: Iterable[Callable[[], Line]], failure: str) -> None:
    """Measure all of it on all cores, print the table, and fail where a bar is missed."""
    began_s = time.monotonic()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # of the processes; read when they load numpy
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        kept = told(pool.map(run, tasks))
    print(f"{time.monotonic() - began_s:.0f} s")
    if not kept:
        sys.exit(failure)


def main() -> None:
    """Measure the verdict."""
    measure(plan(), "A verdict of this version would lie more often than it may.")


if __name__ == "__main__":
    main()
