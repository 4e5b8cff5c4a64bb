"""Where rows stand by what a training thought of them."""

import math
import random

import pytest

from agents.worker.cartography import mapped, odd_ones, regions, standing
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
