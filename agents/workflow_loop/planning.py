"""The plan of a run that improves a workflow: its terms, what they cost about, and the question whether to begin.

The first plan is asked about; the rounds that it names follow without a question, each within today's budget.
"""

import re
from typing import Any

from langgraph.runtime import Runtime
from sqlmodel import Session

from agents import budget, gates, work
from agents.drafts import Revert
from agents.jobs import Approve, WorkflowTerms, WorkflowWish
from agents.services import Services
from agents.state import RunState
from agents.workflow_loop import facts, restoring
from agents.workflow_loop.estimates import guess, sizes
from agents.workflow_loop.facts import Facts
from configs.in_force import in_force
from configs.schema import GateKind, Settings
from storage import approvals, datasets, events, runs
from storage.models import Approval, Phase, Plan, Run

MAX_GOAL_CHARS = 1000
MOST = {"rounds": 50, "repeats": 20, "proposals": 8}
_SAID = re.compile(r"(\d{1,6})\s+(rounds?|repeats?|proposals?|calls?)\b", re.IGNORECASE)
FIELDS = {
    "round": "rounds",
    "repeat": "repeats",
    "proposal": "proposals",
    "call": "max_calls",
}


def terms_of(settings: Settings, wish: WorkflowWish, *, model: str) -> WorkflowTerms:
    """Return the terms of a wish, with what it leaves open as it is configured."""
    ours = settings.workflows
    return WorkflowTerms(
        model=model,
        stand_in=wish.model,
        analysis_model=wish.analysis_model or wish.model or ours.default_model,
        rounds=wish.rounds or ours.rounds,
        repeats=wish.repeats or ours.repeats,
        proposals=wish.proposals or ours.proposals,
        approve=wish.approve,
        max_calls=min(wish.max_calls or ours.max_calls, ours.max_calls),
        max_tokens=wish.max_tokens,
        max_seconds=wish.max_seconds,
        seed=wish.seed,
        goal=wish.goal,
        # from a chat, the servers that whoever runs this lets uploads start
        with_tools=wish.with_tools or (bool(ours.upload_servers) and not wish.own_files),
    )


async def plan(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Plan the next round; the first one, and one that somebody has words for, with a question."""
    services = runtime.context
    known = await services.db.read(facts.read, services, state["run_id"])
    await services.db.write(_save, services, known)
    return state


def _save(session: Session, services: Services, known: Facts) -> None:
    run = known.run
    run_id = work.number(run)
    before = datasets.latest_plan(session, run_id)
    first = run.iteration == 1
    revision = 0 if before is None or before.iteration != run.iteration else before.revision + 1
    terms = (
        terms_of(services.settings, known.wish, model=known.found.model)
        if before is None
        else WorkflowTerms.model_validate(before.recipe)
    )
    words = _words(session, known, before)
    changed = amended(terms, words) if words else terms
    taken = guess(changed, sizes(known.found), first=first)
    row = Plan(
        run_id=run_id,
        iteration=run.iteration,
        revision=revision,
        recipe=changed.model_dump(mode="json"),
        estimate=taken.as_json(),
        why=_why(run),
        changes=difference(terms, changed),
        asked=words,
        settings=in_force(services.settings),
        created_at=services.clock.now(),
    )
    session.add(row)
    session.flush()
    if first:
        _ask(session, services, known, row)
        return
    refused = budget.reserve(session, services, run)
    if refused is not None:
        _stop_for_want(session, services, known, refused)
        return
    runs.move(session, run, Phase.BUILDING, revert=None)


def _why(run: Run) -> list[list[str]]:
    """Return where the round begins, where that is not at what stood last."""
    if run.revert is None:
        return []
    wanted = Revert.model_validate(run.revert)
    return [restoring.why(wanted.iteration, wanted.by)]


def _ask(session: Session, services: Services, known: Facts, row: Plan) -> None:
    found = known.found
    shown = {
        "plan_id": row.id,
        "iteration": row.iteration,
        "revision": row.revision,
        "recipe": row.recipe,
        "estimate": row.estimate,
        "changes": row.changes,
        "asked": row.asked,
        "cases": [case.model_dump(mode="json") for case in found.cases],
        "tests_made": found.made,
    }
    gates.ask(session, services, known.run, GateKind.PLAN, revision=row.revision, shown=shown)
    runs.move(session, known.run, Phase.APPROVING)


def _stop_for_want(session: Session, services: Services, known: Facts, refused: str) -> None:
    """Hand over what stands where today's budget has no room for another round."""
    shown = {"title": "No room for another round", "text": refused}
    key = f"i{known.run.iteration}:short"
    events.say(session, work.number(known.run), "notice", key, shown, services.clock.now())
    runs.move(session, known.run, Phase.DELIVERING, revert=None)


def _words(session: Session, known: Facts, before: Plan | None) -> str | None:
    """Return what somebody said to the plan that stood before in this round."""
    run = known.run
    if before is None or before.iteration != run.iteration:
        return None
    answer: Approval | None = None
    for gate in (GateKind.CHANGE, GateKind.PLAN):
        answer = answer or approvals.find(
            session, work.number(run), gate, run.iteration, before.revision
        )
    return answer.comment if answer else None


def amended(terms: WorkflowTerms, words: str) -> WorkflowTerms:
    """Return terms with what somebody said: numbers of rounds, repeats, proposals or calls; else it is what they want of it.

    A number beyond what there may be is the most that there may be.
    """
    most = {**MOST, "max_calls": terms.max_calls}
    said: dict[str, Any] = {}
    for value, name in _SAID.findall(words):
        field = FIELDS[name.lower().rstrip("s")]
        if int(value):
            said[field] = min(int(value), most[field])
    if "without asking" in words.lower():
        said["approve"] = Approve.AUTO
    if not said:
        goal = f"{terms.goal}; {words}" if terms.goal else words
        said["goal"] = goal[:MAX_GOAL_CHARS]
    return terms.model_copy(update=said)


def difference(before: WorkflowTerms, after: WorkflowTerms) -> list[Any]:
    """Return (field, before, after) of what is different."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return [[name, str(old[name]), str(new[name])] for name in old if old[name] != new[name]]
