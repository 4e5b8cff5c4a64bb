"""Play cases on several workflows in turns, and keep what came of each run: score, cost, way, and what was said.

The runs of all sides go into one journal, each under its own name, so a measurement that is broken off goes on where it was.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable

from agents.workflow.acceptance import Scores
from agents.workflow.assertions import Judged
from agents.workflow.events import Event, PromptSent, Purpose, Reply
from agents.workflow.evidence import Failure, Said
from agents.workflow.journal import Journal
from agents.workflow.load import Loaded
from agents.workflow.outcome import Outcome
from agents.workflow.outside import Models
from agents.workflow.playing import Played, play_once
from agents.workflow.rounds import Ask, turns
from agents.workflow.routing import DEFAULT
from agents.workflow.scenario_runs import Stage, person_for, run_once
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
    calls: int
    tokens: int
    fallbacks: int
    """States that failed, where something was said to handle that."""
    undecided: int
    """Choices of a way that no reply named."""
    failure: Failure | None
    """What was wrong, where something was."""


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


class SeededModels:
    """The same models, each call with a seed unless the workflow says one itself."""

    def __init__(self, models: Models, seed: int) -> None:
        self._models = models
        self._seed = seed

    def chat(self, name: str, parameters: Mapping[str, Any]) -> BaseChatModel:
        """Return the model. Raises: ModelError: there is none of that name."""
        return self._models.chat(name, {"seed": self._seed, **parameters})

    def structured(self, chat: BaseChatModel, schema: Mapping[str, Any]) -> Runnable[Any, Any]:
        """Return the model bound to a schema."""
        return self._models.structured(chat, schema)

    def embeddings(self, name: str | None) -> Embeddings:
        """Return the model. Raises: ModelError: there is none."""
        return self._models.embeddings(name)


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
        said: list[Said] = []
        where = f"{ask.stage.value}\0{side}\0{case}\0{repeat}"
        models = SeededModels(self.stage.models, seed)

        async def run_scenario(one: Scenario, _iteration: int) -> Outcome:
            person = await person_for(one, loaded.workflow, models)
            return await run_once(
                one,
                loaded.workflow,
                self.stage,
                person,
                models=models,
                journal=self.journal.within(where),
                listen=_witness(said),
            )

        played = await play_once(scenario, run_scenario)
        return _play(side, case, repeat, scenario, played, tuple(said))


def hash_of(*parts: object) -> int:
    """Return a seed that depends on all parts, and on nothing else."""
    text = "\0".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % SEEDS


def _witness(said: list[Said]) -> Callable[[Event], None]:
    asked: dict[str, str] = {}

    def listen(event: Event) -> None:
        if isinstance(event, PromptSent) and event.purpose is Purpose.ANSWER:
            asked[event.state] = event.prompt
        elif isinstance(event, Reply) and event.purpose is Purpose.ANSWER:
            said.append(Said(event.state, asked.get(event.state, ""), event.text))

    return listen


def _play(
    side: str, case: str, repeat: int, scenario: Scenario, played: Played, said: tuple[Said, ...]
) -> Play:
    outcome = played.outcome
    visits = outcome.visits if outcome else ()
    away = played.error is not None and outcome is None
    return Play(
        side=side,
        case=case,
        repeat=repeat,
        score=None if away else played.score,
        seconds=played.seconds,
        calls=outcome.calls if outcome else 0,
        tokens=outcome.tokens if outcome else 0,
        fallbacks=sum(visit.error is not None and visit.went_to is not None for visit in visits),
        undecided=sum(visit.routed == DEFAULT for visit in visits),
        failure=None if away or played.passed else _failure(case, scenario, played, said),
    )


def _failure(case: str, scenario: Scenario, played: Played, said: tuple[Said, ...]) -> Failure:
    wrong = [_sentence(one) for one in played.judged if not one.passed]
    if played.error is not None:
        wrong.append(played.error)
    return Failure(
        case=case,
        about=scenario.description,
        answers=tuple((answer.state, answer.value) for answer in scenario.answers),
        failed=tuple(wrong),
        reached=played.outcome.reached if played.outcome else (),
        said=said,
    )


def _sentence(judged: Judged) -> str:
    wanted = judged.assertion
    target = f" {wanted.target}" if wanted.target else ""
    return f"{wanted.check.value}{target} “{wanted.value}”: {judged.message}"
