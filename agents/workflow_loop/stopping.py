"""After a round: another one, or the last comparison. What stands is never worse for having gone on."""

from langgraph.runtime import Runtime
from sqlmodel import Session

from agents import work
from agents.jobs import Standing
from agents.services import Services
from agents.state import RunState
from agents.workflow_loop import facts, holding_back
from agents.workflow_loop.facts import Facts, Round
from agents.workflow_loop.measuring import file_name
from storage import datasets, events, runs
from storage.models import Decision, Phase

PATIENCE = 3
"""Rounds in a row that were measured and brought nothing. With 2 a run gives up too early: three of seventeen planted faults that
are mended in five rounds (`benchmarks.workflow_faults`) take a third try."""


async def stop_or_go_on(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Note how the workflow stands after the round, and go on or to the end."""
    services = runtime.context
    known = await services.db.read(facts.read, services, state["run_id"])
    await services.db.write(_save, services, known)
    return state


def reason(known: Facts) -> str | None:
    """Return why no further round follows, for a person; None where one does."""
    now, terms = known.now, known.now.terms
    standing = known.standing()
    if standing is not None and all_pass(standing) and not terms.goal and not in_words(now):
        return "Every case passes, each time."
    if now.number >= terms.rounds:
        return f"All {terms.rounds} rounds are used."
    if now.kept is not None and now.kept.decision is Decision.EXPIRED:
        return (
            "Nobody answered in time, so the change that was better is not taken. `revert` with the number of a round begins "
            "another one."
        )
    if _is_broke(now):
        return "What the budget of this run has for rounds is used up."
    if known.stands.text.sha256 != known.given.text.sha256 and not holding_back.fits(
        known, terms, holding_back.last_comparison(known, terms)
    ):
        return "What is left of the budget of this run is for the last comparison."
    if _idle(known.rounds) >= PATIENCE:
        return f"{PATIENCE} rounds in a row brought nothing that was better."
    return None


def all_pass(standing: Standing) -> bool:
    """Tell whether every case passed in every repeat."""
    return bool(standing.scores) and all(min(s, default=0.0) >= 1 for s in standing.scores.values())


def in_words(one: Round) -> bool:
    """Tell whether somebody has said what should be different."""
    return one.kept is not None and bool(one.kept.comment)


def _is_broke(now: Round) -> bool:
    told = [result.out_of_budget for _spec, result in now.measured]
    return any(told) or (now.proposed is not None and now.proposed.out_of_budget)


def _idle(rounds: tuple[Round, ...]) -> int:
    """Return how many of the last rounds brought nothing; a person's word or way back starts the count anew."""
    count = 0
    for one in reversed(rounds):
        came_to_something = one.kept is not None
        if came_to_something or in_words(one):
            break
        undecided = any(
            told.outcome == "indecisive" for _spec, found in one.measured for told in found.measured
        )
        count += not undecided
        if one.restored is not None:
            break
    return count


def _save(session: Session, services: Services, known: Facts) -> None:
    run = known.run
    if datasets.artifact(session, work.number(run), facts.SNAPSHOT, run.iteration) is None:
        name = file_name(known.given_name, f"finetune-iter{run.iteration}")
        session.add(facts.snapshot(run, known.stands.text, name, services))
        session.flush()
    why = reason(known)
    if why is None:
        runs.move(session, run, Phase.PLANNING, iteration=run.iteration + 1)
        return
    shown = {"title": "That was the last round", "text": why}
    key = f"i{run.iteration}:last"
    events.say(session, work.number(run), "notice", key, shown, services.clock.now())
    runs.move(session, run, Phase.DELIVERING)
