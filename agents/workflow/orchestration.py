"""Several workflows as one: which, in which order, under which conditions, and what becomes of their results.

`orchestration_file` reads it. A later dialect of the original: there, what the workflows save never reaches the whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agents.workflow.load import Loaded


class Strategy(StrEnum):
    """In which order workflows are run."""

    SEQUENTIAL = "sequential"
    """One after the other, as in the file; those that another one needs come before it."""
    PARALLEL = "parallel"
    """All that wait for nothing at the same time."""
    CONDITIONAL = "conditional"
    """One after the other, and only where its condition is so."""


class Operator(StrEnum):
    """How a condition looks at a value."""

    EQUALS = "equals"
    """It is this."""
    NOT_EQUALS = "not_equals"
    """It is not this, or there is none."""
    CONTAINS = "contains"
    """It has this in it."""
    NOT_CONTAINS = "not_contains"
    """It has this not in it, or there is none."""
    EXISTS = "exists"
    """There is one, and it is not empty."""
    NOT_EXISTS = "not_exists"
    """There is none, or an empty one."""


class OnError(StrEnum):
    """What happens when a workflow of several fails."""

    FAIL = "fail"
    """All is over."""
    CONTINUE = "continue"
    """The others are run all the same."""
    FALLBACK = "fallback"
    """Another workflow is run instead."""


class Aggregation(StrEnum):
    """What becomes of the results."""

    MERGE = "merge"
    """All values; later ones count."""
    LAST = "last"
    """Those of the last workflow."""
    CUSTOM = "custom"
    """What a model makes of them."""


@dataclass(frozen=True)
class Condition:
    """When a workflow is run."""

    variable: str
    operator: Operator
    value: str = ""

    def holds(self, values: Mapping[str, str]) -> bool:
        """Tell whether it is so."""
        value = values.get(self.variable)
        match self.operator:
            case Operator.EQUALS:
                return value == self.value
            case Operator.NOT_EQUALS:
                return value != self.value
            case Operator.CONTAINS:
                return value is not None and self.value in value
            case Operator.NOT_CONTAINS:
                return value is None or self.value not in value
            case Operator.EXISTS:
                return bool(value)
            case Operator.NOT_EXISTS:
                return not value


@dataclass(frozen=True)
class Member:
    """One workflow of several."""

    id: str
    workflow: Loaded
    variables: Mapping[str, str] = field(default_factory=dict)
    """May hold names in double braces."""
    save_as: str | None = None
    """The name of its results as JSON text."""
    condition: Condition | None = None
    depends_on: tuple[str, ...] = ()
    timeout_s: float | None = None
    on_error: OnError = OnError.FAIL
    fallback: Loaded | None = None


@dataclass(frozen=True)
class Orchestration:
    """Several workflows as one."""

    name: str
    description: str
    default_model: str | None
    strategy: Strategy
    members: tuple[Member, ...]
    shared: Mapping[str, str] = field(default_factory=dict)
    """Known to all of them."""
    aggregation: Aggregation = Aggregation.MERGE
    aggregation_prompt: str | None = None
    """With `{{results}}`."""
    aggregation_model: str | None = None

    def waves(self) -> tuple[tuple[Member, ...], ...]:
        """Return the order: what stands in one wave may be run at the same time, one wave after the other."""
        done: set[str] = set()
        left, found = list(self.members), []
        while left:
            ready = [one for one in left if done.issuperset(one.depends_on)]
            wave = ready if self.strategy is Strategy.PARALLEL else ready[:1]
            found.append(tuple(wave))
            done |= {one.id for one in wave}
            left = [one for one in left if one.id not in done]
        return tuple(found)
