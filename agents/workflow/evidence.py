"""What an analyst is shown of a workflow: its states, the cases that fail and how, what was tried; bounded and fenced.

Cases that are kept for choosing or for the final claim are never among it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.fences import fence
from agents.workflow.model import State, Workflow

MAX_PROMPT_CHARS = 1500
"""Of each state's prompt."""
MAX_STATES = 60
MAX_CASES = 4
"""Failing cases that are shown, the worst first."""
MAX_TRACE = 8
"""Replies that are shown of a run, the last ones."""
MAX_TEXT_CHARS = 400
MAX_TRIED = 12


@dataclass(frozen=True)
class Said:
    """One thing that happened in a run."""

    state: str
    prompt: str
    reply: str


@dataclass(frozen=True)
class Failure:
    """A case that fails, and how."""

    case: str
    about: str
    """What the scenario says that it is for."""
    answers: tuple[tuple[str, str], ...]
    """What the person says, by state."""
    failed: tuple[str, ...]
    """What should have been so and was not, a sentence each."""
    reached: tuple[str, ...]
    said: tuple[Said, ...]


@dataclass(frozen=True)
class Tried:
    """A change that was made before, and what came of it."""

    strategy: str
    reason: str
    outcome: str
    """In words, such as “kept” or “not better”."""


@dataclass(frozen=True)
class Evidence:
    """All that an analyst is shown."""

    workflow: Workflow
    failures: tuple[Failure, ...]
    tried: tuple[Tried, ...] = ()
    remarks: tuple[str, ...] = ()
    """What people have said, the newest last."""
    goal: str = ""


def shown(evidence: Evidence) -> str:
    """Return the evidence as text; what workflow, runs and people say is fenced as data."""
    parts = [_section("The workflow", outline(evidence.workflow))]
    parts += [
        _section(f"A case that fails: {cut(failure.case, 80)}", _failure(failure))
        for failure in evidence.failures[:MAX_CASES]
    ]
    if not evidence.failures:
        parts.append("No case fails.")
    if evidence.tried:
        lines = [
            f"{t.strategy}: {cut(t.reason)} → {t.outcome}" for t in evidence.tried[-MAX_TRIED:]
        ]
        parts.append(_section("Tried before; propose something else", "\n".join(lines)))
    if evidence.goal:
        parts.append(_section("What the person wants", cut(evidence.goal)))
    if evidence.remarks:
        parts.append(_section("What people said", "\n".join(cut(r) for r in evidence.remarks)))
    return "\n\n".join(parts)


def cut(text: str, most: int = MAX_TEXT_CHARS) -> str:
    """Return a text shortened in its middle: what matters stands at either end."""
    if len(text) <= most:
        return text
    half = (most - 5) // 2
    return f"{text[:half]} […] {text[-half:]}"


def _section(title: str, text: str) -> str:
    return f"{title}:\n{fence(text)}"


def outline(workflow: Workflow) -> str:
    """Return what a workflow is made of, bounded; it is data, for whoever shows it to a model."""
    lines = [f"start: {workflow.start}", f"default model: {workflow.default_model}"]
    if workflow.on_error:
        lines.append(f"on_error: {workflow.on_error}")
    lines += [f"variable {v.name} = {cut(v.value, 120)}" for v in workflow.variables.values()]
    states = list(workflow.states.values())
    lines += [_state(state) for state in states[:MAX_STATES]]
    if len(states) > MAX_STATES:
        lines.append(f"… and {len(states) - MAX_STATES} more states")
    return "\n".join(lines)


def _state(state: State) -> str:
    facts = [f"state {state.name} ({state.kind.value})"]
    if state.save_as:
        facts.append(f"saves {state.save_as}")
    if state.default_value is not None:
        facts.append(f"default {cut(state.default_value, 80)!r}")
    if state.parameters:
        facts.append(f"options {dict(state.parameters)}")
    if state.on_error:
        facts.append(f"on_error {state.on_error}")
    if not state.options and not state.choices:
        facts.append(f"→ {state.next}")
    lines = [", ".join(facts)]
    lines += [f"  way to {way.state}: {way.description}" for way in state.options]
    lines += [f"  choice {way.label} → {way.next}" for way in state.choices]
    if state.prompt is not None:
        where = " (in a file of its own: cannot be changed)" if state.prompt_file else ""
        lines.append(f"  prompt{where}: {cut(state.prompt, MAX_PROMPT_CHARS)}")
    return "\n".join(lines)


def _failure(failure: Failure) -> str:
    lines = [f"about: {cut(failure.about)}"] if failure.about else []
    lines += [
        f"the person answers in {state}: {cut(value, 120)}" for state, value in failure.answers
    ]
    lines.append(f"path: {' → '.join(failure.reached) or 'none'}")
    lines += _trace(failure.said[-MAX_TRACE:])
    lines += [f"wrong: {cut(sentence)}" for sentence in failure.failed]
    return "\n".join(lines)


def _trace(said: Sequence[Said]) -> list[str]:
    return [
        line
        for one in said
        for line in (
            f"{one.state} was asked: {cut(one.prompt)}",
            f"{one.state} replied: {cut(one.reply)}",
        )
    ]
