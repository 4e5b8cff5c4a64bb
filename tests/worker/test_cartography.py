"""Where rows stand by what a training thought of them."""

import math
import random

import pytest

from agents.jobs import Region
from agents.worker.cartography import (
    MOST_DOUBTED,
    MOST_POINTS,
    mapped,
    odd_ones,
    points,
    regions,
    standing,
)
from agents.worker.row_log import Look


def looks(*mean_probs: float, tokens: int = 2) -> list[Look]:
    return [Look(step, tokens * math.log(p), tokens) for step, p in enumerate(mean_probs, start=1)]


def test_confidence_is_a_mean_and_variability_its_standard_deviation() -> None:
    found = standing(looks(0.2, 0.4, 0.9))

    assert found.confidence == pytest.approx(0.5)
    assert found.variability == pytest.approx(0.2944, abs=1e-4)
    assert found.correctness == pytest.approx(1 / 3)  # 0.9² is more than half, 0.4² is not
    assert found.looks == 3


def test_rows_are_easy_ambiguous_or_hard() -> None:
    found = mapped(
        {1: looks(0.9, 0.95, 0.99), 2: looks(0.1, 0.8, 0.9), 3: looks(0.1, 0.1, 0.2), 4: []}
    )

    counts = regions(list(found.values()))
    assert (counts.easy, counts.ambiguous, counts.hard) == (1, 1, 1)


def test_answers_that_are_unlikely_each_time_stand_out_and_mere_variety_does_not() -> None:
    chance = random.Random(3)
    usual = {
        row: looks(*(chance.uniform(0.3, 0.7) for _ in range(4)), tokens=20) for row in range(200)
    }
    wrong = {900: looks(0.004, 0.005, 0.004, 0.006), 901: looks(0.01, 0.01, 0.012, 0.01)}
    seldom = {902: looks(0.001, 0.001)}
    learnt = {903: looks(0.001, 0.5, 0.9, 0.95)}

    assert odd_ones(mapped(usual)) == []
    assert odd_ones(mapped(usual | wrong | seldom | learnt)) == [900, 901]


def crowd(count: int = 5000) -> dict[int, list[Look]]:
    """Return rows of which nine in ten are easy, and a handful stand alone at the hard end."""
    chance = random.Random(5)
    easy = {row: looks(*(chance.uniform(0.8, 0.99) for _ in range(3))) for row in range(count)}
    wavering = {
        row: looks(chance.uniform(0.1, 0.3), chance.uniform(0.7, 0.9), 0.9)
        for row in range(count, count + count // 10)
    }
    hard = {10**6 + row: looks(0.02, 0.03, 0.02) for row in range(3)}
    return easy | wavering | hard


def test_a_map_of_few_rows_has_them_all_with_the_doubted_ones_marked() -> None:
    found = points(mapped({1: looks(0.9, 0.95), 2: looks(0.1, 0.9), 3: looks(0.1, 0.1)}), [3, 77])

    assert [(p.row, p.region, p.doubted) for p in found] == [
        (1, Region.EASY, False),
        (2, Region.AMBIGUOUS, False),
        (3, Region.HARD, True),
    ]
    assert (found[0].confidence, found[0].variability) == (0.925, 0.025)


def test_a_thinned_map_keeps_its_shape_its_margin_and_the_doubted_rows() -> None:
    whole = mapped(crowd())
    doubted = list(range(0, 600, 2))

    found = points(whole, doubted)

    shares = [
        sum(p.region is Region.EASY for p in shown) / len(shown)
        for shown in (
            [p for p in found if not p.doubted],
            [s for row, s in whole.items() if row not in set(doubted)],
        )
    ]
    assert 0.9 * MOST_POINTS < len(found) <= MOST_POINTS
    assert len({p.row for p in found}) == len(found)
    assert abs(shares[0] - shares[1]) < 0.03
    assert {p.row for p in found if p.doubted} == set(doubted[:MOST_DOUBTED])
    assert any(p.region is Region.HARD for p in found)
    assert points(whole, doubted) == found


def test_a_map_of_nothing_is_empty() -> None:
    assert points({}, [1]) == ()
