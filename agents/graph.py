"""The loop on one page: nodes, edges and how a run is driven through them.

        ↑__________ repair rows __|
    PREPARING → PLANNING → APPROVING ───────────→ BUILDING → EVALUATING → REVIEWING → DELIVERING → DELIVERED
                   ↑  ↑____ revise __|└→ ENRICHING ─↑ | failed               | ❌ / reply
                   └─────────────────────── DEBUGGING ←──────────────────────┘
                                                          DELIVERED ⇄ EXPORTING
                                                          DELIVERED ⇄ PUBLISHING
    Where the plan has rows that a program makes, ENRICHING makes them and asks whether they may be learnt from
    A run that improves a workflow takes the same phases; its review may lead to EVALUATING again, for some of the edits
    A person goes back to the plan of an earlier try: REVIEWING, DELIVERED or FAILED → PLANNING
    A person takes a try that was measured: PLANNING … REVIEWING, DELIVERED or FAILED → DELIVERING

`START` and every node leave through one router that reads `Run.phase`, so that driving a run is start, resume, crash
recovery and scheduler tick in one. What a phase does for a model and for a workflow is in one table: no node asks which of
the two it serves. Checkpoints are disposable: rows are the truth.
"""

import logging
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from sqlmodel import Session

from agents import (
    data_generator,
    debugger,
    evaluator,
    exporter,
    intake,
    orchestrator,
    publisher,
    trainer,
    work,
)
from agents.services import Services
from agents.state import RunState
from agents.workflow_loop import (
    handing_over,
    measuring,
    planning,
    proposing,
    reading,
    reviewing,
    stopping,
)
from storage import runs
from storage.models import FINAL, Phase, Run, Target

log = logging.getLogger(__name__)

Graph = CompiledStateGraph[RunState, Services, RunState, RunState]

NODES: dict[Phase, tuple[str, Any]] = {
    Phase.PREPARING: ("intake", intake.prepare),
    Phase.PLANNING: ("orchestrator_plan", orchestrator.plan),
    Phase.APPROVING: ("orchestrator_approve", orchestrator.approve),
    Phase.ENRICHING: ("data_generator", data_generator.enrich),
    Phase.BUILDING: ("trainer", trainer.train),
    Phase.EVALUATING: ("evaluator", evaluator.evaluate),
    Phase.REVIEWING: ("evaluator_review", evaluator.review),
    Phase.DEBUGGING: ("debugger", debugger.debug),
    Phase.DELIVERING: ("orchestrator_deliver", orchestrator.deliver),
    Phase.EXPORTING: ("exporter", exporter.export),
    Phase.PUBLISHING: ("publisher", publisher.publish),
}
"""What a phase does."""

OF_WORKFLOWS: dict[Phase, tuple[str, Any]] = {
    Phase.PREPARING: ("workflow_intake", reading.prepare),
    Phase.PLANNING: ("workflow_plan", planning.plan),
    Phase.BUILDING: ("workflow_proposer", proposing.propose),
    Phase.EVALUATING: ("workflow_evaluator", measuring.measure),
    Phase.REVIEWING: ("workflow_review", reviewing.review),
    Phase.DEBUGGING: ("workflow_stopper", stopping.stop_or_go_on),
    Phase.DELIVERING: ("workflow_deliver", handing_over.deliver),
}
"""What a phase does where it is a workflow that is improved, as far as that is something else."""

STEPS: dict[Target, dict[Phase, tuple[str, Any]]] = {
    Target.MODEL: NODES,
    Target.WORKFLOW: NODES | OF_WORKFLOWS,
}

RECURSION_LIMIT = 60
"""Nodes that one drive may pass; a run that needs more is going in circles."""


async def _route(state: RunState, runtime: Runtime[Services]) -> str:
    run = await runtime.context.db.read(runs.get, state["run_id"])
    return END if run.phase in FINAL or run.paused else STEPS[run.target][run.phase][0]


def build(checkpointer: BaseCheckpointSaver[str]) -> Graph:
    """Return the compiled graph."""
    graph = StateGraph(RunState, context_schema=Services)
    nodes = {name: node for steps in STEPS.values() for name, node in steps.values()}
    destinations: dict[Any, str] = {END: END} | {name: name for name in nodes}
    graph.add_conditional_edges(START, _route, destinations)
    for name, node in nodes.items():
        graph.add_node(name, node)
        graph.add_conditional_edges(name, _route, destinations)
    return graph.compile(checkpointer=checkpointer)


async def advance(graph: Graph, services: Services, run_id: int) -> None:
    """Drive a run until it ends or waits. Safe at any time, any number of times.

    An error ends the run as FAILED with a reason; it never reaches the caller, so one run cannot stop the others.
    """
    try:
        await graph.ainvoke(
            {"run_id": run_id},
            {"configurable": {"thread_id": str(run_id)}, "recursion_limit": RECURSION_LIMIT},
            context=services,
            durability="sync",
        )
    except runs.Fenced:
        log.info("run=%d moved on by somebody else; looking again", run_id)
        services.wake(run_id)
    except Exception as error:
        log.exception("run=%d failed", run_id)
        await services.db.write(_fail, services, run_id, work.explain(error))


def _fail(session: Session, services: Services, run_id: int, reason: str) -> None:
    run: Run = runs.get(session, run_id)
    if run.phase not in FINAL:
        work.fail(session, services, run, reason)
