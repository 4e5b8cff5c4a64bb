"""Look at any file of the format: what it is, in which dialect, and what is wrong or odd about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from agents.workflow.load import load_source
from agents.workflow.orchestration_file import load_orchestration_source
from agents.workflow.problems import Problem, Severity, WorkflowError
from agents.workflow.reach import Reach
from agents.workflow.strict import beyond_main, suite_beyond_main
from agents.workflow.suite_file import load_suite_source
from agents.workflow.yaml_source import Source, read


class FileKind(StrEnum):
    """What a file is."""

    WORKFLOW = "workflow"
    """States, or steps."""
    SUITE = "test file"
    """Scenarios for a workflow."""
    ORCHESTRATION = "orchestration"
    """Several workflows as one."""


@dataclass(frozen=True)
class Examined:
    """What was found in a file."""

    kind: FileKind | None
    """None where it could not be read at all."""
    summary: str
    """For a person: the dialect, and how much there is; empty where it cannot be used."""
    problems: tuple[Problem, ...]

    @property
    def usable(self) -> bool:
        """Tell whether nothing is wrong; odd things may be there."""
        return all(problem.severity is not Severity.ERROR for problem in self.problems)


def examine(path: Path, reach: Reach, *, strict: bool = False) -> Examined:
    """Return what is found in a file.

    Args:
        path: The file.
        reach: Where files that it names may lie.
        strict: Refuse what the original's released parser would not read.
    """
    try:
        source = read(path)
    except WorkflowError as error:
        return Examined(None, "", error.problems)
    kind = kind_of(source.tree)
    try:
        summary, problems = LOOK[kind](source, path, reach, strict)
    except WorkflowError as error:
        return Examined(kind, "", error.problems)
    problems.sort(key=lambda one: (one.severity is not Severity.ERROR, one.file, one.line))
    return Examined(kind, summary, tuple(problems))


def kind_of(tree: Mapping[str, Any]) -> FileKind:
    """Return what a file is, by the key that holds its contents."""
    if "workflows" in tree:
        return FileKind.ORCHESTRATION
    if "test_scenarios" in tree or "scenarios" in tree:
        return FileKind.SUITE
    return FileKind.WORKFLOW


def _workflow(source: Source, path: Path, reach: Reach, strict: bool) -> tuple[str, list[Problem]]:
    loaded = load_source(source, path, reach)
    workflow = loaded.workflow
    more = beyond_main(source, workflow.dialect) if strict else ()
    summary = f"dialect {workflow.dialect}, {_count(len(workflow.states), 'state')}"
    return summary, [*loaded.warnings, *more]


def _suite(source: Source, path: Path, reach: Reach, strict: bool) -> tuple[str, list[Problem]]:
    loaded = load_suite_source(source, path, reach)
    more = suite_beyond_main(source) if strict else ()
    scenarios = _count(len(loaded.suite.scenarios), "scenario")
    summary = f"dialect {loaded.suite.dialect}, {scenarios} for {loaded.suite.workflow}"
    return summary, [*loaded.warnings, *loaded.workflow.warnings, *more]


def _orchestration(
    source: Source, path: Path, reach: Reach, strict: bool
) -> tuple[str, list[Problem]]:
    loaded = load_orchestration_source(source, path, reach)
    both = loaded.orchestration
    odd = [problem for member in both.members for problem in member.workflow.warnings]
    if strict:
        odd.append(source.problem("dialect", (), "several workflows as one are a later dialect"))
    workflows = _count(len(both.members), "workflow")
    return f"{both.strategy}, {workflows}", [*loaded.warnings, *dict.fromkeys(odd)]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


LOOK = {
    FileKind.WORKFLOW: _workflow,
    FileKind.SUITE: _suite,
    FileKind.ORCHESTRATION: _orchestration,
}
