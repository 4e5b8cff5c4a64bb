"""What was answered before is not asked again, and whatever does not fit is asked anew."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from agents.jobs import EvaluateResult, EvaluateSpec, FileRef, read_progress
from agents.recipe import Method
from tests.worker.forkserver import ForkServer
from tests.worker.test_continuing import as_parent
from tests.worker.tiny_model import (
    RECIPE,
    colours,
    evaluate_spec,
    method_recipe,
    method_spec,
    model_ref,
    open_job,
    shaped,
    train_spec,
    write_records,
    write_rows,
)

pytestmark = pytest.mark.torch

ROWS = 24


@pytest.fixture(scope="module")
def trained(worker: ForkServer, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job folder of a short training."""
    root = tmp_path_factory.mktemp("trained")
    job = open_job(root / "job", train_spec(tiny, root))
    assert worker.status(job) == 0
    return job


def spec_of(tiny: Path, trained: Path, root: Path, count: int = ROWS, **more: Any) -> EvaluateSpec:
    test = write_rows(root / f"test{count}.jsonl", colours(count, "yes"))
    return evaluate_spec(tiny, root, trained / "artifacts/adapter", test, **more)


def evaluate(worker: ForkServer, job: Path, spec: EvaluateSpec) -> EvaluateResult:
    result = worker.run(open_job(job, spec))
    assert result is not None
    assert isinstance(result.payload, EvaluateResult), result
    return result.payload


def left_by(job: Path, result: EvaluateResult) -> FileRef:
    """Return the file of an evaluation as the bot gives it to the next one."""
    assert result.known_answers is not None
    return result.known_answers.model_copy(update={"path": str(job / result.known_answers.path)})


def without_times(result: EvaluateResult) -> dict[str, Any]:
    times = ("evaluate_s", "tokens_per_s", "answers_per_s", "answers_given", "answers_reused")
    behind = {"base_answer_s", "tuned_answer_s", "score_s"}
    return result.model_dump(exclude={"breakdown": behind, **dict.fromkeys(times, True)})


def test_the_base_is_not_asked_again(
    worker: ForkServer, tiny: Path, trained: Path, tmp_path: Path
) -> None:
    spec = spec_of(tiny, trained, tmp_path)
    first = evaluate(worker, tmp_path / "a", spec)
    known = left_by(tmp_path / "a", first)

    second = evaluate(worker, tmp_path / "b", spec.model_copy(update={"known_answers": known}))

    assert (first.answers_given, first.answers_reused) == (2 * ROWS, 0)
    assert (second.answers_given, second.answers_reused) == (ROWS, ROWS)
    assert without_times(second) == without_times(first)
    told = read_progress(tmp_path / "b")
    assert [t.step for t in told if t.stage == "answering with the base model"] == [0]
    last = [t.step for t in told if t.stage == "answering with the tuned model"][-1]
    assert last == 2 * ROWS


def test_of_more_rows_only_the_new_ones_are_asked(
    worker: ForkServer, tiny: Path, trained: Path, tmp_path: Path
) -> None:
    few = evaluate(worker, tmp_path / "a", spec_of(tiny, trained, tmp_path))
    known = left_by(tmp_path / "a", few)

    more = evaluate(
        worker, tmp_path / "b", spec_of(tiny, trained, tmp_path, 40, known_answers=known)
    )
    whole = evaluate(worker, tmp_path / "c", spec_of(tiny, trained, tmp_path, 40))

    assert (more.answers_given, more.answers_reused) == (40 + 40 - ROWS, ROWS)
    # batches of other rows differ in the last digits
    assert [c.metric for c in more.comparisons] == [c.metric for c in whole.comparisons]
    for ours, theirs in zip(more.comparisons, whole.comparisons, strict=True):
        figures = {"base", "tuned", "gain", "low", "high", "p_value"}
        expected = theirs.model_dump(include=figures)
        assert ours.model_dump(include=figures) == pytest.approx(expected, rel=1e-5, abs=1e-9)
        assert (ours.gained, ours.lost) == (theirs.gained, theirs.lost)


@pytest.mark.parametrize("what", ["room", "weights", "configuration", "version"])
def test_what_depends_on_something_else_is_asked_anew(
    worker: ForkServer, tiny: Path, trained: Path, tmp_path: Path, what: str
) -> None:
    spec = spec_of(tiny, trained, tmp_path)
    known = left_by(tmp_path / "a", evaluate(worker, tmp_path / "a", spec))
    changed = spec.model_copy(update={"known_answers": known})
    if what == "room":
        shorter = RECIPE.model_copy(update={"max_new_tokens": 5})
        changed = changed.model_copy(update={"recipe": shorter})
    elif what in {"weights", "configuration"}:
        other = model_ref(changed_model(tiny, tmp_path / "other", what))
        changed = changed.model_copy(update={"model": other})

    fault = {"way_of_asking": 2} if what == "version" else {}
    result = worker.run(open_job(tmp_path / "b", changed), **fault)

    assert result is not None
    assert isinstance(result.payload, EvaluateResult), result
    assert result.payload.answers_reused == 0


