"""What more rows would buy: a power law through how likely each row was found before it was learnt, with an interval.

The rows of a first pass are all new to the model, so their losses, in the order of the steps, are its learning curve; the
learning rate is constant after its warm-up. The curve is a + b·n^-c (Hestness 2017, arXiv 1712.00409). A bootstrap over the
rows gives the interval of what the fit says about more rows.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from agents.jobs import RowsForecast
from agents.worker.row_log import Look

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Places = NDArray[np.intp]

FEWEST_ROWS = 200
"""After the beginning; of fewer nothing is said."""
SKIPPED = 32
"""First rows, in which a model learns the form; with the rows of the warm-up, where these are more."""
BINS = 12
FEWEST_IN_BIN = 8
RESAMPLES = 200
EXPONENTS = (0.1, 1.5, 57)
"""Between which c lies, and how many are tried: 0.1 to 0.5 in what has been published, faster where a task has a ground."""
MORE = 0.5
"""Share of the rows that the forecast is for: not further than half as many again."""


def forecast(
    looks: Mapping[int, Sequence[Look]], warm_up_steps: int, seed: int
) -> RowsForecast | None:
    """Return what half as many rows more would do to the loss of a new row; None where too few rows tell.

    `looks` are those of a training, by row, in the order of the steps.
    """
    first = sorted(
        ((seen[0].step, row, seen[0]) for row, seen in looks.items() if seen and seen[0].tokens),
        key=lambda entry: entry[:2],
    )
    warm = sum(step <= warm_up_steps for step, _row, _look in first)
    losses = [-look.log_prob / look.tokens for _step, _row, look in first]
    return of_losses(losses, skipped=max(SKIPPED, warm), seed=seed)


def of_losses(losses: Sequence[float], *, skipped: int, seed: int) -> RowsForecast | None:
    """Return the forecast from losses of rows in the order in which they were first seen, without the first ones."""
    import numpy as np

    rows = len(losses)
    if rows - skipped < FEWEST_ROWS:
        return None
    seen = np.arange(skipped + 1, rows + 1, dtype=np.float64)
    values = np.asarray(losses[skipped:], dtype=np.float64)
    parts = _parts(seen)
    rng = np.random.default_rng(seed)
    means = np.array([values[part].mean() for part in parts])
    # not by the spread of each part: parts that came out low by chance also spread less, and would draw the curve down
    weights = np.array([float(len(part)) for part in parts])
    drawn = [values[rng.choice(part, (RESAMPLES, len(part)))].mean(axis=1) for part in parts]
    more = _rounded(MORE * rows)
    gains, levels = _fitted(seen, parts, weights, np.vstack([means, np.transpose(drawn)]), more)
    low, high = np.quantile(gains[1:], [0.025, 0.975])
    return RowsForecast(
        rows=rows,
        more=more,
        loss=float(levels[0]),
        gain=float(gains[0]),
        low=float(low),
        high=float(high),
    )


def _fitted(
    seen: "Numbers", parts: "Sequence[Places]", weights: "Numbers", means: "Numbers", more: int
) -> "tuple[Numbers, Numbers]":
    """Return by how much each curve of `means` falls over `more` rows after the last, and where it stands there.

    For each exponent the curve is a straight line in n^-c; the exponent that leaves the smallest squares is taken.
    """
    import numpy as np

    exponents = np.linspace(*EXPONENTS)
    powers = np.array([[(seen[part] ** -c).mean() for part in parts] for c in exponents])
    x = powers - np.average(powers, axis=1, weights=weights)[:, None]
    middles = np.average(means, axis=1, weights=weights)
    y = means - middles[:, None]
    width = (weights * x**2).sum(axis=1)
    slopes = (y * weights) @ x.T / width
    explained = slopes**2 * width
    best = explained.argmax(axis=1)
    slope = slopes[np.arange(len(means)), best]
    now, then = seen[-1] ** -exponents[best], (seen[-1] + more) ** -exponents[best]
    centre = np.average(powers, axis=1, weights=weights)[best]
    return slope * (now - then), middles + slope * (now - centre)


def _parts(seen: "Numbers") -> "list[Places]":
    """Return the places of the rows of each part of the curve: parts are equally wide by the logarithm."""
    import numpy as np

    edges = np.geomspace(seen[0], seen[-1] + 1, BINS + 1)
    part_of = np.searchsorted(edges, seen, side="right")
    found: list[Places] = []
    for number in range(1, BINS + 1):
        places = np.flatnonzero(part_of == number)
        if found and len(places) < FEWEST_IN_BIN:
            found[-1] = np.concatenate([found[-1], places])
        elif len(places):
            found.append(places)
    return found


def _rounded(rows: float) -> int:
    """Round to what a person would say: two digits, the second of them 0 or 5."""
    unit = 5 * int(10 ** max(0, len(str(int(rows))) - 2))
    return max(unit, round(rows / unit) * unit)
