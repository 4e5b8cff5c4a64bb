"""The verdict's statistics: against other formulas, and by simulation of their error rates."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.jobs import Verdict
from agents.worker.verdict import (
    ALPHA,
    Estimate,
    bonett_price,
    compare_right_or_wrong,
    compare_scores,
    compare_totals,
    holm,
    items_needed,
    judge,
    mcnemar_mid_p,
)

BASE_ACCURACY, DISCORDANT = 0.7, 0.2


def estimate(
    gain: float, low: float, high: float, p_value: float, standard_error: float = 0.05
) -> Estimate:
    return Estimate(0.5, 0.5 + gain, gain, low, high, p_value, standard_error)


def project(
    chance: np.random.Generator, n: int, iterations: int, gain: float
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Return a base's answers and those of candidates that differ from it in a fifth of the items."""
    base = (chance.random(n) < BASE_ACCURACY).astype(float)
    right, wrong = (DISCORDANT + gain) / 2, (DISCORDANT - gain) / 2
    flips = np.where(base == 0, right / (1 - BASE_ACCURACY), wrong / BASE_ACCURACY)
    return base, [np.where(chance.random(n) < flips, 1 - base, base) for _ in range(iterations)]


def verdicts(base: NDArray[np.float64], candidates: Sequence[NDArray[np.float64]]) -> list[Verdict]:
    """Judge candidates one after the other on the same items, as iterations of a run do."""
    earlier: list[float] = []
    found = []
    for candidate in candidates:
        compared = compare_right_or_wrong(base, candidate)
        found.append(judge(compared, len(base), tuple(earlier)).verdict)
        earlier.append(compared.p_value)
    return found


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (1, 0), (5, 2), (3, 3), (11, 4), (0, 14)])
def test_mid_p_is_what_counting_all_outcomes_gives(gained: int, lost: int) -> None:
    fewer = min(gained, lost)

    outcomes = [sum(sides) for sides in product((0, 1), repeat=gained + lost)]
    one_sided = sum(1.0 if k < fewer else 0.5 if k == fewer else 0.0 for k in outcomes) / len(
        outcomes
    )

    assert mcnemar_mid_p(gained, lost) == pytest.approx(min(1.0, 2 * one_sided))


def test_mid_p_of_thousands_of_differences_is_finite() -> None:
    assert mcnemar_mid_p(5000, 5000) == pytest.approx(1.0)
    assert mcnemar_mid_p(6000, 4000) < 1e-80


def test_the_interval_of_paired_proportions_covers_the_truth() -> None:
    chance = np.random.default_rng(1)
    gain = 0.1

    def covers(n: int) -> bool:
        gained, lost, _ = chance.multinomial(n, [0.15, 0.05, 0.8])
        low, high = bonett_price(int(gained), int(lost), n)
        return low <= gain <= high

    # Without the two items that Bonett and Price add, 25 items cover the truth in 90 % of cases only.
    assert 0.94 <= np.mean([covers(25) for _ in range(2000)]) <= 0.99
    assert 0.94 <= np.mean([covers(200) for _ in range(2000)]) <= 0.97


def test_no_true_gain_in_five_iterations_is_seldom_called_better() -> None:
    chance = np.random.default_rng(2)

    fooled = [Verdict.BETTER in verdicts(*project(chance, 100, 5, gain=0.0)) for _ in range(1000)]

    assert np.mean(fooled) <= ALPHA


def test_a_gain_of_ten_points_on_200_items_is_seen() -> None:
    chance = np.random.default_rng(3)

    seen = [verdicts(*project(chance, 200, 1, gain=0.1)) == [Verdict.BETTER] for _ in range(1000)]

    assert np.mean(seen) >= 0.85


def test_a_loss_of_ten_points_on_200_items_is_called_worse() -> None:
    chance = np.random.default_rng(4)

    seen = [verdicts(*project(chance, 200, 1, gain=-0.1)) == [Verdict.WORSE] for _ in range(500)]

    assert np.mean(seen) >= 0.85


def test_the_bootstrap_of_scores_errs_about_as_often_as_it_says() -> None:
    chance = np.random.default_rng(5)

    def finds_something() -> bool:
        base, tuned = chance.beta(2, 2, (2, 60))
        return compare_scores(base, tuned, seed=1).p_value < ALPHA

    assert 0.01 <= np.mean([finds_something() for _ in range(100)]) <= 0.11


