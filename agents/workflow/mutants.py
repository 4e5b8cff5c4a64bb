"""Spoil a workflow on purpose, one fault at a time: tests must notice, and a loop that improves workflows must mend it.

The list is the same each time: no chance is involved. Each mutant is a text that loads, and that differs in one place.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from agents.workflow import edit_sites as at
from agents.workflow.edit_sites import Site, Tree
from agents.workflow.flow import reachable
from agents.workflow.load import Loaded, load_text
from agents.workflow.model import END
from agents.workflow.placeholders import PLACEHOLDER
from agents.workflow.problems import WorkflowError
from agents.workflow.reach import Reach
from agents.workflow.yaml_patch import CannotPatch, patched

BLANK = "."
CONSTANT = "Reply with the word OK and nothing else."
WRONG_TURN = "in all other cases"


class Fault(StrEnum):
    """What is spoilt."""

    BLANK_PROMPT = "blank-prompt"
    """The prompt says nothing."""
    CONSTANT_ANSWER = "constant-answer"
    """The prompt asks for the same answer whatever comes in."""
    DROPPED_VARIABLE = "dropped-variable"
    """A name in double braces is gone from the prompt."""
    HALVED_PROMPT = "halved-prompt"
    """The second half of the prompt is gone, where formats are asked for."""
    NO_SAVE_AS = "no-save-as"
    """What comes out is saved nowhere."""
    WRONG_SAVE_AS = "wrong-save-as"
    """What comes out is saved under a name that nothing reads."""
    NO_DEFAULT = "no-default"
    """A person who says nothing is taken at their word."""
    WRONG_NEXT = "wrong-next"
    """It goes on at another state, or ends at once."""
    SWAPPED_OPTIONS = "swapped-options"
    """The descriptions of the first two ways out stand at each other's place."""
    VAGUE_OPTION = "vague-option"
    """A description does not say when the way is taken."""
    NO_ON_ERROR = "no-on-error"
    """Nothing handles a failure."""
    HOT = "temperature-2"
    """The model guesses."""
    CUT_OFF = "one-token"
    """The model stops after its first token."""


@dataclass(frozen=True)
class Mutant:
    """A workflow with one fault."""

    fault: Fault
    state: str
    """As it goes by."""
    detail: str
    """Of several of a kind in one state: which; else empty."""
    text: str
    loaded: Loaded

    @property
    def name(self) -> str:
        """Return what it is called: the same each time, and once per workflow."""
        return ":".join(filter(None, (self.fault.value, self.state, self.detail)))


def mutants(text: str, path: Path, reach: Reach) -> tuple[Mutant, ...]:
    """Return a workflow's mutants, by state and then by fault; states that no run enters have none.

    Raises: WorkflowError: the workflow itself cannot be run.
    """
    loaded = load_text(text, path, reach)
    entered = reachable(loaded.workflow)
    found: list[Mutant] = []
    for site in at.sites(deepcopy(loaded.source.tree)):
        if site.name not in entered:
            continue
        for fault in Fault:
            for detail, spoil in FAULTS[fault](site, loaded):
                mutant = _mutant(Mutant(fault, site.name, detail, text, loaded), spoil, path, reach)
                if mutant is not None:
                    found.append(mutant)
    return tuple(found)


Spoil = Callable[[Site], None]
Ways = Iterator[tuple[str, Spoil]]


def _mutant(base: Mutant, spoil: Spoil, path: Path, reach: Reach) -> Mutant | None:
    tree: Tree = deepcopy(base.loaded.source.tree)
    spoil(at.site(tree, base.state))
    if tree == base.loaded.source.tree:
        return None
    try:
        text = patched(base.text, base.loaded.source.tree, tree)
        return replace(base, text=text, loaded=load_text(text, path, reach))
    except (CannotPatch, WorkflowError):
        return None  # some faults make no workflow: a temperature beside keys that exclude it


def _prompt_of(site: Site) -> str | None:
    prompt = site.part.get("prompt")
    return prompt if site.kind == "prompt" and isinstance(prompt, str) and prompt.strip() else None


