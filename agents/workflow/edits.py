"""Change a workflow by typed edits: the text of every state that no edit names stays as it is, to the byte.

    edited = apply(text, Edits(edits=[SetPrompt(state="ask", prompt="…")]), path, reach)

An edit changes the tree that the text says; `yaml_patch` changes the text so that it says the new tree. What comes out
loads, or the edits are refused.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.workflow import edit_ops as ops
from agents.workflow import edit_sites as at
from agents.workflow.edit_sites import NoSite, Tree
from agents.workflow.load import Loaded, load_text
from agents.workflow.model import END
from agents.workflow.problems import Problem, WorkflowError
from agents.workflow.reach import Reach
from agents.workflow.yaml_patch import CannotPatch, patched

EXAMPLES_TITLE = "Examples:"


class Refused(Exception):
    """Edits that are not made. `str()` says why, for a person or the model that asked."""

    def __init__(
        self, message: str, number: int | None = None, problems: tuple[Problem, ...] = ()
    ) -> None:
        self.number = number
        """Of the edit, from 1; None where it is all of them together."""
        self.problems = problems
        which = f"edit {number}: " if number is not None else ""
        super().__init__(which + message)


@dataclass(frozen=True)
class Edited:
    """A workflow after edits."""

    text: str
    loaded: Loaded


def apply(
    text: str, edits: ops.Edits, path: Path, reach: Reach, *, name: str | None = None
) -> Edited:
    """Return a workflow's text with edits made, and what it is then.

    Args:
        text: Of the file, perhaps with a byte order mark.
        edits: What is changed, in order.
        path: Where the text stands or would stand; for files that it names.
        reach: Where these may lie.
        name: What the file is called in messages.

    Raises: Refused: an edit cannot be made, or what comes out cannot be run. WorkflowError: the text cannot be run
        to begin with.
    """
    before = load_text(text, path, reach, name=name)
    now = before.source.tree
    for number, edit in enumerate(edits.edits, 1):
        tree = deepcopy(now)
        try:
            _make(tree, edit, before)
            text, now = patched(text, now, tree), tree
        except (NoSite, CannotPatch) as error:
            raise Refused(str(error), number) from error
    try:
        return Edited(text, load_text(text, path, reach, name=name))
    except WorkflowError as error:
        message = f"the workflow could not be run afterwards:\n{error}"
        raise Refused(message, None, error.problems) from error


def _make(tree: Tree, edit: ops.Message, before: Loaded) -> None:
    name = getattr(edit, "state", None)
    try:
        MAKE[type(edit)](tree, edit)
    except NoSite:
        state = before.workflow.states.get(name or "")
        if state is not None and state.file != before.source.name:
            message = f"“{name}” stands in {state.file}: it can be changed there only"
            raise NoSite(message) from None
        raise


# ---- what a state asks --------------------------------------------------------------------------------------------


def _prompt(tree: Tree, name: str) -> tuple[at.Site, str]:
    site = at.site(tree, name)
    if "prompt_file" in site.part:
        raise NoSite(f"the prompt of “{name}” stands in a file of its own")
    if "prompt" not in site.part:
        raise NoSite(f"“{name}” has no prompt")
    return site, site.part["prompt"]


def _set_prompt(tree: Tree, edit: ops.SetPrompt) -> None:
    site, _ = _prompt(tree, edit.state)
    site.part["prompt"] = edit.prompt


def _replace_prompt_part(tree: Tree, edit: ops.ReplacePromptPart) -> None:
    site, prompt = _prompt(tree, edit.state)
    times = prompt.count(edit.old)
    if times != 1:
        found = "is not in" if not times else f"is {times} times in"
        raise NoSite(f"the part {found} the prompt of “{edit.state}”; it must be there once")
    site.part["prompt"] = prompt.replace(edit.old, edit.new)


def _add_few_shot(tree: Tree, edit: ops.AddFewShot) -> None:
    site, prompt = _prompt(tree, edit.state)
    if site.kind != "prompt":
        raise NoSite(f"“{edit.state}” asks no model")
    shown = [f"Input: {one.input}\nOutput: {one.output}" for one in edit.examples]
    title = [] if EXAMPLES_TITLE in prompt else [EXAMPLES_TITLE]
    site.part["prompt"] = "\n\n".join([prompt.rstrip("\n"), *title, *shown]) + "\n"


def _set_options(tree: Tree, edit: ops.SetOptions) -> None:
    site = _asking_a_model(tree, edit.state)
    wanted = edit.options.model_dump(exclude_none=True)
    if not wanted:
        raise NoSite("no parameter is named")
    inherited = site.state.get("options") if site.step is not None else None
    site.part["options"] = (site.part.get("options") or inherited or {}) | wanted


def _set_model(tree: Tree, edit: ops.SetModel) -> None:
    if edit.state is None:
        tree["default_model"] = edit.model
    else:
        _asking_a_model(tree, edit.state).part["model"] = edit.model


def _asking_a_model(tree: Tree, name: str) -> at.Site:
    site = at.site(tree, name)
    if site.kind not in {"prompt", "decision"}:
        raise NoSite(f"“{name}” asks no model")
    return site


def _set_save_as(tree: Tree, edit: ops.SetSaveAs) -> None:
    site = at.site(tree, edit.state)
    if site.kind not in {"prompt", "input", "choice"}:
        raise NoSite(f"nothing comes out of “{edit.state}” that could be saved")
    _set(site.part, "save_as", edit.variable)


def _set_default_value(tree: Tree, edit: ops.SetDefaultValue) -> None:
    site = at.site(tree, edit.state)
    if site.kind != "input":
        raise NoSite(f"“{edit.state}” asks no person")
    _set(site.part, "default_value", edit.value)


def _set(part: Tree, key: str, value: Any) -> None:
    if value is not None:
        part[key] = value
    else:
        part.pop(key, None)


def _set_variable(tree: Tree, edit: ops.SetVariable) -> None:
    variables = tree.setdefault("variables", {})
    now = variables.get(edit.variable)
    if not isinstance(now, Mapping):
        variables[edit.variable] = edit.value
    elif "file" in now:
        raise NoSite(f"the value of “{edit.variable}” stands in a file of its own")
    else:
        variables[edit.variable] = {**now, "value": edit.value}


# ---- where a state leads ------------------------------------------------------------------------------------------


def _ways(tree: Tree, site: at.Site) -> tuple[list[Tree], str]:
    """Return the ways out of a state that has several, and under which key each says where it leads."""
    keys = ("next_step_options", "step") if at.is_typed(tree) else ("next_options", "state")
    if site.kind == "choice":
        keys = ("choices", "next")
    if site.kind == "end":
        raise NoSite(f"“{site.name}” is where the run is over")
    if not site.is_last:
        raise NoSite(f"“{site.name}” leads to the next step of its state")
    return site.state.get(keys[0]) or [], keys[1]


def _way(tree: Tree, site: at.Site, to: str) -> tuple[Tree, str]:
    ways, key = _ways(tree, site)
    wanted = at.target(tree, to)
    found = [way for way in ways if way[key] == wanted]
    if len(found) != 1:
        count = len(found) or "no"
        raise NoSite(f"{count} way(s) out of “{site.name}” lead to “{to}”; it must be one")
    return found[0], key


def _set_option_description(tree: Tree, edit: ops.SetOptionDescription) -> None:
    site = at.site(tree, edit.state)
    way, _ = _way(tree, site, edit.to)
    way["label" if site.kind == "choice" else "description"] = edit.description


def _redirect(tree: Tree, edit: ops.Redirect) -> None:
    site = at.site(tree, edit.state)
    to = at.target(tree, edit.to)
    ways, _ = _ways(tree, site)
    if not ways:
        site.state["next_step" if at.is_typed(tree) else "next"] = to
    elif edit.instead_of is None:
        raise NoSite(f"“{edit.state}” has several ways out: `instead_of` says which one is meant")
    else:
        way, key = _way(tree, site, edit.instead_of)
        way[key] = to


def _set_on_error(tree: Tree, edit: ops.SetOnError) -> None:
    to = edit.to
    if to is not None and to != END:
        to = at.site(tree, to).name
    holder = tree if edit.state is None else at.site(tree, edit.state).state
    _set(holder, "on_error", to)


# ---- which states there are ---------------------------------------------------------------------------------------


def _states(tree: Tree) -> Tree:
    if at.is_typed(tree):
        raise NoSite("the steps of this file are counted: none can be added, taken out or renamed")
    states: Tree = tree["states"]
    return states


def _free(tree: Tree, name: str) -> None:
    if name == END or any(site.name == name for site in at.sites(tree)):
        raise NoSite(f"there is a state “{name}” already")


def _put_after(tree: Tree, after: str | None, name: str, state: Tree) -> None:
    """Put a state behind another one in the order of the file."""
    states = _states(tree)
    last = after if after in states else list(states)[-1]
    if after is not None and after not in states:
        at.state_of(tree, after)
    ordered: Tree = {}
    for key, value in states.items():
        ordered[key] = value
        if key == last:
            ordered[name] = state
    tree["states"] = ordered


def _add_state(tree: Tree, edit: ops.AddState) -> None:
    _states(tree)
    _free(tree, edit.name)
    keys = ("type", "prompt", "save_as", "default_value", "next", "next_options", "on_error")
    said = edit.model_dump(exclude_none=True)
    _put_after(tree, edit.after, edit.name, {key: said[key] for key in keys if key in said})


def _remove_state(tree: Tree, edit: ops.RemoveState) -> None:
    state = at.state_of(tree, edit.state)
    if len(tree["states"]) == 1:
        raise NoSite(f"“{edit.state}” is the only state")
    instead = edit.instead
    if instead is None:
        if state.get("next_options") or state.get("choices"):
            raise NoSite(f"“{edit.state}” has several ways out: `instead` says which one is meant")
        instead = state.get("next") or END
    own = {site.name for site in at.sites(tree) if site.state is state}
    if instead in own:
        raise NoSite(f"“{edit.state}” leads to itself: `instead` says where it goes on")
    instead = at.target(tree, instead)
    del tree["states"][edit.state]
    for holder, key in at.references(tree):
        if holder[key] in own:
            holder[key] = instead


def _rename_state(tree: Tree, edit: ops.RenameState) -> None:
    state = at.state_of(tree, edit.state)
    _free(tree, edit.name)
    count = len(state.get("steps") or ())
    names = {edit.state: edit.name} | {
        f"{edit.state}_step_{number}": f"{edit.name}_step_{number}" for number in range(1, count)
    }
    tree["states"] = {
        edit.name if name == edit.state else name: one for name, one in tree["states"].items()
    }
    for holder, key in at.references(tree):
        holder[key] = names.get(holder[key], holder[key])


def _split_state(tree: Tree, edit: ops.SplitState) -> None:
    site, _ = _prompt(tree, edit.state)
    state = at.state_of(tree, edit.state)
    if site.kind != "prompt" or site.step is not None:
        raise NoSite(f"“{edit.state}” is no prompt state of its own")
    _free(tree, edit.second_name)
    moved = ("save_as", "next", "next_options")
    kept = ("model", "options", "on_error")
    second = {"type": "prompt", "prompt": edit.second_prompt}
    second |= {key: deepcopy(state[key]) for key in (*moved, *kept) if key in state}
    state["prompt"] = edit.first_prompt
    for key in moved:
        state.pop(key, None)
    state |= {"save_as": edit.first_save_as, "next": edit.second_name}
    _put_after(tree, edit.state, edit.second_name, second)


MAKE: dict[type[ops.Message], Callable[[Tree, Any], None]] = {
    ops.SetPrompt: _set_prompt,
    ops.ReplacePromptPart: _replace_prompt_part,
    ops.AddFewShot: _add_few_shot,
    ops.SetOptions: _set_options,
    ops.SetModel: _set_model,
    ops.SetSaveAs: _set_save_as,
    ops.SetDefaultValue: _set_default_value,
    ops.SetVariable: _set_variable,
    ops.SetOptionDescription: _set_option_description,
    ops.Redirect: _redirect,
    ops.SetOnError: _set_on_error,
    ops.AddState: _add_state,
    ops.RemoveState: _remove_state,
    ops.RenameState: _rename_state,
    ops.SplitState: _split_state,
}
