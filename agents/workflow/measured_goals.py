"""Measure for a round, and keep what was measured, so that goals beside the score have their say.

watch = Watch(bench, goals)
terms = Terms(cases, beside=watch.beside)
done = await rounds.play(candidates, known, terms, watch.measure)
"""

from dataclasses import dataclass, field

from agents.workflow.acceptance import Beside, Scores
from agents.workflow.goals import Goals, compare
from agents.workflow.measuring import Bench, Measured
from agents.workflow.round_metrics import Metrics, metrics
from agents.workflow.rounds import INCUMBENT, Ask, Stage


@dataclass
class Watch:
    """Plays what a round asks for, and remembers the last measurement of each stage."""

    bench: Bench
    goals: Goals | None = None
    measured: dict[Stage, Measured] = field(default_factory=dict, init=False)

    async def measure(self, ask: Ask) -> dict[str, Scores]:
        """Play what is asked; a `rounds.Measure`."""
        played = await self.bench.play(ask)
        self.measured[ask.stage] = played
        return {side: played.scores(side) for side in ask.sides}

    def metrics(self, side: str, stage: Stage) -> Metrics:
        """Return the figures of a workflow in the last measurement of a stage."""
        return metrics(self.measured[stage], side, self.bench.sides[side], self.bench.scenarios)

    def beside(self, candidate: str, stage: Stage) -> Beside:
        """Return what a candidate does to the goals; a `rounds.Look`."""
        if self.goals is None:
            return Beside()
        before = self.metrics(INCUMBENT, stage)
        return compare(before, self.metrics(candidate, stage), self.goals)
