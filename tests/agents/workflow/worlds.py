"""Worlds for a test to run a workflow in."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.workflow.events import Event
from agents.workflow.model import State
from agents.workflow.outcome import Outcome
from agents.workflow.outside import PersonLeft
from agents.workflow.reach import Reach
from agents.workflow.run import run
from agents.workflow.scripted import Script, ScriptedModels
from agents.workflow.tools import Tool, Used
from agents.workflow.world import World
from tests.agents.workflow.written import loaded


class ListedPerson:
    """Answers from a list per state; whoever is asked once too often leaves."""

    def __init__(self, answers: Mapping[str, Sequence[str]] | None = None) -> None:
        self._left = {state: list(given) for state, given in (answers or {}).items()}
        self.asked: list[tuple[str, str]] = []

    async def answer(self, state: State, question: str) -> str:
        self.asked.append((state.name, question))
        given = self._left.get(state.name)
        if not given:
            raise PersonLeft(f"the list has no answer for “{state.name}”")
        return given.pop(0)


class FakeTools:
    """Tools that are Python functions."""

    def __init__(self, **results: Any) -> None:
        self._results = results
        self.used: list[tuple[str, Mapping[str, Any]]] = []
        self.asked_for: list[list[str]] = []

    async def offered(self, servers: Sequence[str]) -> Sequence[Tool]:
        self.asked_for.append(list(servers))
        return [Tool(servers[0], name, "", {"type": "object"}) for name in self._results]

    async def use(self, tool: Tool, arguments: Mapping[str, Any]) -> Used:
        self.used.append((tool.name, arguments))
        result = self._results[tool.name]
        if isinstance(result, Exception):
            raise result
        return result if isinstance(result, Used) else Used(str(result))


@dataclass
class Ran:
    """What came of a run, and what was seen of it."""

    outcome: Outcome
    events: list[Event]
    models: ScriptedModels
    person: ListedPerson

    def prompts(self) -> list[str]:
        """Return what the models were shown, in order."""
        return [asked["text"] for asked in self.models.asked]

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@dataclass
class Given:
    """What a run is given."""

    script: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    world: Mapping[str, Any] = field(default_factory=dict)


def ran(folder: Path, text: str, given: Given | None = None, **world: Any) -> Ran:
    """Run a workflow that is written here, with models by a script."""
    given = given or Given()
    workflow = loaded(folder, text).workflow
    models = ScriptedModels(Script.model_validate(dict(given.script)))
    person = ListedPerson(given.answers)
    events: list[Event] = []
    place: dict[str, Any] = {"reach": Reach(cwd=None), "listen": events.append}
    whole = World(models, person, **{**place, **given.world, **world})
    return Ran(asyncio.run(run(workflow, whole)), events, models, person)
