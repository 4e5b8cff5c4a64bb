"""What a training thought of its rows is kept step by step, through kills and pauses, and changes nothing about the training."""

import json
import math
from pathlib import Path

import pytest

from agents.jobs import StopMode, TrainResult, TrainSpec, read_result
from agents.worker import row_log
from agents.worker.checkpoints import training_sha256
from agents.worker.row_log import NAME, Look, RowLog
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import RECIPE, TRAIN_ROWS, open_job, train_spec

KILLED = -9
STEPS = 20
LEAN = RECIPE.model_copy(update={"lora_dropout": 0.0, "epochs": 4.0, "max_steps": STEPS})


def steps(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / NAME).read_bytes().splitlines()[1:]]


def logged(folder: Path, last_step: int, training: str = "t") -> RowLog:
    return RowLog(folder, training, lambda step: [step, step + 100], last_step)


def teach(log: RowLog, step: int, *thoughts: float) -> None:
    log.tell([(thought, 2) for thought in thoughts])
    log.end_step(step)


def test_steps_after_the_checkpoint_are_cut_off_and_done_again(tmp_path: Path) -> None:
    first = logged(tmp_path, 0)
    for step in (1, 2, 3):
        teach(first, step, -1.0 * step, -2.0)
    first.close()
    with (tmp_path / NAME).open("ab") as stream:
        stream.write(b'{"step": 4, "rows": [[4, -1.')

    second = logged(tmp_path, 2)
    for step in (3, 4):
        teach(second, step, -9.0, math.nan)
    second.close()

    looks = row_log.read(tmp_path, "t")
    assert [line["step"] for line in steps(tmp_path)] == [1, 2, 3, 4]
    assert looks[2] == [Look(2, -2.0, 2)]
    assert looks[3] == [Look(3, -9.0, 2)]
    assert 103 not in looks  # what is not finite is no look
    assert math.isclose(looks[2][0].mean_prob, math.exp(-1))


def test_a_log_of_another_training_is_not_gone_on_with(tmp_path: Path) -> None:
    log = logged(tmp_path, 0)
    teach(log, 1, -1.0, -2.0)
    log.close()

    assert row_log.read(tmp_path, "other") == {}
    other = logged(tmp_path, 5, "other")
    teach(other, 6, -3.0, -4.0)
    other.close()
    assert row_log.read(tmp_path, "t") == {}
    assert list(row_log.read(tmp_path, "other")) == [6, 106]


def test_where_nobody_tells_nothing_is_written(tmp_path: Path) -> None:
    log = logged(tmp_path, 0)
    log.end_step(1)
    log.settle()
    log.close()

    assert list(tmp_path.iterdir()) == []


def lean_spec(tiny: Path, root: Path, **changes: object) -> TrainSpec:
    return train_spec(tiny, root, recipe=LEAN, save_steps=7, **changes)


@pytest.mark.torch
@pytest.mark.parametrize("how", ["kill", "pause"])
def test_every_step_is_kept_once_whatever_happens_and_the_adapter_is_the_same(
    worker: ForkServer, tiny: Path, tmp_path: Path, how: str
) -> None:
    whole = open_job(tmp_path / "w/job", lean_spec(tiny, tmp_path / "w"))
    spec = lean_spec(tiny, tmp_path / "k")
    first = open_job(tmp_path / "k/first", spec)

    assert worker.status(whole) == 0
    if how == "kill":
        assert worker.status(first, kill_at_step=11) == KILLED
    else:
        worker.status(first, stop_at_step=[11, StopMode.PAUSE])
    broken_off = len(steps(tmp_path / "k/checkpoints"))
    assert worker.status(open_job(tmp_path / "k/second", spec)) == 0

    expected, resumed = (read_result(tmp_path / job) for job in ("w/job", "k/second"))
    assert isinstance(expected.payload, TrainResult)
    assert isinstance(resumed.payload, TrainResult)
    assert broken_off < STEPS
    assert resumed.payload.resumed_from_step in {7, 11}
    assert resumed.payload.adapter_sha256 == expected.payload.adapter_sha256
    ours = (tmp_path / "k/checkpoints" / NAME).read_bytes()
    assert ours == (tmp_path / "w/checkpoints" / NAME).read_bytes()
    assert [line["step"] for line in steps(tmp_path / "w/checkpoints")] == list(range(1, STEPS + 1))


@pytest.mark.torch
@pytest.mark.parametrize("fault", [{}, {"plain_trl": True}], ids=["lean", "plain TRL"])
def test_the_thoughts_on_a_batch_are_its_loss(
    worker: ForkServer, tiny: Path, tmp_path: Path, fault: dict[str, object]
) -> None:
    spec = lean_spec(tiny, tmp_path)
    job = open_job(tmp_path / "job", spec)
    assert worker.status(job, **fault) == 0

    payload = read_result(job).payload
    assert isinstance(payload, TrainResult)
    for line, (_step, loss) in zip(steps(tmp_path / "checkpoints"), payload.losses, strict=True):
        rows = line["rows"]
        assert isinstance(rows, list)
        mean = -sum(log_prob for _, log_prob, _ in rows) / sum(tokens for _, _, tokens in rows)
        assert mean == pytest.approx(loss, rel=1e-3)
    looks = row_log.read(tmp_path / "checkpoints", training_sha256(spec))
    assert set(looks) == set(range(2, TRAIN_ROWS + 2))
    assert {len(seen) for seen in looks.values()} == {2}
