"""What a training reports for the debugger: what there was to learn, how far it moved, what a few rows say at its end."""

import json
from pathlib import Path

import pytest

from agents.jobs import JobOutcome, MeasureResult, StopMode, TrainResult, read_result
from agents.recipe import Method
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import (
    RECIPE,
    STEPS,
    TRAIN_ROWS,
    colours,
    measure_spec,
    method_spec,
    open_job,
    train_spec,
    write_rows,
)

pytestmark = pytest.mark.torch
LONGER = RECIPE.model_copy(update={"epochs": 6.0, "lora_dropout": 0.0})


def result_of(job: Path) -> TrainResult:
    result = read_result(job)
    assert result is not None
    assert isinstance(result.payload, TrainResult), result
    return result.payload


def trained(worker: ForkServer, tiny: Path, root: Path, **changes: object) -> TrainResult:
    job = open_job(root / "job", train_spec(tiny, root, **changes))
    assert worker.status(job) == 0
    return result_of(job)


@pytest.fixture(scope="module")
def golden(worker: ForkServer, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """A training that nothing happened to."""
    return trained(worker, tiny, tmp_path_factory.mktemp("golden"))


def test_a_training_tells_gradient_norms_rates_and_what_there_was_to_learn(
    golden: TrainResult,
) -> None:
    assert [step for step, _norm in golden.grad_norms] == list(range(1, STEPS + 1))
    assert all(norm > 0 for _step, norm in golden.grad_norms)
    assert golden.learning_rates[-1] == (STEPS, RECIPE.learning_rate)
    assert golden.targets is not None
    assert (golden.targets.rows, golden.targets.rows_cut) == (TRAIN_ROWS, 0)
    assert golden.targets.rows_ended == TRAIN_ROWS
    assert TRAIN_ROWS < golden.targets.learnt_tokens < golden.targets.tokens
    assert golden.update_size is not None
    assert 0.001 < golden.update_size < 1


def test_a_larger_rate_moves_the_weights_further(
    worker: ForkServer, tiny: Path, tmp_path: Path, golden: TrainResult
) -> None:
    small = RECIPE.model_copy(update={"learning_rate": RECIPE.learning_rate / 100})

    slow = trained(worker, tiny, tmp_path, recipe=small)

    assert slow.update_size is not None
    assert golden.update_size is not None
    assert slow.update_size < golden.update_size / 20


def test_a_model_that_says_one_answer_says_it_to_all(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    train = write_rows(tmp_path / "learnt.jsonl", colours(TRAIN_ROWS, "yes"))
    dev = write_rows(tmp_path / "checked.jsonl", colours(6, "yes"))

    probe = trained(worker, tiny, tmp_path, train=train, dev=dev, recipe=LONGER).probe

    assert probe is not None
    assert (probe.train_asked, probe.train_same) == (16, 16)
    assert (probe.dev_asked, probe.dev_same) == (6, 6)
    assert probe.ended == 22
    assert (probe.train_seen, probe.train_right) == (TRAIN_ROWS, TRAIN_ROWS)
    assert probe.contradicted_count == 0


def test_rows_whose_answer_the_model_is_sure_is_another_one_are_named(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    pairs = colours(120, "yes")
    for wrong in (5, 20, 33):
        pairs[wrong] = (pairs[wrong][0], "no")
    train = write_rows(tmp_path / "learnt.jsonl", pairs)
    dev = write_rows(tmp_path / "checked.jsonl", colours(6, "yes"))
    recipe = LONGER.model_copy(update={"epochs": 1.0})

    probe = trained(worker, tiny, tmp_path, train=train, dev=dev, recipe=recipe).probe

    assert probe is not None
    assert probe.contradicted == (7, 22, 35)  # the first row of a file with a header is row 2
    assert probe.contradicted_count == 3
    assert probe.train_right == 117


def test_json_is_looked_for_where_the_right_answers_are_json(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    answer = json.dumps({"a": 1})
    train = write_rows(tmp_path / "learnt.jsonl", colours(TRAIN_ROWS, "yes"))
    dev = write_rows(tmp_path / "checked.jsonl", [*colours(3, answer), *colours(6, "yes")[3:]])
    recipe = LONGER.model_copy(update={"max_new_tokens": 16})

    probe = trained(worker, tiny, tmp_path, train=train, dev=dev, recipe=recipe).probe

    assert probe is not None
    assert (probe.dev_json_wanted, probe.dev_json_given) == (3, 0)


def test_a_training_that_was_paused_has_no_probe_and_one_that_goes_on_has_the_same(
    worker: ForkServer, tiny: Path, tmp_path: Path, golden: TrainResult
) -> None:
    spec = train_spec(tiny, tmp_path)

    worker.run(open_job(tmp_path / "first", spec), stop_at_step=[6, StopMode.PAUSE])
    worker.run(open_job(tmp_path / "second", spec))

    paused, resumed = result_of(tmp_path / "first"), result_of(tmp_path / "second")
    assert paused.probe is None
    assert paused.targets == resumed.targets == golden.targets
    assert resumed.probe == golden.probe
    assert resumed.update_size == golden.update_size


def test_a_training_that_broke_off_has_no_probe(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    result = worker.run(open_job(tmp_path / "job", train_spec(tiny, tmp_path)), nan_loss_at_step=6)

    assert result is not None
    assert result.outcome is JobOutcome.FAILED
    assert isinstance(result.payload, TrainResult)
    assert result.payload.probe is None
    assert result.payload.targets is not None


def test_the_probe_is_of_supervised_trainings_alone(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    job = open_job(tmp_path / "job", method_spec(tiny, tmp_path, Method.DPO))

    assert worker.status(job) == 0
    payload = result_of(job)
    assert (payload.probe, payload.targets) == (None, None)
    assert payload.grad_norms


def test_a_measurement_tells_what_the_texts_have_in_common(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    train = write_rows(tmp_path / "learnt.jsonl", colours(TRAIN_ROWS))

    result = worker.run(open_job(tmp_path / "job", measure_spec(tiny, train)))

    assert result is not None
    assert isinstance(result.payload, MeasureResult), result
    facts = result.payload.row_facts
    assert facts is not None
    assert (facts.rows, facts.longest_chars) == (TRAIN_ROWS, len("green"))
