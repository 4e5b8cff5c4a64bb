"""Trainings that start from an earlier adapter, on a tiny model: from where it stood, to the same bits, and only where it fits."""

from pathlib import Path

import pytest

from agents.jobs import (
    EarlierAdapter,
    EvaluateResult,
    JobOutcome,
    JobResult,
    TrainResult,
    Verdict,
    read_result,
)
from agents.recipe import Method, Metric
from agents.worker.digests import sha256_of
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import (
    RECIPE,
    STEPS,
    TRAIN_ROWS,
    colours,
    evaluate_spec,
    method_recipe,
    method_spec,
    open_job,
    shaped,
    train_spec,
    write_records,
    write_rows,
)

pytestmark = pytest.mark.torch

KILLED = -9
CAREFUL = RECIPE.model_copy(update={"learning_rate": 2e-3})
"""For an adapter that has learnt most of it already."""


def trained(result: JobResult | None) -> TrainResult:
    assert result is not None
    assert isinstance(result.payload, TrainResult), result
    return result.payload


def refused(result: JobResult | None) -> str:
    assert result is not None
    assert result.outcome is JobOutcome.FAILED
    assert result.error is not None
    assert result.error.for_person
    return result.error.message


def as_parent(job: Path, **facts: str) -> EarlierAdapter:
    """Return the adapter of a finished training as a later one is given it."""
    done = trained(read_result(job))
    folder = job / "artifacts/adapter"
    known = {
        "adapter_dir": str(folder),
        "adapter_sha256": sha256_of(folder / "adapter_model.safetensors"),
        "base_sha256": done.base_sha256,
    }
    return EarlierAdapter.model_validate({"run": 12, **known, **facts})


