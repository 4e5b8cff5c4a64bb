"""Whether rows helped: the loss of each dev row with them and without, paired.

From 20 groups of dev rows on as everywhere (docs/evaluation.md): paired bootstrap and swaps by chance. Of fewer, all swaps
are counted: each group may have had its two losses the other way round (Fisher 1935, "The Design of Experiments", section
21). The interval is what that test does not refuse, which are quantiles of the mean gains of all sets of groups (Hartigan
1969, "Using subsample values as typical values", JASA 64). Fewer than six groups can refuse nothing, so there is none.
"""

from dataclasses import dataclass

import numpy as np

from agents.worker import verdict
from agents.worker.paired import ALPHA, Groups, Numbers

FEWEST_DRAWN = verdict.FEWEST_ITEMS
"""Groups from which on resamples stand for all."""


@dataclass(frozen=True)
class Gain:
    """Mean loss per token that the rows have saved."""

    gain: float
    low: float | None
    high: float | None
    """95 % interval; None: there are too few dev rows for one."""
    p_value: float

    @property
    def helped(self) -> bool:
        """Whether the interval lies above 0."""
        return self.low is not None and self.low > 0


def compare(with_made: Numbers, without: Numbers, groups: Groups, seed: int) -> Gain:
    """Compare the losses of dev rows; `groups` says which of them resemble each other."""
    if len(np.unique(groups)) >= FEWEST_DRAWN:
        found = verdict.compare_scores(-without, -with_made, seed, groups)
        return Gain(found.gain, found.low, found.high, found.p_value)
    return _all_swaps(without - with_made, groups)


def _all_swaps(gains: Numbers, groups: Groups) -> Gain:
    sums = np.bincount(groups, weights=gains)
    sizes = np.bincount(groups)
    # the sum of the gains of each set of groups, the empty one first
    total, size = np.zeros(1), np.zeros(1)
    for group_sum, group_size in zip(sums, sizes, strict=True):
        total = np.concatenate([total, total + group_sum])
        size = np.concatenate([size, size + group_size])
    gain = float(gains.mean())
    further = (total <= 0).sum() if gain > 0 else (total >= 0).sum()
    p_value = min(1.0, 2 * float(further) / len(total))
    means = np.sort(total[1:] / size[1:])
    outside = int(ALPHA / 2 * len(total))
    if outside == 0:
        return Gain(gain, None, None, p_value)
    return Gain(gain, float(means[outside - 1]), float(means[-outside]), p_value)
