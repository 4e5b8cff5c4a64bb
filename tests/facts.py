"""What jobs would have found: results with ordinary facts, to be changed by a test where it cares."""

from typing import Any

from agents.jobs import (
    Comparison,
    EvaluateResult,
    FileRef,
    IntakeResult,
    MeasureResult,
    ScoredItem,
    TrainResult,
    Verdict,
)
from agents.recipe import Metric


def an_intake(**facts: Any) -> IntakeResult:
    """Return what an intake job would have found, with facts of the test's own."""
    ref = FileRef(path="artifacts/train.jsonl", sha256="0" * 64, size_bytes=1)
    found: dict[str, Any] = {
        "format": "CSV, delimiter ',', UTF-8",
        "columns": ("text", "label"),
        "prompt_column": "text",
        "completion_column": "label",
        "roles_reason": "the columns are called so",
        "rows_read": 100,
        "rows_usable": 100,
        "duplicates": 0,
        "conflicts": 0,
        "row_errors": (),
        "row_error_count": 0,
        "distinct_completions": 1,
        "prompt_chars_p95": 10,
        "completion_chars_p95": 1,
        "completion_words_mean": 1.0,
        "suggested_metric": Metric.EXACT_MATCH,
        "metric_reason": "short answers that are right or wrong",
        "labels": ("a",),
        "samples": (),
        "train": ref,
        "dev": ref,
        "test": ref,
        "train_rows": 250,
        "dev_rows": 10,
        "test_rows": 20,
    }
    return IntakeResult(**(found | facts))


def a_measurement(**facts: Any) -> MeasureResult:
    """Return what a measuring job would have found."""
    found: dict[str, Any] = {
        "parameters": 1_000_000,
        "context_tokens": 512,
        "tokens_mean": 20.0,
        "tokens_p95": 30,
        "tokens_max": 40,
        "completion_tokens_p95": 3,
        "completion_tokens_max": 4,
        "rows_over_context": 0,
        "step_s": 0.5,
        "decode_token_s": 0.01,
        "load_s": 1.0,
        "peak_memory_bytes": 10**9,
        "device": "cpu",
    }
    return MeasureResult(**(found | facts))


def a_training(**facts: Any) -> TrainResult:
    """Return what a training job would have left."""
    found: dict[str, Any] = {
        "steps_done": 10,
        "steps_planned": 10,
        "best_step": 10,
        "losses": ((1, 1.0), (2, 0.5)),
        "dev_losses": ((0, 2.0), (5, 1.0), (10, 0.995)),
        "tokens_seen": 1000,
        "train_s": 5.0,
        "tokens_per_s": 200.0,
        "peak_memory_bytes": 10**9,
        "versions": {"torch": "0"},
        "base_sha256": "0" * 64,
        "base_hub_id": "example/base",
    }
    return TrainResult(**(found | facts))


def an_evaluation(verdict: Verdict, **facts: Any) -> EvaluateResult:
    """Return what an evaluating job would have found."""
    gain = {Verdict.BETTER: 0.4, Verdict.WORSE: -0.4, Verdict.CANNOT_TELL: 0.0}[verdict]
    primary = Comparison(
        metric=Metric.EXACT_MATCH,
        base=0.5,
        tuned=0.5 + gain,
        gain=gain,
        low=gain - 0.1,
        high=gain + 0.1,
        p_value=0.01,
    )
    item = ScoredItem(
        row=3, prompt="test 1", reference="a", base="b", tuned="a", base_score=0.0, tuned_score=1.0
    )
    found: dict[str, Any] = {
        "verdict": verdict,
        "verdict_reason": "scripted",
        "items": 20,
        "primary": primary,
        "comparisons": (primary,),
        "adjusted_p_value": 0.01,
        "openings": 1,
        "worst": (item,),
        "best": (item,),
        "evaluate_s": 1.0,
        "tokens_per_s": 100.0,
    }
    return EvaluateResult(**(found | facts))
