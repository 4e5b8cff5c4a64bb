"""Whether a run can be published, and noting that it should be."""

import re
from dataclasses import dataclass

from sqlmodel import Session

from agents import hub
from agents.outbox import ADAPTER
from agents.services import Services, UserError
from configs.schema import GateKind
from storage import approvals, datasets, events, publications, runs
from storage.models import Phase, Publication, PublicationOutcome, Run

REPO = re.compile(r"[A-Za-z0-9](?:[\w.-]*[\w])?/[\w](?:[\w.-]*[\w])?", re.ASCII)
REPO_CHARS = 96


@dataclass(frozen=True)
class Publish:
    """What to push where."""

    repo: str
    """`owner/name`."""
    what: str = ADAPTER
    """`adapter`, or a format that it was written in."""
    public: bool = False


def note(session: Session, services: Services, run: Run, wish: Publish) -> str:
    """Keep a wish to publish and return what to tell the person.

    Raises: UserError: publishing is not set up, there is nothing to publish yet, or the name cannot be one.
    """
    assert run.id is not None
    if services.settings.hub.token is None:
        raise UserError(hub.HOW_TO_SET_UP)
    named = REPO.fullmatch(wish.repo) is not None and len(wish.repo) <= REPO_CHARS
    if not named or "--" in wish.repo or ".." in wish.repo or wish.repo.endswith(".git"):
        raise UserError(
            f"“{wish.repo}” cannot be a repository. Name owner and repository, for example “anna/ticket-codes”: letters, "
            "digits, and single - _ . between them."
        )
    if run.phase is Phase.PUBLISHING:
        raise UserError(f"Run #{run.id} is being published already. Answer that question first.")
    if run.phase is not Phase.DELIVERED:
        raise UserError(f"Run #{run.id} has nothing to publish now; it is {run.phase.value}.")
    if datasets.artifact(session, run.id, wish.what, run.iteration) is None:
        raise UserError(
            f"Run #{run.id} has not been written as {wish.what} yet. `/finetune export` does it."
        )
    publications.add(
        session,
        Publication(
            run_id=run.id,
            iteration=run.iteration,
            number=0,
            what=wish.what,
            repo=wish.repo,
            private=not wish.public,
            created_at=services.clock.now(),
        ),
    )
    runs.move(session, run, Phase.PUBLISHING)
    events.unsettle(session, run.id)
    return (
        f"I look at {wish.repo} and ask in the thread of run #{run.id} before anything is pushed."
    )


def take_back(session: Session, services: Services, run: Run) -> str:
    """End a wish to publish; what was delivered stays delivered. Return what to tell the person."""
    assert run.id is not None
    now, wish = services.clock.now(), publications.open_of_run(session, run.id)
    if wish is not None and wish.id is not None:
        publications.close(session, wish.id, PublicationOutcome.REFUSED, now)
    approvals.void(session, run.id, now, by="policy:publishing cancelled", gate=GateKind.PUBLISH)
    runs.move(session, run, Phase.DELIVERED, ended_at=now)
    return f"Run #{run.id} is not published after all; its adapter stays. What was pushed by now stays on the Hub."
