"""The first half of a round: a job finds what fails and has changes proposed; where one says too much, a person is asked."""

from collections.abc import Iterable
from typing import Any

from langgraph.runtime import Runtime
from sqlmodel import Session

from agents import gates, work
from agents.jobs import Approve, JobKind, Proposed, ProposeResult, ProposeSpec
from agents.services import Services
from agents.state import RunState
from agents.waiting import wait_for
from agents.workflow_loop import facts, holding_back
from agents.workflow_loop.facts import Facts
from configs.schema import GateKind
from storage import approvals, events, runs
from storage.models import Approval, Decision, Phase


async def propose(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Have changes proposed, and ask about those that a language model's word is not enough for."""
    services = runtime.context
    known = await services.db.read(facts.read, services, state["run_id"])
    spec = _spec(services, known)
    expected_s = known.now.plan.estimate["total_s"]
    job = await work.finished(
        services, known.run, JobKind.WORKFLOW_PROPOSE, spec, expected_s=expected_s
    )
    result = ProposeResult.model_validate(work.payload(job))
    for proposed in result.proposals:
        await work.keep(services, job, proposed.text)
    for number, proposed in enumerate(result.proposals):
        if not is_asked_about(proposed, known):
            continue
        asked = await services.db.read(_asked, known, number)
        if asked is None:
            asked = await services.db.write(_ask, services, known, number, proposed)
        if asked.decision is Decision.OPEN:
            wait_for(asked)
    await services.db.write(_go_on, services, known, result)
    return state


def is_asked_about(proposed: Proposed, known: Facts) -> bool:
    """Tell whether a person is asked before a proposal is run. Where nobody is to be asked it is not run."""
    approve = known.now.terms.approve
    if approve is Approve.AUTO:
        return False
    return bool(proposed.barred) or approve is Approve.EACH


def may_be_run(session: Session, known: Facts, proposals: tuple[Proposed, ...]) -> list[Proposed]:
    """Return the proposals that may be run: nothing is barred, or a person has said yes to exactly this one."""
    allowed = []
    for number, proposed in enumerate(proposals):
        asked = _asked(session, known, number)
        if (asked is None and not proposed.barred) or (
            asked is not None and asked.decision is Decision.APPROVE
        ):
            allowed.append(proposed)
    return allowed


def _spec(services: Services, known: Facts) -> ProposeSpec:
    terms = known.now.terms
    return ProposeSpec(
        **facts.on_cases(
            services,
            known,
            JobKind.WORKFLOW_PROPOSE,
            terms,
            held=holding_back.held(known, terms),
        ),
        workflow=known.stands,
        round=known.run.iteration,
        standing=known.standing(),
        known=known.known(),
        tried=known.tried(),
        remarks=known.remarks(),
    )


def _asked(session: Session, known: Facts, number: int) -> Approval | None:
    run_id, iteration = work.number(known.run), known.run.iteration
    return approvals.find(session, run_id, GateKind.EDIT, iteration, number)


def _ask(
    session: Session, services: Services, known: Facts, number: int, proposed: Proposed
) -> Approval:
    shown = {
        "iteration": known.run.iteration,
        "number": number + 1,
        "sha256": proposed.name,
        "strategy": proposed.strategy,
        "reason": proposed.reason,
        "barred": [one.model_dump(mode="json") for one in proposed.barred],
        "diff": proposed.diff,
    }
    return gates.ask(session, services, known.run, GateKind.EDIT, revision=number, shown=shown)


def _go_on(session: Session, services: Services, known: Facts, result: ProposeResult) -> None:
    run = known.run
    if run.iteration == 1:
        shown = {
            "standing": result.standing.model_dump(mode="json"),
            "cases": [case.model_dump(mode="json") for case in known.found.cases],
        }
        events.say(session, work.number(run), "stands", "stands", shown, services.clock.now())
    if may_be_run(session, known, result.proposals):
        runs.move(session, run, Phase.EVALUATING)
        return
    _tell_nothing(session, services, known, result)
    runs.move(session, run, Phase.DEBUGGING)


def not_run(proposals: Iterable[Proposed]) -> list[dict[str, Any]]:
    """Say of proposals that were not run what kept them from it."""
    return [
        {"strategy": one.strategy, "barred": [barred.where for barred in one.barred]}
        for one in proposals
    ]


def _tell_nothing(
    session: Session, services: Services, known: Facts, result: ProposeResult
) -> None:
    """Tell a round in which nothing could be run: why each strategy came to nothing."""
    shown = {
        "iteration": known.run.iteration,
        "measurement": 0,
        "measured": [],
        "refused": [],
        "not_run": not_run(result.proposals),
        "given_up": [list(one) for one in result.given_up],
        "winner": None,
        "stood": result.standing.metrics,
        "would_stand": None,
        "out_of_budget": result.out_of_budget,
    }
    key = f"i{known.run.iteration}:round:0"
    events.say(session, work.number(known.run), "round", key, shown, services.clock.now())
