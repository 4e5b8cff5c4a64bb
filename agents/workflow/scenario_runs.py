"""Run the workflow of a test file for its scenarios: people are scripted, models may be, and no server is started.

The original starts the servers of a workflow under test and asks them nothing. Here a prompt goes out without tools, unless
it is wanted that they are really started.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel

from agents.workflow.asking import now_asking
from agents.workflow.events import Event, Listener, Purpose, nobody
from agents.workflow.journal import Journal
from agents.workflow.made_answers import make_up
from agents.workflow.model import State, Workflow
from agents.workflow.outcome import Outcome
from agents.workflow.outside import Limits, Models, SameModels
from agents.workflow.persona import Persona, Simulator, card_of
from agents.workflow.playing import RunScenario
from agents.workflow.reach import Reach
from agents.workflow.run import run
from agents.workflow.scripted import Script, ScriptedModels
from agents.workflow.suite import Scenario
from agents.workflow.suite_file import LoadedSuite
from agents.workflow.tools import Tool, Tools, Used
from agents.workflow.world import World

Starting = Callable[[], AbstractAsyncContextManager[Tools]]
"""Starts the servers of a workflow for one run."""


class SilentTools:
    """Offers nothing, whatever servers a state names: its prompt goes out without tools."""

    async def offered(self, servers: Sequence[str]) -> Sequence[Tool]:  # noqa: ARG002  # a protocol's
        """Return nothing."""
        return ()

    async def use(self, tool: Tool, arguments: Mapping[str, Any]) -> Used:
        """Never called: nothing is offered."""
        raise NotImplementedError(f"{tool.name} was used without having been offered: {arguments}")


@asynccontextmanager
async def nothing_started() -> AsyncIterator[Tools]:
    """Start no server."""
    yield SilentTools()


@dataclass(frozen=True)
class Stage:
    """What scenarios are played with."""

    models: Models
    reach: Reach
    limits: Limits = field(default_factory=Limits)
    starting: Starting = nothing_started
    simulator: Simulator | None = None
    """Plays people where a scenario says nothing and a state has no default; None leaves such questions unanswered."""


@dataclass(frozen=True)
class Journals:
    """Where is kept what models say in a person's place."""

    run: Journal = field(default_factory=Journal)
    """Of one run: answers that were made up for it."""
    case: Journal = field(default_factory=Journal)
    """Shared by all runs of a case: a persona gives the same answer wherever it sees the same."""


class Player:
    """Answers by state as a scenario says; what it says nothing about takes its default, or is left to a persona."""

    def __init__(
        self, answers: Mapping[str, str], persona: Persona | None = None, *, made: bool = False
    ) -> None:
        self._answers = answers
        self.persona = persona
        self.made: list[tuple[str, str]] = list(answers.items()) if made else []
        """What a model said in a person's place, by state."""

    async def answer(self, state: State, question: str) -> str:
        """Return what is said. Raises: CannotPlay: who should say it says nothing."""
        said = self._answers.get(state.name)
        if said is None and state.default_value is None and self.persona is not None:
            answer = await self.persona.answer(state, question)
            self.made.append((state.name, answer))
            return answer
        return said or ""

    def hear(self, event: Event) -> None:
        """See what a person sees of a run."""
        if self.persona is not None:
            self.persona.hear(event)


class MockedModels(SameModels):
    """Models of which a scenario says, by state and visit, what they reply; for all else the real ones are asked."""

    def __init__(self, scenario: Scenario, models: Models) -> None:
        super().__init__(models)
        self._scenario = scenario
        self._visits: Counter[str] = Counter()
        self._script: ScriptedModels | None = None

    def chat(self, name: str, parameters: Mapping[str, Any]) -> BaseChatModel:
        """Return the model, or one that replies what the scenario says for the state that asks.

        Raises: ModelError: there is none of that name.
        """
        asking = now_asking()
        if asking is not None and asking.purpose is Purpose.ANSWER:
            reply = self._scenario.mock(asking.state, self._visits[asking.state])
            if reply is not None:
                self._visits[asking.state] += 1
                return ScriptedModels(Script(default=reply)).chat(name, parameters)
        return super().chat(name, parameters)


async def person_for(
    scenario: Scenario,
    workflow: Workflow,
    stage: Stage,
    *,
    models: Models | None = None,
    journals: Journals | None = None,
) -> Player:
    """Return who answers in a scenario; answers that are to be made up are made up now.

    Args:
        scenario: What is said.
        workflow: Which questions there are.
        stage: What it is played with.
        models: Instead of those of the stage.
        journals: Where is kept what models say in a person's place.

    Raises: CannotPlay: none could be made up.
    """
    journals = journals or Journals()
    if scenario.generated is not None:
        asked = models or stage.models
        return Player(await make_up(scenario.generated, workflow, asked, journals.run), made=True)
    answers = {answer.state: scenario.answer(answer.state) for answer in scenario.answers}
    if stage.simulator is None:
        return Player(answers)
    return Player(answers, Persona(card_of(scenario, workflow), stage.simulator, journals.case))


async def run_once(  # noqa: PLR0913  # a run is made of what it is run with
    scenario: Scenario,
    workflow: Workflow,
    stage: Stage,
    person: Player,
    *,
    models: Models | None = None,
    journal: Journal | None = None,
    listen: Listener = nobody,
) -> Outcome:
    """Run a workflow once for a scenario; `models` instead of those of the stage, where they are given."""

    def tell(event: Event) -> None:
        person.hear(event)
        listen(event)

    asked = models or stage.models
    mocked: Models = MockedModels(scenario, asked) if scenario.mocks else asked
    async with stage.starting() as tools:
        world = World(
            mocked,
            person,
            stage.reach,
            tools=tools,
            limits=stage.limits,
            journal=journal or Journal(),
            listen=tell,
        )
        return await run(workflow, world)


def runner(loaded: LoadedSuite, stage: Stage) -> RunScenario:
    """Return what runs the workflow of a test file once, for a scenario."""
    workflow = loaded.workflow.workflow

    async def run_scenario(scenario: Scenario, iteration: int) -> Outcome:  # noqa: ARG001  # a protocol's
        person = await person_for(scenario, workflow, stage)
        return await run_once(scenario, workflow, stage, person)

    return run_scenario
