"""Reading and writing a job folder."""

import os
from pathlib import Path

from agents.jobs.envelopes import JobResult, JobSpec, Progress
from agents.jobs.messages import StopMode

MAX_RESULT_BYTES = 16 * 2**20


MAX_PROGRESS_LINE_BYTES = 16 * 2**10


def write_spec(folder: Path, spec: JobSpec) -> None:
    """Write `spec.json`, whole or not at all. Writing the same spec again is harmless."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "spec.json", spec.model_dump_json(indent=1).encode())


def read_spec(folder: Path) -> JobSpec:
    """Read `spec.json`.

    Raises: FileNotFoundError: there is none. pydantic.ValidationError: it is not a spec of this version.
    """
    return JobSpec.model_validate_json((folder / "spec.json").read_bytes())


def append_progress(folder: Path, progress: Progress) -> None:
    """Append one line and touch the heartbeat: to be called by the step that it tells of."""
    with (folder / "progress.jsonl").open("ab") as lines:
        lines.write(progress.model_dump_json(exclude_none=True).encode() + b"\n")
    beat(folder)


def beat(folder: Path) -> None:
    """Say "a step was done" without having anything to tell."""
    (folder / "heartbeat").touch()


def read_progress(folder: Path) -> list[Progress]:
    """Read all whole lines of `progress.jsonl`; a torn last line and lines of another version are left out."""
    try:
        text = (folder / "progress.jsonl").read_bytes()
    except FileNotFoundError:
        return []
    whole, _, _ = text.rpartition(b"\n")
    return [line for raw in whole.split(b"\n") if (line := _progress(raw)) is not None]


def heartbeat_mark(folder: Path) -> int | None:
    """Return a number that changes with every beat, or None before the first one."""
    try:
        return (folder / "heartbeat").stat().st_mtime_ns
    except FileNotFoundError:
        return None


def request_stop(folder: Path, mode: StopMode) -> None:
    """Ask the worker to stop at its next step. A later request replaces an earlier one."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "stop", mode.value.encode())


def requested_stop(folder: Path) -> StopMode | None:
    """Return what the bot asked for, if anything."""
    try:
        return StopMode((folder / "stop").read_text().strip())
    except FileNotFoundError:
        return None


def write_result(folder: Path, result: JobResult) -> None:
    """Write `result.json`: the last thing a worker does."""
    write_atomically(folder / "result.json", result.model_dump_json(indent=1).encode())


def read_result(folder: Path) -> JobResult | None:
    """Return the result, or None while there is none.

    Raises: ValueError: the file is too large or not a result (pydantic.ValidationError is a ValueError).
    """
    path = folder / "result.json"
    try:
        size_bytes = path.stat().st_size
    except FileNotFoundError:
        return None
    if size_bytes > MAX_RESULT_BYTES:
        raise ValueError(f"result.json has {size_bytes} bytes, more than {MAX_RESULT_BYTES}")
    return JobResult.model_validate_json(path.read_bytes())


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file so that readers, and a crash, see the old bytes or the new ones."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _progress(raw: bytes) -> Progress | None:
    if len(raw) > MAX_PROGRESS_LINE_BYTES:
        return None
    try:
        return Progress.model_validate_json(raw)
    except ValueError:
        return None
