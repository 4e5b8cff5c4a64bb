"""When a training saves and looks at its dev rows."""

# ruff: noqa: PLC0415  # the callbacks import torch, which takes seconds

import pytest

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 9, 10, 12, 38, 80, 250, 5000])
@pytest.mark.parametrize("save_steps", [1, 4, 10, 1000])
def test_saves_are_near_and_evaluations_few_and_both_end_the_run(
    steps: int, save_steps: int
) -> None:
    from agents.worker.callbacks import timetable

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
