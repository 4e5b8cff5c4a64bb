"""A metric of a person's own, as typed data: rules that are also rewards, and plugins that the operator has named.

Never code from chat. `agents.worker.metrics.own` computes it.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from agents.rewards import (
    MOST_REWARDS,
    ExactMatch,
    FitsSchema,
    JsonPath,
    Length,
    Overlap,
    Pattern,
    RightNumber,
    Similarity,
    from_text,
)

PLUGIN_GROUP = "tunewright.metrics"
"""Of the entry points by which a package offers metrics."""


class Plugin(BaseModel):
    """What a function in a package of the operator makes of it. Only names in `evaluation.metric_plugins` are loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["plugin"] = "plugin"
    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[\w.-]+$")]
    """Of the entry point."""
    weight: Annotated[float, Field(gt=0, le=100)] = 1.0


Rule = Annotated[
    ExactMatch
    | Overlap
    | Pattern
    | FitsSchema
    | RightNumber
    | JsonPath
    | Length
    | Similarity
    | Plugin,
    Field(discriminator="kind"),
]
OwnMetric = Annotated[tuple[Rule, ...], BeforeValidator(from_text), Field(max_length=MOST_REWARDS)]


def describe(rules: Sequence[Rule]) -> str:
    """Name rules in few words."""
    return " + ".join(
        f"plugin {rule.name}" if isinstance(rule, Plugin) else rule.kind.replace("_", " ")
        for rule in rules
    )


def not_allowed(rules: Iterable[Rule], allowed: Sequence[str]) -> list[str]:
    """Return the plugins that rules name and the settings do not."""
    return sorted({r.name for r in rules if isinstance(r, Plugin) and r.name not in allowed})
