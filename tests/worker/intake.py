"""Uploads for the tests of intake: a job folder with a spec, read in this process or in a real worker."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agents.jobs import (
    FileRef,
    IntakeResult,
    IntakeSpec,
    JobResult,
    JobSpec,
    read_result,
    write_spec,
)
from agents.worker.errors import WorkerError
from agents.worker.read_dataset import read_upload

ROOT = Path(__file__).parents[2]
SHARED_DATA = ROOT.parent / "shared" / "data"


def spec_of(folder: Path, content: bytes, **changes: object) -> IntakeSpec:
    """Store an upload in the folder and describe it."""
    upload = folder / "upload"
    upload.write_bytes(content)
    ref = FileRef(
        path=str(upload), sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content)
    )
    values: dict[str, object] = {
        "upload": ref,
        "task": "Say what the customer wants",
        "max_rows": 10_000,
        "max_unpacked_bytes": 64 * 2**20,
        "max_field_chars": 1000,
        "min_rows": 3,
        "memory_bytes": 2 * 2**30,
        "cpu_s": 60,
        "dev_fraction": 0.1,
        "test_fraction": 0.2,
        "max_test_rows": 200,
        "max_dev_rows": 100,
        "seed": 17,
    }
    return IntakeSpec.model_validate(values | changes)


def read(folder: Path, content: bytes | str, **changes: object) -> IntakeResult:
    """Read an upload in this process."""
    raw = content.encode() if isinstance(content, str) else content
    return read_upload(folder, spec_of(folder, raw, **changes))


def refusal(folder: Path, content: bytes | str, **changes: object) -> WorkerError:
    """Return the error that an upload is refused with; it must be one for the person."""
    with pytest.raises(WorkerError) as caught:
        read(folder, content, **changes)
    assert caught.value.for_person
    return caught.value


def read_by_worker(folder: Path, content: bytes, **changes: object) -> JobResult:
    """Read an upload the way the bot does: a process of its own, started on the folder."""
    write_spec(folder, JobSpec(job_id="job-1", spec=spec_of(folder, content, **changes)))
    done = subprocess.run(
        [sys.executable, "-m", "agents.worker", str(folder)],
        cwd=ROOT,
        env=os.environ | {"PYTHONWARNINGS": "error"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    result = read_result(folder)
    assert result is not None, done.stderr.decode()
    return result


def rows_of(folder: Path, result: IntakeResult) -> list[tuple[Any, Any]]:
    """Return all written (prompt, completion) pairs in the order of the uploaded file."""
    rows = [
        row for side in (result.train, result.dev, result.test) for row in written(folder, side)
    ]
    return [(row["prompt"], row["completion"]) for row in sorted(rows, key=lambda row: row["row"])]


def written(folder: Path, ref: FileRef) -> list[dict[str, Any]]:
    """Return the rows of one side."""
    return [json.loads(line) for line in (folder / ref.path).read_bytes().splitlines()]


def csv_of(rows: int, header: str = "prompt,completion") -> str:
    """Return a CSV with so many rows, all different."""
    return (
        header
        + "\n"
        + "".join(f"Where is order {i}?,order {i} is on its way\n" for i in range(rows))
    )
