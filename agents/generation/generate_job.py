"""The job that makes drafts of rows."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from agents.generation.asks import Caller, Desk, now
from agents.generation.callers import OpenCaller, open_caller
from agents.generation.files import facts, records, write_drafts
from agents.generation.making import Making
from agents.generation.material import Material
from agents.generation.seeds import seeds_of
from agents.jobs import (
    MADE_ROWS,
    GenerateResult,
    GenerateSpec,
    JobOutcome,
    JobResult,
    Progress,
    beat,
)
from agents.jobs.reporting import Reporter
from agents.workflow.journal import Journal, open_journal
from agents.workflow.purse import OutOfBudget, Purse, open_purse

JOURNAL, PURSE = "journal.jsonl", "spent.jsonl"
NO_SEEDS = (
    "No training row can be taken as an example: rows with tools, judged steps or rejected answers are none, and so are"
    " conversations that do not end with a person."
)


def run(folder: Path, spec: GenerateSpec, opening: OpenCaller = open_caller) -> JobResult:
    """Make drafts, and write them down.

    Raises: ModelError: the model is away, and nothing could be made without it. NotInstalled, BadFile, JournalError, Stopped.
    """
    reporter = Reporter(folder)
    reporter.stage("reading the rows")
    kept = Path(spec.journal_dir)
    kept.mkdir(parents=True, exist_ok=True, mode=0o700)
    material = Material(
        spec.terms,
        seeds_of(records(spec.train, folder), spec.goal),
        spec.goal,
        spec.notes,
        facts(spec.facts, folder),
    )
    with ExitStack() as stack:
        journal = stack.enter_context(open_journal(kept / JOURNAL))
        purse = open_purse(kept / PURSE, spec.left, partial(beat, folder))
        stack.callback(purse.close)
        caller = opening(spec, purse, reporter.beat)
        making = _making(material, journal, caller, spec.surplus)
        reporter.stage("making rows", making.wanted)
        making.tell = _telling(reporter)
        if material.seeds:
            asyncio.run(making.make())
        else:
            making.notes.append(NO_SEEDS)
        payload = _result(folder, making, purse)
    return JobResult(job_id=folder.name, outcome=JobOutcome.SUCCEEDED, payload=payload)


def _making(material: Material, journal: Journal, caller: Caller | None, surplus: float) -> Making:
    """Return what makes the rows. When it began is kept: rows of every attempt are of that time."""
    began = journal.recall("began", {})
    if began is None:
        began = {"at": now()}
        journal.keep("began", {}, began)
    desk = None if caller is None else Desk(caller, journal)
    return Making(material, desk, began["at"], surplus)


def _telling(reporter: Reporter) -> Callable[[int], None]:
    return lambda rows: reporter.line(Progress(stage="making rows", step=rows))


def _result(folder: Path, making: Making, purse: Purse) -> GenerateResult:
    """Write the drafts down. Raises: ModelError: there are none, because of it."""
    desk = making.desk
    if desk is not None and desk.trouble is not None and not making.count:
        raise desk.trouble
    drafts = write_drafts(
        folder,
        (
            {"row": MADE_ROWS + number, **draft.record, "made": draft.made.model_dump(mode="json")}
            for number, draft in enumerate(making.in_order(), 1)
        ),
    )
    return GenerateResult(
        drafts=drafts,
        rows=making.count,
        by_strategy=making.by_strategy(),
        model=None if desk is None else desk.caller.model,
        unusable=making.refused + (desk.unusable if desk else 0),
        notes=tuple(_notes(making)),
        spent=purse.spent,
    )


def _notes(making: Making) -> list[str]:
    notes = list(making.notes)
    trouble = making.desk.trouble if making.desk else None
    if isinstance(trouble, OutOfBudget):
        notes.append("The budget of language models is used up; what was made until then is here.")
    elif trouble is not None:
        notes.append(f"The language model was of no use any more: {trouble}")
    if making.repeated:
        notes.append(f"{making.repeated} rows of the model repeated others and were left out.")
    if making.count < making.wanted and trouble is None:
        notes.append(f"{making.count} drafts of {making.wanted}: nothing new came any more.")
    return notes
