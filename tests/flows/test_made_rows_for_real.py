"""The real programs that make rows by rules and hold them against all others, between a stand-in's rows and its training."""

import csv
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from agents.jobs import FileRef, GenerateSpec, JobKind, SiftResult, SiftSpec
from agents.launchers import program_of
from agents.made_wishes import of_option
from storage import datasets, jobs
from storage.models import Decision, Phase
from tests.facts import an_intake
from tests.fakes import StubLauncher
from tests.house import open_house
from tests.wire.zygote import ROOT

pytestmark = [pytest.mark.torch, pytest.mark.timeout(600)]
TASK = "Turn a support ticket into our short code"
COUNTS = {"train": 40, "dev": 20, "test": 30}


class RealMakers(StubLauncher):
    """Makes and sifts rows for real, each at once; all else is played."""

    def _succeed(self, folder, spec):
        if not isinstance(spec.spec, GenerateSpec | SiftSpec):
            super()._succeed(folder, spec)
            return
        program = [sys.executable, "-m", program_of(folder), str(folder)]
        subprocess.run(program, cwd=ROOT, check=True, capture_output=True)

    def _intake(self, folder, spec):
        with next((ROOT / "examples").glob("*.csv")).open(encoding="utf-8", newline="") as stream:
            rows = iter(list(csv.reader(stream))[1:])
        refs: dict[str, FileRef] = {}
        labels: list[str] = []
        for role, count in COUNTS.items():
            told = []
            for number in range(count):
                prompt, answer = next(rows)[:2]
                told.append(
                    {
                        "row": 100 * len(refs) + number,
                        "prompt": f"{TASK}\n\n{prompt}",
                        "completion": answer,
                    }
                )
                labels.append(answer)
            refs[role] = written(folder, role, told)
        sizes = {f"{role}_rows": count for role, count in COUNTS.items()}
        known = tuple(dict.fromkeys(labels))
        return an_intake(labels=known, distinct_completions=len(known), **sizes, **refs)


def written(folder, role, rows):
    path = folder / "artifacts" / f"{role}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return FileRef(path=f"artifacts/{role}.jsonl", sha256=sha256, size_bytes=path.stat().st_size)


def lines(path: Path):
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_rules_make_rows_of_the_upload_s_shape_that_repeat_no_held_out_row(tmp_path):
    async with open_house(tmp_path, stand_in=RealMakers()) as house:
        files = house.app.services.files

        async def rows_of(role):
            return lines(
                files.path((await house.app.services.db.read(datasets.find, 1, role)).sha256)
            )

        await house.start(made_rows=of_option("20"), goal=TASK)
        await house.answer(Decision.APPROVE)

        assert (await house.run()).phase is Phase.ENRICHING
        sift = await house.app.services.db.read(jobs.latest, 1, JobKind.SIFT)
        found = SiftResult.model_validate(sift.payload)
        # those that are held back are so for what they say, not for the task that stands before every row
        assert found.rows >= 10
        assert all("begin" not in why for one in found.sifted for _row, _text, why in one.examples)
        body = house.surface.question()["body"]
        struck = found.sample[0].row - 10**12
        assert f"**{struck}.** " in body
        await house.reply(f"strike {struck}")
        await house.answer(Decision.APPROVE)

        assert (await house.run()).phase is Phase.REVIEWING
        made, held_out = await rows_of("made.1"), [*await rows_of("dev"), *await rows_of("test")]
        assert len(made) == found.rows - 1
        assert all(row["prompt"].startswith(f"{TASK}\n\n") for row in made)
        assert {row["prompt"] for row in made}.isdisjoint(row["prompt"] for row in held_out)
        assert {row["completion"] for row in made} <= {
            row["completion"] for row in await rows_of("train")
        }
