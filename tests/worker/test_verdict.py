"""The verdict's statistics: against other formulas, and by simulation of their error rates."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.jobs import Verdict
from agents.worker.paired import (
    ALPHA,
    bonett_price,
    clustered_error,
    holm,
    mcnemar_mid_p,
    swapped_mid_p,
)
from agents.worker.verdict import (
    Estimate,
    compare,
    compare_right_or_wrong,
    compare_scores,
    compare_totals,
    items_needed,
    judge,
    level,
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


def test_holm_steps_down_through_all_that_is_tested_together() -> None:
    assert holm([]) == []
    assert holm([0.01]) == [0.01]
    assert holm([0.5, 0.01]) == [0.5, 0.02]
    assert holm([0.02, 0.03]) == pytest.approx([0.04, 0.04])
    assert holm([0.3, 0.02, 0.001, 0.6]) == pytest.approx([0.6, 0.06, 0.004, 0.6])
    assert holm([0.8, 0.9, 0.8]) == [1.0, 1.0, 1.0]


def test_all_later_openings_together_risk_no_more_than_the_first() -> None:
    levels = [level(opening) for opening in range(1, 1001)]

    assert levels[0] == ALPHA
    assert levels == sorted(levels, reverse=True)
    assert levels[1:5] == pytest.approx([ALPHA / 2, ALPHA / 6, ALPHA / 12, ALPHA / 20])
    assert 0.99 * ALPHA < sum(levels[1:]) < ALPHA


def test_an_old_test_set_needs_stronger_evidence() -> None:
    once = judge(estimate(0.1, 0.01, 0.19, 0.03), 200, ())
    often = judge(estimate(0.1, 0.01, 0.19, 0.03), 200, (0.4, 0.6))

    assert once.verdict is Verdict.BETTER
    assert often.verdict is Verdict.CANNOT_TELL
    assert often.adjusted_p_value == pytest.approx(0.18)
    assert "corrected for 3 openings" in often.reason
    assert often.more_items_needed == 406  # (2.64 + 0.84)² · 0.05² · 200 / 0.1² are 606 in all


def test_a_small_p_value_without_an_interval_above_zero_tells_nothing() -> None:
    judgement = judge(estimate(0.1, -0.01, 0.2, 0.001), 200, ())

    assert judgement.verdict is Verdict.CANNOT_TELL
    assert "-1.0 to +20.0 points, includes zero" in judgement.reason


def test_too_few_items_allow_no_verdict_however_clear() -> None:
    judgement = judge(estimate(1.0, 0.9, 1.0, 1e-6, standard_error=0.0), 19, ())

    assert judgement.verdict is Verdict.CANNOT_TELL
    assert judgement.more_items_needed == 1
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


def test_what_was_asked_for_parts_better_from_better_but_smaller() -> None:
    found = estimate(0.1, 0.04, 0.16, 0.001)

    surely = judge(found, 200, (), target_gain=0.03)
    perhaps = judge(found, 200, (), target_gain=0.08)
    smaller = judge(found, 200, (), target_gain=0.12)
    unproven = judge(estimate(0.1, -0.01, 0.2, 0.06), 200, (), target_gain=0.05)

    assert (surely.verdict, "asked" in surely.reason) == (Verdict.BETTER, False)
    assert perhaps.verdict is Verdict.BETTER
    assert perhaps.reason.endswith("It may be smaller than the 8 points asked for.")
    assert smaller.verdict is Verdict.SMALLER_THAN_ASKED
    assert "+10.00 points, is smaller than the 12 points asked for" in smaller.reason
    assert unproven.verdict is Verdict.CANNOT_TELL


@pytest.mark.parametrize(
    "gains", [(3, -1, 2, 0), (1, 1, -1), (-2, -2, -2, 1), (2, -2), (0, 0), (4, 1, 1, 1, -3, 2)]
)
def test_the_mid_p_of_groups_is_what_counting_all_swaps_gives(gains: tuple[int, ...]) -> None:
    seen = abs(sum(gains))
    swaps = [
        abs(sum(side * gain for side, gain in zip(sides, gains, strict=True)))
        for sides in product((-1, 1), repeat=len(gains))
    ]
    further, as_far = sum(s > seen for s in swaps), sum(s == seen for s in swaps)
    mid_p = (further + as_far / 2) / len(swaps) if seen else 1.0

    assert swapped_mid_p(gains) == pytest.approx(mid_p)


def test_items_that_resemble_nothing_are_judged_as_without_groups() -> None:
    chance = np.random.default_rng(8)
    base, tuned = (chance.random((2, 60)) < 0.5).astype(float)
    scores, better = chance.random((2, 60))
    alone = np.arange(60)

    assert compare_right_or_wrong(base, tuned, alone) == compare_right_or_wrong(base, tuned)
    assert compare_scores(scores, better, 1, alone) == compare_scores(scores, better, 1)


def test_saying_everything_three_times_is_no_more_evidence_than_saying_it_once() -> None:
    chance = np.random.default_rng(9)
    base = (chance.random(60) < 0.6).astype(float)
    tuned = np.where(chance.random(60) < 0.3, 1 - base, base)
    scores, other = chance.random((2, 60))
    groups = np.repeat(np.arange(60), 3)

    once = compare_right_or_wrong(base, tuned)
    thrice = compare_right_or_wrong(np.repeat(base, 3), np.repeat(tuned, 3), groups)
    graded_once = compare_scores(scores, other, 1)
    graded_thrice = compare_scores(np.repeat(scores, 3), np.repeat(other, 3), 1, groups)

    for one, three in ((once, thrice), (graded_once, graded_thrice)):
        assert (three.low, three.high) == pytest.approx((one.low, one.high))
        assert three.p_value == pytest.approx(one.p_value)
        assert three.standard_error == pytest.approx(one.standard_error)
        assert three.groups == 60
    assert (once.gained, once.lost) != (0, 0)
    assert (thrice.gained, thrice.lost) == (3 * once.gained, 3 * once.lost)
    blind = compare_right_or_wrong(np.repeat(base, 3), np.repeat(tuned, 3))
    assert blind.high - blind.low < 0.7 * (once.high - once.low)


def test_groups_in_which_nothing_differs_do_not_narrow_the_interval() -> None:
    same = np.ones(60)

    alone = compare_right_or_wrong(np.ones(20), np.ones(20))
    grouped = compare_right_or_wrong(same, same, np.repeat(np.arange(20), 3))

    assert (grouped.low, grouped.high) == pytest.approx((alone.low, alone.high))


def test_the_clustered_error_is_that_of_the_design() -> None:
    differences = np.array([1.0, 0.0, -1.0, 1.0, 1.0, 0.0])
    groups = np.array([0, 0, 1, 1, 2, 3])
    around = [1 - 2 / 3, 0 - 2 / 3, 1 - 1 / 3, 0 - 1 / 3]  # sums of each group less n · mean

    assert clustered_error(differences, groups) == pytest.approx(
        sum(a**2 for a in around) ** 0.5 / 6
    )


def test_few_groups_allow_no_verdict_however_many_items() -> None:
    base, tuned = np.zeros(90), np.ones(90)

    nine = judge(compare(base, tuned, 1, np.repeat(np.arange(9), 10)), 90, ())
    ten = judge(compare(base, tuned, 1, np.repeat(np.arange(10), 9)), 90, ())

    assert nine.verdict is Verdict.CANNOT_TELL
    assert "9 groups of items that resemble each other, too few" in nine.reason
    assert ten.verdict is Verdict.BETTER


def test_answers_that_are_right_or_wrong_come_with_what_was_gained_and_lost() -> None:
    base = np.array([1.0] * 10 + [0.0] * 10)
    tuned = np.array([1.0] * 7 + [0.0] * 3 + [1.0] * 5 + [0.0] * 5)

    found = compare(base, tuned, 1)

    assert (found.gained, found.lost) == (5, 3)
    assert found.gain == pytest.approx(0.1)
    assert compare(base, tuned / 2, 1).gained is None
