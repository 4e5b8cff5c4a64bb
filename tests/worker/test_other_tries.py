"""A try is compared with the best one before it, row by row, on what that one was worth when it was measured."""

# ruff: noqa: PLC0415  # importing torch takes seconds, which only these tests should pay

from pathlib import Path
from typing import Any

import pytest

from agents.jobs import EvaluateSpec, FileRef, Rival, Verdict
from agents.recipe import Metric
from agents.worker.errors import WorkerError
from tests.facts import an_answer
from tests.worker.tiny_model import evaluate_spec, write_lines

pytestmark = pytest.mark.torch

ROWS = 60


def judged(right: int, **more: Any) -> Any:
    """Return what came of an evaluation in which the first so many rows were right."""
    from agents.worker.evaluate_shaped import Item, Judged

    items = [
        Item(row, f"q {row}", "a", "b", "a" if row < right else "c", 0.0, float(row < right))
        for row in range(ROWS)
    ]
    return Judged(Metric.EXACT_MATCH, items, {}, 1.0, **more)


def spec_against(root: Path, right: int, rows: range = range(ROWS), **more: Any) -> EvaluateSpec:
    """Return a spec with an earlier try in which other rows were right: the last so many."""
    first = ROWS - right
    said = [an_answer(row, "a", "a" if row >= first else "c") for row in rows]
    kept = write_lines(root / "answers.jsonl", [line.model_dump() for line in said])
    rival = Rival(iteration=1, metric=Metric.EXACT_MATCH, answers=kept)
    test = FileRef(path="test.jsonl", sha256="0" * 64, size_bytes=0)
    return evaluate_spec(root, root, root, test, rival=rival, **more)


def test_a_try_is_better_or_worse_than_the_best_before_it_or_nobody_can_tell(
    tmp_path: Path,
) -> None:
    from agents.worker import other_tries

    spec = spec_against(tmp_path, 30)

    better, worse, same = [
        other_tries.compare(judged(right), spec, tmp_path) for right in (56, 8, 32)
    ]

    assert better is not None
    assert (better.iteration, better.verdict, better.items) == (1, Verdict.BETTER, ROWS)
    assert (better.other, better.tuned) == (0.5, 56 / 60)
    assert 0 < better.low < better.gain < better.high
    assert worse is not None
    assert worse.verdict is Verdict.WORSE
    assert same is not None
    assert same.verdict is Verdict.CANNOT_TELL


def test_only_rows_that_both_were_asked_are_compared(tmp_path: Path) -> None:
    from agents.worker import other_tries

    found = other_tries.compare(judged(56), spec_against(tmp_path, 60, range(40)), tmp_path)

    assert found is not None
    assert (found.items, found.other, found.tuned) == (40, 1.0, 1.0)


def test_a_later_comparison_on_the_same_rows_needs_stronger_evidence(tmp_path: Path) -> None:
    from agents.worker import other_tries

    first = other_tries.compare(judged(42), spec_against(tmp_path, 30), tmp_path)
    tenth = other_tries.compare(
        judged(42), spec_against(tmp_path, 30, earlier_rival_p_values=(0.5,) * 9), tmp_path
    )

    assert first is not None
    assert tenth is not None
    assert first.p_value == tenth.p_value
    assert tenth.adjusted_p_value == pytest.approx(min(1.0, 90 * first.p_value))


def test_tries_that_were_measured_otherwise_are_not_compared(tmp_path: Path) -> None:
    from agents.worker import other_tries

    spec = spec_against(tmp_path, 30)
    assert spec.rival is not None
    other = spec.rival.model_copy(update={"metric": Metric.CHRF})
    changed = spec.rival.answers.model_copy(update={"sha256": "1" * 64})

    assert (
        other_tries.compare(judged(56), spec.model_copy(update={"rival": None}), tmp_path) is None
    )
    assert (
        other_tries.compare(judged(56), spec.model_copy(update={"rival": other}), tmp_path) is None
    )
    with pytest.raises(WorkerError, match="has changed"):
        other_tries.compare(
            judged(56),
            spec.model_copy(update={"rival": spec.rival.model_copy(update={"answers": changed})}),
            tmp_path,
        )
