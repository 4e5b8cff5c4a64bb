"""What no language model may change by its word alone: two workflows are compared, however the second one came about.

A person's ✅ on exactly that difference lets it through. So it does not matter whether a reply was typed edits or a
whole file: what counts is what the file says afterwards.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agents.workflow.flow import writes
from agents.workflow.load import Loaded
from agents.workflow.model import Kind, State, Workflow
from agents.workflow.placeholders import used
from agents.workflow.problems import Place, shown_place
from agents.workflow.yaml_write import inline

KEYS: Mapping[str, str] = {
    "mcp_servers": "which programs offer tools, and to which states",
    "tools": "which programs offer tools",
    "command": "a program that is run",
    "args": "what a program is run with",
    "env": "what a program is run with",
    "package": "a package that is run",
    "npm_package": "a package that is run",
    "tools_directory": "files that are run",
    "file_path": "files that are run",
    "files": "which files are shown to a model",
    "file": "which file is read",
    "prompt_file": "which file is read",
    "workflow_ref": "which file is run",
    "directory": "which folder is read",
    "embeddings_file": "which file is written",
    "rag": "which folder is read",
    "rags": "which folder is read",
    "use_rag": "which folder a state reads",
    "locked": "what may be changed without a person",
}
"""Keys whose values may not change, wherever they stand, and what they decide."""


@dataclass(frozen=True)
class Forbidden:
    """One difference that needs a person."""

    where: str
    """As people say it: `states.ask.files`."""
    why: str
    before: str | None
    """As it is written, in full; None where there was nothing."""
    after: str | None


def forbidden(
    before: Loaded, after: Loaded, allowed_models: Collection[str] = ()
) -> tuple[Forbidden, ...]:
    """Return every difference between two workflows that needs a person's ✅, in the order of the file.

    Args:
        before: As it is.
        after: As it would be.
        allowed_models: That may be asked beside those that are asked already.
    """
    found = [
        *_keys(before, after),
        *_models(before.workflow, after.workflow, allowed_models),
        *_locked(before.workflow, after.workflow),
        *_paths(before.workflow, after.workflow),
    ]
    return tuple(dict.fromkeys(found))


def _keys(before: Loaded, after: Loaded) -> Iterator[Forbidden]:
    old = dict(_sensitive(before.source.tree, ()))
    new = dict(_sensitive(after.source.tree, ()))
    for place in dict.fromkeys([*old, *new]):
        if old.get(place) != new.get(place):
            why = KEYS[str(place[-1])]
            yield Forbidden(shown_place(place), why, old.get(place), new.get(place))


def _sensitive(part: Any, place: Place) -> Iterator[tuple[Place, str]]:
    """Yield the values of all such keys, wherever they stand: also where they do nothing today."""
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key in KEYS:
                yield (*place, key), inline(value)
            else:
                yield from _sensitive(value, (*place, key))
    elif isinstance(part, list):
        for number, value in enumerate(part):
            yield from _sensitive(value, (*place, number))


def _models(
    before: Workflow, after: Workflow, allowed_models: Collection[str]
) -> Iterator[Forbidden]:
    known = {before.default_model, *allowed_models}
    known |= {state.model for state in before.states.values() if state.model is not None}
    why = "a model that is not among those that may be asked"
    if after.default_model not in known:
        yield Forbidden("default_model", why, before.default_model, after.default_model)
    for name, state in after.states.items():
        if state.model is not None and state.model not in known:
            old = before.states.get(name)
            where = f"{shown_place(state.place)}.model"
            yield Forbidden(where, why, old.model if old else None, state.model)


def _locked(before: Workflow, after: Workflow) -> Iterator[Forbidden]:
    for name, variable in before.variables.items():
        if variable.locked and after.variables.get(name) != variable:
            now = after.variables.get(name)
            value = now.value if now is not None else None
            why = "a variable that is locked"
            yield Forbidden(f"variables.{name}", why, variable.value, value)
        if variable.locked:
            why = f"a variable that is locked, {name}, gets another value here"
            yield from _saved_otherwise(before, after, name, why)


def _paths(before: Workflow, after: Workflow) -> Iterator[Forbidden]:
    """Find what would change a path that holds names: a value is as good as the path itself."""
    names = {
        name
        for workflow in (before, after)
        for state in workflow.states.values()
        for file in state.files
        for name in used(file.path)
    }
    why = "a name that stands in the path of a file"
    for name in sorted(names):
        old, new = before.variables.get(name), after.variables.get(name)
        if old != new:
            yield Forbidden(
                f"variables.{name}", why, old.value if old else None, new.value if new else None
            )
        yield from _saved_otherwise(before, after, name, f"{why}, {name}, is saved here")


def _saved_otherwise(before: Workflow, after: Workflow, name: str, why: str) -> Iterator[Forbidden]:
    """Find states that would save something else under a name than they do."""
    was, now = _savers(before, name), _savers(after, name)
    for state in dict.fromkeys([*was, *now]):
        if was.get(state) != now.get(state):
            old, new = _shown(was.get(state)), _shown(now.get(state))
            yield Forbidden(f"states.{state}", why, old, new)


def _savers(workflow: Workflow, name: str) -> dict[str, tuple[Any, ...]]:
    """Return the states that save under a name, each with what decides what it saves."""
    return {
        state.name: _decisive(state) for state in workflow.states.values() if writes(state) == name
    }


def _decisive(state: State) -> tuple[Any, ...]:
    return (state.kind, state.prompt, state.default_value, state.choices)


def _shown(decisive: tuple[Any, ...] | None) -> str | None:
    if decisive is None:
        return None
    kind, prompt, default_value, _ = decisive
    value = f" (without an answer: {default_value})" if kind is Kind.INPUT else ""
    return f"{kind}: {prompt}{value}"
