"""The job that sees where a workflow fails, and has changes proposed: each checked, none of them run."""

import asyncio
from pathlib import Path

from agents.jobs import (
    Barred,
    JobOutcome,
    JobResult,
    Proposed,
    ProposeResult,
    ProposeSpec,
    Standing,
    TriedChange,
)
from agents.workflow.evidence import Evidence, Tried
from agents.workflow.job_files import diff, kept_text
from agents.workflow.load import Loaded
from agents.workflow.measuring import hash_of
from agents.workflow.proposing import GivenUp, Incumbent, Proposal, propose
from agents.workflow.purse import USED_UP, OutOfBudget, TooPoor
from agents.workflow.rounds import INCUMBENT, Ask, Stage
from agents.workflow.standing import failures, standing
from agents.workflow.strategies import STRATEGIES, Record, Strategy, choose
from agents.workflow.workplace import Workplace, parts, text_of, workplace

FIRST = "first look"


def run(folder: Path, spec: ProposeSpec) -> JobResult:
    """Propose changes.

    Raises: WorkflowError: a file cannot be used. ModelError: the analyst is away. TooPoor: the budget ends before anything.
    """
    with workplace(folder, spec, spec.terms, "looking for what fails") as place:
        result = asyncio.run(_Round(folder, spec, place).result())
    return JobResult(job_id=folder.name, outcome=JobOutcome.SUCCEEDED, payload=result)


class _Round:
    """The first half of a round: what fails, and what may help."""

    def __init__(self, folder: Path, spec: ProposeSpec, place: Workplace) -> None:
        self.folder, self.spec, self.place = folder, spec, place
        self.loaded: Loaded = place.load(spec.workflow)
        self.text = text_of(spec.workflow.text)

    async def result(self) -> ProposeResult:
        """Measure what stands where nobody has, and ask for changes."""
        stands = self.spec.standing or await self._measured()
        strategies = self._strategies()
        told = ProposeResult(
            standing=stands,
            proposals=(),
            strategies=tuple(s.name for s in strategies),
            spent=self.place.spent,
        )
        if not self._worth_asking(stands):
            return told.model_copy(update={"strategies": ()})
        proposals: dict[str, Proposed] = {}
        given_up: list[tuple[str, str]] = []
        out_of_budget = False
        reporter = self.place.reporter
        for number, strategy in enumerate(strategies):
            reporter.stage(f"thinking: {strategy.name}", len(strategies), number)
            try:
                made = await self._ask(strategy, stands, frozenset(proposals))
            except OutOfBudget:
                out_of_budget = True
                given_up.append((strategy.name, USED_UP))
                break
            if isinstance(made, GivenUp):
                given_up.append((made.strategy, made.why[:600]))
            else:
                proposals.setdefault(made.name, self._kept(made))
        return told.model_copy(
            update={
                "proposals": tuple(proposals.values()),
                "given_up": tuple(given_up),
                "out_of_budget": out_of_budget,
                "spent": self.place.spent,
            }
        )

    async def _measured(self) -> Standing:
        """Run the workflow that stands on the cases that are not sealed. Raises: TooPoor."""
        spec, place = self.spec, self.place
        cases = parts(spec.cases, "shown", "validation")
        ask = Ask(Stage.MEASURE, (INCUMBENT,), cases, spec.terms.repeats)
        tell = place.counting("running the workflow as it stands", len(cases) * ask.repeats)
        scenarios = place.scenarios(spec.tests, spec.tests_path, self.loaded)
        bench = place.bench({INCUMBENT: self.loaded}, scenarios, spec.workflow, FIRST, tell=tell)
        try:
            measured = await bench.play(ask)
        except OutOfBudget as error:
            raise TooPoor(
                f"The budget was used up before the workflow had been measured as it stands ({place.spent.calls} calls of a "
                "model). Start again with a larger one, fewer repeats or fewer cases."
            ) from error
        shown = parts(spec.cases, "shown")
        return standing(measured, INCUMBENT, self.loaded, scenarios, shown)

    def _worth_asking(self, stands: Standing) -> bool:
        """Tell whether there is anything to improve: a case that fails, a goal beside the cases, or a person's word."""
        fails = any(min(scores, default=0.0) < 1 for scores in stands.scores.values())
        return fails or bool(self.spec.terms.goal) or bool(self.spec.remarks)

    def _strategies(self) -> tuple[Strategy, ...]:
        named = self.spec.terms.strategies
        if named:
            return tuple(STRATEGIES[name] for name in named)
        chance = hash_of(self.spec.terms.seed, "strategies", self.spec.round)
        return choose(records(self.spec.tried), self.spec.terms.proposals, chance)

    async def _ask(
        self, strategy: Strategy, stands: Standing, others: frozenset[str]
    ) -> Proposal | GivenUp:
        spec, place = self.spec, self.place
        evidence = Evidence(
            workflow=self.loaded.workflow,
            failures=failures(stands),
            tried=tuple(Tried(one.strategy, one.reason, one.outcome) for one in spec.tried),
            remarks=spec.remarks,
            goal=spec.terms.goal,
        )
        incumbent = Incumbent(
            text=self.text,
            path=Path(spec.workflow.path),
            reach=place.reach(spec.workflow),
            loaded=self.loaded,
            allowed_models=place.settings.workflows.allowed_models,
            known=frozenset((*spec.known, spec.workflow.text.sha256)) | others,
        )
        return await propose(incumbent, evidence, strategy, place.analyst)

    def _kept(self, made: Proposal) -> Proposed:
        return Proposed(
            name=made.name,
            text=kept_text(self.folder, made.text),
            strategy=made.strategy,
            reason=made.reason,
            aims_at=made.aims_at,
            edits=tuple(edit.model_dump(mode="json", exclude_none=True) for edit in made.edits),
            barred=tuple(
                Barred(where=one.where, why=one.why, before=one.before, after=one.after)
                for one in made.needs_yes
            ),
            shorter=made.shorter,
            diff=diff(self.text, made.text),
        )


def records(tried: tuple[TriedChange, ...]) -> dict[str, Record]:
    """Return how each strategy has fared in the rounds before."""
    found: dict[str, Record] = {}
    for one in tried:
        before = found.get(one.strategy, Record())
        found[one.strategy] = Record(before.tried + 1, before.kept + one.kept)
    return found
