"""When a training saves, looks at its dev rows, and ends early."""

import pytest

from agents.worker.timetable import RISEN, Timetable, has_risen, timetable


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 9, 10, 12, 38, 80, 250, 5000])
@pytest.mark.parametrize("save_steps", [1, 4, 10, 1000])
def test_saves_are_near_and_evaluations_few_and_both_end_the_run(
    steps: int, save_steps: int
) -> None:
    table = timetable(steps, save_steps, hold_at=0)

    saves = [step for step in range(1, steps + 1) if table.saves(step)]
    evaluations = [step for step in range(1, steps + 1) if table.evaluates(step)]
    gaps = [b - a for a, b in zip([0, *saves], saves, strict=False)]
    assert max(gaps) <= save_steps
    assert set(evaluations) <= set(saves)
    assert min(steps, 3) <= len(evaluations) <= 9
    assert saves[-1] == evaluations[-1] == steps
    assert table.evaluations_after(0) == len(evaluations)
    assert table.evaluations_after(steps) == 0


TABLE = Timetable(steps=80, save_every=10, evaluate_every=10, hold_at=0, until=80)


def looks(*losses: float) -> list[dict[str, float]]:
    return [{"step": 10 * n, "eval_loss": loss} for n, loss in enumerate(losses)]


@pytest.mark.parametrize(
    ("losses", "risen"),
    [
        ((2.0, 1.0, 1.1, 1.2, 1.3), True),
        ((2.0, 1.0, 1.1, 1.2), False),  # twice only
        ((2.0, 1.0, 1.1, 1.01, 1.3), False),  # once nearly as good
        ((2.0, 1.0, 1.0, 1.01, 1.0), False),  # a plateau is no rise
        ((2.0, 1.0, 1.5, 1.4, 1.3), True),  # falls again, but not yet to where it was
        ((1.0, 1.1, 1.2, 1.3), True),  # never better than the base
        ((1.0,), False),
    ],
)
def test_a_dev_loss_has_risen_when_three_looks_in_a_row_lie_above_the_best(
    losses: tuple[float, ...], risen: bool
) -> None:
    assert RISEN == 1.02
    assert has_risen(looks(*losses), TABLE, 3) is risen
    assert not has_risen(looks(*losses), TABLE, None)


def test_a_look_at_a_pause_does_not_count() -> None:
    seen = looks(2.0, 1.0, 1.1, 1.2)

    assert not has_risen(
        [*seen, {"step": 33, "eval_loss": 9.0}, {"step": 33, "loss": 1.0}], TABLE, 3
    )
    assert has_risen([*seen, {"step": 40, "eval_loss": 9.0}], TABLE, 3)
