"""The job that reads a workflow with its tests: checks both, makes tests where there are none, and splits them."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from agents.jobs import JobOutcome, JobResult, ReadWorkflowResult, ReadWorkflowSpec
from agents.jobs.workflows import CaseRef, Finding
from agents.workflow import lint
from agents.workflow.job_files import kept_text
from agents.workflow.load import Loaded
from agents.workflow.model import Kind
from agents.workflow.playing import Played
from agents.workflow.problems import Problem
from agents.workflow.purse import OutOfBudget, TooPoor
from agents.workflow.splitting import split
from agents.workflow.suite import Scenario
from agents.workflow.suite_file import load_suite_for
from agents.workflow.suite_making import Rehearsal, Wish, make_suite
from agents.workflow.suite_write import as_yaml
from agents.workflow.workplace import Workplace, named, workplace
from agents.workflow.yaml_source import parse

MAX_FINDINGS = 40
MAX_ABOUT_CHARS = 300
WISHED = "Wished, and not so yet: "
"""Before the description of a case that fails on the workflow as it was given: a model thinks that it should not."""


def run(folder: Path, spec: ReadWorkflowSpec) -> JobResult:
    """Read what the spec names.

    Raises: WorkflowError: the workflow or its tests cannot be used. ModelError: tests are to be made, and no model is there.
    NothingHolds: or none could be made. TooPoor: or the budget ends before.
    """
    with workplace(folder, spec, spec.terms, "reading the workflow") as place:
        result = asyncio.run(_read(folder, spec, place))
    return JobResult(job_id=folder.name, outcome=JobOutcome.SUCCEEDED, payload=result)


async def _read(folder: Path, spec: ReadWorkflowSpec, place: Workplace) -> ReadWorkflowResult:
    loaded = place.load(spec.workflow)
    states = loaded.workflow.states.values()
    asking = sum(state.kind in {Kind.PROMPT, Kind.DECISION} for state in states)
    found = ReadWorkflowResult(
        name=loaded.workflow.name,
        model=loaded.workflow.default_model,
        states=len(loaded.workflow.states),
        asking=asking,
        inputs=sum(state.kind in {Kind.INPUT, Kind.CHOICE} for state in states),
        findings=_findings(loaded),
        tests=spec.tests or spec.workflow.text,
        cases=(),
        calls_per_run=max(1.0, float(asking)),
    )
    if spec.tests is not None:
        scenarios = place.scenarios(spec.tests, spec.tests_path or "tests", loaded)
        given = {"cases": _cases(scenarios, spec.terms.seed), "spent": place.spent}
        return found.model_copy(update=given)
    return await _made(folder, spec, place, loaded, found)


async def _made(
    folder: Path,
    spec: ReadWorkflowSpec,
    place: Workplace,
    loaded: Loaded,
    found: ReadWorkflowResult,
) -> ReadWorkflowResult:
    """Make tests, within the budget. Raises: NothingHolds: there are none that hold. TooPoor: it ends before."""
    wish = Wish(
        repeats=spec.terms.repeats,
        goal=spec.terms.goal,
        workflow=Path(spec.workflow.path).name,
        seed=spec.terms.seed,
    )
    tell = place.counting("making tests", 0)

    calls: list[int] = []

    def heard(_side: str, _scenario: Scenario, played: Played) -> None:
        if played.outcome is not None:
            calls.append(played.outcome.calls)  # those of an earlier attempt included
        place.pay()
        tell(None)

    stage = place.stage(spec.workflow, loaded)
    play = Rehearsal(stage, spec.terms.seed, place.journal, heard)
    path = Path(spec.workflow.path)
    reach = place.reach(spec.workflow)
    try:
        made = await make_suite(loaded, path, reach, place.analyst, play, wish)
    except OutOfBudget as error:
        raise TooPoor(
            f"The budget was used up before tests had been made ({place.spent.calls} calls of a model; with {wish.repeats} repeats "
            f"up to {wish.most_runs} runs of the workflow are needed). Give tests, or start again with a larger budget or fewer "
            "repeats."
        ) from error
    wished = [replace(one, description=WISHED + one.description) for one in made.wishes]
    words = made.made.words
    if wished:
        more = "1 more is a wish" if len(wished) == 1 else f"{len(wished)} more are wishes"
        words += f" {more}: what a model thinks should be so, and is not so yet."
    text = as_yaml(path.name, [*made.suite.scenarios, *wished], [f"Made by tunewright. {words}"])
    scenarios = named(load_suite_for(parse(text, path.name), loaded).suite.scenarios)
    return found.model_copy(
        update={
            "tests": kept_text(folder, text),
            "made": True,
            "cases": _cases(scenarios, spec.terms.seed),
            "mutants": made.made.mutants,
            "killed": made.made.killed,
            "missed": made.made.missed,
            "dropped": dict(made.made.dropped),
            "wished": len(wished),
            "words": words,
            "calls_per_run": max(1.0, fmean(calls)) if calls else found.calls_per_run,
            "spent": place.spent,
        }
    )


def _cases(scenarios: Mapping[str, Scenario], seed: int) -> tuple[CaseRef, ...]:
    """Return all cases in the order of the file, each with the part that it is in."""
    found = split(tuple(scenarios), seed)
    part_of = dict.fromkeys(found.shown, "shown")
    part_of |= dict.fromkeys(found.validation, "validation")
    part_of |= dict.fromkeys(found.sealed, "sealed")
    return tuple(
        CaseRef.model_validate(
            {"name": name, "about": one.description[:MAX_ABOUT_CHARS], "part": part_of[name]}
        )
        for name, one in scenarios.items()
    )


def _findings(loaded: Loaded) -> tuple[Finding, ...]:
    """Return what the file might say better, errors being none of it: with them it would not have loaded."""
    problems: list[Problem] = [*loaded.warnings, *lint.lint(loaded)]
    return tuple(
        Finding(code=one.code, line=one.line, text=one.message) for one in problems[:MAX_FINDINGS]
    )
