"""The folder of a run: what it was, what it has paid for, and on request every event of it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from agents.workflow.events import Event, Token, as_json
from agents.workflow.model import Workflow

METADATA, TRACE, JOURNAL = "run-metadata.json", "trace.log", "journal.jsonl"
MAX_SLUG_CHARS = 50
MAX_TRACED_CHARS = 2000
"""Of a text in the trace; its whole length stands beside it."""
_NOT_IN_SLUGS = re.compile(r"[^a-z0-9]+")


def open_folder(runs: Path, workflow: Workflow, now: datetime) -> Path:
    """Make the folder of a new run, which no other run has.

    Args:
        runs: Where all of them are.
        workflow: What is run.
        now: With a time zone.
    """
    slug = _NOT_IN_SLUGS.sub("-", workflow.name.lower()).strip("-")[:MAX_SLUG_CHARS] or "workflow"
    stem = f"{slug}-{now.astimezone(UTC):%Y-%m-%dT%H-%M-%S}"
    runs.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = runs / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
            continue
        break
    folder = folder.resolve()
    metadata = {
        "workflowName": workflow.name,
        "timestamp": now.astimezone(UTC).isoformat(),
        "runDirectory": str(folder),
        "workflowFile": str(workflow.file),
    }
    written = json.dumps(metadata, indent=2, ensure_ascii=False) + "\n"
    (folder / METADATA).write_text(written, encoding="utf-8")
    return folder


@dataclass
class Trace:
    """Writes every event but single tokens into a file, a line of JSON each; a run that goes on adds to it."""

    file: TextIO

    def write(self, event: Event) -> None:
        """Write an event."""
        if isinstance(event, Token):
            return
        entry = {"at": datetime.now(UTC).isoformat(), **_cut(as_json(event))}
        self.file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        self.file.flush()

    def __enter__(self) -> "Trace":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.file.close()


def open_trace(folder: Path) -> Trace:
    """Open the trace of a run."""
    return Trace((folder / TRACE).open("a", encoding="utf-8", errors="backslashreplace"))


def _cut(plain: Mapping[str, Any]) -> dict[str, Any]:
    cut: dict[str, Any] = {}
    for key, value in plain.items():
        if isinstance(value, dict | list):
            value = _short_or_text(value)
        if isinstance(value, str) and len(value) > MAX_TRACED_CHARS:
            cut[key] = value[:MAX_TRACED_CHARS] + "…"
            cut[f"{key}_chars"] = len(value)
        else:
            cut[key] = value
    return cut


def _short_or_text(value: dict[str, Any] | list[Any]) -> dict[str, Any] | list[Any] | str:
    """Return nested data as it is, or as text where that is too long to stay."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) > MAX_TRACED_CHARS else value
