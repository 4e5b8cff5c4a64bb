"""The frame of a program that does jobs: one process at a time in a folder, and every failure ends in a result."""

import fcntl
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from agents.jobs.envelopes import JobError, JobResult, JobSpec, Progress
from agents.jobs.folder import append_progress, read_spec, write_result
from agents.jobs.messages import JobKind, JobOutcome
from agents.jobs.reporting import Stopped

CRASH_CHARS = 300


@dataclass(frozen=True)
class Program:
    """What a program can do, and how it tells what went wrong."""

    name: str
    """As `python -m NAME JOB_DIR`."""
    modules: Mapping[JobKind, str]
    """Each has `run(folder, spec) -> JobResult` and imports what is heavy only when it is imported itself."""
    known: Callable[[Exception], JobError | None] = lambda _error: None
    """Return what to say of an error that the program raises on purpose; None: it is a crash."""

    def main(self, arguments: list[str]) -> int:
        """Do the job in the folder named by the one argument and return the exit code.

        0: a result exists, or another process is at it. 2: wrong usage.
        """
        if len(arguments) != 1 or not Path(arguments[0]).is_dir():
            sys.stderr.write(f"usage: python -m {self.name} JOB_DIR\n")
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
            write_result(folder, self.do(folder))
        return 0

    def do(self, folder: Path) -> JobResult:
        """Run the module that the spec asks for; whatever goes wrong becomes a result."""
        job: JobSpec | None = None
        try:
            job = read_spec(folder)
            append_progress(folder, Progress(stage="starting"))
            module = importlib.import_module(self.modules[job.spec.kind])
            result: JobResult = module.run(folder, job.spec)
        except Stopped as stopped:
            result = JobResult(job_id=folder.name, outcome=stopped.outcome)
        except Exception as error:  # noqa: BLE001  # the outermost frame: every failure ends in a result
            traceback.print_exc()
            told = self.explain(error)
            result = JobResult(job_id=folder.name, outcome=JobOutcome.FAILED, error=told)
        return result.model_copy(update={"job_id": job.job_id if job else folder.name})

    def explain(self, error: Exception) -> JobError:
        """Turn an exception into what the bot may show or log."""
        known = self.known(error)
        if known is not None:
            return known
        lines = str(error).strip().splitlines()
        line = f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(": ")
        return JobError(code="crash", message=line[:CRASH_CHARS])