def _part(key: str, value: object) -> Spoil:
    return lambda site: site.part.__setitem__(key, value)


def _state(key: str, value: object) -> Spoil:
    return lambda site: site.state.__setitem__(key, value)


def _blank(site: Site, _: Loaded) -> Ways:
    if _prompt_of(site) is not None:
        yield "", _part("prompt", BLANK)


def _constant(site: Site, _: Loaded) -> Ways:
    if _prompt_of(site) is not None:
        yield "", _part("prompt", CONSTANT)


def _drop_variable(site: Site, _: Loaded) -> Ways:
    prompt = _prompt_of(site) or ""
    for name in dict.fromkeys(PLACEHOLDER.findall(prompt)):
        yield name, _part("prompt", prompt.replace(f"{{{{{name}}}}}", ""))


def _halve(site: Site, _: Loaded) -> Ways:
    lines = [line for line in (_prompt_of(site) or "").splitlines() if line.strip()]
    if len(lines) >= 3:
        yield "", _part("prompt", "\n".join(lines[: (len(lines) + 1) // 2]) + "\n")


def _drop(key: str) -> Callable[[Site, Loaded], Ways]:
    def ways(site: Site, _: Loaded) -> Ways:
        holder = site.state if key == "on_error" else site.part
        if key in holder and (site.step in {None, 0} or holder is site.part):
            yield "", lambda one: (one.state if key == "on_error" else one.part).__delitem__(key)

    return ways


def _save_elsewhere(site: Site, _: Loaded) -> Ways:
    if isinstance(site.part.get("save_as"), str):
        yield "", _part("save_as", f"{site.part['save_as']}_unread")


def _wrong_next(site: Site, loaded: Loaded) -> Ways:
    if at.is_typed(loaded.source.tree) or not site.is_last or site.kind == "end":
        return
    if site.state.get("next_options") or site.state.get("choices"):
        return
    now = site.state.get("next") or END
    names = [name for name in loaded.source.tree["states"] if name not in {now, site.name}]
    other = END if now != END else next(iter(names), None)
    if other is not None:
        yield other, _state("next", other)


def _options_key(loaded: Loaded) -> str:
    return "next_step_options" if at.is_typed(loaded.source.tree) else "next_options"


def _swap(site: Site, loaded: Loaded) -> Ways:
    key = _options_key(loaded)
    options = site.state.get(key)
    if options and site.is_last:
        swapped = [dict(option) for option in options]
        first, second = swapped[0]["description"], swapped[1]["description"]
        swapped[0]["description"], swapped[1]["description"] = second, first
        yield "", _state(key, swapped)


def _vague(site: Site, loaded: Loaded) -> Ways:
    key = _options_key(loaded)
    options = site.state.get(key)
    for number in range(len(options) if options and site.is_last else 0):
        vague = [dict(option) for option in options or ()]
        vague[number]["description"] = WRONG_TURN
        yield str(number + 1), _state(key, vague)


def _parameter(name: str, value: float) -> Callable[[Site, Loaded], Ways]:
    def ways(site: Site, _: Loaded) -> Ways:
        if site.kind == "prompt":
            yield "", _part("options", {**(site.part.get("options") or {}), name: value})

    return ways


FAULTS: dict[Fault, Callable[[Site, Loaded], Ways]] = {
    Fault.BLANK_PROMPT: _blank,
    Fault.CONSTANT_ANSWER: _constant,
    Fault.DROPPED_VARIABLE: _drop_variable,
    Fault.HALVED_PROMPT: _halve,
    Fault.NO_SAVE_AS: _drop("save_as"),
    Fault.WRONG_SAVE_AS: _save_elsewhere,
    Fault.NO_DEFAULT: _drop("default_value"),
    Fault.WRONG_NEXT: _wrong_next,
    Fault.SWAPPED_OPTIONS: _swap,
    Fault.VAGUE_OPTION: _vague,
    Fault.NO_ON_ERROR: _drop("on_error"),
    Fault.HOT: _parameter("temperature", 2),
    Fault.CUT_OFF: _parameter("num_predict", 1),
}
