"""Rows between reading and writing: repaired as a person asked, checked, split with those that resemble them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.jobs import DataFinding, IntakeSpec, Repair
from agents.worker.checks import leaks, likeness, report
from agents.worker.checks.budget import Budget
from agents.worker.checks.facts import Facts
from agents.worker.checks.texts import Pair
from agents.worker.lines import Line
from agents.worker.split_rows import Groups, Shares, Split, split, tie

CPU_SHARE = 0.6
"""Of the CPU time of an intake may go into checks."""


@dataclass(frozen=True)
class Examined:
    """Rows that may be split, and what is known about them."""

    rows: list[Line]
    facts: Facts
    notes: tuple[str, ...]
    """What was changed, for the person."""
    repairs: tuple[Repair, ...]


def examine(rows: Sequence[Line], spec: IntakeSpec) -> Examined:
    """Look at all rows together. The checks take part of the spec's CPU time and never fail."""
    budget = Budget.of(CPU_SHARE * spec.cpu_s)
    # the task sentence that stands before each prompt of a classification would make all rows alike
    asked = f"{spec.task.strip()}\n\n"
    pairs = [Pair(row.number, row.asked.removeprefix(asked), row.answered) for row in rows]
    facts = Facts(likeness.find(pairs, budget), budget)
    return Examined(list(rows), facts, (), spec.repairs)


def deal(examined: Examined, groups: Groups, shares: Shares) -> Split:
    """Split rows so that those that resemble each other are on one side, as far as all sides can be filled."""
    sides = split(tie(groups, examined.facts.likeness.group_of), shares)
    return sides if sides.train and sides.dev and sides.test else split(groups, shares)


def findings(examined: Examined, sides: Split) -> tuple[DataFinding, ...]:
    """Return what the checks find in the rows as they were split."""
    return report.check(_with_sides(examined.facts, sides))


def _with_sides(facts: Facts, sides: Split) -> Facts:
    by_row = {
        row.number: name
        for name, rows in (("train", sides.train), ("dev", sides.dev), (leaks.TEST, sides.test))
        for row in rows
    }
    return replace(facts, sides=by_row)
