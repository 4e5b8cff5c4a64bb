"""The question whether a better workflow stays: ✅ all of it or some edits, ❌ not, words for the next proposal."""

import re

from langgraph.runtime import Runtime
from sqlmodel import Session

from agents.services import Services
from agents.state import RunState
from agents.waiting import wait_for
from agents.workflow_loop import facts
from agents.workflow_loop.facts import Facts
from agents.workflow_loop.measuring import stays, winner_of
from storage import runs
from storage.models import Approval, Decision, Phase, Suggestion

_LISTED = r"((?:\d{1,3}[\s,&and]+)*\d{1,3})"
_WITHOUT = re.compile(rf"(?:without|drop|leave\s+out|skip|not)\s+{_LISTED}", re.IGNORECASE)
_ONLY = re.compile(rf"(?:with|only|just|take|keep)\s+{_LISTED}", re.IGNORECASE)
_NUMBERS = re.compile(r"\d+")


async def review(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Wait for the answer, and go where it points. Without one nothing is changed."""
    services = runtime.context
    known = await services.db.read(facts.read, services, state["run_id"])
    asked = known.now.kept
    if asked is None:
        raise LookupError(f"run {known.run.id} is under review without a question")
    if asked.decision is Decision.OPEN:
        wait_for(asked)
    await services.db.write(_go_on, services, known, asked)
    return state


def named_in(words: str) -> tuple[bool, frozenset[int]] | None:
    """Return whether the edits that words name are those to take, and their numbers from 1; None where they name none."""
    for pattern, takes in ((_ONLY, True), (_WITHOUT, False)):
        match = pattern.fullmatch(words.strip().rstrip(".!"))
        if match is not None:
            return takes, frozenset(int(number) for number in _NUMBERS.findall(match[1]))
    return None


def chosen_in(words: str, edits: int) -> tuple[int, ...] | None:
    """Return the places of the edits that words take, from 0: "without 2", "only 1 and 3"; None where they say no such thing."""
    named = named_in(words)
    if named is None or not named[1] <= frozenset(range(1, edits + 1)):
        return None
    takes, numbers = named
    return tuple(place for place in range(edits) if (place + 1 in numbers) == takes)


def _go_on(session: Session, services: Services, known: Facts, asked: Approval) -> None:
    run, chosen = known.run, known.now.chosen
    if asked.decision is Decision.REVISE:
        taken = chosen_in(asked.comment or "", len(chosen))
        if taken is None:
            runs.move(session, run, Phase.DEBUGGING)
            return
        _take(session, chosen, taken)
    elif asked.decision is not Decision.APPROVE:
        runs.move(session, run, Phase.DEBUGGING)
        return
    left = [one for one in chosen if one.taken]
    if chosen and not left:
        runs.move(session, run, Phase.DEBUGGING)
    elif len(left) < len(chosen):
        runs.move(session, run, Phase.EVALUATING)
    else:
        whole = winner_of(known.now)
        told = next(one for one in known.now.measured[0][1].measured if one.name == whole.name)
        stays(session, services, run, told, known.given_name)
        runs.move(session, run, Phase.DEBUGGING, best_iteration=run.iteration)


def _take(session: Session, chosen: tuple[Suggestion, ...], taken: tuple[int, ...]) -> None:
    for one in chosen:
        one.taken = one.position in taken
        session.merge(one)
    session.flush()
