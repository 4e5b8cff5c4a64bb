"""`python -m agents.worker JOB_DIR` as the launcher starts it: what holds for every kind of job."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents.jobs import JobOutcome, read_result
from agents.worker.__main__ import PROGRAM
from agents.worker.errors import WorkerError
from tests.worker.tiny_model import open_job, train_spec

ROOT = Path(__file__).parents[2]


def start(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agents.worker", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def nothing_to_finish(tmp_path: Path) -> Path:
    """Open a job that ends in a second and needs no torch."""
    return open_job(tmp_path / "job", train_spec(tmp_path / "model", tmp_path, finish_now=True))


def test_a_job_that_cannot_be_done_ends_with_a_sentence_for_the_person(tmp_path: Path) -> None:
    job = nothing_to_finish(tmp_path)

    ended = start(job)

    result = read_result(job)
    assert ended.returncode == 0
    assert result is not None
    assert (result.job_id, result.outcome) == ("job", JobOutcome.FAILED)
    assert result.error is not None
    assert (result.error.code, result.error.for_person) == ("no_checkpoint", True)
    assert "Traceback" in ended.stderr


def test_a_job_with_a_result_is_not_done_again(tmp_path: Path) -> None:
    job = nothing_to_finish(tmp_path)
    start(job)
    before = (job / "result.json").stat()

    ended = start(job)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert (job / "result.json").stat() == before


def test_a_second_process_leaves_the_first_alone(tmp_path: Path) -> None:
    job = nothing_to_finish(tmp_path)

    with (job / "worker.lock").open("w") as lock:
        lock.write("1234\n")
        lock.flush()
        # Shared, so that only a worker that wants the folder for itself is kept out.
        fcntl.flock(lock, fcntl.LOCK_SH)
        ended = start(job)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert (job / "worker.lock").read_text() == "1234\n"
    assert read_result(job) is None


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    job = nothing_to_finish(tmp_path)
    (job / "worker.lock").write_text("4321\n")

    start(job)

    assert read_result(job) is not None
    assert (job / "worker.lock").read_text().strip() not in ("", "4321", str(os.getpid()))


def test_a_spec_that_cannot_be_read_is_a_crash_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text('{"job_id": "x", "spec": {"kind": "dance"}}')

    ended = start(tmp_path)

    result = read_result(tmp_path)
    assert ended.returncode == 0
    assert result is not None
    assert result.error is not None
    assert (result.error.code, result.error.for_person) == ("crash", False)
    assert "\n" not in result.error.message
    assert result.job_id == tmp_path.name
    assert "ValidationError" in ended.stderr


@pytest.mark.parametrize("arguments", [(), ("no/such/folder",), (".", ".")])
def test_wrong_usage_is_told(arguments: tuple[str, ...]) -> None:
    ended = start(*arguments)

    assert ended.returncode == 2
    assert ended.stderr.startswith("usage:")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "out_of_memory"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
            "out_of_memory",
        ),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "crash"),
        (WorkerError("bad_data", "Row 3.", for_person=True), "bad_data"),
        (KeyError(), "crash"),
    ],
)
def test_every_exception_has_a_code(error: Exception, code: str) -> None:
    told = PROGRAM.explain(error)

    assert told.code == code
    assert told.message
    assert told.for_person == (code != "crash")


def test_importing_the_program_imports_nothing_heavy() -> None:
    code = (
        "import sys, json, agents.worker.__main__, agents.worker.course, agents.worker.measure;"
        "print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )

    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    heavy = {"torch", "transformers", "trl", "peft", "datasets", "evaluate", "accelerate"}
    assert not heavy & set(json.loads(ran.stdout))
