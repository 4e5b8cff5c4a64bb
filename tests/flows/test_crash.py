import os
import random
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import pytest

from tests.flows.crash import count_steps, kill_at

SAMPLE = 40


def check(steps, whole, outcomes, points):
    assert len(outcomes) == len(points)
    broken = [
        f"killed at step {point} of {len(steps)} ({steps[point - 1]}): {what}"
        for point, outcome in zip(points, outcomes, strict=True)
        for what in [
            *outcome.violations,
            *([] if outcome.phase == whole.phase else [f"ended {outcome.phase}"]),
            *([] if outcome.titles == whole.titles else [f"people see {outcome.titles}"]),
            *([] if outcome.adapter_sha256 == whole.adapter_sha256 else ["another adapter"]),
            *([] if outcome.jobs == whole.jobs else [f"jobs {outcome.jobs}"]),
        ]
    ]
    print(f"{len(points)} of {len(steps)} crash points tried, {len(broken)} violations")  # noqa: T201  # the report
    assert broken == []


def tried(points, *, remembers_keys):
    # spawned, not forked: the children fork again, and a fork of a process with pool threads could hang
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return list(pool.map(partial(kill_at, remembers_keys=remembers_keys), points))


def test_a_kill_at_sampled_points_changes_nothing_people_can_see():
    steps, whole = count_steps()
    points = sorted(random.Random(7).sample(range(1, len(steps) + 1), SAMPLE))

    check(steps, whole, tried(points, remembers_keys=False), points)
    assert whole.violations == []
    assert len(steps) > 200


@pytest.mark.crash
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "remembers_keys", [True, False], ids=["restart at once", "restart hours later"]
)
def test_a_kill_at_every_point_changes_nothing_people_can_see(remembers_keys):
    steps, whole = count_steps()
    points = list(range(1, len(steps) + 1))

    check(steps, whole, tried(points, remembers_keys=remembers_keys), points)
