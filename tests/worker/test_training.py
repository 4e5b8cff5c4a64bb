"""Trainings with the real TRL trainer on a tiny model, run to their end, to a stop and to a fault. Kills: test_kills.py."""

import json
import math
import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load

from agents.jobs import (
    JobOutcome,
    JobResult,
    StopMode,
    TrainResult,
    TrainSpec,
    read_progress,
    read_result,
)
from agents.worker.checkpoints import Manifest
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import (
    RECIPE,
    STEPS,
    TRAIN_ROWS,
    colours,
    open_job,
    train_spec,
    write_rows,
)

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def golden(worker: ForkServer, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job folder of a training that nothing happened to."""
    root = tmp_path_factory.mktemp("golden")
    job = open_job(root / "job", train_spec(tiny, root))
    assert worker.status(job) == 0
    return job


def trained(result: JobResult | None) -> TrainResult:
    assert result is not None
    assert isinstance(result.payload, TrainResult), result
    return result.payload


def adapter_bytes(job: Path) -> bytes:
    return (job / "artifacts/adapter/adapter_model.safetensors").read_bytes()


def test_a_training_ends_with_an_adapter_and_nothing_that_can_run_code(golden: Path) -> None:
    payload = trained(read_result(golden))

    files = sorted(path.name for path in (golden / "artifacts").rglob("*") if path.is_file())
    config = json.loads((golden / "artifacts/adapter/adapter_config.json").read_bytes())
    assert files == ["adapter_config.json", "adapter_model.safetensors"]
    assert (config["base_model_name_or_path"], config["revision"]) == ("tiny", None)
    assert (config["r"], config["lora_alpha"]) == (RECIPE.lora_r, RECIPE.lora_alpha)
    assert payload.adapter_dir == "artifacts/adapter"
    assert payload.steps_done == payload.steps_planned == STEPS
    assert payload.losses[-1][1] < payload.losses[0][1] / 2
    assert min(payload.dev_losses, key=lambda point: point[1])[0] == payload.best_step


def test_every_step_is_told_with_its_numbers(golden: Path) -> None:
    told = [line for line in read_progress(golden) if line.stage == "training"]

    steps = [line for line in told if line.loss is not None]
    dev = [line for line in told if line.dev_loss is not None]
    assert [line.step for line in steps] == list(range(1, STEPS + 1))
    assert [line.step for line in dev] == [0, 4, 8, 12]
    assert all(
        line.steps == STEPS and line.learning_rate is not None and line.grad_norm for line in steps
    )
    assert [line.tokens for line in steps] == sorted({line.tokens for line in steps if line.tokens})
    assert all(line.tokens_per_s and line.peak_memory_bytes for line in steps)
    assert steps[-1].eta_s == 0
    assert steps[0].eta_s


def test_the_best_checkpoint_survives_a_dev_loss_that_rises_again(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    train = write_rows(tmp_path / "yes.jsonl", colours(TRAIN_ROWS, "yes"))
    dev = write_rows(tmp_path / "no.jsonl", colours(6, "no"))
    recipe = RECIPE.model_copy(update={"epochs": 6.0})

    payload = trained(
        worker.run(
            open_job(
                tmp_path / "job", train_spec(tiny, tmp_path, train=train, dev=dev, recipe=recipe)
            )
        )
    )

    best = min(payload.dev_losses[1:], key=lambda point: point[1])[0]
    kept = {path.name for path in (tmp_path / "checkpoints").glob("checkpoint-*")}
    assert best < payload.steps_done - 8
    assert payload.best_step == best
    assert kept == {f"checkpoint-{step}" for step in (best, 56, 60)}
    assert (
        adapter_bytes(tmp_path / "job")
        == (tmp_path / f"checkpoints/checkpoint-{best}/adapter_model.safetensors").read_bytes()
    )


def rising(tiny: Path, root: Path) -> TrainSpec:
    """Describe a training whose dev rows contradict what it learns, and which may give up."""
    root.mkdir()
    train = write_rows(root / "yes.jsonl", colours(TRAIN_ROWS, "yes"))
    dev = write_rows(root / "no.jsonl", colours(6, "no"))
    recipe = RECIPE.model_copy(update={"epochs": 6.0, "patience": 3})
    return train_spec(tiny, root, train=train, dev=dev, recipe=recipe)


def test_a_training_ends_early_when_the_dev_loss_has_risen_three_times_in_a_row(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    result = worker.run(open_job(tmp_path / "job", rising(tiny, tmp_path / "whole")))

    payload = trained(result)
    assert result is not None
    assert result.outcome is JobOutcome.SUCCEEDED
    assert payload.reason == "dev_loss_rose"
    assert payload.steps_done < payload.steps_planned == 60
    *before, _third, _second, last = payload.dev_losses
    assert payload.best_step == min(before, key=lambda point: point[1])[0]
    assert last[0] == payload.steps_done == payload.best_step + 3 * (last[0] - _second[0])
    assert payload.adapter_dir is not None


@pytest.mark.parametrize("how", ["pause", "kill", "lost result"])
def test_a_training_that_was_broken_off_ends_early_at_the_same_step(
    worker: ForkServer, tiny: Path, tmp_path: Path, how: str
) -> None:
    whole = trained(worker.run(open_job(tmp_path / "job", rising(tiny, tmp_path / "whole"))))
    spec = rising(tiny, tmp_path / "broken")
    at = whole.steps_done - 5
    fault: dict[str, object] = {"stop_at_step": [at, StopMode.PAUSE]}
    if how != "pause":
        fault = {"kill_at_step": at} if how == "kill" else {}

    worker.run(open_job(tmp_path / "first", spec), **fault)
    again = trained(worker.run(open_job(tmp_path / "second", spec)))

    assert (again.reason, again.steps_done) == ("dev_loss_rose", whole.steps_done)
    assert again.losses == whole.losses
    assert again.adapter_sha256 == whole.adapter_sha256


def test_checkpoints_of_another_training_are_not_resumed(
    worker: ForkServer, tiny: Path, golden: Path, tmp_path: Path
) -> None:
    shutil.copytree(golden.parent / "checkpoints", tmp_path / "checkpoints")
    spec = train_spec(tiny, tmp_path, recipe=RECIPE.model_copy(update={"seed": 5}))

    payload = trained(worker.run(open_job(tmp_path / "job", spec)))

    assert payload.resumed_from_step is None


def test_a_finished_training_that_lost_its_result_is_not_trained_again(
    worker: ForkServer, tiny: Path, golden: Path, tmp_path: Path
) -> None:
    spec = train_spec(tiny, golden.parent)

    payload = trained(worker.run(open_job(tmp_path / "job", spec)))

    # the peak is a high-water mark: between the last checkpoint and the result it may still have risen
    looks = {"targets", "update_size", "probe", "resumed_from_step", "peak_memory_bytes"}
    whole = trained(read_result(golden))
    assert payload.model_dump(exclude=looks) == whole.model_dump(exclude=looks)
    assert 0 < payload.peak_memory_bytes <= whole.peak_memory_bytes
    assert payload.resumed_from_step == STEPS
    assert not [line for line in read_progress(tmp_path / "job") if line.stage == "training"]


def test_a_held_training_waits_at_half_and_resumes_to_the_same_adapter(
    worker: ForkServer, tiny: Path, golden: Path, tmp_path: Path
) -> None:
    spec = train_spec(tiny, tmp_path, hold_at_checkpoint=True)

    held = worker.run(open_job(tmp_path / "held", spec))
    resumed = worker.run(open_job(tmp_path / "resumed", spec))

    assert held is not None
    assert held.outcome is JobOutcome.PAUSED
    assert trained(held).reason == "checkpoint_gate"
    assert trained(held).steps_done == 6
    assert trained(held).adapter_dir is None
    assert trained(held).dev_losses[-1][0] == 6
    assert resumed is not None
    assert resumed.outcome is JobOutcome.SUCCEEDED
    assert adapter_bytes(tmp_path / "resumed") == adapter_bytes(golden)


def test_a_refused_gate_turns_the_best_checkpoint_into_the_result(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    worker.run(open_job(tmp_path / "held", train_spec(tiny, tmp_path, hold_at_checkpoint=True)))

    result = worker.run(open_job(tmp_path / "job", train_spec(tiny, tmp_path, finish_now=True)))

    assert result is not None
    assert result.outcome is JobOutcome.STOPPED
    payload = trained(result)
    saved = tmp_path / f"checkpoints/checkpoint-{payload.best_step}"
    assert payload.reason == "requested"
    assert payload.steps_done == 6
    assert adapter_bytes(tmp_path / "job") == (saved / "adapter_model.safetensors").read_bytes()


def test_finish_stops_at_the_next_step_and_keeps_the_best(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    job = open_job(tmp_path / "job", train_spec(tiny, tmp_path))

    result = worker.run(job, stop_at_step=[6, StopMode.FINISH])

    assert result is not None
    assert result.outcome is JobOutcome.STOPPED
    payload = trained(result)
    assert (payload.reason, payload.steps_done) == ("requested", 6)
    assert payload.best_step == min(payload.dev_losses[1:], key=lambda point: point[1])[0]
    assert payload.adapter_dir is not None


def test_a_paused_training_resumes_to_the_same_adapter(
    worker: ForkServer, tiny: Path, golden: Path, tmp_path: Path
) -> None:
    spec = train_spec(tiny, tmp_path)

    paused = worker.run(open_job(tmp_path / "first", spec), stop_at_step=[7, StopMode.PAUSE])
    payload = trained(worker.run(open_job(tmp_path / "second", spec)))

    assert paused is not None
    assert paused.outcome is JobOutcome.PAUSED
    assert (trained(paused).reason, trained(paused).steps_done) == ("requested", 7)
    assert payload.resumed_from_step == 7
    assert adapter_bytes(tmp_path / "second") == adapter_bytes(golden)


def test_cancel_leaves_at_the_next_step_with_nothing(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    job = open_job(tmp_path / "job", train_spec(tiny, tmp_path))

    result = worker.run(job, stop_at_step=[6, StopMode.CANCEL])

    assert result is not None
    assert result.outcome is JobOutcome.CANCELLED
    assert result.payload is None
    assert max(line.step for line in read_progress(job)) == 6
    assert not (job / "artifacts").exists()


@pytest.mark.parametrize(
    ("fault", "what"),
    [("nan_loss_at_step", "the loss"), ("infinite_gradient_at_step", "the gradient")],
)
def test_a_number_that_is_not_finite_ends_the_training_and_keeps_what_was_good(
    worker: ForkServer, tiny: Path, tmp_path: Path, fault: str, what: str
) -> None:
    job = open_job(tmp_path / "job", train_spec(tiny, tmp_path))

    result = worker.run(job, **{fault: 8})

    assert result is not None
    assert result.outcome is JobOutcome.FAILED
    assert result.error is not None
    assert (result.error.code, result.error.for_person) == ("non_finite_loss", True)
    assert f"step 8: {what} became" in result.error.message
    assert "0.002" in result.error.message
    payload = trained(result)
    assert payload.best_step == 4
    assert payload.steps_done <= 8 + 1
    assert all(math.isfinite(loss) for _, loss in payload.losses)
    assert [path.name for path in (tmp_path / "checkpoints").glob("checkpoint-*")] == [
        "checkpoint-4"
    ]
    assert all(
        math.isfinite(float(abs(tensor).max())) for tensor in load(adapter_bytes(job)).values()
    )


def test_numbers_that_were_never_finite_leave_no_adapter_but_a_curve(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    job = open_job(tmp_path / "job", train_spec(tiny, tmp_path))

    result = worker.run(job, nan_loss_at_step=3)

    payload = trained(result)
    assert (payload.best_step, payload.adapter_dir) == (0, None)
    assert [step for step, _ in payload.losses] == [1, 2]


def test_memory_that_runs_out_is_told_with_what_to_do(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    result = worker.run(open_job(tmp_path / "job", train_spec(tiny, tmp_path)), no_memory_at_step=2)

    assert result is not None
    assert result.error is not None
    assert result.error.code == "out_of_memory"
    assert "batch_size" in result.error.message


def test_scoring_only_answers_changes_no_loss(
    worker: ForkServer, tiny: Path, golden: Path, tmp_path: Path
) -> None:
    payload = trained(
        worker.run(open_job(tmp_path / "job", train_spec(tiny, tmp_path)), score_everything=True)
    )

    compact = trained(read_result(golden))
    assert [s for s, _ in payload.losses] == [s for s, _ in compact.losses]
    assert [v for _, v in payload.losses] == pytest.approx([v for _, v in compact.losses], rel=1e-4)
    assert [v for _, v in payload.dev_losses] == pytest.approx(
        [v for _, v in compact.dev_losses], rel=1e-4
    )


def test_a_batch_of_many_rows_goes_through_in_parts_with_the_same_first_gradient(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    recipe = RECIPE.model_copy(update={"batch_size": 16, "max_steps": 2, "lora_dropout": 0.0})
    whole = train_spec(tiny, tmp_path / "whole", recipe=recipe)
    parts = train_spec(tiny, tmp_path / "parts", recipe=recipe)

    at_once = worker.run(open_job(tmp_path / "a", whole), micro_batch=16)
    in_two = worker.run(open_job(tmp_path / "b", parts))

    first, second = (read_progress(tmp_path / name) for name in "ab")
    norms = [[line.grad_norm for line in told if line.grad_norm] for told in (first, second)]
    assert at_once is not None
    assert in_two is not None
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)


def test_rows_without_room_for_an_answer_are_left_out_and_named(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    pairs = colours(TRAIN_ROWS)
    pairs[3] = pairs[7] = ("word " * 100, "red")
    train = write_rows(tmp_path / "long.jsonl", pairs)
    recipe = RECIPE.model_copy(update={"max_length_tokens": 128})
    spec = train_spec(tiny, tmp_path, train=train, recipe=recipe)

    others = write_rows(
        tmp_path / "others.jsonl", [pair for n, pair in enumerate(pairs) if n not in (3, 7)]
    )
    without = train_spec(tiny, tmp_path, train=others, recipe=recipe, checkpoints_dir="elsewhere")

    result = worker.run(open_job(tmp_path / "job", spec))
    expected = worker.run(open_job(tmp_path / "without", without))

    assert result is not None
    assert expected is not None
    assert isinstance(result.payload, TrainResult)
    assert isinstance(expected.payload, TrainResult)
    assert result.payload.rows_left_out == (5, 9)
    assert expected.payload.rows_left_out == ()
    assert result.payload.adapter_sha256 == expected.payload.adapter_sha256


def test_a_manifest_says_what_a_checkpoint_rests_on(golden: Path) -> None:
    path = golden.parent / "checkpoints/checkpoint-12/MANIFEST.json"

    manifest = Manifest.model_validate_json(path.read_bytes())

    assert manifest.standing.step == STEPS
    assert manifest.origin.versions["torch"]
    assert {"adapter_model.safetensors", "optimizer.pt", "rng_state.pth"} <= set(manifest.files)
