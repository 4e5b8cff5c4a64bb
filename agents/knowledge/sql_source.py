"""Databases as a source: one statement, shown to a person as it is, run by a program of its own that can only read."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agents.knowledge import sql_program
from agents.knowledge.children import NoAnswer, answered
from agents.knowledge.refusals import KnowledgeError
from agents.knowledge.sql_statement import checked
from configs.schema import KnowledgeSettings, SqlSourceSettings

START_S = 20.0
"""Beyond the time of a statement: starting a program on a busy machine."""
REASONS = {
    "file": "The file of the source {source} cannot be read ({about}).",
    "view": "The source {source} has no view {about}, or its role may not read it: knowledge.sql.{source}.views names it.",
    "rows": "The view {about} of {source} has more than {most:,} rows. Whoever runs this makes a smaller view.",
    "forbidden": "The statement wants more of {source} than reading the views {views} ({about}).",
    "role": "The role of {source} is not asked anything: {about}. Give it SELECT on the views {views} and nothing else.",
    "time": "{source} took longer than {timeout_s:g} seconds. Ask for less.",
    "memory": "The statement needs more memory than it may have. Ask for less.",
    "server": "The server of {source} cannot be reached, or does not let its role in.",
    "statement": "{source} does not understand the statement: {about}.",
}


@dataclass(frozen=True)
class SqlQuestion:
    """A statement as a gate shows it: what is approved is what runs."""

    source: str
    """Name in `knowledge.sql`."""
    statement: str

    @property
    def sha256(self) -> str:
        """Of source and statement, to bind an approval to."""
        return hashlib.sha256(f"{self.source}\0{self.statement}".encode()).hexdigest()


@dataclass(frozen=True)
class SqlAnswer:
    """What a database said. Data, whatever it says."""

    question: SqlQuestion
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    """Values are texts, numbers, truth values or None."""
    cut: bool
    """Whether there were more than the limits allow."""
    asked_at: datetime


def asked(settings: KnowledgeSettings, source: str, statement: str) -> SqlQuestion:
    """Make a question of what somebody wrote, for `examine`, a gate and `ask`.

    Raises: KnowledgeError: there is no such source, or it is not one plain SELECT.
    """
    _source(settings, source)
    return SqlQuestion(source, checked(statement))


async def examine(settings: KnowledgeSettings, question: SqlQuestion, data_dir: Path) -> None:
    """See that a database would take a question, without running it: before a person is asked.

    Raises: KnowledgeError: it would not.
    """
    await _told(settings, question, data_dir, run=False)


async def ask(settings: KnowledgeSettings, question: SqlQuestion, data_dir: Path) -> SqlAnswer:
    """Ask a database.

    Args:
        settings: Which databases there are.
        question: As it was approved.
        data_dir: Of Tunewright itself, from which nothing is read.

    Raises: KnowledgeError: it did not answer.
    """
    told = await _told(settings, question, data_dir, run=True)
    rows = tuple(tuple(row) for row in told["rows"])
    return SqlAnswer(question, tuple(told["columns"]), rows, told["cut"], datetime.now(UTC))


async def _told(
    settings: KnowledgeSettings, question: SqlQuestion, data_dir: Path, *, run: bool
) -> dict[str, Any]:
    source = _source(settings, question.source)
    if source.file is not None and _is_ours(source.file, data_dir):
        raise KnowledgeError(
            f"The source {question.source} lies in Tunewright's own data folder, from which nothing is looked up."
        )
    wanted = {
        "file": None if source.file is None else str(source.file),
        "url": None if source.url is None else source.url.get_secret_value(),
        "views": source.views,
        "statement": checked(question.statement),  # again: a row is no proof
        "max_rows": source.max_rows,
        "max_bytes": source.max_bytes,
        "timeout_s": source.timeout_s,
        "run": run,
    }
    most_bytes = 8 * source.max_bytes + 2**20  # escapes of JSON
    try:
        answer = await answered(
            sql_program.__file__,
            json.dumps(wanted).encode(),
            source.timeout_s + START_S,
            most_bytes,
        )
    except NoAnswer as error:
        raise KnowledgeError(_why(error, question.source, source)) from error
    told: dict[str, Any] = json.loads(answer)
    if "refused" in told:
        raise KnowledgeError(_reason(told["refused"], told["about"], question.source, source))
    return told


def _source(settings: KnowledgeSettings, name: str) -> SqlSourceSettings:
    source = settings.sql.get(name)
    if source is None:
        known = ", ".join(sorted(settings.sql)) or "none is set (knowledge.sql)"
        raise KnowledgeError(f"There is no database of that name; known are: {known}.")
    if not source.views or (source.file is None and source.url is None):
        raise KnowledgeError(
            f"The source {name} is not complete: knowledge.sql.{name} needs a file or a url, and the views that may be read."
        )
    return source


def _is_ours(file: Path, data_dir: Path) -> bool:
    """Tell whether a file lies in the data folder, or is one of its files under another name."""
    if file.resolve().is_relative_to(data_dir.resolve()):
        return True
    if not file.exists():
        return False
    return any(ours.is_file() and ours.samefile(file) for ours in data_dir.glob("*"))


def _why(error: NoAnswer, name: str, source: SqlSourceSettings) -> str:
    if error.code == sql_program.NOT_INSTALLED:
        return "PostgreSQL needs the extra “knowledge”: pip install 'tunewright[knowledge]'."
    if error.why == "size":
        return f"The answer of {name} is longer than it may be. Ask for less."
    if error.why == "time":
        return _reason("time", "", name, source)
    return f"The statement to {name} used up its memory or time. Ask for less."


def _reason(code: str, about: str, name: str, source: SqlSourceSettings) -> str:
    return REASONS[code].format(
        source=name,
        about=about or "no more is known",
        views=", ".join(source.views),
        timeout_s=source.timeout_s,
        most=sql_program.MAX_COPIED_ROWS,
    )
