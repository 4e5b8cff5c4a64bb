import math
import os
import random
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import takewhile
from multiprocessing import get_context

import pytest

from tests.flows.crash import count_steps, kill_at, kill_everywhere
from tests.flows.plays import PLAYS

SAMPLE = 12
"""Of each play."""
PARTS = 4
"""Spans of a play, so that all processors have something to do."""
FIRST = next(iter(PLAYS.values()))


def check(steps, whole, outcomes, points):
    broken = [
        f"killed at step {point} of {len(steps)} ({steps[point - 1]}): {what}"
        for point, outcome in zip(points, outcomes, strict=True)
        for what in [
            *outcome.violations,
            *([] if outcome.phase == whole.phase else [f"ended {outcome.phase}"]),
            *([] if outcome.messages == whole.messages else [difference(whole, outcome)]),
            *([] if outcome.adapter_sha256 == whole.adapter_sha256 else ["another adapter"]),
            *([] if outcome.jobs == whole.jobs else [f"jobs {outcome.jobs}"]),
            *([] if outcome.notebook == whole.notebook else ["another notebook"]),
        ]
    ]
    report = f"{len(outcomes)} of {len(steps)} crash points tried, {len(broken)} violations"
    print(report)  # noqa: T201  # what a developer wants to see
    assert broken == []


def difference(whole, outcome):
    expected, seen = whole.messages, outcome.messages
    lost = [message for message in expected if message not in seen]
    new = [message for message in seen if message not in expected]
    return f"people see {new} instead of {lost}" if lost or new else "another order of messages"


def shared_with_the_first(play, steps):
    """Return how many steps a play begins with that are also those of the first play, where they are tried already."""
    if play == FIRST:
        return 0
    pairs = zip(count_steps(FIRST)[0], steps, strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))


@pytest.fixture(scope="module")
def pool():
    # spawned, not forked: the children fork again, and a fork of a process with pool threads could hang
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as made:
        yield made


@pytest.mark.parametrize("play", PLAYS.values(), ids=list(PLAYS))
def test_a_kill_at_sampled_points_changes_nothing_people_can_see(pool, play):
    steps, whole = count_steps(play)
    points = sorted(random.Random(7).sample(range(1, len(steps) + 1), SAMPLE))

    outcomes = pool.map(partial(kill_at, play, remembers_keys=False), points)

    check(steps, whole, list(outcomes), points)
    assert whole.phase == play.ends
    assert whole.violations == []
    assert whole.notebook is not None
    assert len(steps) > 200


# A chat that remembers keys forgives more: it is enough to see that with the first play.
EVERY = [(FIRST, True), *((play, False) for play in PLAYS.values())]
NAMES = [f"{play.name}, {'at once' if remembers else 'hours later'}" for play, remembers in EVERY]


def test_a_run_that_is_frozen_leaves_what_a_run_that_is_killed_leaves():
    steps, _whole = count_steps(FIRST)
    span = range(len(steps) // 20, len(steps), len(steps) // 10)

    frozen = kill_everywhere(FIRST, span, remembers_keys=False)
    killed = [kill_at(FIRST, step, remembers_keys=False) for step in span]

    assert frozen.outcomes == killed
    assert len(span) / 2 < frozen.states <= len(span)


@pytest.mark.crash
@pytest.mark.timeout(2 * 3600)
@pytest.mark.parametrize(("play", "remembers_keys"), EVERY, ids=NAMES)
def test_a_kill_at_every_point_changes_nothing_people_can_see(pool, play, remembers_keys):
    steps, whole = count_steps(play)
    first = 1 + shared_with_the_first(play, steps)
    size = math.ceil((len(steps) - first + 1) / PARTS)
    spans = [
        range(start, min(start + size, len(steps) + 1))
        for start in range(first, len(steps) + 1, size)
    ]

    parts = list(pool.map(partial(kill_everywhere, play, remembers_keys=remembers_keys), spans))

    outcomes = [outcome for part in parts for outcome in part.outcomes]
    assert len(outcomes) == len(steps) + 1 - first
    print(f"\n{play.name}: {sum(part.states for part in parts)} states on the disk")  # noqa: T201
    check(steps, whole, outcomes, range(first, len(steps) + 1))
