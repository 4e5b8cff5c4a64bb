"""Our arithmetic of counts against the libraries that have it too."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from agents.counts import Tally, agresti_caffo, kappa, mcnemar_mid_p, wilson

COUNTS = st.integers(0, 60)
SIDES = st.sampled_from(["tuned", "base", "tie"])


@given(COUNTS, COUNTS)
def test_wilson_is_that_of_statsmodels(successes, failures):
    n = successes + failures
    if n == 0:
        assert wilson(0, 0) == (0.0, 1.0)
    else:
        expected = proportion_confint(successes, n, method="wilson")
        assert wilson(successes, n) == pytest.approx(expected, abs=1e-12)


@given(COUNTS, COUNTS, COUNTS, COUNTS, st.sampled_from([0.05, 0.01]))
def test_the_interval_of_a_difference_is_agresti_and_caffo_s_as_in_statsmodels(a, b, c, d, alpha):
    one, other = (a, a + b + 1), (c, c + d + 1)

    seen, low, high = agresti_caffo(one, other, alpha)

    expected = confint_proportions_2indep(
        *one, *other, method="agresti-caffo", compare="diff", alpha=alpha
    )
    assert seen == one[0] / one[1] - other[0] / other[1]
    assert (low, high) == pytest.approx(expected, abs=1e-9)


@given(COUNTS, COUNTS)
def test_the_sign_test_s_mid_p_is_the_exact_one_less_half_of_what_was_seen(wins, losses):
    n = wins + losses
    if n == 0:
        assert mcnemar_mid_p(0, 0) == 1.0
        return
    exact = binomtest(min(wins, losses), n, alternative="less").pvalue
    below = (
        binomtest(min(wins, losses) - 1, n, alternative="less").pvalue if min(wins, losses) else 0
    )
    assert mcnemar_mid_p(wins, losses) == pytest.approx(min(1.0, exact + below))


@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=80))
def test_kappa_is_that_of_scikit_learn(pairs):
    first, second = zip(*pairs, strict=True)
    ours = kappa(first, second)
    if len({*first, *second}) == 1:  # scikit-learn says nan, with a warning
        assert ours is None
    else:
        assert ours == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)


def test_a_win_rate_counts_ties_half_and_its_interval_holds_it():
    tally = Tally(wins=14, losses=5, ties=3)

    low, high = tally.win_rate_interval
    assert tally.win_rate == pytest.approx((14 + 1.5) / 22)
    assert low < tally.win_rate < high
    assert low > 0.5
    assert tally.p_value == pytest.approx(0.0414, abs=1e-4)
    assert Tally(0, 0, 0).win_rate == 0.5
