"""Two tries beside each other: plan values, rows, metrics, decisions."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agents import planning
from agents.services import UserError
from bot.notebook import history
from bot.notebook.tries import RowsOf, Tries, Try
from bot.text import plain
from storage.files import FileStore

CAVEAT = "Intervals are against the base. Whether one try is better than the other was not tested: the sealed rows chose nothing."
UNKNOWN = "–"


@dataclass(frozen=True)
class Pair:
    """One thing as it was in both tries, in words. They may quote people: who shows them makes them safe first."""

    what: str
    first: str
    second: str

    @property
    def same(self) -> bool:
        """Tell whether there is no difference."""
        return self.first == self.second


@dataclass(frozen=True)
class RowsChanged:
    """How a data set differs between two tries."""

    role: str
    added: int | None
    """Rows that only the second has; None where a file is not there any more."""
    dropped: int | None


@dataclass(frozen=True)
class Difference:
    """What is different between two tries of a run."""

    run_id: int
    first: int
    second: int
    plan: tuple[Pair, ...]
    rows: tuple[RowsChanged, ...]
    """Data sets whose files are others."""
    used: Pair
    """Rows that the plans learn from."""
    metrics: tuple[Pair, ...]
    decisions: Pair

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    def as_markdown(self) -> str:
        """Return it as lines of Markdown, with nothing live in them that came from people."""
        lines = [f"**Run #{self.run_id}: try {self.first} → try {self.second}**", "**Plan**"]
        lines += [shown(pair) for pair in self.plan] or ["the same"]
        lines += ["**Rows**", *self.about_rows(), shown(self.used), "**Metrics**"]
        lines += [shown(pair) for pair in self.metrics]
        lines += ["**Decision**", shown(self.decisions), CAVEAT]
        return "\n".join(lines)

    def about_rows(self) -> list[str]:
        """Say which rows came and went."""
        if not self.rows:
            return ["the same files"]
        return [
            f"{changed.role}: its file is another one, and one of the two is gone"
            if changed.added is None or changed.dropped is None
            else f"{changed.role}: {changed.added:,} rows added, {changed.dropped:,} dropped"
            for changed in self.rows
        ]


async def between(told: Tries, first: int, second: int, files: FileStore) -> Difference:
    """Return what is different. Rows are counted in the files, away from the event loop.

    Raises: UserError: there is no such try.
    """
    one, other = find(told, first), find(told, second)
    rows = await asyncio.to_thread(rows_changed, one.sets, other.sets, files)
    return Difference(
        run_id=told.run.id or 0,
        first=first,
        second=second,
        plan=tuple(Pair(*values) for values in planning.difference(one.recipe, other.recipe)),
        rows=rows,
        used=Pair("rows to learn from", _used(one), _used(other)),
        metrics=tuple(_metrics(one, other)),
        decisions=Pair(
            "decided",
            history.decided(told.last_word(first)) or UNKNOWN,
            history.decided(told.last_word(second)) or UNKNOWN,
        ),
    )


def find(told: Tries, number: int) -> Try:
    """Return a try. Raises: UserError: there is none with this number."""
    found = told.find(number)
    if found is None:
        there = ", ".join(str(known.number) for known in told.tries) or "none yet"
        raise UserError(f"Run #{told.run.id} has no try {number}. Its tries: {there}.")
    return found


def rows_changed(
    first: tuple[RowsOf, ...], second: tuple[RowsOf, ...], files: FileStore
) -> tuple[RowsChanged, ...]:
    """Count the rows that came and went in every data set whose file is another one; a row is a line of its file."""
    before = {known.role: known.sha256 for known in first}
    after = {known.role: known.sha256 for known in second}
    changed = []
    for role in sorted({*before, *after}):
        if before.get(role) == after.get(role):
            continue
        try:
            old, new = (_lines(files, sets.get(role)) for sets in (before, after))
        except FileNotFoundError:
            changed.append(RowsChanged(role, None, None))
            continue
        changed.append(RowsChanged(role, (new - old).total(), (old - new).total()))
    return tuple(changed)


def _lines(files: FileStore, sha256: str | None) -> Counter[bytes]:
    """Count equal lines of a kept file, by a short hash of each."""
    return Counter() if sha256 is None else Counter(_hashes(files.path(sha256)))


def _hashes(path: Path) -> Iterator[bytes]:
    with path.open("rb") as lines:
        for row in lines:
            if row.strip():
                yield hashlib.blake2b(row.rstrip(b"\n"), digest_size=12).digest()


def _used(known: Try) -> str:
    rows = known.plan.estimate.get("train_rows")
    return UNKNOWN if rows is None else f"{rows:,}"


def _metrics(one: Try, other: Try) -> Iterator[Pair]:
    yield Pair("dev loss", _loss(one), _loss(other))
    yield Pair("steps", _steps(one), _steps(other))
    yield Pair("verdict", history.verdict(one), history.verdict(other))
    yield Pair("gain over the base", history.gain(one) or UNKNOWN, history.gain(other) or UNKNOWN)
    scores = [
        {c.metric.value: f"{100 * c.tuned:.1f} %" for c in t.report.comparisons} if t.report else {}
        for t in (one, other)
    ]
    for metric in dict.fromkeys([*scores[0], *scores[1]]):
        yield Pair(metric, scores[0].get(metric, UNKNOWN), scores[1].get(metric, UNKNOWN))
    openings = [str(t.report.openings) if t.report else UNKNOWN for t in (one, other)]
    yield Pair("openings of the test set", *openings)


def _loss(known: Try) -> str:
    loss = known.trained.best_dev_loss if known.trained else None
    return UNKNOWN if loss is None else f"{loss:.3f}"


def _steps(known: Try) -> str:
    if known.trained is None:
        return UNKNOWN
    return f"{known.trained.steps_done:,} of {known.trained.steps_planned:,}, best {known.trained.best_step:,}"


def shown(pair: Pair) -> str:
    """Return one thing as it was in both tries, as a line of Markdown with nothing live in it."""
    first, second = plain(pair.first, 200), plain(pair.second, 200)
    if pair.same:
        return f"{plain(pair.what, 60)}: {first} in both"
    return f"{plain(pair.what, 60)}: {first} → **{second}**"
