"""The rows that the next try learns from, where its plan changes some: made when it is planned, taken up when it is approved."""

import asyncio
from typing import Any

from sqlmodel import Session

from agents import row_changes, work
from agents.drafts import Known
from agents.jobs import MADE_ROWS, row_name
from agents.row_changes import FEWEST_LEFT, KeptFile, PlannedRows, RowsChange
from agents.services import Services
from storage import datasets
from storage.models import Dataset, Run

ROWS = "rows to learn from"
MOST_NAMED = 60


async def make(services: Services, known: Known) -> tuple[PlannedRows | None, list[str]]:
    """Write the files of the change that is wanted; return them, and what a person must know about it.

    None where nothing is to be changed, or too few rows would be left.
    """
    if not known.rows:
        return None, []
    raw = await asyncio.to_thread(services.files.path(known.files["train"].sha256).read_bytes)
    done = row_changes.carried_out(raw, known.rows)
    notes = []
    # made rows lie in a file of their own (agents.data_generator)
    missing = [row for row in done.missing if row <= MADE_ROWS]
    if missing:
        named = ", ".join(row_name(row) for row in missing[:5])
        notes.append(f"Not among the rows to learn from, so nothing changes there: {named}.")
    if done.after < FEWEST_LEFT:
        notes.append(f"That would leave {done.after} rows to learn from, so all of them are used.")
        return None, notes
    change = known.rows.keeping(missing)
    if not change:
        return None, notes
    train = await asyncio.to_thread(services.files.put, done.train)
    aside = await asyncio.to_thread(services.files.put, done.put_aside)
    return PlannedRows(
        change=change,
        before=done.before,
        train=KeptFile.of(train, done.after),
        put_aside=KeptFile.of(aside, done.aside),
    ), notes


def difference(known: Known, rows: PlannedRows | None) -> list[tuple[str, str, str]]:
    """Return how the rows differ from those of the plan before, as a line of the plan's changes."""
    whole = known.files["train"].rows or 0
    planned = known.before.rows if known.before is not None else None
    before = PlannedRows.model_validate(planned) if planned else None
    old = whole if before is None else before.train.rows
    new = whole if rows is None else rows.train.rows
    lines = [(ROWS, f"{old:,}", f"{new:,}")] if old != new else []
    relabelled = [len(p.change.relabelled) if p else 0 for p in (before, rows)]
    if relabelled[0] != relabelled[1]:
        lines.append(("rows with another label", f"{relabelled[0]:,}", f"{relabelled[1]:,}"))
    return lines


def shown(rows: PlannedRows | None) -> dict[str, Any]:
    """Return what the card says about changed rows, and what an approval is bound to."""
    if rows is None:
        return {}
    change = rows.change
    return {
        "rows": {
            "dropped": len(change.dropped),
            "relabelled": len(change.relabelled),
            "named": [row_name(row) for row in change.rows[:MOST_NAMED]],
            "train_sha256": rows.train.sha256,
        }
    }


def settle(session: Session, services: Services, run: Run) -> None:
    """Let an approved try learn from the rows of its plan; those of the run stay for other tries."""
    run_id, iteration = work.number(run), run.iteration
    plan = datasets.latest_plan(session, run_id, iteration)
    planned = PlannedRows.model_validate(plan.rows) if plan is not None and plan.rows else None
    files = {"train": planned.train, "aside": planned.put_aside} if planned else {}
    for role in (datasets.MADE, datasets.UNUSED, datasets.WITHOUT):  # of an earlier version
        datasets.remove(session, run_id, datasets.role_of_try(role, iteration))
    for role in ("train", "aside"):
        own = datasets.role_of_try(role, iteration)
        if role not in files:
            datasets.remove(session, run_id, own)
            continue
        datasets.replace(
            session,
            Dataset(
                run_id=run_id,
                role=own,
                name=f"{own}.jsonl",
                sha256=files[role].sha256,
                size_bytes=files[role].size_bytes,
                rows=files[role].rows,
                created_at=services.clock.now(),
            ),
        )
    change = planned.change if planned else RowsChange()
    for suggestion in datasets.suggestions(session, run_id, iteration - 1):
        if row_changes.is_of_rows(suggestion.change):
            wanted = RowsChange.model_validate(suggestion.change)
            suggestion.taken = bool(set(wanted.rows) & set(change.rows)) or wanted == change
            session.add(suggestion)
