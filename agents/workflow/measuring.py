"""Play cases on several workflows in turns, and keep what came of each run: score, cost, way, and what was said.

The runs of all sides go into one journal, each under its own name, so a measurement that is broken off goes on where it was.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from agents.workflow.acceptance import Scores
from agents.workflow.assertions import Judged
from agents.workflow.evidence import Failure
from agents.workflow.journal import Journal
from agents.workflow.load import Loaded
from agents.workflow.model import Kind, Workflow
from agents.workflow.outcome import Visit
from agents.workflow.performing import Performed, perform
from agents.workflow.rounds import Ask, turns
from agents.workflow.routing import DEFAULT
from agents.workflow.scenario_runs import Stage
from agents.workflow.suite import Scenario

SEEDS = 2**31 - 1


@dataclass(frozen=True)
class Play:
    """One run of one case on one workflow."""

    side: str
    case: str
    repeat: int
    score: float | None
    """Share of the assertions that were so; None: it could not be judged."""
    seconds: float
    """In which models and tools worked."""
    calls: int
    tokens: int
    fallbacks: int
    """States that failed, where something was said to handle that."""
    undecided: int
    """Choices of a way that no reply named."""
    failure: Failure | None
    """What was wrong, where something was."""
    routes: tuple[tuple[str, str], ...] = ()
    """Ways that a model chose: state, and where it went."""
    person_calls: int = 0
    """Of the model that played the person, which are none of the workflow's; remembered ones included."""
    person_tokens: int = 0


@dataclass
class Measured:
    """All runs that were asked for."""

    plays: list[Play] = field(default_factory=list)

    def scores(self, side: str) -> Scores:
        """Return the scores of a side by case; repeats that could not be judged are left out."""
        found: dict[str, list[float]] = {}
        for play in self.plays:
            if play.side == side:
                scores = found.setdefault(play.case, [])
                if play.score is not None:
                    scores.append(play.score)
        return {case: tuple(scores) for case, scores in found.items()}

    def failures(self, side: str) -> tuple[Failure, ...]:
        """Return one failure of each case that fails on a side, those that fail most first."""
        worst: dict[str, list[Failure]] = {}
        for play in self.plays:
            if play.side == side and play.failure is not None:
                worst.setdefault(play.case, []).append(play.failure)
        return tuple(found[0] for found in sorted(worst.values(), key=lambda f: -len(f)))


@dataclass(frozen=True)
class Bench:
    """What is measured, and with what."""

    sides: Mapping[str, Loaded]
    """Workflows by the name that they have in an `Ask`."""
    scenarios: Mapping[str, Scenario]
    stage: Stage
    seed: int = 0
    journal: Journal = field(default_factory=Journal)
    tell: Callable[[Play], None] = lambda _play: None

    async def play(self, ask: Ask) -> Measured:
        """Play what is asked, sides in turns."""
        measured = Measured()
        for case, repeat, side in turns(ask):
            played = await self._one(ask, case, repeat, side)
            measured.plays.append(played)
            self.tell(played)
        return measured

    async def _one(self, ask: Ask, case: str, repeat: int, side: str) -> Play:
        scenario, loaded = self.scenarios[case], self.sides[side]
        # the same for all sides: what a seed does to one, it does to the other
        seed = hash_of(self.seed, ask.stage.value, case, repeat)
        where = f"{ask.stage.value}\0{side}\0{case}\0{repeat}"
        done = await perform(
            scenario,
            loaded,
            self.stage,
            seed=seed,
            run=self.journal.within(where),
            case=self.journal.within(f"person\0{case}"),
        )
        return _play(side, case, repeat, loaded, done)


def hash_of(*parts: object) -> int:
    """Return a seed that depends on all parts, and on nothing else."""
    text = "\0".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % SEEDS


def _play(side: str, case: str, repeat: int, loaded: Loaded, done: Performed) -> Play:
    played, outcome = done.played, done.played.outcome
    visits = outcome.visits if outcome else ()
    away = played.error is not None and outcome is None
    return Play(
        side=side,
        case=case,
        repeat=repeat,
        score=None if away else played.score,
        seconds=_worked_s(visits, loaded.workflow) if outcome else played.seconds,
        calls=outcome.calls if outcome else 0,
        tokens=outcome.tokens if outcome else 0,
        fallbacks=sum(visit.error is not None and visit.went_to is not None for visit in visits),
        undecided=sum(visit.routed == DEFAULT for visit in visits),
        failure=None if away or played.passed else _failure(case, done),
        routes=tuple(_routes(visits, loaded.workflow)),
        person_calls=done.person_calls,
        person_tokens=done.person_tokens,
    )


def _worked_s(visits: Sequence[Visit], workflow: Workflow) -> float:
    """Return how long models and tools took, also in a process before this one; a person's time is not the workflow's."""
    asking = {Kind.INPUT, Kind.CHOICE}
    worked = (v.seconds for v in visits if workflow.states[v.state].kind not in asking)
    return round(sum(worked), 3)


def _routes(visits: Sequence[Visit], workflow: Workflow) -> Iterator[tuple[str, str]]:
    for visit in visits:
        chosen = visit.routed is not None and visit.went_to is not None
        if chosen and workflow.states[visit.state].options:
            yield visit.state, visit.went_to or ""


def _failure(case: str, done: Performed) -> Failure:
    played, scenario = done.played, done.scenario
    wrong = [_sentence(one) for one in played.judged if not one.passed]
    if played.error is not None:
        wrong.append(played.error)
    return Failure(
        case=case,
        about=scenario.description,
        answers=(*((answer.state, answer.value) for answer in scenario.answers), *done.made),
        failed=tuple(wrong),
        reached=played.outcome.reached if played.outcome else (),
        said=done.said,
    )


def _sentence(judged: Judged) -> str:
    wanted = judged.assertion
    target = f" {wanted.target}" if wanted.target else ""
    return f"{wanted.check.value}{target} “{wanted.value}”: {judged.message}"
