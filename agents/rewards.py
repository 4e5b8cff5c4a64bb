"""What an answer can be rewarded for, as typed data: chosen and parametrised by people, never code of theirs.

Every reward is in 0 … 1, higher is better. Several are averaged by their weights. `agents.worker.rewards` computes them.
"""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

MOST_REWARDS = 8
MOST_SCHEMA_CHARS = 20_000
UNBOUNDED_KEYWORDS = ("patternProperties", "$ref", "$dynamicRef", "$recursiveRef", "$id")
"""Parts of JSON Schema that are refused: they fetch, recurse, or match without a time limit."""


class _Reward(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: Annotated[float, Field(gt=0, le=100)] = 1.0


class ExactMatch(_Reward):
    """1 when the answer is the reference up to case and white space, else 0."""

    kind: Literal["exact_match"] = "exact_match"


class Overlap(_Reward):
    """Share of letters in common with the reference (chrF): tells nearly right from wrong, so that there is a slope."""

    kind: Literal["overlap"] = "overlap"


class Pattern(_Reward):
    """1 when the regular expression is found in the answer. A match that takes too long counts as none."""

    kind: Literal["regex"] = "regex"
    pattern: Annotated[str, Field(min_length=1, max_length=1000)]
    whole: bool = False
    """The answer as a whole has to match."""

    @field_validator("pattern")
    @classmethod
    def _is_one(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is not a regular expression: {error}") from None
        return pattern


class FitsSchema(_Reward):
    """1 when the answer is JSON that fits the schema, 0.2 when it is any JSON, else 0."""

    kind: Literal["json_schema"] = "json_schema"
    fits: dict[str, Any]
    """JSON Schema, draft 2020-12, without references and `patternProperties`."""

    @field_validator("fits")
    @classmethod
    def _is_bounded(cls, fits: dict[str, Any]) -> dict[str, Any]:
        if len(json.dumps(fits)) > MOST_SCHEMA_CHARS:
            raise ValueError(f"has more than {MOST_SCHEMA_CHARS:,} characters")
        if found := sorted(_keys(fits) & set(UNBOUNDED_KEYWORDS)):
            raise ValueError(f"uses {', '.join(found)}, which is not possible here")
        return fits


class RightNumber(_Reward):
    """1 when the last number of the answer is that of the reference, within a tolerance and in the same unit."""

    kind: Literal["number"] = "number"
    relative: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Tolerated share of the reference."""
    absolute: Annotated[float, Field(ge=0)] = 1e-6
    """Tolerated difference; the larger tolerance counts."""
    unit: Annotated[str, Field(max_length=20)] | None = None
    """The unit that has to follow; None: the one that follows the reference's number, if any does."""


class JsonPath(_Reward):
    """1 when the answer is JSON with the reference's value at a path; numbers may differ by a tolerance."""

    kind: Literal["json_path"] = "json_path"
    path: Annotated[
        str,
        Field(max_length=200, pattern=r"^\$?\.?(?:[\w-]+|\[\d{1,6}\])(?:\.[\w-]+|\[\d{1,6}\])*$"),
    ]
    """Names and places of lists: `order.items[0].price`."""
    relative: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Tolerated share of the reference's number."""
    absolute: Annotated[float, Field(ge=0)] = 1e-6
    """Tolerated difference; the larger tolerance counts."""


class Length(_Reward):
    """1 for an answer of so many words, falling to 0 at none and at twice as many."""

    kind: Literal["length"] = "length"
    min_words: Annotated[int, Field(ge=0, le=100_000)] = 0
    max_words: Annotated[int, Field(ge=1, le=100_000)]

    @model_validator(mode="after")
    def _in_order(self) -> "Length":
        if self.min_words > self.max_words:
            raise ValueError("min_words is larger than max_words")
        return self


class Similarity(_Reward):
    """How near the answer's meaning is to the reference: cosine of sentence embeddings, below zero counting as zero."""

    kind: Literal["similarity"] = "similarity"


class Learned(_Reward):
    """What a reward model, trained from the person's own preferences, thinks of the answer."""

    kind: Literal["learned"] = "learned"


class Judge(_Reward):
    """What a language model thinks of the answer. Needs one that the operator has configured (`llm`)."""

    kind: Literal["judge"] = "judge"
    criterion: Annotated[str, Field(min_length=3, max_length=1000)]


Reward = Annotated[
    ExactMatch
    | Overlap
    | Pattern
    | FitsSchema
    | RightNumber
    | JsonPath
    | Length
    | Similarity
    | Learned
    | Judge,
    Field(discriminator="kind"),
]
NEED_REFERENCE = (ExactMatch, Overlap, RightNumber, JsonPath, Similarity)
"""Rewards that compare with a reference; they cannot be had from prompts alone."""


def from_text(value: object) -> object:
    """Read rewards written as JSON, as `--set rewards=…` brings them; a single one may stand without brackets."""
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, str):
        return value
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError(
            'are written as JSON, for example [{"kind": "exact_match"}, {"kind": "length", "max_words": 20}]'
        ) from None
    return [read] if isinstance(read, dict) else read


Rewards = Annotated[tuple[Reward, ...], BeforeValidator(from_text), Field(max_length=MOST_REWARDS)]


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return {str(key) for key in value} | {k for inner in value.values() for k in _keys(inner)}
    if isinstance(value, list):
        return {k for inner in value for k in _keys(inner)}
    return set()
