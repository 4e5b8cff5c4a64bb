"""Several values of one setting that a training tries, and the rungs at which it halves their number (successive halving).

All of them train the first part of the steps; the better half by dev loss trains the next part, and so on, until one is
left, which trains to its end. Each rung takes about as many steps as the one before, so eight candidates take two and a
half trainings and not eight (Jamieson and Talwalkar 2016, arXiv 1502.07943).
"""

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    TypeAdapter,
    ValidationError,
    field_validator,
)

MOST = 8
NONE = "none"
"""What a person writes for a single value again."""
Varied = Literal["learning_rate", "warmup_fraction", "weight_decay", "seed"]
"""Settings that change neither what a step holds in memory and how long it takes, nor the number of steps."""
VARIED: tuple[str, ...] = get_args(Varied)
_NUMBER = TypeAdapter[int | float](int | float)


class Candidates(BaseModel):
    """Values of one setting; the first one is that of the plan itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: Varied
    values: Annotated[tuple[StrictInt | StrictFloat, ...], Field(min_length=2, max_length=MOST)]

    @field_validator("values")
    @classmethod
    def _are_different(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(values)) < len(values):
            raise ValueError("the same value stands there twice")
        return values

    @property
    def words(self) -> str:
        """Return them as a person may write them, which is also read back."""
        return f"{self.field} {', '.join(map(number, self.values))}"


def from_text(value: Any) -> Any:
    """Read `learning_rate 1e-4, 3e-4`, or that there are none; leave anything else to the type."""
    if not isinstance(value, str):
        return value
    if value.strip().casefold() in {"", NONE}:
        return None
    name, _, rest = re.sub(r"[=:]", " ", value).strip().partition(" ")
    numbers = [part for part in re.split(r"[,;\s]+", rest) if part]
    return {
        "field": name.replace("-", "_"),
        "values": tuple(map(_read, numbers)),
    }


def _read(text: str) -> int | float:
    try:
        return _NUMBER.validate_strings(text)
    except ValidationError:
        raise ValueError(f"“{text}” is no number") from None


Choice = Annotated[Candidates | None, BeforeValidator(from_text)]
CHOICE = TypeAdapter[Candidates | None](Choice)


def number(value: float) -> str:
    """Write a value as short as it is said."""
    return str(value) if isinstance(value, int) else f"{value:.6g}"


@dataclass(frozen=True)
class Rung:
    """A part of the steps, which several candidates train one after the other."""

    since: int
    """Steps that each of them has done before."""
    until: int
    """Steps that each has done after it."""
    candidates: int
    """How many train it."""
    stay: int
    """How many of them go on."""

    @property
    def steps(self) -> int:
        """Steps of all of them together."""
        return self.candidates * (self.until - self.since)


def looks(steps: int, save_steps: int) -> tuple[int, int]:
    """Return how many steps apart a training saves, and looks at its dev rows: three to eight times, where it saves too."""
    save_every = max(1, min(save_steps, math.ceil(steps / 3)))
    return save_every, save_every * max(1, math.ceil(steps / 8 / save_every))


def rungs(count: int, steps: int, save_steps: int) -> tuple[Rung, ...]:
    """Return the rungs of `count` candidates whose trainings have `steps` steps; the last one is for one alone, if any is left.

    A rung ends where a training looks at its dev rows anyway, so that what is left at the end is what it would have been
    alone. Rungs that would end at the same step are one.
    """
    _save_every, look_every = looks(steps, save_steps)
    halvings = (count - 1).bit_length()
    left, stays = count, dict[int, int]()
    for halving in range(halvings):
        share = steps / 2 ** (halvings - halving)
        left = math.ceil(left / 2)
        stays[min(steps, look_every * max(1, math.floor(share / look_every + 0.5)))] = left
    ends = [*stays.items()]
    if not ends or ends[-1][0] < steps:
        ends.append((steps, 1))
    found: list[Rung] = []
    for until, stay in ends:
        since, entering = (found[-1].until, found[-1].stay) if found else (0, count)
        found.append(Rung(since, until, entering, stay))
    return tuple(found)
