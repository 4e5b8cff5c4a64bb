import random

import pytest

from agents.workflow import acceptance
from agents.workflow.acceptance import Outcome, Pair, Reason, Scores

ALWAYS, NEVER, HALF = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 1.0)


def pair(before: Scores, after: Scores, cases: int | None = None) -> Pair:
    return Pair(before, after, cases or len(before))


def test_a_candidate_is_kept_only_if_it_is_better_twice():
    better = pair({"a": NEVER, "b": ALWAYS}, {"a": ALWAYS, "b": ALWAYS})
    same = pair({"a": HALF, "b": ALWAYS}, {"a": HALF, "b": ALWAYS})

    assert acceptance.first_look(better) is None
    kept = acceptance.second_look(better, better)
    assert (kept.outcome, kept.reason, kept.fixed) == (
        Outcome.KEPT,
        Reason.BETTER_TWICE,
        ("a",),
    )
    again = acceptance.second_look(better, same)
    assert (again.outcome, again.reason) == (Outcome.REJECTED, Reason.NOT_BETTER_AGAIN)


def test_an_equal_candidate_leaves_the_incumbent():
    same = pair({"a": HALF}, {"a": HALF})

    assert acceptance.first_look(same).reason is Reason.NOT_BETTER
    assert acceptance.tie(same, None, shorter=True, wanted=True)
    assert not acceptance.tie(same, None, shorter=True, wanted=False)
    assert not acceptance.tie(same, None, shorter=False, wanted=True)


def test_a_case_that_always_worked_may_not_be_lost_however_much_is_gained():
    cases = {f"c{n}": NEVER for n in range(9)} | {"old": ALWAYS}
    after = {f"c{n}": ALWAYS for n in range(9)} | {"old": (0.0, 0.0, 1.0)}

    lost = acceptance.first_look(pair(cases, after))

    assert (lost.outcome, lost.reason, lost.broke) == (
        Outcome.REJECTED,
        Reason.LOST_A_CASE,
        ("old",),
    )
    assert acceptance.first_look(pair(cases, after | {"old": (1.0, 0.0, 1.0)})) is None


def test_a_loss_that_only_both_measurements_show_counts():
    before = {"a": NEVER, "b": NEVER, "old": (1.0, 1.0)}
    first = pair(before, {"a": ALWAYS, "b": ALWAYS, "old": (1.0, 0.0)})
    again = pair(before, {"a": ALWAYS, "b": ALWAYS, "old": (0.0, 0.0)})

    assert acceptance.first_look(first) is None
    assert acceptance.second_look(first, again).reason is Reason.LOST_A_CASE


def test_where_too_little_could_be_judged_nothing_is_said_about_the_candidate():
    before = {"a": NEVER, "b": NEVER, "c": ALWAYS}
    partly = pair(before, {"a": ALWAYS, "b": (), "c": ()})

    assert partly.coverage == pytest.approx(1 / 3)
    assert acceptance.first_look(partly).outcome is Outcome.INDECISIVE
    assert acceptance.second_look(pair(before, before), partly).outcome is Outcome.INDECISIVE


def test_a_case_counts_once_however_often_it_was_repeated():
    measured = pair({"a": (0.0,), "b": (1.0,) * 9}, {"a": (1.0,), "b": (0.0, *(1.0,) * 8)})

    assert measured.gain == pytest.approx((1 - 1 / 9) / 2)


def simulate(gain: float, loops: int, seed: int) -> float:
    """Return how often a candidate is kept: ten cases of mixed difficulty, three repeats, through the real rule."""
    chance = random.Random(seed)
    kept = 0
    for _loop in range(loops):
        rates = [chance.uniform(0.3, 1.0) for _case in range(10)]

        def drawn(more: float, rates=rates) -> dict[str, tuple[float, ...]]:
            return {
                f"c{n}": tuple(
                    float(chance.random() < min(1, max(0, rate + more))) for _ in range(3)
                )
                for n, rate in enumerate(rates)
            }

        first = pair(drawn(0), drawn(gain))
        if acceptance.first_look(first) is None:
            again = pair(drawn(0), drawn(gain))
            kept += acceptance.second_look(first, again).outcome is Outcome.KEPT
    return kept / loops


def test_a_worse_workflow_is_almost_never_kept_and_a_better_one_usually():
    assert simulate(-0.15, 600, 1) <= 0.02
    assert simulate(+0.15, 600, 2) >= 0.6
