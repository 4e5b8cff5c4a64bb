"""The files of a job that makes rows."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agents.jobs import Fact, FileRef, write_atomically

DRAFTS = "artifacts/drafts.jsonl"


class BadFile(Exception):
    """A file is not what its spec says. `str()` is for a person."""


def records(file: FileRef, folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a JSONL file. Raises: BadFile: it is gone, or not the one that was meant."""
    found: list[dict[str, Any]] = [json.loads(line) for line in _lines(file, folder)]
    return found


def facts(file: FileRef | None, folder: Path) -> tuple[Fact, ...]:
    """Return the passages of a file; none without one. Raises: BadFile: it is gone, or not the one that was meant."""
    if file is None:
        return ()
    return tuple(Fact.model_validate_json(line) for line in _lines(file, folder))


def write_drafts(folder: Path, drafts: Iterable[Mapping[str, Any]]) -> FileRef:
    """Write drafts into the job's folder, whole or not at all."""
    lines = (json.dumps(draft, ensure_ascii=False) + "\n" for draft in drafts)
    content = "".join(lines).encode()
    (folder / DRAFTS).parent.mkdir(exist_ok=True)
    write_atomically(folder / DRAFTS, content)
    digest = hashlib.sha256(content).hexdigest()
    return FileRef(path=DRAFTS, sha256=digest, size_bytes=len(content))


def _lines(file: FileRef, folder: Path) -> list[bytes]:
    named = file.name or Path(file.path).name
    try:
        content = (folder / file.path).read_bytes()
    except FileNotFoundError as error:
        raise BadFile(f"{named} is gone. Start the run again from its upload.") from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise BadFile(
            f"{named} has changed since it was checked. Start the run again from its upload."
        )
    return [line for line in content.splitlines() if line.strip()]
