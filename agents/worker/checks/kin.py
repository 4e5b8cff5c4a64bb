"""What words do not show: test rows of a customer or document that is learnt from, and a test set of no later time.

Both make a verdict better than the model will be with new customers, or next month.
"""

from agents.jobs import DataFinding, FindingKind
from agents.worker.checks.facts import Facts, counted
from agents.worker.checks.leaks import TEST


def check(facts: Facts) -> DataFinding | None:
    """Report test rows that could not be kept apart from those that they belong to."""
    kin, sides = facts.beside.kin, facts.sides
    learnt = {kin[row] for row, side in sides.items() if side != TEST and row in kin}
    found = [
        place
        for place, pair in enumerate(facts.pairs)
        if sides.get(pair.row) == TEST and kin.get(pair.row) in learnt
    ]
    if not found:
        return None
    what = counted(len(found), "test row shares", "test rows share")
    return facts.finding(
        FindingKind.KIN,
        found,
        f"{what} '{facts.beside.kin_column}' with rows to learn from: too many rows hang together to keep them apart. "
        "With new ones the model may do worse than the verdict says.",
        example=facts.quoted(found[0]),
    )


def check_dates(facts: Facts) -> DataFinding | None:
    """Report that the test rows are of the same time as the rows to learn from."""
    dates, sides = facts.beside.dates, facts.sides
    learnt = [dates[row] for row, side in sides.items() if side != TEST and row in dates]
    if not learnt:
        return None
    newest = max(learnt)
    found = [
        place
        for place, pair in enumerate(facts.pairs)
        if sides.get(pair.row) == TEST and pair.row in dates and dates[pair.row] <= newest
    ]
    if not found:
        return None
    span = f"{min(dates.values()).isoformat()} to {max(dates.values()).isoformat()}"
    what = counted(len(found), "test row is", "test rows are")
    return facts.finding(
        FindingKind.DATES,
        found,
        f"Rows are dated ('{facts.beside.date_column}', {span}), and all sides are drawn from that whole time: {what} no newer "
        "than the newest row to learn from. If things change with time, the verdict says little about later rows.",
    )
