"""Play one scenario on one workflow, once: seeded, journaled, and with what was said kept for whoever looks for the fault."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel

from agents.workflow.events import Event, PromptSent, Purpose, Reply
from agents.workflow.evidence import Said
from agents.workflow.journal import Journal
from agents.workflow.load import Loaded
from agents.workflow.outcome import Outcome
from agents.workflow.outside import Models, SameModels
from agents.workflow.playing import Played, play_once
from agents.workflow.scenario_runs import Journals, Player, Stage, person_for, run_once
from agents.workflow.suite import Scenario


@dataclass(frozen=True)
class Performed:
    """What came of one run of a scenario."""

    scenario: Scenario
    played: Played
    said: tuple[Said, ...]
    made: tuple[tuple[str, str], ...]
    """What a model answered in a person's place, by state."""
    person_calls: int
    person_tokens: int


class SeededModels(SameModels):
    """The same models, each call with a seed unless the workflow says one itself."""

    def __init__(self, models: Models, seed: int) -> None:
        super().__init__(models)
        self._seed = seed

    def chat(self, name: str, parameters: Mapping[str, Any]) -> BaseChatModel:
        """Return the model. Raises: ModelError: there is none of that name."""
        return super().chat(name, {"seed": self._seed, **parameters})


async def perform(
    scenario: Scenario, loaded: Loaded, stage: Stage, *, seed: int, run: Journal, case: Journal
) -> Performed:
    """Play a scenario once.

    Args:
        scenario: What is said, and what should be so.
        loaded: The workflow.
        stage: What it is played with.
        seed: Of all calls, where the workflow has none itself.
        run: Journal of this run.
        case: Journal of all runs of this scenario, for who plays its person.
    """
    said: list[Said] = []
    people: list[Player] = []
    models = SeededModels(stage.models, seed)

    async def run_scenario(one: Scenario, _iteration: int) -> Outcome:
        workflow = loaded.workflow
        person = await person_for(one, workflow, stage, models=models, journals=Journals(run, case))
        people.append(person)
        listen = _witness(said)
        return await run_once(
            one, workflow, stage, person, models=models, journal=run, listen=listen
        )

    played = await play_once(scenario, run_scenario)
    personas = [one.persona for one in people if one.persona is not None]
    return Performed(
        scenario,
        played,
        tuple(said),
        tuple(one for person in people for one in person.made),
        sum(one.calls for one in personas),
        sum(one.tokens for one in personas),
    )


def _witness(said: list[Said]) -> Callable[[Event], None]:
    asked: dict[str, str] = {}

    def listen(event: Event) -> None:
        if isinstance(event, PromptSent) and event.purpose is Purpose.ANSWER:
            asked[event.state] = event.prompt
        elif isinstance(event, Reply) and event.purpose is Purpose.ANSWER:
            said.append(Said(event.state, asked.get(event.state, ""), event.text))

    return listen
