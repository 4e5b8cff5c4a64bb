"""How often a tuned workflow is worse than it was, or is called better without being so; second part of `make honesty`.

Workflows are simulated whose true pass rate of each case is known; proposals change it. What is kept and what is claimed is
decided by the real rule (`agents.workflow.rounds`, `acceptance`, `claims`). Ten cases of mixed difficulty, three repeats,
five rounds of one proposal, unless a line says otherwise. The mix of proposals is assumed: a quarter helps by 12 points, three
tenths harm by 12, one tenth by 50, the rest does nothing.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean

from agents.workflow import claims, rounds
from agents.workflow.acceptance import Outcome, Scores
from agents.workflow.claims import Claim
from agents.workflow.rounds import INCUMBENT, Ask, Candidate, Terms
from benchmarks.honesty import Line, measure

CASES, REPEATS, ROUNDS = 10, 3, 5
MIX = ((0.25, 0.12), (0.35, 0.0), (0.3, -0.12), (0.1, -0.5))
"""(share, change of the pass rate); two proposals in five harm."""
SMALL_HARM = ((0.25, 0.08), (0.35, 0.0), (0.4, -0.05))
SEALED = (6, 10, 20, 40)
LOOPS, CLAIMS, STEPS = 2000, 800, 2000
WORSE = 1e-9
MOST_FALSE, LEAST_UNHARMED, MOST_HARM_KEPT, LEAST_GAIN_KEPT = 0.05, 0.99, 0.02, 0.6

Rates = Sequence[float]
Mix = Sequence[tuple[float, float]]


@dataclass
class World:
    """Workflows by the true pass rates of their cases."""

    rates: dict[str, Rates]
    chance: random.Random
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.names = tuple(f"case {number}" for number in range(len(self.rates[INCUMBENT])))

    async def measure(self, ask: Ask) -> dict[str, Scores]:
        """Play what is asked."""
        return {side: self.scores(side, ask.repeats, set(ask.cases)) for side in ask.sides}

    def scores(self, side: str, repeats: int, cases: set[str]) -> Scores:
        """Return whether each repeat of each case passes."""
        return {
            name: tuple(float(self.chance.random() < rate) for _ in range(repeats))
            for name, rate in zip(self.names, self.rates[side], strict=True)
            if name in cases
        }


def drawn(chance: random.Random, cases: int = CASES) -> list[float]:
    """Return pass rates of cases from hard to sure."""
    return [chance.uniform(0.35, 1.0) for _ in range(cases)]


def changed(rates: Rates, change: float) -> list[float]:
    """Return pass rates after a proposal."""
    return [min(1.0, max(0.0, rate + change)) for rate in rates]


async def loop(chance: random.Random, mix: Mix) -> float:
    """Return by how much five rounds have changed the true mean pass rate."""
    given = rates = drawn(chance)
    for _round in range(ROUNDS):
        change = chance.choices([c for _share, c in mix], [share for share, _c in mix])[0]
        world = World({INCUMBENT: rates, "new": changed(rates, change)}, chance)
        terms = Terms(world.names, REPEATS)
        if (await rounds.play([Candidate("new")], {}, terms, world.measure)).improved:
            rates = changed(rates, change)
    last = World({INCUMBENT: given, "left": rates}, chance)
    kept = await rounds.outlasts("left", Terms(last.names, REPEATS), last.measure)
    return fmean(rates) - fmean(given) if kept.gain >= 0 else 0.0


def unharmed(what: str, mix: Mix, least: float, count: int) -> Line:
    """Measure in how many loops the result is no worse than the start."""

    async def ended() -> list[float]:
        return [await loop(random.Random(f"{what} {number}"), mix) for number in range(count)]

    gains = asyncio.run(ended())
    share = sum(gain > -WORSE for gain in gains) / count
    mean = f"{100 * fmean(gains):+.1f} points on average"
    return Line(f"loops not worse than their start, {what}; {mean}", share, count, least=least)


def kept_step(what: str, change: float, count: int, least: float = 0.0, most: float = 1.0) -> Line:
    """Measure how often one proposal of a known effect is kept."""

    async def kept() -> int:
        found = 0
        for number in range(count):
            chance = random.Random(f"{what} {number}")
            rates = drawn(chance)
            world = World({INCUMBENT: rates, "new": changed(rates, change)}, chance)
            done = await rounds.play(
                [Candidate("new")], {}, Terms(world.names, REPEATS), world.measure
            )
            found += done.decisions["new"].outcome is Outcome.KEPT
        return found

    return Line(f"proposals kept: {what}", asyncio.run(kept()) / count, count, least, most)


def claimed_better(cases: int, change: float, count: int, least: float, most: float) -> Line:
    """Measure how often a workflow is called better on sealed cases that it really changes by so much."""
    found = 0
    for number in range(count):
        chance = random.Random(f"{cases} {change} {number}")
        rates = drawn(chance, cases)
        world = World({INCUMBENT: rates, "left": changed(rates, change)}, chance)
        before, after = (
            world.scores(side, REPEATS, set(world.names)) for side in (INCUMBENT, "left")
        )
        found += claims.judge(before, after).claim is Claim.BETTER
    effect = "identical workflow" if not change else f"true {100 * change:+.0f} points"
    return Line(f"called better: {effect}, {cases} sealed cases", found / count, count, least, most)


def plan(scale: float = 1.0) -> list[Callable[[], Line]]:
    """Return everything that is measured; `scale` takes a share of the trials."""

    def some(count: int) -> int:
        return max(20, round(scale * count))

    return [
        partial(unharmed, "40 % of proposals harmful", MIX, LEAST_UNHARMED, some(LOOPS)),
        partial(unharmed, "40 % harmful by 5 points", SMALL_HARM, 0.0, some(LOOPS)),
        partial(kept_step, "identical", 0.0, some(STEPS)),
        partial(kept_step, "-15 points", -0.15, some(STEPS), most=MOST_HARM_KEPT),
        partial(kept_step, "+15 points", 0.15, some(STEPS), least=LEAST_GAIN_KEPT),
        *(partial(claimed_better, cases, 0.0, some(CLAIMS), 0.0, MOST_FALSE) for cases in SEALED),
        *(partial(claimed_better, cases, 0.2, some(CLAIMS), 0.0, 1.0) for cases in SEALED),
    ]


def main() -> None:
    """Measure the rule and the claims."""
    measure(plan(), "The rule of this version keeps or claims what it may not.")


if __name__ == "__main__":
    main()
