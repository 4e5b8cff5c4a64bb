"""Do the job that lies in a folder: `python -m agents.worker JOB_DIR`.

Reads `spec.json`, writes `result.json` last. Starting it twice is harmless: one process at a time holds `worker.lock`,
and a folder with a result is done. Exit code 0 says that a result exists or another process is at it, 2 wrong usage.
SIGTERM ends the process at once; a checkpoint is only valid with its manifest, so nothing half-written counts.
"""

import faulthandler
import fcntl
import importlib
import os
import sys
import traceback
from pathlib import Path

from agents.jobs import (
    OUT_OF_MEMORY,
    JobError,
    JobKind,
    JobOutcome,
    JobResult,
    JobSpec,
    Progress,
    append_progress,
    read_spec,
    write_result,
)
from agents.worker.errors import WorkerError, is_out_of_memory
from agents.worker.progress import Stopped

PROGRAMS = {
    JobKind.INTAKE: "agents.worker.read_dataset",
    JobKind.MEASURE: "agents.worker.measure",
    JobKind.SELECT: "agents.worker.select_model",
    JobKind.TRAIN: "agents.worker.course",
    JobKind.TRAIN_REWARD: "agents.worker.course",
    JobKind.INSPECT: "agents.worker.inspect_rows",
    JobKind.EVALUATE: "agents.worker.evaluate_model",
    JobKind.EXPLAIN: "agents.worker.explain_answer",
    JobKind.EXPORT: "agents.worker.export_model",
}
"""Each module has `run(folder, spec) -> JobResult` and imports what is heavy only when it is imported itself."""

ENVIRONMENT = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0"),  # one job, one GPU
}
NO_MEMORY = (
    "The machine ran out of memory. Use fewer rows at once (micro_batch_size), shorter rows (max_length_tokens) "
    "or a smaller model."
)


def main(arguments: list[str]) -> int:
    """Do the job in the folder named by the one argument and return the exit code."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        sys.stderr.write("usage: python -m agents.worker JOB_DIR\n")
        return 2
    folder = Path(arguments[0]).resolve()
    with (folder / "worker.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        if (folder / "result.json").exists():
            return 0
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        write_result(folder, do(folder))
    return 0


def do(folder: Path) -> JobResult:
    """Run the program that the spec asks for; whatever goes wrong becomes a result."""
    job: JobSpec | None = None
    try:
        job = read_spec(folder)
        append_progress(folder, Progress(stage="starting"))
        program = importlib.import_module(PROGRAMS[job.spec.kind])
        result: JobResult = program.run(folder, job.spec)
    except Stopped as stopped:
        result = JobResult(job_id=folder.name, outcome=stopped.outcome)
    except Exception as error:  # noqa: BLE001  # the outermost frame: every failure ends in a result
        traceback.print_exc()
        result = JobResult(job_id=folder.name, outcome=JobOutcome.FAILED, error=explain(error))
    return result.model_copy(update={"job_id": job.job_id if job else folder.name})


def explain(error: Exception) -> JobError:
    """Turn an exception into what the bot may show or log."""
    if isinstance(error, WorkerError):
        return JobError(code=error.code, message=error.message, for_person=error.for_person)
    if is_out_of_memory(error):
        return JobError(code=OUT_OF_MEMORY, message=NO_MEMORY, for_person=True)
    lines = str(error).strip().splitlines()
    line = f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(": ")
    return JobError(code="crash", message=line[:300])


if __name__ == "__main__":
    faulthandler.enable()
    os.environ.update(ENVIRONMENT)
    sys.exit(main(sys.argv[1:]))
