"""Read files that run several workflows as one; each problem with its line and the word that was meant."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field

from agents.workflow.fitting import fit
from agents.workflow.load import Loaded, load
from agents.workflow.orchestration import (
    Aggregation,
    Condition,
    Member,
    OnError,
    Operator,
    Orchestration,
    Strategy,
)
from agents.workflow.parts import NAME_RULE, written
from agents.workflow.problems import Place, Problem, Severity, WorkflowError, nearest, shown
from agents.workflow.reach import NotFound, Reach
from agents.workflow.shapes import Filled, Shape, Text
from agents.workflow.yaml_source import Source, read

MAX_WORKFLOWS = 50
Word = TypeVar("Word", bound=StrEnum)


class ConditionShape(Shape):
    """When a workflow is run."""

    variable: Filled
    operator: Text
    value: Text | int | float | bool | None = None


class MemberShape(Shape):
    """One workflow of several."""

    id: Filled
    workflow: Filled
    variables: dict[str, str | int | float | bool] = Field(default_factory=dict)
    save_as: Filled | None = None
    condition: ConditionShape | None = None
    depends_on: list[Text] = Field(default_factory=list)
    timeout: Annotated[float, Field(gt=0)] | None = None
    """In seconds."""
    on_error: Text = "fail"
    fallback_workflow: Filled | None = None


class OrchestrationShape(Shape):
    """The top of the file."""

    name: Filled
    description: Text | None = None
    default_model: Filled | None = None
    strategy: Text
    workflows: list[dict[str, Any]]
    shared_context: dict[str, str | int | float | bool] = Field(default_factory=dict)
    result_aggregation: Text = "merge"
    aggregation_prompt: Text | None = None
    aggregation_model: Filled | None = None


@dataclass(frozen=True)
class LoadedOrchestration:
    """Several workflows that can be run, and what was odd about the file."""

    orchestration: Orchestration
    source: Source
    warnings: tuple[Problem, ...]


def load_orchestration(
    path: Path, reach: Reach | None = None, *, name: str | None = None
) -> LoadedOrchestration:
    """Read and check such a file, and the workflows that it names.

    Raises: WorkflowError: one of them cannot be used.
    """
    return load_orchestration_source(read(path, name), path, reach or Reach(cwd=Path.cwd()))


def load_orchestration_source(source: Source, path: Path, reach: Reach) -> LoadedOrchestration:
    """Load a file that was parsed already.

    Raises: WorkflowError: it, or a workflow, cannot be used.
    """
    problems: list[Problem] = []
    found = _Reading(source, path, reach, problems).read()
    problems.sort(key=lambda one: (one.severity is not Severity.ERROR, one.file, one.line))
    if found is None or any(problem.severity is Severity.ERROR for problem in problems):
        raise WorkflowError(problems)
    return LoadedOrchestration(found, source, tuple(problems))


@dataclass(frozen=True)
class _Reading:
    source: Source
    path: Path
    reach: Reach
    problems: list[Problem]

    def read(self) -> Orchestration | None:
        shape = fit(self.source, OrchestrationShape, self.source.tree, (), self.problems)
        if shape is None:
            return None
        strategy = self.word(("strategy",), shape.strategy, Strategy)
        aggregation = self.word(("result_aggregation",), shape.result_aggregation, Aggregation)
        if aggregation is Aggregation.CUSTOM and shape.aggregation_prompt is None:
            message = "a `result_aggregation` of custom needs an `aggregation_prompt`"
            self.complain("missing", (), message)
        if not shape.workflows or len(shape.workflows) > MAX_WORKFLOWS:
            self.complain("too-few", ("workflows",), f"needs 1 to {MAX_WORKFLOWS} entries")
        shapes = self.shapes(shape)
        for number, one in shapes:
            if one.condition is not None and strategy is not Strategy.CONDITIONAL:
                message = "does nothing unless the `strategy` is conditional"
                place: Place = ("workflows", number, "condition")
                self.complain("no-effect", place, message, severity=Severity.WARNING)
        members = [self.member(number, one) for number, one in shapes]
        kept = tuple(one for one in members if one is not None)
        if strategy is None or aggregation is None or len(kept) < len(shape.workflows):
            return None
        return Orchestration(
            name=shape.name,
            description=shape.description or "",
            default_model=shape.default_model,
            strategy=strategy,
            members=kept,
            shared={name: written(value) for name, value in shape.shared_context.items()},
            aggregation=aggregation,
            aggregation_prompt=shape.aggregation_prompt,
            aggregation_model=shape.aggregation_model,
        )

    def shapes(self, shape: OrchestrationShape) -> list[tuple[int, MemberShape]]:
        found = []
        for number, raw in enumerate(shape.workflows):
            fitted = fit(self.source, MemberShape, raw, ("workflows", number), self.problems)
            if fitted is not None:
                found.append((number, fitted))
        needs: dict[str, list[str]] = {}
        for number, one in found:
            if one.id in needs:
                message = f"“{shown(one.id)}” is the name of another entry"
                self.complain("name-taken", ("workflows", number, "id"), message)
            needs[one.id] = one.depends_on
        for number, one in found:
            self.depends(number, one, needs)
        return found

    def depends(self, number: int, shape: MemberShape, needs: Mapping[str, list[str]]) -> None:
        place: Place = ("workflows", number, "depends_on")
        for where, name in enumerate(shape.depends_on):
            if name not in needs:
                message = f"there is no entry “{shown(name)}”"
                meant = nearest(name, needs)
                self.complain("unknown-workflow", (*place, where), message, nearest=meant)
        circle = _circle(shape.id, needs)
        if circle:
            names = " → ".join(map(shown, circle))
            self.complain("circle", place, f"entries wait for each other in a circle: {names}")

    def member(self, number: int, shape: MemberShape) -> Member | None:
        place: Place = ("workflows", number)
        on_error = self.word((*place, "on_error"), shape.on_error, OnError)
        if on_error is OnError.FALLBACK and shape.fallback_workflow is None:
            message = "an `on_error` of fallback needs a `fallback_workflow`"
            self.complain("missing", place, message)
        for name in [*shape.variables, *([shape.save_as] if shape.save_as else [])]:
            if not (name.isascii() and name.isidentifier()):
                self.complain("bad-name", (*place, "variables", name), NAME_RULE)
        condition = self.condition(shape.condition, (*place, "condition"))
        workflow = self.workflow(shape.workflow, (*place, "workflow"))
        fallback = None
        if shape.fallback_workflow is not None:
            fallback = self.workflow(shape.fallback_workflow, (*place, "fallback_workflow"))
        if workflow is None or on_error is None:
            return None
        return Member(
            id=shape.id,
            workflow=workflow,
            variables={name: written(value) for name, value in shape.variables.items()},
            save_as=shape.save_as,
            condition=condition,
            depends_on=tuple(shape.depends_on),
            timeout_s=shape.timeout,
            on_error=on_error,
            fallback=fallback,
        )

    def condition(self, shape: ConditionShape | None, place: Place) -> Condition | None:
        if shape is None:
            return None
        operator = self.word((*place, "operator"), shape.operator, Operator)
        if operator is None:
            return None
        if shape.value is None and operator not in {Operator.EXISTS, Operator.NOT_EXISTS}:
            self.complain("missing", place, f"a condition with {operator} needs a `value`")
        value = "" if shape.value is None else written(shape.value)
        return Condition(shape.variable, operator, value)

    def workflow(self, path: str, place: Place) -> Loaded | None:
        try:
            found = self.reach.find(path, self.path.absolute().parent)
            return load(found, self.reach, name=path)
        except NotFound as error:
            self.complain("no-file", place, str(error))
        except WorkflowError as error:
            self.problems.extend(error.problems)
        return None

    def word(self, place: Place, value: str, words: type[Word]) -> Word | None:
        if value in set(words):
            return words(value)
        message = f"“{shown(value)}” is unknown here: there are {', '.join(words)}"
        self.complain("unknown-word", place, message, nearest=nearest(value, words))
        return None

    def complain(self, code: str, place: Place, message: str, **more: Any) -> None:
        self.problems.append(self.source.problem(code, place, message, **more))


def _circle(start: str, needs: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Return a way from an entry back to itself, or nothing."""
    seen: set[str] = set()
    waiting: list[tuple[str, ...]] = [(start,)]
    for path in waiting:
        for name in needs.get(path[-1], ()):
            if name == start:
                return (*path, start)
            if name not in seen:
                seen.add(name)
                waiting.append((*path, name))
    return ()
