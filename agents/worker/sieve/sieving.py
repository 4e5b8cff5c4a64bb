"""The rows of an upload and the drafts beside them, while the sieves hold back one draft after another."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agents.jobs import SieveName, SiftSpec
from agents.jobs.reporting import Reporter
from agents.worker.sieve import vectors
from agents.worker.sieve.drafts import Draft, Known


@dataclass
class Sieving:
    """The rows of the upload, and what is left of the drafts."""

    spec: SiftSpec
    train: list[Known]
    sealed: list[Known]
    """Dev and test rows."""
    drafts: list[Draft]
    why: dict[int, tuple[SieveName, str]] = field(default_factory=dict)
    """By the place of a draft that was held back: at what, and why."""
    leaking: set[int] = field(default_factory=set)
    """Places of drafts that must not be quoted."""
    notes: list[str] = field(default_factory=list)

    @property
    def left(self) -> list[int]:
        """Places of the drafts that nothing has held back."""
        return [place for place in range(len(self.drafts)) if place not in self.why]

    def hold(self, sieve: SieveName, found: Mapping[int, str], places: Sequence[int]) -> None:
        """Hold drafts back; `found` are places among `places`."""
        for at, why in found.items():
            self.why.setdefault(places[at], (sieve, why))


@dataclass(frozen=True)
class Embedded:
    """The texts of all sides as vectors."""

    space: vectors.Space
    train: vectors.Floats
    sealed: vectors.Floats
    drafts: vectors.Floats
    row_of: dict[int, int]
    """Row in `drafts` by the place of a draft that could be read."""

    @classmethod
    def of(cls, sieving: Sieving, readable: Sequence[int], reporter: Reporter) -> "Embedded":
        """Turn texts into vectors, which takes the longest."""
        reporter.stage("finding out what drafts mean")
        import torch

        torch.set_num_threads(sieving.spec.threads or os.cpu_count() or 1)
        space = vectors.space(sieving.spec.embedding, reporter.beat)
        own = [sieving.drafts[place].own for place in readable]
        return cls(
            space,
            space.embed([row.prompt for row in sieving.train]),
            _all(space, [row.prompt for row in sieving.sealed]),
            _all(space, own),
            {place: row for row, place in enumerate(readable)},
        )

    def rows(self, places: Sequence[int]) -> vectors.Floats:
        """Return the vectors of some drafts."""
        return self.drafts[[self.row_of[place] for place in places]]


def _all(space: vectors.Space, texts: Sequence[str]) -> vectors.Floats:
    return space.embed(texts) if texts else space.embed(["-"])[:0]
