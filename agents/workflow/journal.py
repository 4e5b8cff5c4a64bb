"""What a run has paid for, kept on disk before it is used: a run that is killed goes on without asking again.

A line per thing that was finished: a model's reply, a tool's result, a person's answer, and a failure that was handled.
A line is found again by what was asked and by where in the run; so a changed workflow finds nothing of the old one, from
the change on. Lines are forced to disk. A last line that is torn was never used, and is cut off.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

Value = Mapping[str, Any]


class JournalError(Exception):
    """A journal cannot be used: another process writes it, or it is damaged. `str()` is for a person."""


@dataclass
class Journal:
    """One journal, or with no file one that is forgotten with the run.

    Runs of one event loop may share it, each with a part of its own.
    """

    entries: dict[str, Value] = field(default_factory=dict)
    file: BinaryIO | None = None
    prefix: str = ""

    def within(self, name: str) -> "Journal":
        """Return a part of this journal with keys of its own: for one of several runs that share a file."""
        return Journal(self.entries, self.file, f"{self.prefix}{name}\0")

    def recall(self, where: str, asked: object) -> Value | None:
        """Return what came of something, or None where it was not finished.

        Args:
            where: Place in the run, such as `3:ask:1`.
            asked: What was asked, as plain data.
        """
        return self.entries.get(self._key(where, asked))

    def keep(self, where: str, asked: object, value: Value) -> None:
        """Keep what came of something; when this returns it survives a loss of power."""
        key = self._key(where, asked)
        if self.file is not None:
            line = json.dumps({"key": key, "value": value}, ensure_ascii=False, allow_nan=False)
            self.file.write(_sealed(line))
            self.file.flush()
            os.fsync(self.file.fileno())
        self.entries[key] = value

    def _key(self, where: str, asked: object) -> str:
        plain = json.dumps(asked, sort_keys=True, ensure_ascii=False, default=str)
        text = f"{self.prefix}{where}\0{plain}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def close(self) -> None:
        """Let another process have the file."""
        if self.file is not None:
            self.file.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_journal(path: Path) -> Journal:
    """Open a journal, or begin one.

    Raises: JournalError: another process has it open, or a line that is not the last one is damaged.
    """
    new = not path.exists()
    file = path.open("a+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise JournalError(f"{path} is in use by another process") from error
    try:
        file.seek(0)
        entries, sound_bytes = _read(file.read(), path)
        file.truncate(sound_bytes)
    except JournalError:
        file.close()
        raise
    if new:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return Journal(entries, file)


def _sealed(line: str) -> bytes:
    content = line.encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).hexdigest()[:16].encode() + b" " + content + b"\n"


def _read(content: bytes, path: Path) -> tuple[dict[str, Value], int]:
    """Return the entries, and up to which byte the file is sound."""
    entries: dict[str, Value] = {}
    sound = 0
    for line in content.splitlines(keepends=True):
        entry = _entry(line)
        if entry is None:
            if sound + len(line) < len(content):
                raise JournalError(f"{path} is damaged at byte {sound}: delete it to begin anew")
            break
        entries[entry["key"]] = entry["value"]
        sound += len(line)
    return entries, sound


def _entry(line: bytes) -> dict[str, Any] | None:
    seal, _, rest = line.partition(b" ")
    if not rest.endswith(b"\n") or hashlib.sha256(rest[:-1]).hexdigest()[:16].encode() != seal:
        return None
    entry: dict[str, Any] = json.loads(rest.decode("utf-8", "surrogatepass"))
    return entry
