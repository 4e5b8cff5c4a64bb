"""The job that runs changed workflows beside the one that stands, and says which of them may take its place."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agents.jobs import (
    Contender,
    FileRef,
    JobOutcome,
    JobResult,
    MeasureRoundResult,
    MeasureRoundSpec,
)
from agents.jobs.workflows import Measured as Told
from agents.workflow import policy, rounds
from agents.workflow.acceptance import Decision, Scores
from agents.workflow.edit_ops import Edits
from agents.workflow.edits import Refused, apply
from agents.workflow.goals import measured as goals_in
from agents.workflow.job_files import kept_text
from agents.workflow.load import Loaded, load_text
from agents.workflow.measured_goals import Watch
from agents.workflow.measuring import Measured, Play
from agents.workflow.purse import USED_UP, OutOfBudget
from agents.workflow.round_metrics import metrics
from agents.workflow.rounds import INCUMBENT, Ask, Candidate, Round, Stage, Terms
from agents.workflow.standing import standing
from agents.workflow.suite import Scenario
from agents.workflow.workplace import Workplace, parts, text_of, workplace

STAGES = {
    Stage.SCREEN: "a first look at the proposals",
    Stage.MEASURE: "running proposals beside what stands",
    Stage.CONFIRM: "running the best one again, afresh",
    Stage.LAST: "running what is left beside what was given",
}


def run(folder: Path, spec: MeasureRoundSpec) -> JobResult:
    """Measure the contenders.

    Raises: WorkflowError: a file cannot be used. ModelError: the models are away.
    """
    with workplace(folder, spec, spec.terms, "preparing") as place:
        result = asyncio.run(_Match(folder, spec, place).result())
    return JobResult(job_id=folder.name, outcome=JobOutcome.SUCCEEDED, payload=result)


@dataclass(frozen=True)
class _Entrant:
    """A contender that can be run."""

    contender: Contender
    text: FileRef
    loaded: Loaded
    shorter: bool


@dataclass
class _Match:
    """The second half of a round."""

    folder: Path
    spec: MeasureRoundSpec
    place: Workplace
    played: Measured = field(default_factory=Measured)
    tell: Callable[[Play], None] = lambda _play: None

    async def result(self) -> MeasureRoundResult:
        """Measure, decide, and tell."""
        spec, place = self.spec, self.place
        loaded = place.load(spec.workflow)
        entrants, refused = self._entrants()
        cases = parts(spec.cases, "shown", "validation")
        sides = {INCUMBENT: loaded} | {name: one.loaded for name, one in entrants.items()}
        scenarios = place.scenarios(spec.tests, spec.tests_path, loaded)
        seed = ("round", spec.round, spec.attempt)

        bench = place.bench(
            sides, scenarios, spec.workflow, *seed, tell=lambda play: self.tell(play)
        )
        watch = Watch(bench, goals_in(spec.terms.goal))

        async def measure(ask: Ask) -> dict[str, Scores]:
            runs = len(ask.sides) * len(ask.cases) * ask.repeats
            self.tell = place.counting(STAGES[ask.stage], runs)
            scores = await watch.measure(ask)
            self.played.plays.extend(watch.measured[ask.stage].plays)
            return scores

        terms = Terms(cases, spec.terms.repeats, beside=watch.beside if watch.goals else None)
        candidates = [Candidate(name, one.shorter) for name, one in entrants.items()]
        out_of_budget = False
        try:
            done = await rounds.play(candidates, spec.standing.scores, terms, measure)
        except OutOfBudget:
            out_of_budget = True
            done = Round({}, None)
        shown = parts(spec.cases, "shown")
        winner = done.winner
        return MeasureRoundResult(
            measured=tuple(
                self._told(one, done.decisions.get(name), scenarios)
                for name, one in entrants.items()
            ),
            winner=winner,
            stood=standing(self.played, INCUMBENT, loaded, scenarios, shown)
            if self.played.plays and not out_of_budget
            else spec.standing,
            would_stand=None
            if winner is None
            else standing(self.played, winner, entrants[winner].loaded, scenarios, shown),
            refused=refused,
            out_of_budget=out_of_budget,
            spent=place.spent,
        )

    def _entrants(self) -> tuple[dict[str, _Entrant], tuple[tuple[str, str], ...]]:
        """Return what can be run by the hash of its text, and what cannot with the reason."""
        entrants: dict[str, _Entrant] = {}
        refused: list[tuple[str, str]] = []
        for contender in self.spec.contenders:
            try:
                entrant = self._entrant(contender)
            except Refused as error:
                refused.append((contender.proposed.name, str(error)))
            else:
                entrants[entrant.text.sha256] = entrant
        return entrants, tuple(refused)

    def _entrant(self, contender: Contender) -> _Entrant:
        """Return a contender as it is run. Raises: Refused: it cannot be, or says more than was allowed."""
        before, path = text_of(self.spec.workflow.text), Path(self.spec.workflow.path)
        reach = self.place.reach(self.spec.workflow)
        proposed = contender.proposed
        text = text_of(proposed.text)
        if contender.taken is not None:
            chosen = [proposed.edits[place] for place in contender.taken]
            text = apply(before, Edits.model_validate({"edits": chosen}), path, reach).text
        if text == before:
            raise Refused("nothing of it is left")
        loaded = load_text(text, path, reach, name=path.name)
        allowed = {(one.where, one.before, one.after) for one in proposed.barred}
        models = self.place.settings.workflows.allowed_models
        for one in policy.forbidden(self.place.load(self.spec.workflow), loaded, models):
            if (one.where, one.before, one.after) not in allowed:
                raise Refused(f"{one.where} would change, and nobody has said yes to that")
        return _Entrant(
            contender, kept_text(self.folder, text), loaded, shorter=len(text) < len(before)
        )

    def _told(
        self, entrant: _Entrant, decision: Decision | None, scenarios: Mapping[str, Scenario]
    ) -> Told:
        """Return what became of a contender; nothing was decided where the budget ended first."""
        about = {"name": entrant.text.sha256, "text": entrant.text}
        told = {**about, "strategy": entrant.contender.proposed.strategy}
        if decision is None:
            return Told.model_validate(
                {**told, "outcome": "indecisive", "reason": USED_UP, "gain": 0.0}
            )
        numbers = metrics(self.played, entrant.text.sha256, entrant.loaded, scenarios).plain()
        return Told.model_validate(
            {
                **told,
                "outcome": decision.outcome.value,
                "reason": decision.reason.value,
                "gain": decision.gain,
                "gain_again": decision.gain_again,
                "fixed": decision.fixed,
                "broke": decision.broke,
                "metrics": numbers,
                "notes": decision.beside,
            }
        )