def test_the_bootstrap_agrees_with_the_normal_interval_where_that_is_right() -> None:
    chance = np.random.default_rng(6)
    base = chance.random(400)
    tuned = np.clip(base + chance.normal(0.03, 0.2, 400), 0, 1)

    compared = compare_scores(base, tuned, seed=1)

    difference = tuned - base
    error = difference.std() / 20
    assert compared.gain == pytest.approx(difference.mean())
    assert compared.standard_error == pytest.approx(error, rel=0.05)
    assert compared.low == pytest.approx(difference.mean() - 1.96 * error, abs=0.1 * error)
    assert compared.high == pytest.approx(difference.mean() + 1.96 * error, abs=0.1 * error)


def test_the_bootstrap_is_the_same_again_with_the_same_seed() -> None:
    base, tuned = np.random.default_rng(7).random((2, 30))

    assert compare_scores(base, tuned, seed=1) == compare_scores(base, tuned, seed=1)
    assert compare_scores(base, tuned, seed=1) != compare_scores(base, tuned, seed=2)


def test_a_corpus_metric_is_computed_anew_on_every_resample() -> None:
    base = np.array([[1.0, 4.0], [3.0, 4.0]] * 20)
    tuned = np.array([[2.0, 4.0], [4.0, 40.0]] * 20)

    compared = compare_totals(base, tuned, lambda totals: totals[:, 0] / totals[:, 1], seed=1)

    assert compared.base == pytest.approx(0.5)
    assert compared.tuned == pytest.approx(6 / 44)
    # The mean of the items' ratios would have gained: (0.5 + 0.1) / 2 against 0.5.
    assert compared.high < 0


def test_equal_answers_give_no_gain_and_no_evidence() -> None:
    same = np.full(30, 0.3)

    compared = compare_scores(same, same, seed=1)

    assert (compared.gain, compared.low, compared.high, compared.p_value) == (0, 0, 0, 1)
    assert judge(compared, 30, ()).more_items_needed is None


def test_holm_steps_down_through_all_openings() -> None:
    assert holm(0.01, ()) == 0.01
    assert holm(0.01, (0.5,)) == 0.02
    assert holm(0.04, (0.01,)) == pytest.approx(0.04)
    assert holm(0.03, (0.02,)) == pytest.approx(0.04)
    assert holm(0.02, (0.001, 0.3, 0.6)) == pytest.approx(0.06)
    assert holm(0.9, (0.8, 0.8)) == 1.0


def test_an_old_test_set_needs_stronger_evidence() -> None:
    once = judge(estimate(0.1, 0.01, 0.19, 0.03), 200, ())
    often = judge(estimate(0.1, 0.01, 0.19, 0.03), 200, (0.4, 0.6))

    assert once.verdict is Verdict.BETTER
    assert often.verdict is Verdict.CANNOT_TELL
    assert often.adjusted_p_value == pytest.approx(0.09)
    assert "corrected for 3 openings" in often.reason
    assert often.more_items_needed is not None
    assert often.more_items_needed > 200


def test_a_small_p_value_without_an_interval_above_zero_tells_nothing() -> None:
    judgement = judge(estimate(0.1, -0.01, 0.2, 0.001), 200, ())

    assert judgement.verdict is Verdict.CANNOT_TELL
    assert "-1.0 to +20.0 points, includes zero" in judgement.reason


def test_too_few_items_allow_no_verdict_however_clear() -> None:
    judgement = judge(estimate(1.0, 0.9, 1.0, 1e-6, standard_error=0.0), 19, ())

    assert judgement.verdict is Verdict.CANNOT_TELL
    assert judgement.more_items_needed == 20
    assert "19" in judgement.reason


def test_worse_needs_no_correction() -> None:
    assert judge(estimate(-0.1, -0.19, -0.01, 0.04), 200, (0.5,) * 9).verdict is Verdict.WORSE


@pytest.mark.parametrize(
    ("discordant", "gain", "items"), [(0.2, 0.087, 200), (0.1, 0.028, 1000), (0.4, 0.171, 100)]
)
def test_the_items_needed_are_those_of_the_design(
    discordant: float, gain: float, items: int
) -> None:
    error = ((discordant - gain**2) / 50) ** 0.5

    needed = items_needed(estimate(gain, -1, 1, 0.5, error), items=50, openings=1)

    assert needed == pytest.approx(items, rel=0.03)
