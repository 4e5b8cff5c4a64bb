"""Who pays for questions: what one may cost is set aside before it is asked, and settled with what it has cost."""

from dataclasses import dataclass
from typing import Protocol

ROUNDING = 1e-9
"""Of money: sums of binary fractions are a little off."""


@dataclass(frozen=True)
class Tokens:
    """Of one question and its answer."""

    asked: int
    replied: int

    @property
    def total(self) -> int:
        """Return both together."""
        return self.asked + self.replied


NOTHING = Tokens(0, 0)


@dataclass(frozen=True)
class Spent:
    """What a program has used that asks by itself, as it tells in the end."""

    calls: int = 0
    asked: int = 0
    """Tokens of questions."""
    replied: int = 0
    """Tokens of answers."""


@dataclass(frozen=True)
class Prices:
    """Of a million tokens each, in whatever money the settings count in."""

    per_million_asked: float = 0.0
    per_million_replied: float = 0.0

    def of(self, tokens: Tokens) -> float:
        """Return what tokens cost."""
        asked = tokens.asked * self.per_million_asked
        return (asked + tokens.replied * self.per_million_replied) / 1e6


@dataclass(frozen=True)
class Room:
    """What may still be used; None is no limit."""

    calls: int | None = None
    tokens: int | None = None
    money: float | None = None

    def holds(self, tokens: int, money: float) -> bool:
        """Tell whether one more question fits in."""
        return not (
            (self.calls is not None and self.calls < 1)
            or (self.tokens is not None and self.tokens < tokens)
            or (self.money is not None and self.money < money - ROUNDING)
        )


class Account(Protocol):
    """Pays for questions. Every try at one counts."""

    async def reserve(self, most: Tokens) -> int:
        """Set aside what a question may cost at most, and return the number by which it is settled.

        Raises: OutOfRoom: there is no room for it.
        """

    async def settle(self, number: int, used: Tokens) -> None:
        """Replace what was set aside by what was used. What is never settled counts as it was set aside."""


class Unlimited:
    """Pays for everything and keeps no books."""

    async def reserve(self, most: Tokens) -> int:  # noqa: ARG002  # the protocol's
        """Agree."""
        return 0

    async def settle(self, number: int, used: Tokens) -> None:
        """Keep nothing."""


UNLIMITED = Unlimited()
