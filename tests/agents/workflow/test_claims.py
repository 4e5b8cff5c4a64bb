import itertools
import random
from statistics import fmean

import pytest
from scipy import stats

from agents.workflow import claims
from agents.workflow.claims import Claim


def scores(values: list[float]) -> dict[str, tuple[float, ...]]:
    return {f"c{number}": (value,) for number, value in enumerate(values)}


@pytest.mark.parametrize("seed", range(5))
def test_with_few_cases_the_signs_are_flipped_in_every_way(seed):
    chance = random.Random(seed)
    gains = [chance.choice((-1.0, 0.0, 0.5, 1.0)) for _ in range(9)]
    totals = [
        abs(sum(sign * gain for sign, gain in zip(signs, gains, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(gains))
    ]

    as_far = sum(total >= abs(sum(gains)) - 1e-9 for total in totals)

    assert claims.sign_flip(gains) == pytest.approx(as_far / len(totals))


def test_many_cases_are_tested_by_chance_to_about_the_same():
    gains = [0.0] * 10 + [1.0] * 13 + [-1.0] * 5
    exact = stats.binomtest(13, 18).pvalue

    assert claims.sign_flip(gains) == pytest.approx(exact, abs=0.012)


def test_a_clear_gain_is_better_and_its_mirror_is_worse():
    low, high = scores([0.0] * 8), scores([1.0] * 7 + [0.0])

    better, worse = claims.judge(low, high), claims.judge(high, low)

    assert (better.claim, worse.claim) == (Claim.BETTER, Claim.WORSE)
    assert better.p_value == pytest.approx(2 / 2**7)
    assert better.gain == pytest.approx(7 / 8)
    assert better.low > 0.5
    assert better.words == (
        "Better than the workflow you gave (8 sealed cases, +87.5 points, p = 0.016)."
    )


def test_who_looks_again_and_again_claims_no_more():
    low, high = scores([0.0] * 8), scores([1.0] * 7 + [0.0])

    twice, often = claims.judge(low, high, 2), claims.judge(low, high, 4)

    assert (twice.claim, often.claim) == (Claim.BETTER, Claim.CANNOT_TELL)
    assert often.p_value == pytest.approx(4 * 2 / 2**7)
    assert "8 sealed cases, opened 4×, +87.5 points" in often.words
    assert claims.judge(low, high, 1000).p_value == 1


def test_few_cases_cannot_tell_however_large_the_gain():
    judged = claims.judge(scores([0.0] * 5), scores([1.0] * 5))

    assert judged.claim is Claim.CANNOT_TELL
    assert judged.words.startswith("Cannot tell with 5 cases whether it is better")
    assert claims.judge({}, {}).claim is Claim.CANNOT_TELL


@pytest.mark.parametrize("gains", [[], [0.0] * 9, [0.0] * 8 + [1.0]])
def test_one_case_that_differs_proves_nothing(gains):
    assert claims.sign_flip(gains) == 1.0


def test_a_case_that_could_not_be_judged_on_one_side_is_left_out():
    judged = claims.judge(scores([0.0] * 8) | {"x": (1.0,)}, scores([1.0] * 8) | {"x": ()})

    assert judged.cases == 8


def test_the_same_workflow_is_seldom_called_better_and_a_much_better_one_often():
    def said(gain: float, loops: int = 160) -> float:
        chance = random.Random(f"{gain}")
        better = 0
        for _ in range(loops):
            rates = [chance.uniform(0.2, 0.9) for _ in range(20)]
            before, after = (
                {
                    f"c{n}": tuple(float(chance.random() < min(1, rate + more)) for _ in range(3))
                    for n, rate in enumerate(rates)
                }
                for more in (0.0, gain)
            )
            better += claims.judge(before, after).claim is Claim.BETTER
        return better / loops

    assert said(0.0) <= 0.05
    assert said(0.3, 50) >= 0.8


def test_the_smallest_gain_is_what_such_a_test_finds_four_times_in_five():
    chance = random.Random(3)
    gains = [chance.gauss(0, 0.4) for _ in range(30)]
    smallest = claims.smallest_gain(gains)

    found = 0
    for _ in range(120):
        sample = [chance.gauss(smallest, 0.4) for _ in range(30)]
        found += claims.sign_flip(sample) < 0.05

    assert fmean([found / 120]) == pytest.approx(0.8, abs=0.1)
    assert claims.smallest_gain([0.0] * 10) is None
