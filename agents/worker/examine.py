"""Rows between reading and writing: repaired as a person asked, checked, split with those that resemble them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.jobs import ROWS_PER_FILE, DataFinding, IntakeSpec, Repair
from agents.worker.beside import Beside, tied
from agents.worker.checks import leaks, likeness, report
from agents.worker.checks.budget import Budget
from agents.worker.checks.facts import Facts
from agents.worker.checks.repair import repaired
from agents.worker.checks.texts import Pair
from agents.worker.learnt_rows import Learnt
from agents.worker.lines import Line
from agents.worker.split_rows import Barred, Groups, Shares, Split, split, tie

CPU_SHARE = 0.6
"""Of the CPU time of an intake may go into checks."""
LEAST_KEPT = 0.8
"""Share of the test rows that must be left where customers, documents and the like are kept on one side."""


@dataclass(frozen=True)
class Examined:
    """Rows that may be split, and what is known about them."""

    rows: list[Line]
    facts: Facts
    notes: tuple[str, ...]
    """What was changed, for the person."""
    repairs: tuple[Repair, ...]
    learnt_before: int = 0
    """Rows that an earlier adapter knows."""


def examine(rows: Sequence[Line], spec: IntakeSpec, beside: Beside) -> Examined:
    """Look at all rows together and repair them as asked. The checks take part of the CPU time and never fail."""
    budget = Budget.of(CPU_SHARE * spec.cpu_s)
    # the task sentence that stands before each prompt of a classification would make all rows alike
    asked = f"{spec.task.strip()}\n\n"
    names = [spec.upload.name, *(more.file.name for more in spec.more)] if spec.more else []
    pairs = [
        Pair(
            row.number,
            row.asked.removeprefix(asked),
            row.answered,
            names[row.number // ROWS_PER_FILE] if names else "",
        )
        for row in rows
    ]
    facts = Facts(likeness.find(pairs, budget), budget, beside=beside)
    done = repaired(facts, spec.repairs, spec.min_rows)
    kept = {pair.row for pair in done.facts.pairs}
    left = [row for row in rows if row.number in kept]
    for mask in done.masks:
        left = [row.changed(mask) for row in left]
    return Examined(left, done.facts, done.notes, spec.repairs)


def deal(
    examined: Examined, groups: Groups, shares: Shares, learnt: Learnt
) -> tuple[Examined, Split]:
    """Split rows so that those that resemble each other, or belong together, are on one side, as far as all sides can be filled.

    What an earlier adapter has learnt is not held out.

    Returns also what is left of the rows: test rows that leak are dropped where that was asked for.
    """
    taught, chose = learnt.rows_in(examined.facts)
    barred = Barred(frozenset(taught), frozenset(taught | chose))
    examined = replace(examined, learnt_before=len(barred.from_test))
    alike, kin = examined.facts.likeness.group_of, examined.facts.beside.kin
    sides = split(tie(groups, alike), shares, barred)
    if not _is_whole(sides):
        sides = split(groups, shares, barred)
    if kin:
        apart = split(tie(groups, tied(alike, kin)), shares, barred)
        if _is_whole(apart) and len(apart.test) >= LEAST_KEPT * len(sides.test):
            sides = apart
    if Repair.DROP_LEAKS not in examined.repairs:
        return examined, sides
    facts = _with_sides(examined.facts, sides)
    places = set(leaks.leaking(facts))
    leaking = {facts.pairs[place].row for place in places}
    test = [row for row in sides.test if row.number not in leaking]
    if not test:
        note = "Not dropped: leaking test rows; no others would be left."
        return replace(examined, notes=(*examined.notes, note)), sides
    rows = [row for row in examined.rows if row.number not in leaking]
    note = f"Dropped: leaking test rows ({len(leaking):,})."
    left = replace(
        examined, rows=rows, facts=examined.facts.without(places), notes=(*examined.notes, note)
    )
    return left, replace(sides, test=test)


def findings(examined: Examined, sides: Split) -> tuple[DataFinding, ...]:
    """Return what the checks find in the rows as they were split."""
    return report.check(_with_sides(examined.facts, sides))


def _is_whole(sides: Split) -> bool:
    return bool(sides.train and sides.dev and sides.test)


def _with_sides(facts: Facts, sides: Split) -> Facts:
    by_row = {
        row.number: name
        for name, rows in (("train", sides.train), ("dev", sides.dev), (leaks.TEST, sides.test))
        for row in rows
    }
    return replace(facts, sides=by_row)
