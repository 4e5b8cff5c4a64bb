"""Run several workflows as one: in their order, under their conditions, and what each saves is known to those after it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from agents.workflow.load import Loaded
from agents.workflow.orchestration import Aggregation, Member, OnError, Orchestration, Strategy
from agents.workflow.outcome import Ended, Outcome
from agents.workflow.placeholders import filled

RunOne = Callable[[Loaded, Mapping[str, str]], Awaitable[Outcome]]
"""Runs a workflow with values that it begins with, over those of its own file."""
Summarise = Callable[[str, str | None], Awaitable[str]]
"""Asks a model, by name or the default one, and returns its answer."""
RESULTS = "results"


class Became(StrEnum):
    """What became of one workflow of several."""

    FINISHED = "finished"
    """It reached its end."""
    FELL_BACK = "fell back"
    """It failed, and the other one that was run instead reached its end."""
    FAILED = "failed"
    """It failed, or took too long."""
    SKIPPED = "skipped"
    """Its condition was not so, or one that it waits for has not finished."""


@dataclass(frozen=True)
class Part:
    """One workflow of several, when it is over."""

    id: str
    became: Became
    outcome: Outcome | None = None
    reason: str | None = None

    @property
    def done(self) -> bool:
        """Tell whether it has results."""
        return self.became in {Became.FINISHED, Became.FELL_BACK}


@dataclass(frozen=True)
class Conducted:
    """All of them, when they are over."""

    ended: Ended
    parts: tuple[Part, ...]
    values: Mapping[str, str] = field(default_factory=dict)
    """The results, as `result_aggregation` says."""
    reason: str | None = None


async def play(
    orchestration: Orchestration, run_one: RunOne, summarise: Summarise | None = None
) -> Conducted:
    """Run all workflows.

    Args:
        orchestration: Which, and how.
        run_one: Runs one of them.
        summarise: Asks the model that makes one result of all; needed for the aggregation `custom` only.
    """
    values = dict(orchestration.shared)
    parts: list[Part] = []
    results: dict[str, Mapping[str, str]] = {}
    for wave in orchestration.waves():
        done = {part.id for part in parts if part.done}
        known = dict(values)
        running = [_part(orchestration, member, known, done, run_one) for member in wave]
        for member, part in zip(wave, await _together(running), strict=True):
            parts.append(part)
            if part.done and part.outcome is not None:
                results[part.id] = part.outcome.variables
                values |= part.outcome.variables
                if member.save_as is not None:
                    values[member.save_as] = json.dumps(dict(part.outcome.variables))
            elif part.became is Became.FAILED and member.on_error is not OnError.CONTINUE:
                reason = f"{part.id}: {part.reason}"
                return Conducted(Ended.FAILED, tuple(parts), values, reason)
    return Conducted(
        Ended.FINISHED,
        tuple(parts),
        await _aggregated(orchestration, values, results, summarise),
    )


async def _together(running: Sequence[Awaitable[Part]]) -> list[Part]:
    """Return all parts of a wave; a fault in one of them stops the others."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_awaited(one)) for one in running]
    return [task.result() for task in tasks]


async def _awaited(part: Awaitable[Part]) -> Part:
    return await part


async def _part(
    orchestration: Orchestration,
    member: Member,
    known: Mapping[str, str],
    done: set[str],
    run_one: RunOne,
) -> Part:
    missing = [name for name in member.depends_on if name not in done]
    if missing:
        return Part(member.id, Became.SKIPPED, reason=f"{', '.join(missing)} did not finish")
    conditional = orchestration.strategy is Strategy.CONDITIONAL
    if conditional and member.condition is not None and not member.condition.holds(known):
        return Part(member.id, Became.SKIPPED, reason="its condition is not so")
    begins = {**known, **{name: filled(text, known) for name, text in member.variables.items()}}
    outcome, reason = await _run(member.workflow, begins, member.timeout_s, run_one)
    if reason is None:
        return Part(member.id, Became.FINISHED, outcome)
    if member.on_error is OnError.FALLBACK and member.fallback is not None:
        outcome, again = await _run(member.fallback, begins, member.timeout_s, run_one)
        if again is None:
            return Part(member.id, Became.FELL_BACK, outcome, reason)
        reason = f"{reason}; instead of it: {again}"
    return Part(member.id, Became.FAILED, outcome, reason)


async def _run(
    workflow: Loaded, begins: Mapping[str, str], timeout_s: float | None, run_one: RunOne
) -> tuple[Outcome | None, str | None]:
    """Return what came of a run, and why it did not finish."""
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            outcome = await run_one(workflow, begins)
    except TimeoutError:
        if not limit.expired():
            raise
        return None, f"it took longer than {timeout_s:g} s"
    if outcome.ended is Ended.FINISHED:
        return outcome, None
    return outcome, outcome.reason or f"it ended before its end: {outcome.ended}"


async def _aggregated(
    orchestration: Orchestration,
    values: Mapping[str, str],
    results: Mapping[str, Mapping[str, str]],
    summarise: Summarise | None,
) -> Mapping[str, str]:
    if orchestration.aggregation is Aggregation.LAST:
        return dict(results[list(results)[-1]]) if results else {}
    if orchestration.aggregation is Aggregation.CUSTOM:
        if summarise is None:
            raise ValueError("a custom aggregation needs a model")
        shown = json.dumps({name: dict(one) for name, one in results.items()}, ensure_ascii=False)
        prompt = filled(orchestration.aggregation_prompt or "", {**values, RESULTS: shown})
        model = orchestration.aggregation_model or orchestration.default_model
        return {**values, RESULTS: await summarise(prompt, model)}
    return values
