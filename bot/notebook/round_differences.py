"""The workflow after one round beside the workflow after another: lines, terms, metrics, decisions."""

import asyncio
import difflib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from agents.jobs import Standing
from agents.workflow_loop.planning import difference
from bot.notebook import history, round_history
from bot.notebook.differences import UNKNOWN, Pair, shown
from bot.notebook.rounds import Played, Rounds
from bot.text import block
from storage.files import FileStore

CAVEAT = (
    "Pass rates are of the cases that changes were chosen by. Only the last comparison, on sealed cases, says whether what is "
    "left is better than what was given."
)
DIFF_CHARS = 1200
"""That a message shows of the lines."""
METRICS = {
    "pass_rate": ("pass rate", "{:.1f} %", 100),
    "edge_pass_rate": ("pass rate at the edge", "{:.1f} %", 100),
    "p50_s": ("seconds of a run, the middle one", "{:.1f}", 1),
    "p95_s": ("seconds of a run, one in twenty takes longer", "{:.1f}", 1),
    "tokens": ("tokens of a run", "{:,.0f}", 1),
    "calls": ("calls of a run", "{:.1f}", 1),
    "fallback_rate": ("runs in which a state failed", "{:.1f} %", 100),
    "prompt_chars": ("characters of all prompts", "{:,.0f}", 1),
    "lint_findings": ("findings of lint", "{:,.0f}", 1),
}
"""Name and form of what is told of a measurement, and what it is multiplied with."""


@dataclass(frozen=True)
class RoundDifference:
    """What is different between the workflow after two rounds; 0 is the one that was given."""

    run_id: int
    first: int
    second: int
    lines: str
    """Unified; empty where the two are the same."""
    terms: tuple[Pair, ...]
    metrics: tuple[Pair, ...]
    decisions: Pair

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    def as_markdown(self) -> str:
        """Return it as lines of Markdown, with nothing live in them that came from people or models."""
        told = [f"**Run #{self.run_id}: round {self.first} → round {self.second}**"]
        told += [block(self.lines, DIFF_CHARS) if self.lines else "The workflow is the same."]
        changed = [pair for pair in (*self.terms, *self.metrics) if not pair.same]
        told += [shown(pair) for pair in (*changed, self.decisions)]
        return "\n".join([*told, CAVEAT])


async def between(told: Rounds, first: int, second: int, files: FileStore) -> RoundDifference:
    """Return what is different. Files are read away from the event loop.

    Raises: UserError: there is no such round.
    """
    one, other = (told.find(number) if number else None for number in (first, second))
    sides = [side.stands if side else told.known.given.text for side in (one, other)]
    lines = await asyncio.to_thread(
        unified, files, [side.sha256 for side in sides], (first, second)
    )
    terms = () if one is None or other is None else difference(one.round.terms, other.round.terms)
    standings = [_standing(told, side) for side in (one, other)]
    return RoundDifference(
        run_id=told.run.id or 0,
        first=first,
        second=second,
        lines=lines,
        terms=tuple(Pair(*values) for values in terms),
        metrics=tuple(figures(*standings)),
        decisions=Pair("decided", _decided(one), _decided(other)),
    )


def unified(files: FileStore, sha256s: list[str], numbers: tuple[int, int]) -> str:
    """Return two kept texts as a unified diff."""
    first, second = (files.path(sha256).read_bytes().decode() for sha256 in sha256s)
    name, other = (f"after round {number}" if number else "as it was given" for number in numbers)
    found = difflib.unified_diff(
        first.splitlines(), second.splitlines(), name, other, n=2, lineterm=""
    )
    return "\n".join(found)


def _standing(told: Rounds, side: Played | None) -> Standing | None:
    """Return how a side did when it stood; of what was given that was measured in the first round."""
    if side is not None:
        return side.after
    return told.rounds[0].before if told.rounds else None


def figures(first: Standing | None, second: Standing | None) -> Iterator[Pair]:
    """Yield what was measured of two workflows, in words."""
    told = [standing.metrics if standing else {} for standing in (first, second)]
    for name, (what, form, times) in METRICS.items():
        values = [None if one.get(name) is None else form.format(times * one[name]) for one in told]
        if any(values):
            yield Pair(what, *(value or UNKNOWN for value in values))


def _decided(side: Played | None) -> str:
    return (history.decided(round_history.last_word(side)) if side else "") or UNKNOWN
