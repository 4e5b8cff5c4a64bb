"""Start a run that improves a workflow: the same wish from every surface."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from sqlmodel import Session

from agents import work
from agents.jobs import WorkflowWish
from agents.services import Services, UserError
from agents.workflow.goals import NoGoal, parse
from bot import uploads
from bot.surface import Person
from bot.text import plain
from bot.uploads import Upload
from configs.schema import GateKind
from storage import events, runs
from storage.models import Run, Target

ENDINGS = (".yaml", ".yml")
UNREAD = "–"
"""Model of a run whose workflow has not been read yet."""


@dataclass(frozen=True)
class StartWorkflow:
    """A wish for such a run, with its files in the store."""

    key: str
    """Of the command: the same command twice is one run."""
    person: Person
    guild: str | None
    home: str
    file: Upload
    wish: WorkflowWish
    tests: Upload | None = None
    """None: tests are made."""
    goal: str = ""
    """The person's sentence; empty: to improve it."""
    policy: tuple[GateKind, ...] = ()


def check_name(name: str) -> None:
    """Refuse a file that is not called like a workflow. Raises: UserError."""
    if PurePosixPath(name).suffix.lower() not in ENDINGS:
        raise UserError(f"{plain(name, 80)} is no workflow: its name should end in .yaml or .yml.")


def check_goal(goal: str) -> None:
    """Refuse weights that are none; words may say anything. Raises: UserError."""
    if "=" not in goal:
        return
    try:
        parse(goal)
    except NoGoal as error:
        raise UserError(str(error)) from error


def start(session: Session, services: Services, wish: StartWorkflow) -> Run:
    """Start the run, once. Raises: UserError: too many open runs."""
    known = runs.by_origin(session, wish.key)
    if known is not None:
        return known
    limit = services.settings.limits.open_per_user
    if runs.count_open(session, wish.person.id) >= limit:
        raise UserError(
            f"You have {limit} runs open already, as many as one person may have here. Finish or cancel one first."
        )
    now = services.clock.now()
    run = runs.add(
        session,
        Run(
            origin_key=wish.key,
            target=Target.WORKFLOW,
            goal=wish.goal.strip()[:1000] or f"improve {wish.file.name}",
            method="workflow",
            model=UNREAD,
            owner=wish.person.id,
            owner_name=wish.person.name,
            guild=wish.guild,
            home=wish.home,
            policy=[gate.value for gate in wish.policy],
            workflow=wish.wish.model_dump(mode="json"),
            created_at=now,
        ),
    )
    given = [wish.file] if wish.tests is None else [wish.file, wish.tests]
    uploads.keep(session, work.number(run), given, (), now)
    events.say(session, work.number(run), "opened", "opened", {}, now)
    return run
