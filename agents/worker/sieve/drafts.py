"""Rows as the sieves see them: those of the upload, and drafts as far as they can be read."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agents.jobs import MADE_ROWS, FileRef, Provenance
from agents.worker.checks.texts import normal
from agents.worker.digests import sha256_of
from agents.worker.errors import WorkerError
from agents.worker.lines import Line, text_of

MADE = "made"
GONE = "The prepared rows are gone or have changed since they were checked. Start a new run."


@dataclass(frozen=True)
class Known:
    """A row of the upload, as plain text."""

    parts: dict[str, Any]
    prompt: str
    answer: str

    @cached_property
    def words(self) -> str:
        """The prompt without its spelling."""
        return normal(self.prompt) or self.prompt.strip()

    @cached_property
    def said(self) -> str:
        """The answer without its spelling."""
        return normal(self.answer)


@dataclass(frozen=True)
class Draft(Known):
    """A draft; where it could not be read, `fault` says why and the rest may be empty."""

    line: str = ""
    """As it stands in the file."""
    number: int = 0
    made: Provenance | None = None
    fault: str | None = None
    own: str = field(default="")
    """The prompt without what all prompts of the upload begin with."""

    @cached_property
    def words(self) -> str:
        """The words of its own part of the prompt."""
        return normal(self.own) or self.own.strip()


def read_known(ref: FileRef, folder: Path) -> list[Known]:
    """Read rows of the upload.

    Raises: WorkerError: the file is gone or is not the one that was checked.
    """
    return [_known(json.loads(line)) for line in _lines(ref, folder)]


def frame_of(prompts: Sequence[str]) -> str:
    """Return the lines that all prompts begin with, such as the task; nothing where that leaves nothing of one of them."""
    if len(set(prompts)) < 2:
        return ""
    first, last = min(prompts), max(prompts)  # what these share, all between them share
    pairs = enumerate(zip(first, last, strict=False))
    differs = next((i for i, (one, other) in pairs if one != other), min(len(first), len(last)))
    frame = first[: first.rfind("\n", 0, differs) + 1]
    return frame if all(prompt[len(frame) :].strip() for prompt in prompts) else ""


def without_frame(rows: Iterable[Known], frame: str) -> list[Known]:
    """Return rows of the upload with their own part of the prompt alone."""
    return [Known(row.parts, row.prompt.removeprefix(frame), row.answer) for row in rows]


def read_drafts(ref: FileRef, folder: Path, frame: str, most_chars: int) -> Iterator[Draft]:
    """Read drafts one at a time; a line that is none is a draft with a fault.

    Raises: WorkerError: the file is gone or has changed.
    """
    seen: set[int] = set()
    for raw in _lines(ref, folder):
        # a text may be twelve times as long in JSON as it is
        if len(raw) > 12 * most_chars + 10_000:
            yield _unread("its line is too long to be looked at")
            continue
        draft = _draft(raw.decode(errors="replace"), frame)
        if draft.fault is None and draft.number in seen:
            draft = _unread("another draft has its number")
        seen.add(draft.number)
        yield draft


def _draft(line: str, frame: str) -> Draft:
    try:
        record = json.loads(line)
        number = record["row"]
        made = Provenance.model_validate(record[MADE])
        known = _known(record)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = (
            "where it is from is not told" if isinstance(error, ValidationError) else "it is no row"
        )
        return _unread(what)
    if type(number) is not int or number <= MADE_ROWS:
        return _unread("it is not numbered as a made row")
    own = known.prompt.removeprefix(frame)
    framed = "text" in known.parts or known.prompt.startswith(frame)
    fault = None if framed else "it does not begin as all your rows do"
    return Draft(known.parts, known.prompt, known.answer, line, number, made, fault, own)


def _unread(fault: str) -> Draft:
    return Draft({}, "", "", fault=fault)


def _known(record: dict[str, Any]) -> Known:
    parts = {name: value for name, value in record.items() if name not in {"row", MADE}}
    line = Line(0, parts)
    answer = "" if "text" in parts else line.answered
    if "chosen" in parts:  # what a pair says is right
        answer = text_of(parts["chosen"])
    return Known(parts, line.asked, answer)


def _lines(ref: FileRef, folder: Path) -> Iterator[bytes]:
    path = folder / ref.path
    if not path.is_file() or sha256_of(path) != ref.sha256:
        raise WorkerError("bad_data", GONE, for_person=True)
    with path.open("rb") as stream:
        yield from (line.rstrip(b"\n") for line in stream if line.strip())
