"""A run that improves a workflow, standing at the question whether a change stays: rows alone, so that nothing has to be measured."""

from typing import Any

from sqlmodel import Session

from agents import gates, work
from agents.jobs import Approve, WorkflowTerms, WorkflowWish
from agents.services import Services
from bot.app import App
from bot.uploads import Upload
from bot.workflow_start import StartWorkflow, start
from configs.schema import GateKind
from storage import approvals, datasets, runs
from storage.models import Approval, Phase, Plan, Run, Suggestion
from tests.house import ANNA

EDITS = (
    {"op": "set_prompt", "state": "sort", "prompt": "Reply with one word."},
    {"op": "set_prompt", "state": "thank", "prompt": "Say thank you."},
    {"op": "set_save_as", "state": "thank", "variable": "thanks"},
)
METRICS = {
    "cases": 4,
    "runs": 8,
    "pass_rate": 0.5,
    "pass_low": 0.2,
    "pass_high": 0.8,
    "p50_s": 1.5,
    "tokens": 120.0,
    "calls": 2.0,
}


def measured(**facts: Any) -> dict[str, Any]:
    """Return what was measured of a change."""
    told = {
        "name": "ab" * 32,
        "strategy": "fix-failing-prompt",
        "outcome": "kept",
        "reason": "better in both measurements",
        "gain": 0.5,
        "gain_again": 0.25,
        "fixed": ["late parcel"],
        "broke": [],
        "metrics": METRICS | {"pass_rate": 1.0, "p50_s": 1.2},
        "notes": [],
    }
    return told | facts


def shown(edits: int = len(EDITS), **facts: Any) -> dict[str, Any]:
    """Return what the question shows."""
    told = {
        "iteration": 1,
        "sha256": "ab" * 32,
        "strategy": "fix-failing-prompt",
        "reason": "The reply has to be one word.",
        "aims_at": "late parcel",
        "diff": "--- before\n+++ after\n@@ -1 +1 @@\n-    prompt: What?\n+    prompt: Which word?\n",
        "edits": ["set prompt: sort"] * edits,
        "barred": [],
        "measured": measured(),
        "stood": METRICS,
        "note": None,
        "spent": {"calls": 40, "tokens": 9000, "seconds": 100.0},
    }
    return told | facts


async def ask(app: App, edits: int = len(EDITS), revision: int = 0, **of_run: Any) -> Approval:
    """Ask the question of a run with so many edits; a later revision is about the same run."""
    file = Upload(app.services.files.put(b"name: Sorter\n"), "sorter.yaml")
    return await app.services.db.write(_ask, app.services, file, edits, revision, of_run)


async def taken(app: App, run_id: int = 1) -> list[bool]:
    """Return which edits are taken."""
    found = await app.services.db.read(datasets.suggestions, run_id, 1)
    return [one.taken for one in found]


def _ask(
    session: Session,
    services: Services,
    file: Upload,
    edits: int,
    revision: int,
    of_run: dict[str, Any],
) -> Approval:
    run = _run(session, services, file, edits, of_run)
    asked = gates.ask(session, services, run, GateKind.KEEP, revision=revision, shown=shown(edits))
    assert asked.id is not None
    return asked


def _run(
    session: Session, services: Services, file: Upload, edits: int, of_run: dict[str, Any]
) -> Run:
    """Return the run, made once."""
    person = of_run.get("person", ANNA)
    wish = {"key": "log:1", "person": person, "guild": None, "home": "log:channel", **of_run}
    run = start(session, services, StartWorkflow(file=file, wish=WorkflowWish(), **wish))
    if run.phase is Phase.REVIEWING:
        return run
    now = services.clock.now()
    terms = WorkflowTerms(
        model="small",
        analysis_model="analyst",
        rounds=3,
        repeats=2,
        proposals=1,
        approve=Approve.EVIDENCE,
        max_calls=100,
    )
    run_id = work.number(run)
    session.add(
        Plan(
            run_id=run_id,
            iteration=1,
            revision=0,
            recipe=terms.model_dump(mode="json"),
            estimate={"total_s": 1.0},
            created_at=now,
        )
    )
    for phase in (Phase.PLANNING, Phase.BUILDING, Phase.EVALUATING, Phase.REVIEWING):
        runs.move(session, run, phase)
        run = runs.fresh(session, run_id)
    rows = [
        Suggestion(
            run_id=run_id,
            iteration=1,
            position=place,
            rule="fix-failing-prompt",
            change=edit,
            finding="",
            advice=f"{str(edit['op']).replace('_', ' ')}: {edit['state']}",
            taken=True,
            created_at=now,
        )
        for place, edit in enumerate(EDITS[:edits])
    ]
    datasets.suggest(session, run_id, 1, rows)
    return run


async def newest(app: App, run_id: int = 1) -> Approval:
    """Return the newest question of a run."""
    found = await app.services.db.read(approvals.latest, run_id, GateKind.KEEP.value, 1)
    assert found is not None
    return found
