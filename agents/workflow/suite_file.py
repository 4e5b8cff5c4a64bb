"""Read test files of workflows, in the original's dialects; each problem with its line and the word that was meant.

loaded = load_suite(Path("simple-qa.test.yaml"))
loaded.suite.scenarios[0].assertions
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StrictBool

from agents.workflow import js_patterns
from agents.workflow.assertions import (
    NEEDS_NO_TARGET,
    NEEDS_NO_VALUE,
    OUTPUT,
    Assertion,
    Check,
)
from agents.workflow.fitting import fit
from agents.workflow.flow import writes
from agents.workflow.load import Loaded, load
from agents.workflow.model import END, RUN_DIRECTORY, Kind
from agents.workflow.placeholders import PLACEHOLDER
from agents.workflow.problems import (
    Place,
    Problem,
    Severity,
    WorkflowError,
    has_errors,
    nearest,
    shown,
)
from agents.workflow.reach import NotFound, Reach
from agents.workflow.shapes import Filled, Shape, Text
from agents.workflow.suite import Answer, Card, Generated, Scenario, Suite, SuiteDialect
from agents.workflow.yaml_source import Source, read

LEGACY_TIMEOUT_S = 30.0
MAX_ITERATIONS = 1000
Times = Annotated[int, Field(strict=True, ge=1, le=MAX_ITERATIONS)]


class InputShape(Shape):
    """What is said in a state; `input` is legacy, a number there is the place of a choice from 1."""

    state: Filled
    value: Text | None = None
    input: Text | int | None = None


class MockShape(Shape):
    """What a model says in a state; legacy, kept."""

    state: Filled
    response: Text


class AssertionShape(Shape):
    """What should be so; `pattern` is legacy."""

    type: Text
    target: Filled | None = None
    value: Text | None = None
    pattern: Text | None = None
    description: Text | None = None
    case_sensitive: StrictBool = True
    regex: StrictBool = False


class GenerationShape(Shape):
    """Branch: answers that a model makes up."""

    enabled: StrictBool = False
    model: Filled | None = None
    context: Text = ""


class PersonaShape(Shape):
    """Ours: whom a model plays."""

    goal: Filled
    facts: list[Text] = Field(default_factory=list)
    manner: Text = ""


class ScenarioShape(Shape):
    """One scenario."""

    name: Filled
    description: Text | None = None
    inputs: list[InputShape] | None = None
    assertions: list[AssertionShape]
    iterations: Times | None = None
    llm_input_generation: GenerationShape | None = None
    persona: PersonaShape | None = None
    mocks: list[MockShape] = Field(default_factory=list)
    timeout: Annotated[int, Field(strict=True, gt=0)] | None = None
    """In milliseconds."""


class SuiteShape(Shape):
    """The top of a test file; scenarios are fitted one by one."""

    workflow: Filled
    name: Text | None = None
    description: Text | None = None
    test_scenarios: list[dict[str, Any]] | None = None
    scenarios: list[dict[str, Any]] | None = None
    iterations: Times | None = None


@dataclass(frozen=True)
class LoadedSuite:
    """A test file that can be played, its workflow, and what was odd."""

    suite: Suite
    source: Source
    workflow: Loaded
    warnings: tuple[Problem, ...]
    """Of the test file; those of the workflow are with it."""


def load_suite(path: Path, reach: Reach | None = None, *, name: str | None = None) -> LoadedSuite:
    """Read and check a test file and the workflow that it is for.

    Raises: WorkflowError: one of the two cannot be used.
    """
    return load_suite_source(read(path, name), path, reach or Reach(cwd=Path.cwd()))


def load_suite_source(source: Source, path: Path, reach: Reach) -> LoadedSuite:
    """Load a test file that was parsed already.

    Raises: WorkflowError: it, or its workflow, cannot be used.
    """
    problems: list[Problem] = []
    suite = suite_of(source, problems)
    workflow = None if suite is None else _workflow(source, suite, path, reach, problems)
    return _checked(source, suite, workflow, problems)


def _checked(
    source: Source, suite: Suite | None, workflow: Loaded | None, problems: list[Problem]
) -> LoadedSuite:
    if suite is not None and workflow is not None and not has_errors(problems):
        problems.extend(_against(source, suite, workflow))
    problems.sort(key=lambda one: (one.severity is not Severity.ERROR, one.file, one.line))
    if has_errors(problems) or suite is None or workflow is None:
        raise WorkflowError(problems)
    return LoadedSuite(suite, source, workflow, tuple(problems))


def load_suite_for(source: Source, workflow: Loaded) -> LoadedSuite:
    """Load a test file for a workflow that is at hand, wherever the file says that it stands.

    Raises: WorkflowError: it cannot be used.
    """
    problems: list[Problem] = []
    suite = suite_of(source, problems)
    return _checked(source, suite, workflow, problems)


def suite_of(source: Source, problems: list[Problem]) -> Suite | None:
    """Return what a test file says, whatever its workflow is; None where that cannot be told."""
    shape = fit(source, SuiteShape, source.tree, (), problems)
    if shape is None:
        return None
    legacy = shape.test_scenarios is None and shape.scenarios is not None
    key = "scenarios" if legacy else "test_scenarios"
    raws = shape.scenarios if legacy else shape.test_scenarios
    if not raws:
        code = "missing" if raws is None else "too-few"
        problems.append(source.problem(code, (key,) if raws == [] else (), f"needs `{key}`"))
    if shape.scenarios is not None and not legacy:
        message = "cannot stand beside `test_scenarios`: one of the two"
        problems.append(source.problem("excluded", ("scenarios",), message))
    scenarios: list[Scenario] = []
    for number, raw in enumerate(raws or ()):
        place: Place = (key, number)
        fitted = fit(source, ScenarioShape, raw, place, problems)
        if fitted is not None:
            scenarios.append(_scenario(source, fitted, place, problems, legacy=legacy))
    dialect = SuiteDialect.LEGACY if legacy else _dialect(shape, scenarios)
    return Suite(source.name, shape.workflow, dialect, tuple(scenarios), shape.iterations)


def _dialect(shape: SuiteShape, scenarios: list[Scenario]) -> SuiteDialect:
    later = shape.iterations is not None or any(
        scenario.iterations is not None
        or scenario.generated is not None
        or scenario.persona is not None
        for scenario in scenarios
    )
    return SuiteDialect.BRANCH if later else SuiteDialect.MAIN


def _scenario(
    source: Source, shape: ScenarioShape, place: Place, problems: list[Problem], *, legacy: bool
) -> Scenario:
    if not shape.assertions:
        message = "a scenario needs an assertion: without one it cannot fail"
        problems.append(source.problem("too-few", (*place, "assertions"), message))
    generation = shape.llm_input_generation
    if generation is not None and generation.enabled and shape.inputs:
        message = "cannot stand beside `inputs`: one of the two"
        problems.append(source.problem("excluded", (*place, "llm_input_generation"), message))
    persona = shape.persona
    if generation is not None and generation.enabled and persona is not None:
        message = "cannot stand beside `llm_input_generation`: one of the two"
        problems.append(source.problem("excluded", (*place, "persona"), message))
    timeout_s = LEGACY_TIMEOUT_S if legacy else None
    mocks: dict[str, tuple[str, ...]] = {}
    for mock in shape.mocks:
        mocks[mock.state] = (*mocks.get(mock.state, ()), mock.response)
    asserted = (
        _assertion(source, one, (*place, "assertions", number), problems)
        for number, one in enumerate(shape.assertions)
    )
    return Scenario(
        name=shape.name,
        assertions=tuple(assertion for assertion in asserted if assertion is not None),
        description=shape.description or "",
        answers=tuple(_answers(source, shape, place, problems)),
        generated=Generated(generation.model, generation.context)
        if generation is not None and generation.enabled
        else None,
        persona=Card(persona.goal, tuple(persona.facts), persona.manner) if persona else None,
        mocks=mocks,
        iterations=shape.iterations,
        timeout_s=timeout_s if shape.timeout is None else shape.timeout / 1000,
        line=source.line(place),
    )


def _answers(
    source: Source, shape: ScenarioShape, place: Place, problems: list[Problem]
) -> Iterator[Answer]:
    said: set[str] = set()
    for number, one in enumerate(shape.inputs or ()):
        at: Place = (*place, "inputs", number)
        value = one.input if one.value is None else one.value
        if value is None:
            problems.append(source.problem("missing", at, "an input needs a `value`"))
            continue
        if one.state in said:
            message = f"“{shown(one.state)}” has an input already, and that one counts"
            severity = Severity.WARNING
            problems.append(source.problem("name-taken", at, message, severity=severity))
        said.add(one.state)
        yield Answer(one.state, str(value))


def _assertion(
    source: Source, shape: AssertionShape, place: Place, problems: list[Problem]
) -> Assertion | None:
    found = list(_wrong(source, shape, place))
    problems.extend(found)
    if found:
        return None
    value = shape.pattern if shape.value is None else shape.value
    assertion = Assertion(
        check=Check(shape.type),
        target=shape.target,
        value=value or "",
        description=shape.description,
        case_sensitive=shape.case_sensitive,
        regex=shape.regex,
        line=source.line(place),
    )
    if assertion.is_pattern:
        try:
            js_patterns.check(PLACEHOLDER.sub("x", assertion.value))
        except js_patterns.NotPossible as error:
            key = "pattern" if shape.value is None else "value"
            problems.append(source.problem("pattern", (*place, key), str(error)))
            return None
    return assertion


def _wrong(source: Source, shape: AssertionShape, place: Place) -> Iterator[Problem]:
    if shape.type not in set(Check):
        known = ", ".join(check for check in Check if check is not Check.VARIABLE_SET)
        message = f"is no type of assertion: there are {known}"
        meant = nearest(shape.type, Check)
        yield source.problem("unknown-type", (*place, "type"), message, nearest=meant)
        return
    check = Check(shape.type)
    if shape.target is None and check not in NEEDS_NO_TARGET:
        message = f"an assertion of type {check} needs a `target`: the name whose value is meant"
        yield source.problem("missing", place, message)
    if shape.value is None and shape.pattern is None and check not in NEEDS_NO_VALUE:
        yield source.problem("missing", place, f"an assertion of type {check} needs a `value`")


def _workflow(
    source: Source, suite: Suite, path: Path, reach: Reach, problems: list[Problem]
) -> Loaded | None:
    try:
        found = reach.find(suite.workflow, path.absolute().parent)
        return load(found, reach, name=suite.workflow)
    except NotFound as error:
        problems.append(source.problem("no-file", ("workflow",), str(error)))
    except WorkflowError as error:
        problems.extend(error.problems)
    return None


def _against(source: Source, suite: Suite, loaded: Loaded) -> Iterator[Problem]:
    """Find states and names of a test that its workflow has not: the original says nothing, and the test means nothing."""
    key = "scenarios" if suite.dialect is SuiteDialect.LEGACY else "test_scenarios"
    states = loaded.workflow.states
    asked = {name for name, one in states.items() if one.kind in {Kind.INPUT, Kind.CHOICE}}
    models = {name for name, one in states.items() if one.kind in {Kind.PROMPT, Kind.DECISION}}
    known = {RUN_DIRECTORY, OUTPUT, *loaded.workflow.variables}
    known |= {name for state in states.values() if (name := writes(state)) is not None}
    for number, raw in enumerate(source.tree.get(key) or ()):
        place: Place = (key, number)
        yield from _names(source, raw, (*place, "inputs"), "state", asked)
        yield from _names(source, raw, (*place, "mocks"), "state", models)
        yield from _names(source, raw, (*place, "assertions"), "target", known)
        yield from _names(source, raw, (*place, "assertions"), "value", {*states, END})


MEANT = {
    "inputs": ("unknown-state", "is no state that asks a person"),
    "mocks": ("unknown-state", "is no state that asks a model"),
    "target": ("unknown-variable", "is no name that gets a value, so this can never be so"),
    "value": ("unknown-state", "is no state, so this can never be so"),
}


def _names(
    source: Source, raw: dict[str, Any], place: Place, key: str, known: set[str]
) -> Iterator[Problem]:
    for number, entry in enumerate(raw.get(str(place[-1])) or ()):
        reached = entry.get("type") == Check.STATE_REACHED
        word = entry.get(key)
        if not isinstance(word, str) or word in known or PLACEHOLDER.search(word):
            continue
        if place[-1] == "assertions" and reached != (key == "value"):
            continue
        code, message = MEANT[str(place[-1]) if key == "state" else key]
        at: Place = (*place, number, key)
        severity, meant = Severity.WARNING, nearest(word, sorted(known))
        message = f"“{shown(word)}” {message}"
        yield source.problem(code, at, message, severity=severity, nearest=meant)
