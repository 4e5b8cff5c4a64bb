"""Base against tuned where answers are not compared with references: pairs, thumbs, rewards."""

import json
from pathlib import Path

import pytest

from agents.jobs import EvaluateResult, MeasureResult, Verdict
from agents.recipe import Method, Metric
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import (
    evaluate_spec,
    measure_spec,
    method_recipe,
    method_spec,
    open_job,
    shaped,
    write_records,
)

pytestmark = pytest.mark.torch


def evaluated(
    worker: ForkServer,
    tiny: Path,
    root: Path,
    method: Method,
    rows: list[dict[str, object]] | None = None,
) -> EvaluateResult:
    """Train by a method, then evaluate on 40 sealed rows, or on the given ones."""
    training = open_job(root / "training", method_spec(tiny, root, method))
    assert worker.status(training) == 0
    test = write_records(root / "test.jsonl", rows or shaped(method, 40))
    spec = evaluate_spec(
        tiny, root, training / "artifacts/adapter", test, recipe=method_recipe(method)
    )
    result = worker.run(open_job(root / "evaluation", spec))
    assert result is not None
    assert isinstance(result.payload, EvaluateResult), result
    return result.payload


@pytest.mark.parametrize(
    ("method", "metric", "base"),
    [
        (Method.DPO, Metric.PAIR_ACCURACY, None),
        (Method.REWARD, Metric.PAIR_ACCURACY, 0.5),
        (Method.KTO, Metric.VOTE_ACCURACY, 0.5),
        (Method.GRPO, Metric.REWARD, None),
    ],
)
def test_what_was_taught_is_measured_on_sealed_rows(
    worker: ForkServer,
    tiny: Path,
    tmp_path: Path,
    method: Method,
    metric: Metric,
    base: float | None,
) -> None:
    payload = evaluated(worker, tiny, tmp_path, method)

    assert payload.primary.metric is metric
    assert [c.metric for c in payload.comparisons] == [metric]
    assert payload.items == 40
    assert payload.primary.tuned > 0.9
    assert base is None or payload.primary.base == base
    assert payload.primary.gain == pytest.approx(payload.primary.tuned - payload.primary.base)
    assert payload.verdict is (
        Verdict.BETTER if payload.primary.base < 0.9 else Verdict.CANNOT_TELL
    )


def test_turned_pairs_are_worse(worker: ForkServer, tiny: Path, tmp_path: Path) -> None:
    rows = shaped(Method.REWARD, 40)
    turned = [row | {"chosen": row["rejected"], "rejected": row["chosen"]} for row in rows]

    payload = evaluated(worker, tiny, tmp_path, Method.REWARD, turned)

    assert payload.verdict is Verdict.WORSE
    assert payload.primary.tuned < 0.1


def test_many_thumbs_up_and_few_down_count_alike(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    ups: list[dict[str, object]] = [
        {"prompt": f"colour of thing {i}", "completion": "yes", "label": True} for i in range(36)
    ]
    wrong: list[dict[str, object]] = [
        {"prompt": f"colour of thing {i}", "completion": "yes", "label": False} for i in range(4)
    ]

    payload = evaluated(worker, tiny, tmp_path, Method.KTO, ups + wrong)

    # Whoever calls every answer good is right 36 times of 40, and knows nothing.
    assert payload.primary.tuned == pytest.approx(0.5)
    assert payload.verdict is Verdict.CANNOT_TELL


def test_prompts_of_several_turns_are_asked_as_the_template_has_them(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    turns = [
        {"role": "user", "content": "colour?"},
        {"role": "assistant", "content": "of what?"},
        {"role": "user", "content": "of thing 3"},
    ]
    rows: list[dict[str, object]] = [
        {"prompt": turns, "chosen": {"role": "assistant", "content": "yes"}, "rejected": "no"}
    ] * 20

    payload = evaluated(worker, tiny, tmp_path, Method.DPO, rows)

    assert payload.best[0].prompt == "colour?\nof what?\nof thing 3"
    assert {item.reference for item in payload.best} == {"yes"}
    assert json.loads((tmp_path / "evaluation/result.json").read_bytes())["outcome"] == "succeeded"


@pytest.mark.parametrize("method", [Method.DPO, Method.KTO, Method.REWARD, Method.RLOO])
def test_every_method_can_be_measured_before_it_is_planned(
    worker: ForkServer, tiny: Path, tmp_path: Path, method: Method
) -> None:
    train = write_records(tmp_path / "train.jsonl", shaped(method, 20))
    spec = measure_spec(tiny, train, method_recipe(method))

    result = worker.run(open_job(tmp_path / "job", spec))

    assert result is not None
    assert isinstance(result.payload, MeasureResult), result
    assert 30 < result.payload.tokens_mean < result.payload.tokens_max + 1 < 80
    assert result.payload.step_s > 0
    assert (result.payload.decode_token_s > 0) == (method is Method.RLOO)
