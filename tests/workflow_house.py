"""Runs that improve a workflow, in one process: the real graph, rows and jobs; models follow a script."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlmodel import Session

from agents import work
from agents.jobs import JobOutcome, WorkflowWish, read_result, requested_stop
from agents.workflow.__main__ import PROGRAM
from agents.workflow_loop import facts
from agents.workflow_loop.facts import Facts
from bot.surface import Person
from bot.uploads import Upload
from bot.workflow_start import StartWorkflow
from configs.schema import GateKind, WorkflowSettings
from storage import approvals, datasets
from storage.models import Approval, Decision, Phase, Run, Suggestion
from tests import loop_case
from tests.fakes import StubLauncher
from tests.house import ANNA, House, open_house


@dataclass
class DoingLauncher(StubLauncher):
    """Does the jobs of workflows for real, each at once and in this process."""

    done: list[str] = field(default_factory=list)
    dies: set[str] = field(default_factory=set)
    """Jobs that end without a result, once."""

    def start(self, folder: Path) -> str:
        """Do the job."""
        if folder.name in self.dies:
            self.dies.discard(folder.name)
            return f"stub:{folder.name}"
        if read_result(folder) is None and requested_stop(folder) is None:
            PROGRAM.main([str(folder)])
            self.done.append(folder.name)
        return f"stub:{folder.name}"


@dataclass
class WorkflowHouse:
    """What a test does with it."""

    house: House
    folder: Path
    launcher: DoingLauncher

    async def start(self, *, tests: bool = True, person: Person = ANNA, **wish: Any) -> int:
        """Start a run on the workflow of `loop_case`."""
        files = self.house.app.services.files
        suite = Upload(files.put(self.folder / "sorter.test.yaml"), "sorter.test.yaml")
        said = {"repeats": 2, "rounds": 3, "analysis_model": "analyst"} | wish
        run = await self.house.app.commands.start_workflow(
            StartWorkflow(
                key=f"log:{len(self.launcher.done)}",
                person=person,
                guild=None,
                home="log:channel",
                file=Upload(files.put(self.folder / "sorter.yaml"), "sorter.yaml"),
                tests=suite if tests else None,
                wish=WorkflowWish.model_validate(said),
            )
        )
        await self.house.settle()
        return work.number(run)

    async def run(self, run_id: int = 1) -> Run:
        """Return the run."""
        return await self.house.run(run_id)

    async def phase(self) -> Phase:
        """Return where it is."""
        return (await self.run()).phase

    async def known(self, run_id: int = 1) -> Facts:
        """Return all that is known of it."""
        services = self.house.app.services
        return await services.db.read(facts.read, services, run_id)

    async def asked(self, gate: GateKind, run_id: int = 1) -> Approval:
        """Return the newest question of a kind."""
        run = await self.run(run_id)
        found = await self.house.app.services.db.read(
            approvals.latest, run_id, gate.value, run.iteration
        )
        assert found is not None
        return found

    async def answer(
        self, gate: GateKind, decision: Decision = Decision.APPROVE, words: str | None = None
    ) -> None:
        """Answer the newest question of a kind."""
        asked = await self.asked(gate)
        assert asked.decision is Decision.OPEN
        assert asked.id is not None
        if words is None:
            await self.house.app.commands.decide(asked.id, None, ANNA, decision)
        else:
            await self.house.app.commands.reply(asked.id, ANNA, words)
        await self.house.settle()

    async def take(self, *places: int) -> None:
        """Take only these edits of the proposed change, from 0."""

        def choose(session: Session, run_id: int, iteration: int) -> None:
            for one in datasets.suggestions(session, run_id, iteration):
                one.taken = one.position in places
                session.add(one)

        run = await self.run()
        await self.house.app.services.db.write(choose, work.number(run), run.iteration)

    async def edits(self) -> list[Suggestion]:
        """Return the edits that are asked about."""
        run = await self.run()
        db = self.house.app.services.db
        return await db.read(datasets.suggestions, work.number(run), run.iteration)

    async def final(self) -> str:
        """Return the text that was handed over."""
        artifact = await self.house.app.services.db.read(datasets.artifact, 1, facts.WORKFLOW)
        assert artifact is not None
        return self.house.app.services.files.path(artifact.sha256).read_text()

    def outcomes(self) -> list[JobOutcome]:
        """Return how the jobs ended that were done, in order."""
        services = self.house.app.services
        found = [read_result(services.job_folder(name)) for name in self.launcher.done]
        return [one.outcome for one in found if one is not None]


@asynccontextmanager
async def open_workflow_house(
    folder: Path,
    *,
    cases: int = 8,
    told: dict[str, object] | None = None,
    **workflows: Any,
) -> AsyncIterator[WorkflowHouse]:
    """Open one, with the files of `loop_case` in a folder."""
    files = loop_case.write(folder / "files", cases, told)
    launcher = DoingLauncher()
    settings = WorkflowSettings(back_end="script", script=files / "script.json", **workflows)
    async with open_house(folder, stand_in=launcher, workflows=settings) as house:
        yield WorkflowHouse(house, files, launcher)
