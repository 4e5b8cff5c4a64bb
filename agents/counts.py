"""Arithmetic of counted outcomes, without numpy: how often one side won, how often two judges agree.

The worker and the bot share it; docs/evaluation.md gives the formulas.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

ALPHA = 0.05
Z = NormalDist().inv_cdf(1 - ALPHA / 2)


def mcnemar_mid_p(gained: int, lost: int) -> float:
    """Return the two-sided mid-p of McNemar's test, which is that of the sign test; 1 when nothing differs."""
    n = gained + lost
    below, ways = 0, 1
    for i in range(min(gained, lost)):
        below += ways
        ways = ways * (n - i) // (i + 1)
    return min(1.0, (2 * below + ways) / (1 << n))


def bonett_price(gained: float, lost: float, n: float) -> tuple[float, float]:
    """Return the 95 % interval of a difference of two paired proportions."""
    p_gained, p_lost = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    gain = p_gained - p_lost
    half = Z * math.sqrt((p_gained + p_lost - gain**2) / (n + 2))
    return max(-1.0, gain - half), min(1.0, gain + half)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a proportion; all of 0 … 1 where nothing was seen."""
    if n == 0:
        return 0.0, 1.0
    share, spread = successes / n, Z**2 / n
    centre = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt((share * (1 - share) + spread / 4) / n) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def agresti_caffo(
    one: tuple[int, int], other: tuple[int, int], alpha: float = ALPHA
) -> tuple[float, float, float]:
    """Return the difference of two shares (count, of) and its interval at 1 - `alpha`.

    A success and a failure are added to each side, which holds for a few items too.
    """
    p, q = ((count + 1) / (of + 2) for count, of in (one, other))
    z = NormalDist().inv_cdf(1 - alpha / 2)
    half = z * math.sqrt(p * (1 - p) / (one[1] + 2) + q * (1 - q) / (other[1] + 2))
    seen = one[0] / max(1, one[1]) - other[0] / max(1, other[1])
    return seen, p - q - half, p - q + half


def kappa(first: Sequence[str], second: Sequence[str]) -> float | None:
    """Return Cohen's κ of two judges of the same items; None where both always say the same one thing, or nothing.

    Raises: ValueError: they did not judge equally many items.
    """
    n = len(first)
    agreed = sum(a == b for a, b in zip(first, second, strict=True))
    counts, others = Counter(first), Counter(second)
    by_chance = sum(counts[word] * others[word] for word in counts)
    if by_chance == n * n:
        return None
    return (agreed * n - by_chance) / (n * n - by_chance)


@dataclass(frozen=True)
class Tally:
    """How often the tuned answer was preferred to the base's, how often not, and how often neither was."""

    wins: int
    losses: int
    ties: int

    @property
    def items(self) -> int:
        """Return how many items were judged."""
        return self.wins + self.losses + self.ties

    @property
    def p_value(self) -> float:
        """Return the two-sided mid-p of the sign test on all but the ties."""
        return mcnemar_mid_p(self.wins, self.losses)

    @property
    def share(self) -> tuple[float, float]:
        """Return Wilson's interval of the wins among all but the ties."""
        return wilson(self.wins, self.wins + self.losses)

    @property
    def win_rate(self) -> float:
        """Return wins and half of the ties among all items; a half where there are none."""
        return (self.wins + self.ties / 2) / self.items if self.items else 0.5

    @property
    def win_rate_interval(self) -> tuple[float, float]:
        """Return its 95 % interval: half of Bonett and Price's for wins less losses, about a half."""
        low, high = bonett_price(self.wins, self.losses, self.items)
        return 0.5 + low / 2, 0.5 + high / 2
