"""The benchmark of honest tuning of workflows on a small sample: every bar is kept, but for what chance does to it."""

import pytest

from benchmarks import workflow_honesty
from tests.worker.test_honesty import kept_but_for_chance

SCALE = 0.05


@pytest.mark.parametrize("place", range(len(workflow_honesty.plan(0))))
def test_every_bar_of_the_benchmark_is_kept_on_a_small_sample(place: int) -> None:
    line = workflow_honesty.plan(SCALE)[place]()

    assert line.trials >= 20
    assert kept_but_for_chance(line), line
