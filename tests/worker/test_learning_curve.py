"""The forecast of what more rows would buy, on curves whose truth is known."""

import numpy as np
import pytest

from agents.worker import learning_curve
from agents.worker.row_log import Look

CURVES = 60


def losses(seed: int, rows: int, level: float, slope: float, exponent: float) -> list[float]:
    """Losses of rows in the order in which they are seen, each with noise of 70 % of its size."""
    seen = np.arange(1, rows + 1)
    noise = np.random.default_rng(seed).gamma(2.0, 0.5, rows)
    return list((level + slope * seen**-exponent) * noise)


@pytest.mark.parametrize(
    ("rows", "level", "slope", "exponent"),
    [(600, 0.3, 3.0, 0.4), (400, 1.0, 2.0, 0.25), (600, 0.8, 0.0, 0.5)],
)
def test_the_interval_holds_the_true_gain_as_often_as_it_should(rows, level, slope, exponent):
    held = falls = 0
    for seed in range(CURVES):
        found = learning_curve.of_losses(
            losses(seed, rows, level, slope, exponent), skipped=32, seed=seed
        )
        true = slope * (rows**-exponent - (rows + found.more) ** -exponent)
        held += found.low <= true <= found.high
        falls += found.low > 0

    assert held >= 0.83 * CURVES  # what the docs admit, less two standard errors
    if slope == 0:
        assert falls <= 0.1 * CURVES


def test_a_curve_without_noise_is_followed():
    exact = [0.2 + 2.0 * n**-0.5 for n in range(1, 801)]

    found = learning_curve.of_losses(exact, skipped=32, seed=1)

    assert (found.rows, found.more) == (800, 400)
    assert found.loss == pytest.approx(0.2 + 2.0 * 800**-0.5, rel=0.02)
    assert found.gain == pytest.approx(2.0 * (800**-0.5 - 1200**-0.5), rel=0.1)


def test_only_the_first_look_at_a_row_counts_and_the_warm_up_does_not():
    exact = [0.2 + 2.0 * n**-0.5 for n in range(1, 801)]
    looks = {
        row: [Look(1 + row // 8, -4 * loss, 4), Look(200 + row // 8, -0.001, 4)]
        for row, loss in enumerate(exact)
    }

    found = learning_curve.forecast(looks, warm_up_steps=10, seed=1)

    assert found == learning_curve.of_losses(exact, skipped=80, seed=1)


def test_of_few_rows_nothing_is_said():
    assert learning_curve.of_losses([1.0] * 231, skipped=32, seed=1) is None
    assert learning_curve.forecast({}, warm_up_steps=0, seed=1) is None
