"""What the original's released parser would not read, or read without its meaning: for files that must run there too."""

from collections.abc import Iterator, Mapping
from typing import Any

from agents.workflow.model import Dialect
from agents.workflow.problems import Place, Problem
from agents.workflow.yaml_source import Source

MAIN_STATES = frozenset({"prompt", "input", "transition", "workflow_ref"})
LATER_TOP = ("type", "skills", "tools", "rags", "use_rag")
LATER_SCENARIO = ("iterations", "llm_input_generation", "persona", "mocks", "timeout")
MESSAGE = "is not read by the original's released version"


def beyond_main(source: Source, dialect: Dialect) -> Iterator[Problem]:
    """Find what a workflow has that main does not know."""
    if dialect is not Dialect.MAIN:
        message = f"the file is written in the dialect “{dialect}”, and only main is allowed"
        yield source.problem("dialect", (), message)
    for key in LATER_TOP:
        if key in source.tree:
            yield source.problem("dialect", (key,), f"`{key}` {MESSAGE}")
    for name, variable in (source.tree.get("variables") or {}).items():
        if isinstance(variable, Mapping) and "locked" in variable:
            yield source.problem("dialect", ("variables", name, "locked"), f"`locked` {MESSAGE}")
    for name, state in (source.tree.get("states") or {}).items():
        yield from _state(source, state, ("states", name))


def _state(source: Source, state: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    kind = state.get("type")
    if kind not in MAIN_STATES:
        yield source.problem("dialect", (*place, "type"), f"the type {kind} {MESSAGE}")
    parts = [(place, state)]
    parts += [((*place, "steps", n), step) for n, step in enumerate(state.get("steps") or ())]
    for at, part in parts:
        if "skills" in part:
            yield source.problem("dialect", (*at, "skills"), f"`skills` {MESSAGE}")
        for number, file in enumerate(part.get("files") or ()):
            if isinstance(file, Mapping):
                message = f"a file that is more than a path {MESSAGE}"
                yield source.problem("dialect", (*at, "files", number), message)


def suite_beyond_main(source: Source) -> Iterator[Problem]:
    """Find what a test file has that main does not know."""
    for key in ("scenarios", "iterations"):
        if key in source.tree:
            yield source.problem("dialect", (key,), f"`{key}` {MESSAGE}")
    for number, scenario in enumerate(source.tree.get("test_scenarios") or ()):
        yield from _scenario(source, scenario, ("test_scenarios", number))


def _scenario(source: Source, scenario: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    for key in LATER_SCENARIO:
        if key in scenario:
            yield source.problem("dialect", (*place, key), f"`{key}` {MESSAGE}")
    for number, one in enumerate(scenario.get("inputs") or ()):
        if "input" in one:
            at: Place = (*place, "inputs", number, "input")
            yield source.problem("dialect", at, f"`input` {MESSAGE}")
    for number, one in enumerate(scenario.get("assertions") or ()):
        if one.get("type") == "variable_set" or "pattern" in one:
            message = "`variable_set` and `pattern` are older than what main reads"
            yield source.problem("dialect", (*place, "assertions", number), message)
