"""A whole Tunewright in one process for tests: real rows, graph, files and feed; worker, chat and clock are fakes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlmodel import Session

from agents import work
from agents.llm import LLM
from bot.answering import Reaction
from bot.app import App, open_app
from bot.commands import Start
from bot.surface import Person
from configs.schema import GateKind, LLMSettings, Settings
from storage import jobs, runs
from storage.models import Decision, Phase, Run
from tests.fakes import LogSurface, SetClock, StubLauncher

ANNA = Person("log:anna", "Anna")
BEN = Person("log:ben", "Ben")


@dataclass
class House:
    """What a test does with it."""

    app: App
    surface: LogSurface
    launcher: StubLauncher
    clock: SetClock

    async def start(self, key: str = "log:1", person: Person = ANNA, **wish: Any) -> int:
        file = self.app.services.files.put(b"text,label\nhello,a\n")
        start = Start(
            **{
                "key": key,
                "person": person,
                "guild": None,
                "home": "log:channel",
                "goal": "Sort tickets",
                "file": file,
                "file_name": "tickets.csv",
            }
            | wish
        )
        run = await self.app.commands.start(start)
        await self.settle()
        return work.number(run)

    async def settle(self) -> None:
        """Look, drive and show until nothing moves any more."""
        before = None
        while before != (before := await self._marks()):
            await self.app.driver.settle()
            await self.app.dispatcher.look()
            await self.app.driver.settle()
            await self.app.pump()
            await self.app.keeper.look()

    async def answer(self, decision: Decision, person: Person = ANNA) -> Reaction:
        question = self.surface.question()
        assert question is not None, "nobody is asking anything"
        reaction = await self.app.commands.decide(question["question"], None, person, decision)
        await self.settle()
        return reaction

    async def deliver(self) -> None:
        """Start a run and approve all it asks, until it is delivered."""
        await self.start()
        while (await self.run()).phase is not Phase.DELIVERED:
            await self.answer(Decision.APPROVE)

    async def reply(self, words: str, person: Person = ANNA) -> Reaction:
        question = self.surface.question()
        assert question is not None, "nobody is asking anything"
        reaction = await self.app.commands.reply(question["question"], person, words)
        await self.settle()
        return reaction

    async def run(self, run_id: int = 1) -> Run:
        return await self.app.services.db.read(runs.get, run_id)

    def titles(self) -> list[str]:
        return [message["title"] for message in self.surface.messages()]

    async def _marks(self) -> Any:
        return await self.app.services.db.read(_rows), len(self.surface.lines())


def _rows(session: Session) -> Any:
    found = runs.recent(session)
    states = [
        (job.id, job.state) for run in found for job in jobs.of_run(session, work.number(run))
    ]
    return [(run.id, run.version, run.thread) for run in found], states


def settings_for(folder: Path, **sections: Any) -> Settings:
    return Settings(data_dir=folder / "data", **sections)


@asynccontextmanager
async def open_house(
    folder: Path,
    *,
    script: dict[str, str] | None = None,
    clock: SetClock | None = None,
    llm: LLM | None = None,
    llm_timeout_s: float = 60.0,
    llm_settings: dict[str, Any] | None = None,
    stand_in: StubLauncher | None = None,
    **sections: Any,
) -> AsyncIterator[House]:
    surface = LogSurface(folder / "chat.log")
    launcher = stand_in or StubLauncher(script or {})
    clock = clock or SetClock()
    async with open_app(
        settings_for(
            folder,
            llm=LLMSettings(**{"timeout_s": llm_timeout_s} | (llm_settings or {})),
            **sections,
        ),
        surfaces=[surface],
        launcher=launcher,
        clock=clock,
        llm_override=llm,
    ) as app:
        yield House(app, surface, launcher, clock)


EVERY_GATE = tuple(GateKind)
