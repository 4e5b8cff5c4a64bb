"""Rows that an earlier adapter has learnt: a later one that goes on from it must not be measured on them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from agents.jobs import FileRef, LearntRows
from agents.worker.checks.facts import Facts
from agents.worker.checks.texts import normal
from agents.worker.digests import sha256_of
from agents.worker.errors import WorkerError
from agents.worker.lines import Line

DIGEST_BYTES = 16
GONE = (
    "The rows that the earlier adapter has learnt are gone, so nothing can be held out fairly. "
    "Start a run that goes on from another one, or from none."
)


@dataclass(frozen=True)
class Learnt:
    """Prompts of earlier trainings, as hashes of what is left of them when spelling is taken away."""

    taught: frozenset[bytes] = frozenset()
    chose: frozenset[bytes] = frozenset()
    """Those that only chose between checkpoints."""

    def rows_in(self, facts: Facts) -> tuple[set[int], set[int]]:
        """Return the numbers of the rows whose prompts were learnt, and of those that only chose."""
        taught: set[int] = set()
        chose: set[int] = set()
        if not (self.taught or self.chose):
            return taught, chose
        for pair, text in zip(facts.pairs, facts.likeness.prompts, strict=True):
            digest = _digest(text)
            if digest in self.taught:
                taught.add(pair.row)
            elif digest in self.chose:
                chose.add(pair.row)
        return taught, chose


def read(folder: Path, sets: tuple[LearntRows, ...]) -> Learnt:
    """Read the prepared rows of earlier trainings.

    Raises: WorkerError: a file is gone or is not what it was.
    """
    found: Mapping[bool, set[bytes]] = {False: set(), True: set()}
    for known in sets:
        asked = f"{known.task.strip()}\n\n"
        for record in records(folder, known.file, GONE):
            parts = {name: value for name, value in record.items() if name != "row"}
            text = normal(Line(0, parts).asked.removeprefix(asked))
            if text:
                found[known.chose].add(_digest(text))
    return Learnt(frozenset(found[False]), frozenset(found[True]))


def records(folder: Path, ref: FileRef, gone: str) -> Iterator[dict[str, Any]]:
    """Read prepared rows of a training, one at a time.

    Raises: WorkerError: the file is gone or is not what it was; `gone` is what the person reads then.
    """
    path = folder / ref.path
    if not path.is_file() or sha256_of(path) != ref.sha256:
        raise WorkerError("bad_data", gone, for_person=True)
    with path.open("rb") as stream:
        yield from (json.loads(line) for line in stream if line.strip())


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=DIGEST_BYTES).digest()
