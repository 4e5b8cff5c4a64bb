"""One run of the real graph whose answers a language model judges, trained and measured by the real worker."""

import asyncio
import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agents import jobs
from agents.jobs import (
    EvaluateResult,
    EvaluateSpec,
    IntakeSpec,
    JobOutcome,
    JobResult,
    TrainSpec,
)
from agents.llm import RuleLLM
from agents.recipe import Metric, RecipeChange
from configs.schema import LauncherSettings, ModelSettings
from storage import jobs as rows
from storage.models import Decision, Phase
from tests.facts import an_intake
from tests.fakes import StubLauncher
from tests.house import House, open_house
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import colours, write_rows

pytestmark = pytest.mark.torch

WISHES = {
    "rewards": '{"kind": "judge", "criterion": "Has many vowels"}',
    "max_steps": 12,
    "learning_rate": 0.02,
    "max_new_tokens": 8,
    "max_test_rows": 20,
}


@dataclass
class RealWorkers(StubLauncher):
    """Starts the real worker for what asks the judge; all else is played, with rows that the tiny model can learn from."""

    worker: ForkServer | None = None
    threads: dict[Path, threading.Thread] = field(default_factory=dict)

    def start(self, folder: Path) -> str:
        spec = jobs.read_spec(folder).spec
        if isinstance(spec, IntakeSpec):
            return self._read(folder)
        if not isinstance(spec, TrainSpec | EvaluateSpec):
            return super().start(folder)
        assert self.worker is not None
        thread = threading.Thread(target=self.worker.status, args=[folder])
        self.threads[folder] = thread
        thread.start()
        return folder.name

    def _read(self, folder: Path) -> str:
        (folder / "artifacts").mkdir()
        refs = {}
        for role, begin, end in (("train", 0, 250), ("dev", 250, 260), ("test", 260, 280)):
            written = write_rows(folder / f"artifacts/{role}.jsonl", colours(end)[begin:])
            refs[role] = written.model_copy(update={"path": f"artifacts/{role}.jsonl"})
        payload = an_intake(**refs)
        done = JobResult(job_id=folder.name, outcome=JobOutcome.SUCCEEDED, payload=payload)
        jobs.write_result(folder, done)
        return folder.name

    def alive(self, folder: Path, handle: str | None) -> bool:
        return folder in self.threads and self.threads[folder].is_alive()


def rule(_instructions: str, fenced: str) -> dict[str, Any]:
    answer = json.loads(fenced.removeprefix("<<<DATA\n").removesuffix("\nDATA>>>"))["answer"]
    return {"score": min(10, 2 * sum(answer.count(letter) for letter in "aeiou"))}


async def moved_on(house: House, phase: Phase) -> None:
    end_s = time.monotonic() + 300
    while (run := await house.run()).phase is not phase:
        assert time.monotonic() < end_s
        assert run.phase is not Phase.FAILED, run.failure
        await asyncio.sleep(0.1)
        await house.settle()


async def test_a_run_learns_what_its_judge_likes(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    llm = RuleLLM(rule)
    async with open_house(
        tmp_path,
        llm=llm,
        stand_in=RealWorkers(worker=worker),
        models=ModelSettings(catalogue={"tiny": f"folder:{tiny}"}, default="tiny"),
        launcher=LauncherSettings(threads=1),
    ) as house:
        wishes = [RecipeChange.model_validate({"field": f, "value": v}) for f, v in WISHES.items()]
        await house.start(method="grpo", wishes=wishes)
        body = house.surface.question()["body"]
        await house.answer(Decision.APPROVE)
        await moved_on(house, Phase.REVIEWING)

        job = await house.app.services.db.read(rows.latest, 1, "evaluate")
        result = EvaluateResult.model_validate(job.payload)
        verdict = house.surface.question()["body"]
    asked = {json.loads(data[8:-8])["answer"] for _, data in llm.asked}
    assert "up to about **332 times**" in body
    assert (result.primary.metric, result.judge) == (Metric.REWARD, "rule (fake)")
    assert 0 < result.primary.base < result.primary.tuned
    assert "opinions of the language model rule" in verdict
    assert len(asked) > 20
    assert len(llm.asked) == len(set(llm.asked)) <= 332
