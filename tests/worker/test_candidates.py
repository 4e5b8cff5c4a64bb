"""Trainings of several candidates with the real TRL trainer on a tiny model: halved on dev rows, stopped, diverging.

Killed and paused ones: test_candidates_killed.py.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from agents.jobs import (
    CandidateEnd,
    JobOutcome,
    StopMode,
    TrainResult,
    TrainSpec,
    read_progress,
)
from agents.recipe import Method
from agents.worker import not_finite
from agents.worker.checkpoints import training_sha256
from agents.worker.row_log import NAME as ROW_LOG
from tests.worker.forkserver import ForkServer
from tests.worker.races import ALL_STEPS, BEST, RATES, among, run_whole, trained, without_clock
from tests.worker.tiny_model import (
    RECIPE,
    STEPS,
    TRAIN_ROWS,
    colours,
    method_recipe,
    method_spec,
    open_job,
    train_spec,
    write_rows,
)

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def whole(
    worker: ForkServer, tiny: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TrainResult]:
    """The job folder of a race that nothing happened to, and its result."""
    return run_whole(worker, tiny, tmp_path_factory.mktemp("whole"))


def test_checkpoints_of_versions_that_knew_no_candidates_go_on_counting(tmp_path: Path) -> None:
    spec = train_spec(tmp_path, tmp_path)
    then = spec.recipe.model_dump(mode="json")
    del then["candidates"]
    parts = [
        spec.model.source,
        spec.train.sha256,
        spec.dev.sha256,
        json.dumps(then, separators=(",", ":")),
    ]

    assert training_sha256(spec) == hashlib.sha256("\n".join(parts).encode()).hexdigest()
    assert training_sha256(spec.of_candidate(1)) == training_sha256(spec)


def test_what_is_left_has_the_adapter_that_its_recipe_alone_would_have_given(
    worker: ForkServer, tiny: Path, tmp_path: Path, whole: tuple[Path, TrainResult]
) -> None:
    job, raced = whole
    recipe = RECIPE.model_copy(update={"learning_rate": RATES[BEST - 1]})

    alone = trained(
        worker.run(open_job(tmp_path / "job", train_spec(tiny, tmp_path, recipe=recipe)))
    )

    assert raced.chosen_candidate == BEST
    assert without_clock(raced) | {"candidates": []} == without_clock(alone)
    assert raced.probe is not None
    own = job.parent / f"checkpoints/candidate-{BEST}"
    assert (own / ROW_LOG).read_bytes() == (tmp_path / "checkpoints" / ROW_LOG).read_bytes()
    assert not (job.parent / "checkpoints" / ROW_LOG).exists()


def test_half_of_them_go_on_after_each_rung_by_their_dev_loss(
    whole: tuple[Path, TrainResult],
) -> None:
    _job, raced = whole

    told = [(c.value, c.steps_done, c.out, c.out_at_step, c.chosen) for c in raced.candidates]
    assert told == [
        (RATES[0], 8, CandidateEnd.DEV_LOSS, 8, False),
        (RATES[1], STEPS, None, None, True),
        (RATES[2], 4, CandidateEnd.DEV_LOSS, 4, False),
    ]
    first, second, third = (dict(c.dev_losses) for c in raced.candidates)
    assert second[4] < first[4] < third[4]
    assert second[8] < first[8]
    assert set(second) == {4, 8, 12}
    assert {c.field for c in raced.candidates} == {"learning_rate"}


def test_progress_says_which_candidate_trains_and_counts_the_steps_of_all(
    whole: tuple[Path, TrainResult],
) -> None:
    job, _raced = whole

    told = [line for line in read_progress(job) if line.loss is not None]

    assert [line.step for line in told] == list(range(1, ALL_STEPS + 1))
    assert {line.steps for line in told} == {ALL_STEPS}
    runs = [1] * 4 + [2] * 4 + [3] * 4 + [1] * 4 + [2] * 4 + [2] * 4
    assert [line.stage for line in told] == [f"training candidate {n} of 3" for n in runs]
    assert told[0].eta_s
    assert told[-1].eta_s == 0


def test_of_equal_dev_losses_the_earlier_candidate_wins(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    # weights that begin at nothing decay to nothing else within a few steps of so low a rate
    recipe = among(
        RECIPE.model_copy(update={"learning_rate": 1e-9}), "weight_decay", 0.0, 0.1, 0.01
    )

    raced = trained(
        worker.run(open_job(tmp_path / "job", train_spec(tiny, tmp_path, recipe=recipe)))
    )

    losses = [dict(c.dev_losses)[4] for c in raced.candidates]
    assert losses[0] == losses[1] == losses[2]
    assert [c.steps_done for c in raced.candidates] == [STEPS, 8, 4]
    assert raced.chosen_candidate == 1


def test_finish_keeps_the_best_of_what_is_left(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    spec = train_spec(tiny, tmp_path, recipe=among())

    result = worker.run(
        open_job(tmp_path / "job", spec), stop_at_nth_step=[4 * 3 + 2, StopMode.FINISH]
    )

    payload = trained(result)
    assert result is not None
    assert result.outcome is JobOutcome.STOPPED
    assert payload.chosen_candidate == BEST
    assert (payload.steps_done, payload.reason) == (4, "requested")
    assert [c.steps_done for c in payload.candidates] == [6, 4, 4]
    saved = tmp_path / f"checkpoints/candidate-{BEST}/checkpoint-4/adapter_model.safetensors"
    kept = tmp_path / "job/artifacts/adapter/adapter_model.safetensors"
    assert kept.read_bytes() == saved.read_bytes()


def test_there_is_nothing_to_finish_from_before_the_first_checkpoint(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    spec = train_spec(tiny, tmp_path, recipe=among(), finish_now=True)

    result = worker.run(open_job(tmp_path / "job", spec))

    assert result is not None
    assert result.error is not None
    assert (result.error.code, result.error.for_person) == ("no_checkpoint", True)


def test_nothing_is_kept_of_a_cancelled_race(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    job = open_job(tmp_path / "job", train_spec(tiny, tmp_path, recipe=among()))

    result = worker.run(job, stop_at_nth_step=[14, StopMode.CANCEL])

    assert result is not None
    assert result.outcome is JobOutcome.CANCELLED
    assert not (job / "artifacts").exists()


def test_candidates_whose_dev_loss_rises_end_early_and_are_compared_by_their_last_look(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    train = write_rows(tmp_path / "yes.jsonl", colours(TRAIN_ROWS, "yes"))
    dev = write_rows(tmp_path / "no.jsonl", colours(6, "no"))
    rising = RECIPE.model_copy(update={"epochs": 6.0, "patience": 2})
    rows: dict[str, Any] = {"train": train, "dev": dev, "save_steps": 8}
    root = tmp_path / "raced"
    spec = train_spec(tiny, root, recipe=among(rising, "learning_rate", 2e-2, 1.5e-2), **rows)

    raced = trained(worker.run(open_job(root / "job", spec)))

    (value,) = [c.value for c in raced.candidates if c.chosen]
    recipe = rising.model_copy(update={"learning_rate": value})
    lone = train_spec(tiny, tmp_path / "alone", recipe=recipe, **rows)
    alone = trained(worker.run(open_job(tmp_path / "alone" / "job", lone)))
    assert raced.reason == "dev_loss_rose"
    assert raced.steps_done < 32  # where the first part ends
    assert without_clock(raced) | {"candidates": []} == without_clock(alone)
    (out,) = [c for c in raced.candidates if c.out]
    assert (out.out, out.out_at_step) == (CandidateEnd.DEV_LOSS, out.steps_done)
    assert [c.dev_losses[-1][0] for c in raced.candidates] == [
        c.steps_done for c in raced.candidates
    ]


def poisoned(rate: float) -> dict[str, object]:
    return {"nan_loss_above_rate": rate}


def test_a_candidate_that_diverges_is_out_and_the_others_go_on(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    spec = train_spec(tiny, tmp_path, recipe=among())

    raced = trained(worker.run(open_job(tmp_path / "job", spec), **poisoned(1e-2)))
    first = worker.status(open_job(tmp_path / "killed", spec), kill_at_nth_step=1, **poisoned(1e-2))

    assert raced.chosen_candidate == 1
    assert raced.candidates[1].out is CandidateEnd.NOT_FINITE
    assert raced.candidates[1].dev_losses == ()
    assert raced.steps_done == STEPS
    assert (tmp_path / "checkpoints/candidate-2" / not_finite.NAME).exists()
    assert first == 0  # all had been done: the wall is not run into again


def test_a_note_of_a_candidate_that_diverged_counts_only_if_it_is_whole_and_of_this_training(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    spec = train_spec(tiny, tmp_path, recipe=among())
    worker.run(open_job(tmp_path / "job", spec), **poisoned(1e-2))
    note = tmp_path / "checkpoints/candidate-2" / not_finite.NAME
    raw = json.loads(note.read_bytes())
    training = raw["origin"]["training_sha256"]

    assert not_finite.read(note.parent, training, []) is not None
    assert not_finite.read(note.parent, "0" * 64, []) is None
    note.write_text(json.dumps(raw | {"what": "the gradient"}))
    assert not_finite.read(note.parent, training, []) is None
    note.write_text(note.read_text()[:-20])
    assert not_finite.read(note.parent, training, []) is None


def test_where_all_that_were_left_diverge_the_best_of_the_others_comes_back(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    spec = train_spec(tiny, tmp_path, recipe=among())

    raced = trained(
        worker.run(open_job(tmp_path / "job", spec), nan_loss_above_rate=1e-3, nan_loss_from_step=6)
    )

    assert [c.out for c in raced.candidates] == [
        CandidateEnd.NOT_FINITE,
        CandidateEnd.NOT_FINITE,
        None,
    ]
    assert raced.chosen_candidate == 3
    assert raced.steps_done == STEPS


def test_a_race_fails_only_when_all_have_diverged_and_says_so(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    spec = train_spec(tiny, tmp_path, recipe=among())

    result = worker.run(open_job(tmp_path / "job", spec), **poisoned(0.0))

    assert result is not None
    assert result.outcome is JobOutcome.FAILED
    assert result.error is not None
    assert result.error.code == "non_finite_loss"
    assert result.error.message.startswith("All 3 candidates broke off. Candidate 3: ")
    assert "5e-05" in result.error.message  # a tenth of the lowest
    assert trained(result).chosen_candidate == 3


def test_seeds_see_the_rows_in_other_orders_and_preferences_are_raced_too(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    recipe = among(method_recipe(Method.DPO), "seed", 3, 4)
    spec = method_spec(tiny, tmp_path, Method.DPO, recipe=recipe)

    raced = trained(worker.run(open_job(tmp_path / "job", spec)))

    assert raced.chosen_candidate is not None
    seed = (3, 4)[raced.chosen_candidate - 1]
    alone = TrainSpec.model_validate(
        spec.model_dump()
        | {"recipe": method_recipe(Method.DPO, seed=seed), "checkpoints_dir": "alone"}
    )
    expected = trained(worker.run(open_job(tmp_path / "other", alone)))
    assert without_clock(raced) | {"candidates": []} == without_clock(expected)
    assert raced.candidates[0].dev_losses[0][1] != raced.candidates[1].dev_losses[0][1]
