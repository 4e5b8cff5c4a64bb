"""Find a state in the tree of a file, whatever the file's form: its own keys, and those that say where it leads."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agents.workflow.model import END

Tree = dict[str, Any]


class NoSite(Exception):
    """A state that is not in the file, or has not what is to be changed. `str()` is for a person."""


@dataclass(frozen=True)
class Site:
    """Where a state stands."""

    name: str
    """As it goes by: of a step the expanded name."""
    part: Tree
    """What it asks and saves: the state, or one of its steps."""
    state: Tree
    """Where it leads: the state; of a typed workflow the step."""
    step: int | None = None
    """Its place among the steps of a state."""

    @property
    def is_last(self) -> bool:
        """Tell whether it leads out of its state, and not to the next step of it."""
        return self.step is None or self.step == len(self.state["steps"]) - 1

    @property
    def kind(self) -> str:
        """Return the type as written."""
        return str(self.state.get("type"))


def is_typed(tree: Tree) -> bool:
    """Tell whether a file is a list of steps that are counted."""
    return "states" not in tree


def sites(tree: Tree) -> Iterator[Site]:
    """Yield all states, steps laid out."""
    if is_typed(tree):
        for number, step in enumerate(tree["steps"]):
            yield Site(f"step_{number}", step, step)
        return
    for name, state in tree["states"].items():
        if isinstance(state.get("steps"), list):
            for number, step in enumerate(state["steps"]):
                yield Site(f"{name}_step_{number}" if number else name, step, state, number)
        else:
            yield Site(name, state, state)


def site(tree: Tree, name: str) -> Site:
    """Return where a state stands.

    Raises: NoSite: it is not in this file.
    """
    for found in sites(tree):
        if found.name == name:
            return found
    raise NoSite(f"there is no state “{name}” in this file")


def state_of(tree: Tree, name: str) -> Tree:
    """Return a state that can be taken out or called otherwise.

    Raises: NoSite: it is a step, or not in this file.
    """
    if is_typed(tree):
        raise NoSite("the steps of this file are counted: none can be added, taken out or renamed")
    if name not in tree["states"]:
        found = site(tree, name)
        raise NoSite(f"“{found.name}” is a step of a state, and no state of its own")
    state: Tree = tree["states"][name]
    return state


def target(tree: Tree, name: str) -> Any:
    """Return how a state is named as a target: by name, or by its number where steps are counted.

    Raises: NoSite: there is none.
    """
    if is_typed(tree):
        if name == END:
            raise NoSite("a step of this file cannot lead to `end`: the last one does")
        return int(site(tree, name).name.removeprefix("step_"))
    return name if name == END else site(tree, name).name


def references(tree: Tree) -> Iterator[tuple[Any, str | int]]:
    """Yield every place that names a state: what it stands in, and under which key."""
    for key in ("start_state", "on_error"):
        if key in tree:
            yield tree, key
    for state in tree.get("states", {}).values():
        for key in ("next", "on_error"):
            if key in state:
                yield state, key
        for key, inner in (("next_options", "state"), ("choices", "next")):
            for entry in state.get(key) or ():
                yield entry, inner
