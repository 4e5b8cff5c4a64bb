"""Do the job that lies in a folder: `python -m agents.worker JOB_DIR`.

Reads `spec.json`, writes `result.json` last. Starting it twice is harmless: one process at a time holds `worker.lock`,
and a folder with a result is done. Exit code 0 says that a result exists or another process is at it, 2 wrong usage.
SIGTERM ends the process at once; a checkpoint is only valid with its manifest, so nothing half-written counts.
"""

import faulthandler
import os
import sys

from agents.jobs import OUT_OF_MEMORY, JobError, JobKind
from agents.jobs.program import Program
from agents.worker.errors import WorkerError, is_out_of_memory

ENVIRONMENT = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0"),  # one job, one GPU
}
NO_MEMORY = (
    "The machine ran out of memory. Use fewer rows at once (micro_batch_size), shorter rows (max_length_tokens) "
    "or a smaller model."
)


def known(error: Exception) -> JobError | None:
    """Return what is said of an error that a worker raises on purpose, or that every machine may have."""
    if isinstance(error, WorkerError):
        return JobError(code=error.code, message=error.message, for_person=error.for_person)
    if is_out_of_memory(error):
        return JobError(code=OUT_OF_MEMORY, message=NO_MEMORY, for_person=True)
    return None


PROGRAM = Program(
    name="agents.worker",
    modules={
        JobKind.INTAKE: "agents.worker.read_dataset",
        JobKind.MEASURE: "agents.worker.measure",
        JobKind.SELECT: "agents.worker.select_model",
        JobKind.TRAIN: "agents.worker.course",
        JobKind.TRAIN_REWARD: "agents.worker.course",
        JobKind.INSPECT: "agents.worker.inspect_rows",
        JobKind.EVALUATE: "agents.worker.evaluate_model",
        JobKind.EXPLAIN: "agents.worker.explain_answer",
        JobKind.EXPORT: "agents.worker.export_model",
        JobKind.SIFT: "agents.worker.sift_rows",
    },
    known=known,
)


if __name__ == "__main__":
    faulthandler.enable()
    os.environ.update(ENVIRONMENT)
    sys.exit(PROGRAM.main(sys.argv[1:]))