@pytest.fixture(scope="module")
def first(worker: ForkServer, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job folder of a training that knows half of the way to "yes"."""
    root = tmp_path_factory.mktemp("first")
    rows = write_rows(root / "yes.jsonl", colours(TRAIN_ROWS, "yes"))
    job = open_job(root / "job", train_spec(tiny, root, train=rows, dev=rows))
    assert worker.status(job) == 0
    return job


@pytest.fixture(scope="module")
def further(
    worker: ForkServer, tiny: Path, first: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The job folder of a training that goes on from the first, on the same rows."""
    root = tmp_path_factory.mktemp("further")
    rows = write_rows(root / "yes.jsonl", colours(TRAIN_ROWS, "yes"))
    spec = train_spec(tiny, root, train=rows, dev=rows, recipe=CAREFUL, parent=as_parent(first))
    job = open_job(root / "job", spec)
    assert worker.status(job) == 0
    return job


def test_a_training_goes_on_where_the_earlier_one_ended(first: Path, further: Path) -> None:
    before, after = trained(read_result(first)), trained(read_result(further))

    at_best = dict(before.dev_losses)[before.best_step]
    assert dict(after.dev_losses)[0] == pytest.approx(at_best, rel=1e-3)
    assert min(dict(after.dev_losses).values()) < at_best
    assert after.adapter_sha256 != before.adapter_sha256
    assert sorted(path.name for path in (further / "artifacts/adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


@pytest.mark.parametrize("method", [Method.SFT, Method.DPO, Method.KTO, Method.REWARD, Method.RLOO])
def test_a_killed_training_that_went_on_ends_with_the_same_adapter(
    worker: ForkServer, tiny: Path, tmp_path: Path, method: Method
) -> None:
    earlier = open_job(tmp_path / "e/job", method_spec(tiny, tmp_path / "e", method))
    assert worker.status(earlier) == 0
    parent = as_parent(earlier)
    whole = open_job(tmp_path / "w/job", method_spec(tiny, tmp_path / "w", method, parent=parent))
    assert worker.status(whole) == 0
    spec = method_spec(tiny, tmp_path / "k", method, parent=parent)

    killed = worker.status(open_job(tmp_path / "k/first", spec), kill_at_step=7)
    resumed = trained(worker.run(open_job(tmp_path / "k/second", spec)))

    expected = trained(read_result(whole))
    assert killed == KILLED
    assert (expected.steps_done, resumed.resumed_from_step) == (STEPS, 4)
    assert resumed.adapter_sha256 == expected.adapter_sha256
    assert resumed.losses == expected.losses
    folders = [path for path in (tmp_path / "k/checkpoints").rglob("*") if path.is_dir()]
    assert {path.name.partition("-")[0] for path in folders} == {"checkpoint"}


def test_preferences_are_measured_from_the_earlier_adapter(
    worker: ForkServer, tiny: Path, first: Path, tmp_path: Path
) -> None:
    recipe = method_recipe(Method.DPO, max_steps=1)
    parent = as_parent(first)
    spec = method_spec(tiny, tmp_path, Method.DPO, recipe=recipe, parent=parent)

    done = trained(worker.run(open_job(tmp_path / "job", spec)))

    # log 2: before the first step the model is its own reference, which the base would not be any more
    assert done.losses[0][1] == pytest.approx(0.6931, abs=1e-4)


def test_checkpoints_of_a_training_from_another_start_are_not_resumed(
    worker: ForkServer, tiny: Path, first: Path, further: Path, tmp_path: Path
) -> None:
    rows = write_rows(tmp_path / "yes.jsonl", colours(TRAIN_ROWS, "yes"))
    spec = train_spec(tiny, tmp_path, train=rows, dev=rows, recipe=CAREFUL)
    assert worker.status(open_job(tmp_path / "a", spec), kill_at_step=6) == KILLED

    other = spec.model_copy(update={"parent": as_parent(first)})
    done = trained(worker.run(open_job(tmp_path / "b", other)))

    assert done.resumed_from_step is None
    assert done.adapter_sha256 == trained(read_result(further)).adapter_sha256


def test_an_adapter_that_is_not_the_one_that_was_meant_is_refused(
    worker: ForkServer, tiny: Path, first: Path, tmp_path: Path
) -> None:
    cases = {
        "gone": ({"adapter_dir": str(tmp_path / "nowhere")}, {}),
        "has changed": ({"adapter_sha256": "0" * 64}, {}),
        "other weights than 'tiny'": ({"base_sha256": "0" * 64}, {}),
        "another shape": ({}, {"recipe": RECIPE.model_copy(update={"lora_r": 4})}),
        "has another shape than": ({}, {"recipe": RECIPE.model_copy(update={"use_dora": True})}),
    }
    for number, (said, (facts, changes)) in enumerate(cases.items()):
        root = tmp_path / str(number)
        spec = train_spec(tiny, root, parent=as_parent(first, **facts), **changes)

        message = refused(worker.run(open_job(root / "job", spec)))

        assert "The adapter of run 12" in message
        assert said in message


def test_an_adapter_for_answers_is_none_for_scores(
    worker: ForkServer, tiny: Path, first: Path, tmp_path: Path
) -> None:
    spec = method_spec(tiny, tmp_path, Method.REWARD, parent=as_parent(first))

    assert "another shape" in refused(worker.run(open_job(tmp_path / "job", spec)))


def test_base_earlier_and_tuned_answer_the_same_items(
    worker: ForkServer, tiny: Path, further: Path, tmp_path: Path
) -> None:
    root = tmp_path / "red"
    rows = write_rows(tmp_path / "red.jsonl", colours(TRAIN_ROWS, "red"))
    recipe = RECIPE.model_copy(update={"epochs": 6.0})
    spec = train_spec(tiny, root, train=rows, dev=rows, recipe=recipe, parent=as_parent(further))
    later = open_job(root / "job", spec)
    assert worker.status(later) == 0
    test = write_rows(tmp_path / "t.jsonl", [(f"is it {p}?", "red") for p, _ in colours(30)])
    adapter = later / "artifacts/adapter"
    asked = evaluate_spec(tiny, root, adapter, test, parent=as_parent(further))
    again = asked.model_copy(update={"earlier_parent_p_values": (0.9,)})

    found, more = (
        worker.run(open_job(root / name, each)) for name, each in (("e", asked), ("f", again))
    )

    assert found is not None
    assert isinstance(found.payload, EvaluateResult), found
    against = found.payload.against_parent
    assert against is not None
    assert (against.run, against.metric) == (12, Metric.EXACT_MATCH)
    assert (against.parent, against.tuned, against.verdict) == (0, 1, Verdict.BETTER)
    assert found.payload.primary.tuned == against.tuned
    assert {item.parent for item in found.payload.worst} == {"yes"}
    assert {item.tuned for item in found.payload.worst} == {"red"}
    assert more is not None
    assert isinstance(more.payload, EvaluateResult), more
    assert more.payload.against_parent is not None
    assert more.payload.against_parent.adjusted_p_value == 2 * against.p_value


@pytest.mark.parametrize("method", [Method.DPO, Method.KTO])
def test_the_earlier_adapter_against_itself_is_no_gain(
    worker: ForkServer, tiny: Path, tmp_path: Path, method: Method
) -> None:
    job = open_job(tmp_path / "t/job", method_spec(tiny, tmp_path / "t", method))
    assert worker.status(job) == 0
    test = write_records(tmp_path / "test.jsonl", shaped(method, 24))
    spec = evaluate_spec(
        tiny,
        tmp_path,
        job / "artifacts/adapter",
        test,
        recipe=method_recipe(method),
        parent=as_parent(job),
    )

    found = worker.run(open_job(tmp_path / "e", spec))

    assert found is not None
    assert isinstance(found.payload, EvaluateResult), found
    against = found.payload.against_parent
    assert against is not None
    assert (against.gain, against.verdict) == (0, Verdict.CANNOT_TELL)
    assert against.tuned == found.payload.primary.tuned
    assert all(item.parent == item.tuned for item in found.payload.worst)
