"""Trainings with and without made rows on a tiny model: to the bit what each alone would be, killed, paused, finished, judged."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from agents.jobs import (
    MADE_ROWS,
    FileRef,
    JobOutcome,
    StopMode,
    TrainResult,
    TrainSpec,
    read_progress,
)
from agents.recipe import Method
from agents.worker import rows_trial
from agents.worker.checkpoints import best_of, training_sha256, verified
from tests.worker.forkserver import ForkServer
from tests.worker.races import among, trained, without_clock
from tests.worker.tiny_model import (
    RECIPE,
    STEPS,
    TRAIN_ROWS,
    colours,
    method_recipe,
    method_spec,
    open_job,
    shaped,
    train_spec,
    write_lines,
    write_records,
)

KILLED = -9
TRIAL: dict[str, object] = {"trial": None, "learnt_made": None}
LOOKS: dict[str, object] = {"targets": None, "update_size": None, "probe": None}


def lines(pairs: list[tuple[str, str]], first: int = 2) -> list[dict[str, Any]]:
    return [{"prompt": p, "completion": c, "row": n} for n, (p, c) in enumerate(pairs, first)]


def without(root: Path, rows: int = 8) -> FileRef:
    """Write few rows of the upload."""
    root.mkdir(parents=True, exist_ok=True)
    return write_lines(root / "without.jsonl", lines(colours(rows)))


def with_made(root: Path, rows: int = 8, answer: str | None = None) -> FileRef:
    """Write these rows and made ones, all together as many as a usual training has."""
    root.mkdir(parents=True, exist_ok=True)
    made = lines(colours(TRAIN_ROWS, answer)[rows:], MADE_ROWS + 1)
    return write_lines(root / f"with-{answer}.jsonl", [*lines(colours(rows)), *made])


def trial_spec(model: Path, root: Path, **changes: object) -> TrainSpec:
    """Describe a training with made rows, and one without, of twelve steps each."""
    rows = {"train": with_made(root), "without": without(root)}
    return train_spec(model, root, **(rows | changes))


@pytest.fixture(scope="module")
def whole(
    worker: ForkServer, tiny: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TrainResult]:
    """The job folder of a trial that nothing happened to, and its result."""
    root = tmp_path_factory.mktemp("whole")
    job = open_job(root / "job", trial_spec(tiny, root))
    return job, trained(worker.run(job))


@pytest.mark.torch
def test_each_side_is_the_training_that_it_would_be_alone(
    worker: ForkServer, tiny: Path, tmp_path: Path, whole: tuple[Path, TrainResult]
) -> None:
    job, tried = whole
    spec = trial_spec(tiny, job.parent)
    sides = spec.with_made(), spec.without_made(STEPS)
    kept = sides[0] if tried.learnt_made else sides[1]
    saved = [verified(Path(side.checkpoints_dir), training_sha256(side)) for side in sides]

    lone = [
        trained(
            worker.run(
                open_job(
                    tmp_path / str(place),
                    side.model_copy(update={"checkpoints_dir": str(tmp_path / f"c{place}")}),
                )
            )
        )
        for place, side in enumerate(sides)
    ]

    assert tried.trial is not None
    assert [len(side) > 0 for side in saved] == [True, True]
    assert [alone.steps_done for alone in lone] == [STEPS, STEPS] == [tried.trial.steps] * 2
    alone = lone[sides.index(kept)]
    assert without_clock(tried) | TRIAL == without_clock(alone)
    for side, other in zip(saved, lone, strict=True):
        best = best_of(side)
        assert best is not None
        assert best.manifest.files["adapter_model.safetensors"].sha256 == other.adapter_sha256


@pytest.mark.torch
def test_the_losses_of_the_trial_are_those_of_the_best_steps(
    whole: tuple[Path, TrainResult], tiny: Path
) -> None:
    job, tried = whole
    spec = trial_spec(tiny, job.parent)
    trial = tried.trial
    assert trial is not None
    for side, told in (
        (spec.with_made(), trial.loss_with),
        (spec.without_made(STEPS), trial.loss_without),
    ):
        best = best_of(verified(Path(side.checkpoints_dir), training_sha256(side)))
        # that of the training weighs rows by their tokens; these answers have about as many
        assert best is not None
        assert best.dev_loss == pytest.approx(told, rel=0.15)
    assert trial.gain == pytest.approx(trial.loss_without - trial.loss_with)
    assert (trial.rows, trial.dev_rows) == (TRAIN_ROWS - 8, 6)
    assert trial.helped == (trial.low is not None and trial.low > 0) == tried.learnt_made


@pytest.mark.torch
def test_rows_with_wrong_answers_are_dropped_and_progress_counts_the_steps_of_both(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    spec = trial_spec(tiny, tmp_path, train=with_made(tmp_path, answer="zzzzzz zzzzzz"))
    job = open_job(tmp_path / "job", spec)

    tried = trained(worker.run(job))

    assert tried.trial is not None
    assert tried.trial.gain < 0
    assert (tried.trial.helped, tried.learnt_made) == (False, False)
    own = spec.without_made(STEPS)
    best = best_of(verified(Path(own.checkpoints_dir), training_sha256(own)))
    assert best is not None
    kept = tmp_path / "job/artifacts/adapter/adapter_model.safetensors"
    assert kept.read_bytes() == (best.folder / "adapter_model.safetensors").read_bytes()
    told = [line for line in read_progress(job) if line.loss is not None]
    assert [line.step for line in told] == list(range(1, 2 * STEPS + 1))
    assert {line.steps for line in told} == {2 * STEPS}
    assert [line.stage for line in told[STEPS - 1 : STEPS + 1]] == [
        "training with the made rows",
        "training without the made rows",
    ]
    assert told[-1].eta_s == 0


@pytest.mark.torch
@pytest.mark.parametrize("nth", [3, 12, 13, 22])
def test_a_trial_killed_after_a_step_ends_as_if_nothing_had_happened(
    worker: ForkServer, tiny: Path, tmp_path: Path, whole: tuple[Path, TrainResult], nth: int
) -> None:
    spec = trial_spec(tiny, tmp_path)

    status = worker.status(open_job(tmp_path / "first", spec), kill_at_nth_step=nth)
    again = trained(worker.run(open_job(tmp_path / "second", spec)))

    assert status == KILLED
    seen = {} if again.targets is not None else LOOKS
    assert without_clock(again) == without_clock(whole[1]) | seen


@pytest.mark.torch
@pytest.mark.parametrize("nth", [5, 17])
def test_a_paused_trial_goes_on_to_the_same_adapter(
    worker: ForkServer, tiny: Path, tmp_path: Path, whole: tuple[Path, TrainResult], nth: int
) -> None:
    spec = trial_spec(tiny, tmp_path)

    paused = worker.run(open_job(tmp_path / "first", spec), stop_at_nth_step=[nth, StopMode.PAUSE])
    again = trained(worker.run(open_job(tmp_path / "second", spec)))

    assert paused is not None
    assert paused.outcome is JobOutcome.PAUSED
    assert (trained(paused).adapter_dir, trained(paused).trial) == (None, None)
    assert trained(paused).learnt_made is (nth <= STEPS)
    assert again.adapter_sha256 == whole[1].adapter_sha256
    assert again.trial == whole[1].trial


@pytest.mark.torch
@pytest.mark.parametrize("nth", [6, 18])
def test_finish_keeps_what_has_the_lower_dev_loss_without_a_trial(
    worker: ForkServer, tiny: Path, tmp_path: Path, nth: int
) -> None:
    spec = trial_spec(tiny, tmp_path)

    result = worker.run(open_job(tmp_path / "job", spec), stop_at_nth_step=[nth, StopMode.FINISH])

    payload = trained(result)
    assert result is not None
    assert (result.outcome, payload.reason, payload.trial) == (
        JobOutcome.STOPPED,
        "requested",
        None,
    )
    sides = [spec.with_made(), spec.without_made(STEPS)]
    best = [best_of(verified(Path(s.checkpoints_dir), training_sha256(s))) for s in sides]
    there = [one for one in best if one is not None]
    assert len(there) == 1 + (nth > STEPS)
    lowest = min(there, key=lambda one: one.dev_loss)
    kept = tmp_path / "job/artifacts/adapter/adapter_model.safetensors"
    assert kept.read_bytes() == (lowest.folder / "adapter_model.safetensors").read_bytes()
    assert payload.learnt_made is (lowest is best[0])


@pytest.mark.torch
def test_a_held_trial_asks_at_half_of_all_steps_and_goes_on_or_is_finished(
    worker: ForkServer, tiny: Path, tmp_path: Path, whole: tuple[Path, TrainResult]
) -> None:
    spec = trial_spec(tiny, tmp_path, hold_at_checkpoint=True)

    held = worker.run(open_job(tmp_path / "held", spec))
    shutil.copytree(tmp_path / "checkpoints", tmp_path / "same")
    resumed = spec.model_copy(update={"hold_at_checkpoint": False})
    on = trained(worker.run(open_job(tmp_path / "on", resumed)))
    finish = {"finish_now": True, "checkpoints_dir": str(tmp_path / "same")}
    ended = worker.run(open_job(tmp_path / "ended", spec.model_copy(update=finish)))

    assert held is not None
    assert (held.outcome, trained(held).reason) == (JobOutcome.PAUSED, "checkpoint_gate")
    assert (trained(held).learnt_made, trained(held).steps_done) == (False, 1)
    assert on.adapter_sha256 == whole[1].adapter_sha256
    assert ended is not None
    assert ended.outcome is JobOutcome.STOPPED
    assert trained(ended).trial is None
    assert (
        trained(ended).learnt_made is True
    )  # one step without them is worse than twelve with them


@pytest.mark.torch
def test_there_is_nothing_to_finish_from_before_the_first_checkpoint(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    result = worker.run(open_job(tmp_path / "job", trial_spec(tiny, tmp_path, finish_now=True)))

    assert result is not None
    assert result.error is not None
    assert (result.error.code, result.error.for_person) == ("no_checkpoint", True)


@pytest.mark.torch
def test_a_side_whose_numbers_are_not_finite_ends_the_training_and_says_which(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    job = open_job(tmp_path / "job", trial_spec(tiny, tmp_path))

    result = worker.run(job, nan_loss_at_step=6)

    assert result is not None
    assert result.outcome is JobOutcome.FAILED
    assert result.error is not None
    assert result.error.code == "non_finite_loss"
    assert result.error.message.startswith("The training with the made rows broke off.")
    assert trained(result).learnt_made is True


@pytest.mark.torch
def test_a_trial_that_lost_its_result_trains_nothing_again(
    worker: ForkServer, tiny: Path, tmp_path: Path, whole: tuple[Path, TrainResult]
) -> None:
    shutil.copytree(whole[0].parent / "checkpoints", tmp_path / "checkpoints")

    again = trained(worker.run(open_job(tmp_path / "job", trial_spec(tiny, tmp_path))))

    assert without_clock(again) == without_clock(whole[1]) | LOOKS
    assert not [line for line in read_progress(tmp_path / "job") if line.loss is not None]


@pytest.mark.torch
@pytest.mark.parametrize("method", [Method.DPO, Method.ORPO, Method.CPO])
def test_preferences_are_tried_out_too(
    worker: ForkServer, tiny: Path, tmp_path: Path, method: Method
) -> None:
    rows = shaped(method, 8)
    few = write_records(tmp_path / "few.jsonl", rows)
    recipe = method_recipe(method, batch_size=4, max_steps=4)
    spec = method_spec(tiny, tmp_path, method, without=few, recipe=recipe, save_steps=2)

    tried = trained(worker.run(open_job(tmp_path / "job", spec)))

    trial = tried.trial
    assert trial is not None
    assert (trial.steps, trial.dev_rows) == (4, 6)
    for side, told in (
        (spec.with_made(), trial.loss_with),
        (spec.without_made(4), trial.loss_without),
    ):
        best = best_of(verified(Path(side.checkpoints_dir), training_sha256(side)))
        assert best is not None
        assert best.dev_loss == pytest.approx(told, rel=0.02)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recipe": method_recipe(Method.KTO)}, "not for kto"),
        ({"recipe": method_recipe(Method.GRPO)}, "not for grpo"),
        ({"recipe": among(RECIPE)}, "several candidates"),
    ],
)
def test_what_cannot_be_tried_out_is_refused(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        trial_spec(tmp_path, tmp_path, **changes)


def test_checkpoints_of_versions_that_knew_no_made_rows_go_on_counting(tmp_path: Path) -> None:
    spec = train_spec(tmp_path, tmp_path)
    tried = trial_spec(tmp_path, tmp_path / "tried", train=spec.train, dev=spec.dev)

    assert training_sha256(tried.with_made()) == training_sha256(spec)
    assert training_sha256(tried.without_made(12)) != training_sha256(tried.without_made(13))
    old = json.loads(TrainSpec.model_dump_json(spec))
    del old["without"], old["steps"]
    assert training_sha256(TrainSpec.model_validate(old)) == training_sha256(spec)


# ---- the arithmetic ---------------------------------------------------------------------------------------------------


def alone(count: int) -> Any:
    return np.arange(count)


def test_of_few_dev_rows_all_swaps_are_counted() -> None:
    gains = np.array([0.5, 0.7, 0.2, 0.9, 0.4, 0.6])

    found = rows_trial.compare(np.zeros(6), gains, alone(6), seed=1)

    assert found.gain == pytest.approx(0.55)
    assert found.p_value == pytest.approx(2 / 64)  # only as it is, and all turned round
    assert found.low == pytest.approx(0.2)
    assert found.high == pytest.approx(0.9)
    assert found.helped


def test_five_dev_rows_can_show_nothing() -> None:
    found = rows_trial.compare(np.zeros(5), np.full(5, 3.0), alone(5), seed=1)

    assert (found.low, found.high, found.helped) == (None, None, False)
    assert found.p_value == pytest.approx(2 / 32)


def test_rows_that_resemble_each_other_are_swapped_together() -> None:
    gains = np.full(12, 1.0)
    found = rows_trial.compare(np.zeros(12), gains, np.arange(12) // 3, seed=1)

    assert (found.low, found.helped) == (None, False)


@pytest.mark.parametrize("rows", [6, 10, 16, 30])
def test_rows_that_change_nothing_rarely_seem_to_help(rows: int) -> None:
    chance = np.random.default_rng(rows)
    times, helped, missed = 300, 0, 0
    for seed in range(times):
        losses = chance.gamma(1.0, 1.0, rows)
        found = rows_trial.compare(
            losses + chance.normal(0, 0.3, rows), losses, alone(rows), seed=seed
        )
        helped += found.helped
        missed += found.low is None or found.high is None or not found.low <= 0 <= found.high
    # half of 5 %, and chance
    assert helped / times <= 0.05
    assert missed / times <= 0.09


def test_an_interval_of_few_rows_is_what_the_test_of_all_swaps_does_not_refuse() -> None:
    gains = np.random.default_rng(5).normal(0.4, 0.5, 9)
    found = rows_trial.compare(np.zeros(9), gains, alone(9), seed=1)
    assert found.low is not None
    assert found.high is not None

    def p(shift: float) -> float:
        return rows_trial.compare(np.zeros(9), gains - shift, alone(9), seed=1).p_value

    assert p(found.low - 1e-6) <= 0.05 < p(found.low + 1e-6)
    assert p(found.high + 1e-6) <= 0.05 < p(found.high - 1e-6)
