"""From the options of `tunewright workflow finetune` to a wish, and what it would take."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from agents.jobs import Approve, WorkflowWish
from agents.services import UserError
from agents.workflow.load import load
from agents.workflow.model import Kind
from agents.workflow.problems import WorkflowError
from agents.workflow.reach import Reach
from agents.workflow.splitting import split
from agents.workflow.suite_file import load_suite_for
from agents.workflow.words import counted
from agents.workflow.workplace import named
from agents.workflow.yaml_source import read
from agents.workflow_loop.estimates import Sizes, guess
from agents.workflow_loop.planning import terms_of
from bot import workflow_report
from bot.text import duration, visible
from bot.workflow_finetune import Wish
from bot.workflow_start import check_goal, check_name
from configs.schema import Settings

MADE_CASES = 16
"""Cases of a suite that is made, at most."""


@dataclass(frozen=True)
class Options:
    """What stood on the command line."""

    file: Path | None
    suite: Path | None = None
    output: Path | None = None
    rounds: int | None = None
    model: str | None = None
    analysis_model: str | None = None
    repeats: int | None = None
    proposals: int | None = None
    goal: str = ""
    approve: str = Approve.AUTO.value
    budget_calls: int | None = None
    budget_tokens: int | None = None
    budget_minutes: float | None = None
    seed: int = 0
    with_tools: bool = False
    report: str | None = None
    resume: int | None = None
    ollama_url: str | None = None


def settings_for(settings: Settings, script: Path | None) -> Settings:
    """Return the settings, with replies from a script where one is named."""
    if script is None:
        return settings
    told = {"back_end": "script", "script": script.resolve()}
    workflows = settings.workflows.model_copy(update=told)
    return settings.model_copy(update={"workflows": workflows})


def wish_of(options: Options) -> Wish:
    """Return what is asked for. Raises: UserError: an option says something that there is not."""
    if options.report is not None and options.report not in workflow_report.FORMS:
        raise UserError(
            f"There is no report “{options.report}”. There are: {', '.join(workflow_report.FORMS)}."
        )
    if options.resume is not None:
        _check_output(options.output)
        return Wish(None, output=options.output, report=options.report, resume=options.resume)
    file = _file(options)
    tests = _suite(options, file)
    _check_output(options.output, file, tests)
    return Wish(
        file,
        wish=_said(options, file, tests),
        tests=tests,
        output=options.output,
        report=options.report,
    )


def _check_output(output: Path | None, *given: Path | None) -> None:
    """See that the result can be written, and over nothing that was given, before anything is spent. Raises: UserError."""
    if output is None:
        return
    if output.is_dir():
        raise UserError(f"{output} is a folder. Name a file with --output.")
    if not output.parent.is_dir():
        raise UserError(f"{output} cannot be written: there is no folder {output.parent}.")
    if output.resolve() in {one.resolve() for one in given if one is not None}:
        raise UserError(
            f"{output} is what you gave, and stays as it is. Name another file with --output."
        )


def _said(options: Options, file: Path, tests: Path | None) -> WorkflowWish:
    if options.approve not in set(Approve):
        raise UserError(
            f"“{options.approve}” says nothing about when to ask. There are: {', '.join(Approve)}."
        )
    check_goal(options.goal)
    minutes = options.budget_minutes
    try:
        return WorkflowWish(
            rounds=options.rounds,
            repeats=options.repeats,
            proposals=options.proposals,
            approve=Approve(options.approve),
            model=options.model,
            analysis_model=options.analysis_model,
            max_calls=options.budget_calls,
            max_tokens=options.budget_tokens,
            max_seconds=None if minutes is None else 60 * minutes,
            seed=options.seed,
            goal=options.goal,
            with_tools=options.with_tools,
            ollama_url=options.ollama_url,
            place=str(file.resolve()),
            tests_place=None if tests is None else str(tests.resolve()),
            own_files=True,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UserError(f"{first['loc'][0]}: {first['msg']}") from error


def _file(options: Options) -> Path:
    if options.file is None:
        raise UserError("Say which workflow: tunewright workflow finetune FILE.")
    if not options.file.is_file():
        raise UserError(f"There is no file {options.file}.")
    check_name(options.file.name)
    return options.file


def _suite(options: Options, file: Path) -> Path | None:
    """Return the tests: those that are named, else those that stand beside the workflow."""
    if options.suite is not None:
        if not options.suite.is_file():
            raise UserError(f"There is no file {options.suite}.")
        return options.suite
    beside = file.with_name(f"{file.stem}.test{file.suffix}")
    return beside if beside.is_file() else None


def estimate(settings: Settings, options: Options) -> str:
    """Say what a run would take, without asking a model. Raises: UserError: a file cannot be used."""
    file = _file(options)
    tests = _suite(options, file)
    wish = _said(options, file, tests)
    terms = terms_of(settings, wish, model="")
    reach = Reach(cwd=Path.cwd())
    try:
        loaded = load(file, reach)
        names = None
        if tests is not None:
            names = tuple(named(load_suite_for(read(tests), loaded).suite.scenarios))
    except WorkflowError as error:
        raise UserError(visible(str(error))) from error
    asking = sum(
        state.kind in {Kind.PROMPT, Kind.DECISION} for state in loaded.workflow.states.values()
    )
    cases = names or tuple(map(str, range(MADE_CASES)))
    parts = split(cases, terms.seed)
    taken = guess(
        terms,
        Sizes(len(parts.for_choosing), len(parts.sealed), max(1.0, float(asking)), None),
        first=True,
    )
    made = "" if names else f" Making the tests comes on top: {MADE_CASES} cases at most."
    return (
        f"{counted(len(cases), 'case')}, {counted(terms.rounds, 'round')} of {counted(terms.proposals, 'proposal')}, "
        f"{counted(terms.repeats, 'repeat')}: about "
        f"{taken.all_calls:,} calls of a model, {duration(taken.all_s)} at {taken.call_s:g} s a call, and never more than "
        f"{terms.max_calls:,} calls. {parts.words}{made}"
    )
