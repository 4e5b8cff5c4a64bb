"""Our statistics against those of scipy and statsmodels, where these have them too."""

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower

from agents.worker import paired, verdict

Scores = NDArray[np.float64]


def scores(seed: int, n: int, gain: float = 0.06) -> tuple[Scores, Scores]:
    """Return two series of scores on the same items, skewed and with ties, as answers have them."""
    chance = np.random.default_rng(seed)
    base = chance.beta(2, 3, n)
    changed = chance.random(n) < 0.7
    return base, np.where(changed, np.clip(base + chance.normal(gain, 0.2, n), 0, 1), base)


@pytest.mark.parametrize(("gained", "lost"), [(0, 1), (5, 2), (3, 3), (11, 4), (2, 30), (140, 100)])
def test_mid_p_is_the_exact_p_of_mcnemar_less_half_of_what_was_seen(gained: int, lost: int) -> None:
    exact = mcnemar([[0, gained], [lost, 0]], exact=True).pvalue
    seen = stats.binom.pmf(min(gained, lost), gained + lost, 0.5)
    by_scipy = stats.binomtest(gained, gained + lost).pvalue

    assert exact == pytest.approx(by_scipy)
    mid_p = 1.0 if gained == lost else exact - seen
    assert paired.mcnemar_mid_p(gained, lost) == pytest.approx(mid_p)


@pytest.mark.parametrize(("gained", "lost", "n"), [(0, 0, 20), (5, 2, 50), (40, 21, 200)])
def test_bonett_and_price_is_the_normal_interval_with_two_more_items(
    gained: int, lost: int, n: int
) -> None:
    differences = np.repeat([1.0, -1.0, 0.0], [gained + 1, lost + 1, n - gained - lost])

    error = differences.std() / (n + 2) ** 0.5
    expected = stats.norm.interval(0.95, differences.mean(), error)

    assert paired.bonett_price(gained, lost, n) == pytest.approx(expected)


@pytest.mark.parametrize("degrees", [5, 9, 19, 49, 199, 5000])
def test_the_quantile_of_student_is_that_of_scipy(degrees: int) -> None:
    assert paired.t_quantile(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-3)


def test_holm_is_that_of_statsmodels() -> None:
    p_values = np.random.default_rng(1).random(12) ** 3

    _, expected, _, _ = multipletests(p_values, method="holm")

    assert paired.holm(p_values.tolist()) == pytest.approx(expected.tolist())


def test_the_p_value_of_scores_is_that_of_scipys_paired_permutations() -> None:
    base, tuned = scores(2, 40)

    expected = stats.permutation_test(
        (tuned - base,),
        lambda d, axis: d.mean(axis=axis),
        permutation_type="samples",
        n_resamples=20_000,
        vectorized=True,
        rng=np.random.default_rng(3),
    ).pvalue

    assert 0.005 < expected < 0.5
    assert verdict.compare_scores(base, tuned, 1).p_value == pytest.approx(expected, abs=0.012)


def test_the_p_value_of_few_scores_is_that_of_all_permutations() -> None:
    base, tuned = scores(4, 12, 0.15)
    exact = stats.permutation_test(
        (tuned - base,),
        lambda d, axis: d.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
    ).pvalue

    assert verdict.compare_scores(base, tuned, 1).p_value == pytest.approx(exact, abs=0.012)


def test_of_many_scores_p_value_and_interval_are_those_of_the_paired_t_test() -> None:
    base, tuned = scores(5, 400, 0.03)
    expected = stats.ttest_rel(tuned, base)
    low, high = expected.confidence_interval(0.95)

    found = verdict.compare_scores(base, tuned, 1)

    assert found.p_value == pytest.approx(expected.pvalue, abs=0.01)
    assert found.low == pytest.approx(low, abs=0.1 * (high - low))
    assert found.high == pytest.approx(high, abs=0.1 * (high - low))


@pytest.mark.parametrize("n", [20, 60, 200])
def test_the_interval_of_scores_is_the_wider_of_scipys_expanded_bootstrap_and_students_t(
    n: int,
) -> None:
    base, tuned = scores(n, n)
    expanded = 1 - 2 * stats.norm.cdf(-stats.t.ppf(0.975, n - 1) * (n / (n - 1)) ** 0.5)

    expected = stats.bootstrap(
        (base, tuned),
        lambda b, t, axis: t.mean(axis=axis) - b.mean(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=10_000,
        confidence_level=expanded,
        method="percentile",
        rng=np.random.default_rng(6),
    )
    found = verdict.compare_scores(base, tuned, 1)

    apart = stats.ttest_rel(tuned, base).confidence_interval(0.95)
    drawn = expected.confidence_interval
    low, high = min(drawn.low, apart.low), max(drawn.high, apart.high)
    assert found.low == pytest.approx(low, abs=0.03 * (high - low))
    assert found.high == pytest.approx(high, abs=0.03 * (high - low))
    assert found.standard_error == pytest.approx(expected.standard_error, rel=0.05)


def test_the_clustered_error_is_that_of_statsmodels() -> None:
    base, tuned = scores(7, 90)
    groups = np.repeat(np.arange(36), [1, 2, 3, 4] * 9)

    fit = sm.OLS(tuned - base, np.ones(90)).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
    )

    assert paired.clustered_error(tuned - base, groups) == pytest.approx(fit.bse[0])


def test_the_items_needed_are_those_of_statsmodels() -> None:
    base, tuned = scores(8, 100, 0.02)
    found = verdict.compare_scores(base, tuned, 1)
    effect = abs(found.gain) / (found.standard_error * 10)

    once = NormalIndPower().solve_power(effect, alpha=0.05, power=0.8, ratio=0)
    at_the_third = NormalIndPower().solve_power(effect, alpha=0.05 / 6, power=0.8, ratio=0)

    # the power of the wrong side is left out
    assert verdict.items_needed(found, 100, 1) == pytest.approx(once, rel=0.01, abs=1)
    assert verdict.items_needed(found, 100, 3) == pytest.approx(at_the_third, rel=0.01, abs=1)
