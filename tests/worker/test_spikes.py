"""A loss that stands out is kept with the rows of its step; one that merely varies is not."""

import random
from pathlib import Path

import pytest

from agents.jobs import JobResult, TrainResult
from agents.recipe import Method
from agents.worker.rows import Row
from agents.worker.shaped_rows import Pair
from agents.worker.spikes import FEWEST, MOST_KEPT, SpikeWatch, usual_if_spike
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import colours, method_recipe, open_job, train_spec, write_rows

STEPS = 30


def history(losses: list[float]) -> list[dict[str, float]]:
    return [{"step": step, "loss": loss} for step, loss in enumerate(losses, start=1)]


def watched(losses: list[float], rows: list[object]) -> SpikeWatch:
    watch = SpikeWatch(lambda _step: rows)
    for step in range(1, len(losses) + 1):
        watch.look([*history(losses[:step]), {"step": step, "eval_loss": 99.0}])
    return watch


def test_losses_that_fall_and_vary_have_no_spike() -> None:
    chance = random.Random(1)
    losses = [3.0 * 0.9**step + chance.uniform(0.1, 0.3) for step in range(200)]

    assert watched(losses, [Row("q", "a", 2)]).found == ()


@pytest.mark.parametrize(
    ("earlier", "loss", "usual"),
    [
        ([1.0, 1.1, 0.9, 1.0] * 3, 5.0, 1.0),
        ([1.0, 1.1, 0.9, 1.0] * 3, 1.9, None),  # seven deviations, but not twice the usual
        ([1.0, 3.0, 0.2, 2.0] * 3, 5.0, None),  # twice the usual, but such losses vary so much
        ([1.0] * (FEWEST - 1), 9.0, None),
        ([9.0] * 100 + [1.0] * 50, 5.0, 1.0),  # only the last fifty count
        ([0.5] * 12, 2.0, 0.5),
        ([-0.1, 0.1] * 6, 2.0, None),
    ],
)
def test_a_spike_is_far_above_the_median_and_twice_as_high(
    earlier: list[float], loss: float, usual: float | None
) -> None:
    assert usual_if_spike(earlier, loss) == (usual if usual is None else pytest.approx(usual))


def test_the_highest_are_kept_in_order_with_masked_rows() -> None:
    losses = [1.0] * 20
    for step, height in ((9, 5.0), (10, 6.0), (12, 4.0), (14, 9.0), (16, 8.0), (18, 7.0)):
        losses[step - 1] = height
    rows: list[object] = [
        Row("write to bob.miller@kontor-nord.de", "done " * 100, 7),
        Pair("which?", "this", "that", 9),
        Pair("which?", "this", "that", 9),
    ]

    found = watched(losses, rows).found

    assert [spike.step for spike in found] == [9, 10, 14, 16, 18]
    assert len(found) == MOST_KEPT
    assert found[0].rows == (7, 9)
    assert "bob" not in found[0].excerpts[0]
    assert "[EMAIL]" in found[0].excerpts[0]
    assert len(found[0].excerpts[0]) < 200
    assert found[0].excerpts[1] == "“which?” → “this”"


def trained(result: JobResult | None) -> TrainResult:
    assert result is not None
    assert isinstance(result.payload, TrainResult), result
    return result.payload


@pytest.mark.torch
def test_a_row_unlike_all_others_is_found_by_the_loss_of_its_steps_after_a_kill_too(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    pairs = colours(40, "yes")
    pairs[25] = (pairs[25][0], "qzx")
    recipe = method_recipe(Method.SFT, epochs=3.0, max_steps=STEPS, lora_dropout=0.0)
    train = write_rows(tmp_path / "odd.jsonl", pairs)
    whole = train_spec(tiny, tmp_path / "w", train=train, recipe=recipe)
    killed = train_spec(tiny, tmp_path / "k", train=train, recipe=recipe)

    payload = trained(worker.run(open_job(tmp_path / "w/job", whole)))
    worker.status(open_job(tmp_path / "k/first", killed), kill_at_step=STEPS)
    resumed = trained(worker.run(open_job(tmp_path / "k/second", killed)))

    odd = 25 + 2
    assert payload.spikes
    assert all(odd in spike.rows and len(spike.rows) == 4 for spike in payload.spikes)
    assert any("→ “qzx”" in text for text in payload.spikes[0].excerpts)
    assert resumed.spikes == payload.spikes
