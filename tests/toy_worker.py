"""A worker that trains nothing, as a program: `-m agents.worker FOLDER` through a wrapper that stands for Python.

The job id's end says what it does: `-ends` at once, `-beats` until asked to stop, `-hangs` after one beat, `-deaf` beats
and never listens. It starts a child of its own, as data loaders do.
"""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

from agents import jobs
from agents.jobs import JobOutcome, JobResult, Progress

STEP_S = 0.05


def main(folder: Path) -> int:
    lock = (folder / "worker.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0
    if jobs.read_result(folder) is not None:
        return 0
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    (folder / "runs").open("a").write("1\n")
    (folder / "environ").write_text("\n".join(f"{k}={v}" for k, v in os.environ.items()))
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (folder / "helper").write_text(str(helper.pid))
    job_id = jobs.read_spec(folder).job_id
    jobs.append_progress(folder, Progress(stage="training", step=1, steps=2))
    late = jobs.requested_stop(folder) is not None
    outcome = JobOutcome.CANCELLED if late else JobOutcome.SUCCEEDED
    while not late and not job_id.endswith("-ends"):
        time.sleep(STEP_S)
        if job_id.endswith("-hangs"):
            continue
        jobs.beat(folder)
        if jobs.requested_stop(folder) is not None and not job_id.endswith("-deaf"):
            outcome = JobOutcome.CANCELLED
            break
    helper.kill()
    helper.wait()
    jobs.write_result(folder, JobResult(job_id=job_id, outcome=outcome))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[-1])))
