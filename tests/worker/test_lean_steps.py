"""Trainings in lean steps: the curve of plain TRL, and the same bits whatever happens on the way."""

from pathlib import Path

import pytest
from safetensors.numpy import load_file

from agents.jobs import TrainResult, TrainSpec, read_progress, read_result
from agents.recipe import Recipe, TargetModules
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import (
    RECIPE,
    TRAIN_ROWS,
    colours,
    open_job,
    train_spec,
    write_records,
)

pytestmark = pytest.mark.torch

STEPS = 20
LEAN = RECIPE.model_copy(update={"lora_dropout": 0.0, "epochs": 4.0, "max_steps": STEPS})
"""Without dropout, steps are lean."""


def lean_spec(tiny: Path, root: Path, recipe: Recipe = LEAN, threads: int = 1) -> TrainSpec:
    return train_spec(tiny, root, recipe=recipe, threads=threads, save_steps=7)


def adapter_file(job: Path) -> Path:
    return job / "artifacts/adapter/adapter_model.safetensors"


def trained(job: Path) -> TrainResult:
    result = read_result(job)
    assert result is not None
    assert isinstance(result.payload, TrainResult), result
    return result.payload


def norms(job: Path) -> list[float]:
    return [line.grad_norm for line in read_progress(job) if line.grad_norm is not None]


@pytest.fixture(scope="module")
def golden(worker: ForkServer, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job folder of a training in lean steps that nothing happened to."""
    root = tmp_path_factory.mktemp("lean")
    job = open_job(root / "job", lean_spec(tiny, root))
    assert worker.status(job) == 0
    return job


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"use_rslora": True},
        {"use_dora": True},
        {"target_modules": TargetModules.ATTENTION},
        {"target_modules": TargetModules.MLP},
        {"batch_size": 12, "micro_batch_size": 3},
        {"batch_size": 3, "micro_batch_size": 1},
    ],
)
def test_twenty_steps_have_the_losses_and_gradients_of_plain_trl(
    worker: ForkServer, tiny: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    recipe = LEAN.model_copy(update=changes | {"learning_rate": 5e-3, "epochs": 9.0})
    lean = open_job(tmp_path / "a", lean_spec(tiny, tmp_path / "lean", recipe))
    plain = open_job(tmp_path / "b", lean_spec(tiny, tmp_path / "plain", recipe))

    assert worker.status(lean) == 0
    assert worker.status(plain, plain_trl=True) == 0

    ours, theirs = trained(lean), trained(plain)
    assert len(ours.losses) == len(theirs.losses) == STEPS
    assert len(ours.dev_losses) == len(theirs.dev_losses) > 3
    assert [loss for _, loss in ours.losses] == pytest.approx(
        [loss for _, loss in theirs.losses], rel=1e-4
    )
    assert [loss for _, loss in ours.dev_losses] == pytest.approx(
        [loss for _, loss in theirs.dev_losses], rel=1e-4
    )
    assert norms(lean) == pytest.approx(norms(plain), rel=1e-3)
    assert adapter_file(lean).read_bytes() != adapter_file(plain).read_bytes()


@pytest.mark.parametrize(
    "rows",
    [
        [{"text": f"{prompt} {answer}"} for prompt, answer in colours(TRAIN_ROWS)],
        [
            {"prompt": prompt, "completion": answer}
            for prompt, answer in [("a", "b"), *colours(30), ("word " * 20, "red " * 10)]
        ],
    ],
    ids=["plain texts", "uneven rows"],
)
def test_other_rows_have_the_losses_of_plain_trl_too(
    worker: ForkServer, tiny: Path, tmp_path: Path, rows: list[dict[str, object]]
) -> None:
    recipe = LEAN.model_copy(update={"learning_rate": 5e-3})
    losses = []
    for name, fault in (("lean", {}), ("plain", {"plain_trl": True})):
        spec = lean_spec(tiny, tmp_path / name, recipe)
        train = write_records(tmp_path / name / "rows.jsonl", rows)
        job = open_job(tmp_path / f"job-{name}", spec.model_copy(update={"train": train}))
        assert worker.status(job, **fault) == 0
        losses.append([loss for _, loss in trained(job).losses])

    assert len(losses[0]) == STEPS
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.parametrize("step", [1, 8, 15, 20])
def test_a_training_killed_at_a_step_ends_with_the_same_adapter(
    worker: ForkServer, tiny: Path, golden: Path, tmp_path: Path, step: int
) -> None:
    spec = lean_spec(tiny, tmp_path)
    assert worker.status(open_job(tmp_path / "first", spec), kill_at_step=step) == -9

    assert worker.status(open_job(tmp_path / "second", spec)) == 0

    assert trained(tmp_path / "second").resumed_from_step == ((step - 1) // 7 * 7 or None)
    assert adapter_file(tmp_path / "second").read_bytes() == adapter_file(golden).read_bytes()


def test_two_cores_make_the_adapter_of_one(
    worker: ForkServer, tiny: Path, golden: Path, tmp_path: Path
) -> None:
    for attempt in range(3):
        root = tmp_path / str(attempt)
        assert worker.status(open_job(root / "job", lean_spec(tiny, root, threads=2))) == 0

        assert adapter_file(root / "job").read_bytes() == adapter_file(golden).read_bytes()


def test_an_adapter_of_lean_steps_is_one_of_peft(
    worker: ForkServer, tiny: Path, golden: Path, tmp_path: Path
) -> None:
    plain = open_job(tmp_path / "job", lean_spec(tiny, tmp_path))
    assert worker.status(plain, plain_trl=True) == 0

    ours, theirs = (load_file(adapter_file(job)) for job in (golden, plain))
    configs = [
        (job / "artifacts/adapter/adapter_config.json").read_bytes() for job in (golden, plain)
    ]
    assert configs[0] == configs[1]
    assert {name: (t.shape, t.dtype) for name, t in ours.items()} == {
        name: (t.shape, t.dtype) for name, t in theirs.items()
    }
    assert len(ours) == 2 * 7 * 2