def changed_model(tiny: Path, other: Path, what: str) -> Path:
    """Return a copy of the model that differs a little."""
    shutil.copytree(tiny, other)
    if what == "weights":
        weights = load_file(other / "model.safetensors")
        weights["model.norm.weight"] *= 1.01
        save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    else:
        config = json.loads((other / "config.json").read_bytes())
        (other / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 1e-5}))
    return other


def damaged(raw: bytes, how: str) -> bytes:
    first, *others = raw.splitlines(keepends=True)
    line = json.loads(first)
    changes: dict[str, dict[str, Any]] = {
        "strange tokens": {"ids": [10**6]},
        "too long": {"ids": [3] * 100},
        "empty": {"ids": []},
        "of another kind": {"ids": None, "mean_log_prob": -1.0},
    }
    if how in changes:
        return json.dumps(line | changes[how]).encode() + b"\n" + b"".join(others)
    if how == "cut":
        return raw[:-10]
    return b"\x00" * 50


@pytest.mark.parametrize(
    ("how", "reused"),
    [
        ("gone", 0),
        ("changed", 0),
        ("cut", 0),
        ("noise", 0),
        ("strange tokens", ROWS - 1),
        ("too long", ROWS - 1),
        ("empty", ROWS - 1),
        ("of another kind", ROWS - 1),
    ],
)
def test_a_damaged_file_does_no_harm(
    worker: ForkServer, tiny: Path, trained: Path, tmp_path: Path, how: str, reused: int
) -> None:
    spec = spec_of(tiny, trained, tmp_path)
    first = evaluate(worker, tmp_path / "a", spec)
    known = left_by(tmp_path / "a", first)
    raw = Path(known.path).read_bytes()
    if how == "gone":
        known = known.model_copy(update={"path": "nowhere"})
    elif how == "changed":
        known = known.model_copy(update={"sha256": "0" * 64})
    else:
        other = damaged(raw, how)
        Path(known.path).write_bytes(other)
        digest = hashlib.sha256(other).hexdigest()
        known = known.model_copy(update={"sha256": digest, "size_bytes": len(other)})

    second = evaluate(worker, tmp_path / "b", spec.model_copy(update={"known_answers": known}))

    assert second.answers_reused == reused
    assert second.comparisons == first.comparisons
    log = (tmp_path / "b/log.txt").read_text()
    assert ("the answers of the last evaluation are not used" in log) is (reused == 0)


def test_an_earlier_adapter_is_not_asked_again_either(
    worker: ForkServer, tiny: Path, trained: Path, tmp_path: Path
) -> None:
    spec = spec_of(tiny, trained, tmp_path, parent=as_parent(trained))
    first = evaluate(worker, tmp_path / "a", spec)
    known = left_by(tmp_path / "a", first)

    second = evaluate(worker, tmp_path / "b", spec.model_copy(update={"known_answers": known}))

    assert (first.answers_given, first.answers_reused) == (3 * ROWS, 0)
    assert (second.answers_given, second.answers_reused) == (ROWS, 2 * ROWS)
    assert without_times(second) == without_times(first)


@pytest.mark.parametrize("method", [Method.DPO, Method.KTO, Method.GRPO])
def test_in_one_evaluation_the_base_is_asked_once_and_in_the_next_not_at_all(
    worker: ForkServer, tiny: Path, tmp_path: Path, method: Method
) -> None:
    job = open_job(tmp_path / "t/job", method_spec(tiny, tmp_path / "t", method))
    assert worker.status(job) == 0
    texts = 2 * ROWS if method is Method.DPO else ROWS
    spec = evaluate_spec(
        tiny,
        tmp_path,
        job / "artifacts/adapter",
        write_records(tmp_path / "test.jsonl", shaped(method, ROWS)),
        recipe=method_recipe(method),
        parent=as_parent(job),
    )

    first = evaluate(worker, tmp_path / "a", spec)
    known = left_by(tmp_path / "a", first)
    second = evaluate(worker, tmp_path / "b", spec.model_copy(update={"known_answers": known}))

    # base, tuned and earlier adapter; the base is needed twice
    assert (first.answers_given, first.answers_reused) == (3 * texts, texts)
    assert (second.answers_given, second.answers_reused) == (texts, 3 * texts)
    assert without_times(second) == without_times(first)
