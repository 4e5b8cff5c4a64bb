"""Files that a job for a workflow writes into its folder: texts by their hash, each once."""

import difflib
import hashlib
from pathlib import Path

from agents.jobs import FileRef, write_atomically

ARTIFACTS = "artifacts"
MAX_DIFF_LINES = 200


def kept_text(folder: Path, text: str, ending: str = ".yaml") -> FileRef:
    """Write a text into the job's folder, and return what names it: its path in the folder and its hash."""
    content = text.encode()
    sha256 = hashlib.sha256(content).hexdigest()
    name = f"{ARTIFACTS}/{sha256}{ending}"
    (folder / ARTIFACTS).mkdir(exist_ok=True)
    write_atomically(folder / name, content)
    return FileRef(path=name, sha256=sha256, size_bytes=len(content))


def diff(before: str, after: str) -> str:
    """Return what is different between two texts as a unified diff, cut where it gets long."""
    lines = list(
        difflib.unified_diff(
            before.splitlines(), after.splitlines(), "before", "after", n=2, lineterm=""
        )
    )
    if len(lines) > MAX_DIFF_LINES:
        more = len(lines) - MAX_DIFF_LINES
        lines = [*lines[:MAX_DIFF_LINES], f"… and {more} more lines"]
    return "\n".join(lines)
