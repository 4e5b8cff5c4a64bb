"""The base with a better prompt answers the sealed rows beside base and tuned: reported, and no opening of its own."""

from pathlib import Path
from typing import Any

import pytest

from agents.jobs import EvaluateResult, EvaluateSpec, LearntRows, Verdict
from tests.worker.forkserver import ForkServer
from tests.worker.test_known_answers import left_by
from tests.worker.tiny_model import (
    RECIPE,
    TRAIN_ROWS,
    colours,
    evaluate_spec,
    open_job,
    train_spec,
    write_lines,
    write_rows,
)

pytestmark = pytest.mark.torch

ROWS = 24
TASK = "Say yes"


@pytest.fixture(scope="module")
def says_yes(worker: ForkServer, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that has learnt to answer everything with "yes"."""
    root = tmp_path_factory.mktemp("yes")
    rows = write_rows(root / "yes.jsonl", colours(TRAIN_ROWS, "yes"))
    recipe = RECIPE.model_copy(update={"epochs": 6.0})
    job = open_job(root / "job", train_spec(tiny, root, train=rows, dev=rows, recipe=recipe))
    assert worker.status(job) == 0
    return job / "artifacts/adapter"


def spec_of(tiny: Path, root: Path, adapter: Path, answer: str, **more: Any) -> EvaluateSpec:
    asked = [(f"is it {prompt}?", answer) for prompt, _ in colours(ROWS)]
    dev = write_rows(root / "dev.jsonl", [("a dev row", "yes")])
    return evaluate_spec(
        tiny,
        root,
        adapter,
        write_rows(root / f"{answer}.jsonl", asked),
        train=write_rows(root / "train.jsonl", [("thing 1", "yes"), ("thing 2", "no")]),
        learnt=[LearntRows(file=dev, task=TASK, chose=True).model_dump()],
        task=TASK,
        labels=("yes", "no"),
        **more,
    )


def evaluate(worker: ForkServer, job: Path, spec: EvaluateSpec) -> EvaluateResult:
    result = worker.run(open_job(job, spec))
    assert result is not None
    assert isinstance(result.payload, EvaluateResult), result
    return result.payload


def test_the_base_is_asked_with_a_better_prompt_and_the_verdict_stays_what_it_is(
    worker: ForkServer, tiny: Path, says_yes: Path, tmp_path: Path
) -> None:
    plain = spec_of(tiny, tmp_path, says_yes, "yes")
    prompted = plain.model_copy(update={"prompted": True})

    without = evaluate(worker, tmp_path / "a", plain)
    first = evaluate(worker, tmp_path / "b", prompted)
    known = left_by(tmp_path / "b", first)
    again = prompted.model_copy(update={"known_answers": known})
    second = evaluate(worker, tmp_path / "c", again)

    assert without.prompted == ()
    assert [tried.shots for tried in first.prompted] == [0, 2]
    assert first.prompted[0].words.startswith("Say yes\nAnswer with one of: yes, no")
    assert "Input: thing 1\nAnswer: yes" in first.prompted[1].words
    assert (first.verdict, first.openings) == (Verdict.BETTER, 1)
    assert first.comparisons == without.comparisons
    assert first.adjusted_p_value == without.adjusted_p_value
    for tried in first.prompted:  # a base without knowledge says neither, however it is asked
        assert (tried.score, tried.gain) == (0.0, first.primary.tuned)
        assert 0 < tried.low < tried.gain
        assert not tried.does_as_much
    assert not first.a_prompt_does_as_much
    assert (first.answers_given, second.answers_given) == (4 * ROWS, ROWS)
    assert second.prompted == first.prompted


def test_a_tuned_model_that_is_no_better_than_a_prompt_is_told_so(
    worker: ForkServer, tiny: Path, says_yes: Path, tmp_path: Path
) -> None:
    spec = spec_of(tiny, tmp_path, says_yes, "no", prompted=True)

    found = evaluate(worker, tmp_path / "job", spec)

    assert {(tried.score, tried.gain) for tried in found.prompted} == {(0.0, 0.0)}
    assert found.a_prompt_does_as_much


def test_rows_that_are_more_than_one_prompt_are_not_put_into_another(
    worker: ForkServer, tiny: Path, says_yes: Path, tmp_path: Path
) -> None:
    turns = [{"role": "user", "content": "is it red?"}]
    rows = write_lines(
        tmp_path / "turns.jsonl",
        [{"prompt": turns, "completion": "yes", "row": n} for n in range(2, 2 + ROWS)],
    )
    spec = spec_of(tiny, tmp_path, says_yes, "yes", prompted=True)

    found = evaluate(worker, tmp_path / "job", spec.model_copy(update={"test": rows}))

    assert found.prompted == ()
