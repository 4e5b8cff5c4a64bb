"""Runs that improve a workflow, without a model: what the four jobs would tell, at once and the same each time."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlmodel import Session

from agents import jobs, work
from agents.jobs import (
    CaseRef,
    ClaimResult,
    ClaimSpec,
    FileRef,
    JobOutcome,
    JobResult,
    Measured,
    MeasureRoundResult,
    MeasureRoundSpec,
    Proposed,
    ProposeResult,
    ProposeSpec,
    ReadWorkflowResult,
    ReadWorkflowSpec,
    Spent,
    Standing,
    WorkflowWish,
)
from agents.workflow.round_metrics import Metrics
from bot.answering import Reaction
from storage import approvals, datasets, events, runs
from storage.models import Approval, Dataset, Decision, Phase, Run, Target
from tests.fakes import StubLauncher
from tests.house import ANNA, House

GIVEN = (
    "name: Sort\nstart_state: sort\nstates:\n  sort: {type: prompt, prompt: Sort it, next: end}\n"
)
SUITE = "tests:\n  - {name: one}\n"
CASES = tuple(
    CaseRef(name=f"case {number}", part=part)
    for number, part in enumerate(("shown", "shown", "validation", "sealed"))
)
BETTER = "# better\n"
"""Each line of it in a workflow makes a quarter of the cases pass."""


@dataclass
class StubWorkflows(StubLauncher):
    """A worker that also plays the jobs of workflows: each round proposes one change of two edits, which is better."""

    idle: set[int] = field(default_factory=set)
    """Rounds in which what is proposed is not better."""
    barred: set[int] = field(default_factory=set)
    """Rounds in which a person has to say yes to the proposal first."""
    calls: int = 10
    """That each job says it has made."""

    def _succeed(self, folder: Path, spec: jobs.JobSpec) -> None:
        payload: Any
        match spec.spec:
            case ReadWorkflowSpec():
                payload = _read(folder, spec.spec)
            case ProposeSpec():
                payload = self._proposed(folder, spec.spec)
            case MeasureRoundSpec():
                payload = self._measured(folder, spec.spec)
            case ClaimSpec():
                payload = self._claimed(spec.spec)
            case _:
                super()._succeed(folder, spec)
                return
        result = JobResult(job_id=spec.job_id, outcome=JobOutcome.SUCCEEDED, payload=payload)
        jobs.write_result(folder, result)

    @property
    def _spent(self) -> Spent:
        return Spent(calls=self.calls, tokens=100 * self.calls, seconds=30.0)

    def _proposed(self, folder: Path, spec: ProposeSpec) -> ProposeResult:
        before = Path(spec.workflow.text.path).read_text()
        text = _kept(folder, before + f"# round {spec.round}\n" + BETTER)
        standing = spec.standing or _standing(before)
        barred = [{"where": "model", "why": "dearer", "before": "a", "after": "b"}]
        proposed = Proposed.model_validate(
            {
                "name": text.sha256,
                "text": text,
                "strategy": "clarify",
                "reason": "the prompt does not say how",
                "edits": [{"op": "set_prompt", "state": "sort"}, {"op": "add_state", "name": "x"}],
                "barred": barred if spec.round in self.barred else [],
                "diff": f"+# round {spec.round}",
            }
        )
        return ProposeResult(
            standing=standing, proposals=(proposed,), strategies=("clarify",), spent=self._spent
        )

    def _measured(self, folder: Path, spec: MeasureRoundSpec) -> MeasureRoundResult:
        contender = spec.contenders[0]
        before, after = (
            Path(file.path).read_text() for file in (spec.workflow.text, contender.proposed.text)
        )
        if contender.taken is not None:
            after = before + f"# some of round {spec.round}\n" + BETTER
        text = _kept(folder, after)
        won = spec.round not in self.idle
        return MeasureRoundResult(
            measured=(
                Measured(
                    name=text.sha256,
                    text=text,
                    strategy="clarify",
                    outcome="kept" if won else "rejected",
                    reason="better, twice" if won else "not better",
                    gain=0.25 if won else 0.0,
                    gain_again=0.2 if won else None,
                    fixed=("case 1",) if won else (),
                    metrics=_standing(after).metrics,
                ),
            ),
            winner=text.sha256 if won else None,
            stood=_standing(before),
            would_stand=_standing(after) if won else None,
            spent=self._spent,
        )

    def _claimed(self, spec: ClaimSpec) -> ClaimResult:
        changed = spec.left_over.text.sha256 != spec.given.text.sha256
        return ClaimResult(
            gave_back=False,
            claim="better" if changed else "cannot tell",
            words="Better on sealed cases." if changed else "No change was kept.",
            sealed_cases=1 if changed else 0,
            before=0.25,
            after=0.75 if changed else 0.25,
            gain=0.5 if changed else 0.0,
            before_metrics=_standing(Path(spec.given.text.path).read_text()).metrics,
            after_metrics=_standing(Path(spec.left_over.text.path).read_text()).metrics,
            spent=self._spent,
        )


async def start(house: House, rounds: int = 3, **wish: object) -> int:
    """Begin such a run, as far as its question about the plan."""
    told = WorkflowWish.model_validate({"rounds": rounds, **wish})
    run_id = await house.app.services.db.write(_start, house, told)
    house.app.services.wake(run_id)
    await house.settle()
    return run_id


async def open_question(house: House, run_id: int = 1) -> Approval | None:
    """Return what a run waits for."""
    asked = await house.app.services.db.read(approvals.open_of_run, run_id)
    return asked[-1] if asked else None


async def answer(house: House, decision: Decision, words: str | None = None) -> Reaction:
    """Answer what the run waits for."""
    asked = await open_question(house)
    assert asked is not None, "nobody is asking anything"
    reaction = await house.app.commands.decide(asked.id, None, ANNA, decision, words)
    await house.settle()
    return reaction


async def play(house: House, until: int) -> None:
    """Say yes to all that is asked, until a round is under review or the run is over."""
    while (run := await house.run()).phase is not Phase.DELIVERED:
        if run.phase is Phase.REVIEWING and run.iteration == until:
            return
        await answer(house, Decision.APPROVE)


async def text_of(house: House, kind: str, iteration: int | None = None) -> str:
    """Return an artifact of the first run, the newest one of its kind or that of a round."""
    found = await house.app.services.db.read(datasets.artifact, 1, kind, iteration)
    return house.app.services.files.path(found.sha256).read_text()


def _start(session: Session, house: House, wish: WorkflowWish) -> int:
    now = house.clock.now()
    run = runs.add(
        session,
        Run(
            origin_key=f"log:{len(runs.recent(session)) + 1}",
            target=Target.WORKFLOW,
            goal="Sort better",
            model="",
            owner=ANNA.id,
            owner_name=ANNA.name,
            home="log:channel",
            workflow=wish.model_dump(mode="json"),
            created_at=now,
        ),
    )
    run_id = work.number(run)
    for role, name, text in (("upload", "sort.yaml", GIVEN), ("upload2", "sort.test.yaml", SUITE)):
        file = house.app.services.files.put(text.encode())
        datasets.keep(
            session,
            Dataset(
                run_id=run_id,
                role=role,
                name=name,
                sha256=file.sha256,
                size_bytes=file.size_bytes,
                created_at=now,
            ),
        )
    events.say(session, run_id, "opened", "opened", {}, now)
    return run_id


def _read(folder: Path, spec: ReadWorkflowSpec) -> ReadWorkflowResult:
    assert spec.tests is not None
    return ReadWorkflowResult(
        name="Sort",
        model="gemma3:4b",
        states=1,
        asking=1,
        inputs=0,
        tests=_kept(folder, Path(spec.tests.path).read_text()),
        cases=CASES,
        calls_per_run=1.0,
    )


def _kept(folder: Path, text: str) -> FileRef:
    content = text.encode()
    sha256 = hashlib.sha256(content).hexdigest()
    path = folder / "artifacts" / f"{sha256}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return FileRef(path=f"artifacts/{path.name}", sha256=sha256, size_bytes=len(content))


def _standing(text: str) -> Standing:
    """Return how a workflow does: the more of it is better, the more cases pass."""
    passing = min(len(CASES) - 1, text.count(BETTER))
    scores = {case.name: (float(n < passing),) for n, case in enumerate(CASES[:3])}
    told = Metrics(cases=3, runs=3, pass_rate=passing / 3, p50_s=2.0, tokens=120.0, calls=1.0)
    return Standing(scores=scores, metrics=told.plain())
