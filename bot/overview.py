"""Runs and settings as tables in a terminal, read beside a running bot."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from sqlmodel import Session

from agents.services import UserError
from bot import blind_cards, cards, llm_lines, scenes
from configs.load import Row
from configs.registry import facts_of
from configs.schema import Settings
from storage import approvals, blind, jobs, runs
from storage.database import Database, sqlite_url
from storage.models import Job, JobState, Run


@dataclass(frozen=True)
class Line:
    """How one run stands."""

    run: Run
    waiting_for: str | None
    jobs: tuple[Job, ...]
    opinions: tuple[str, ...] = ()
    """What people and language models prefer who compared the answers blindly, a sentence each."""
    expenses: llm_lines.Expenses | None = None
    """What the language model has cost the run; None: nothing."""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        run = self.run
        return {
            "run": run.id,
            "target": run.target.value,
            "phase": run.phase.value,
            "paused": run.paused,
            "iteration": run.iteration,
            "goal": run.goal,
            "model": run.model,
            "owner": run.owner,
            "waiting_for": self.waiting_for,
            "opinions": list(self.opinions),
            "language_model": self.expenses and asdict(self.expenses),
            "failure": run.failure,
            "created_at": run.created_at.isoformat(),
            "jobs": [
                {"id": job.id, "state": job.state.value, "outcome": job.outcome, "error": job.error}
                for job in self.jobs
            ],
        }


def read(settings: Settings, run_id: int | None) -> list[Line]:
    """Return one run, or the latest ones, newest first.

    Raises: UserError: there is no such run, or nothing has been run here yet.
    """
    with opened(settings) as db:
        return db.read_now(_lines, run_id)


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """Lend the database for reading, beside a running bot too.

    Raises: UserError: nothing has been run here yet.
    """
    path = settings.data_dir.resolve() / "tunewright.sqlite"
    if settings.database.url is None and not path.exists():
        raise UserError(f"Nothing has been run in {path.parent} yet.")
    db = Database(
        settings.database.url or sqlite_url(path), busy_timeout_s=settings.database.busy_timeout_s
    )
    try:
        yield db
    finally:
        db.close()


def show(lines: Sequence[Line]) -> None:
    """Print runs as a table; one run also with its jobs."""
    console = Console()
    table = Table("run", "state", "what for", "model", "waiting for", "since")
    for line in lines:
        run = line.run
        table.add_row(
            f"#{run.id}",
            cards.state(run),
            run.goal[:60],
            run.model,
            line.waiting_for or "–",
            _time(run.created_at),
        )
    console.print(table)
    if len(lines) == 1:
        detail = Table("job", "state", "outcome", "error")
        for job in lines[0].jobs:
            detail.add_row(job.id, job.state.value, job.outcome or "–", job.error or "")
        console.print(detail)
        for opinion in lines[0].opinions:
            console.print(Markdown(opinion))
        for used in llm_lines.used(lines[0].expenses):
            console.print(Markdown(used))
        if lines[0].run.failure:
            console.print(lines[0].run.failure, style="red")


def show_settings(rows: Sequence[Row]) -> None:
    """Print settings as a table."""
    table = Table("setting", "value", "from")
    for row in rows:
        table.add_row(row.path, row.value_masked, row.origin)
    Console().print(table)


def models(settings: Settings) -> list[dict[str, Any]]:
    """Return the catalogue with the facts of each model; null where nothing is known."""
    rows = []
    for name, source in settings.models.catalogue.items():
        facts = facts_of(name, source)
        known = None if facts is None else facts.model_dump(mode="json")
        rows.append({"name": name, "source": source, "facts": known})
    return rows


def show_models(settings: Settings) -> None:
    """Print the catalogue as a table."""
    table = Table("model", "source", "size", "context", "licence", "commercial use", "languages")
    for name, source in settings.models.catalogue.items():
        facts = facts_of(name, source)
        if facts is None:
            table.add_row(name, source, *5 * ["not known"])
            continue
        table.add_row(
            name,
            source,
            f"{facts.parameters / 1e6:,.0f} M",
            f"{facts.context_tokens:,}",
            facts.licence_name or "not known",
            (facts.commercial_use or "not known").replace("_", " "),
            " ".join(facts.languages) or "not listed",
        )
    Console().print(table)


def _lines(session: Session, run_id: int | None) -> list[Line]:
    if run_id is None:
        found = runs.recent(session)
    else:
        try:
            found = [runs.get(session, run_id)]
        except runs.NoSuchRun as error:
            raise UserError(str(error)) from error
    return [_line(session, run) for run in found]


def _line(session: Session, run: Run) -> Line:
    assert run.id is not None
    mine = jobs.of_run(session, run.id)
    waiting = [f"answer: {a.gate}" for a in approvals.open_of_run(session, run.id)]
    waiting += [f"job: {j.id}" for j in mine if j.state is not JobState.CLOSED]
    test = blind.latest(session, run.id)
    found = None if test is None else scenes.opinions(session, run, test.iteration)
    told = () if found is None else tuple(blind_cards.opinions(found))
    expenses = llm_lines.expenses_of(session, run.id)
    return Line(run, ", ".join(waiting) or None, tuple(mine), told, expenses)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
