"""What jobs would have found: results with ordinary facts, to be changed by a test where it cares."""

from typing import Any

from agents.candidates import Candidates
from agents.jobs import (
    AbilityScore,
    Answered,
    Attribute,
    AttributeFlips,
    CandidateEnd,
    CandidateOutcome,
    Comparison,
    Dependence,
    Doubt,
    EvaluateResult,
    FileRef,
    FlippedPair,
    Flips,
    Forgetting,
    GeneralMeasure,
    GeneralScore,
    InspectResult,
    IntakeResult,
    Kept,
    Leaning,
    MapPoint,
    MeasureResult,
    Region,
    ScoredItem,
    Sides,
    SwapReport,
    TrainResult,
    Trial,
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


def a_race(several: Candidates, chosen: int = 2) -> tuple[CandidateOutcome, ...]:
    """Return what would have become of candidates of which one, by its number, was better than the others at step 5."""
    return tuple(
        CandidateOutcome(
            field=several.field,
            value=value,
            steps_done=10 if number == chosen else 5,
            train_s=5.0,
            dev_losses=((5, 1.0), (10, 0.995)) if number == chosen else ((5, 1.5),),
            out=None if number == chosen else CandidateEnd.DEV_LOSS,
            out_at_step=None if number == chosen else 5,
            chosen=number == chosen,
        )
        for number, value in enumerate(several.values, start=1)
    )


def an_inspection(doubts: int | tuple[Doubt, ...] = 0, **facts: Any) -> InspectResult:
    """Return what a look at 250 training rows would have found: the first rows doubted, and seen to do harm."""
    doubted = tuple(map(a_doubt, range(doubts))) if isinstance(doubts, int) else doubts
    found: dict[str, Any] = {
        "rows": 250,
        "labels": 2,
        "by": "sentences",
        "agreement": 0.9,
        "looks": 4.0,
        "easy": 200,
        "ambiguous": 30,
        "hard": 20,
        "points": (
            MapPoint(row=0, confidence=0.1, variability=0.02, region=Region.HARD, doubted=True),
            MapPoint(row=99, confidence=0.5, variability=0.4, region=Region.AMBIGUOUS),
            MapPoint(row=100, confidence=0.95, variability=0.01, region=Region.EASY),
        ),
        "doubts": doubted,
        "trial": Trial(
            items=10, repeats=5, without=0.9, at_random=0.8, gain=0.1, low=0.02, high=0.2
        ),
        "inspect_s": 1.0,
    }
    return InspectResult(**(found | facts))


def a_doubt(row: int, **facts: Any) -> Doubt:
    """Return a training row with a label that is likely wrong."""
    found: dict[str, Any] = {
        "row": row,
        "prompt": f"train {row}",
        "given": "a",
        "likelier": "b",
        "label": "b",
        "p_given": 0.02,
        "p_likelier": 0.93,
        "confidence": 0.1,
        "variability": 0.02,
        "score": 0.99,
    }
    return Doubt(**(found | facts))


def what_was_kept(outcome: Kept, **facts: Any) -> Forgetting:
    """Return what the general suite would have shown."""
    gain, half = {
        Kept.HELD: (0.002, 0.01),
        Kept.NOT_SHOWN: (-0.01, 0.03),
        Kept.HARMED: (-0.062, 0.02),
    }[outcome]
    found: dict[str, Any] = {
        "outcome": outcome,
        "suite": "0123456789ab",
        "items": 100,
        "margin_points": 2.0,
        "scores": (
            GeneralScore(
                measure=GeneralMeasure.SURE,
                outcome=outcome,
                base=0.7,
                tuned=0.7 + gain,
                gain=gain,
                low=gain - half,
                high=gain + half,
            ),
            GeneralScore(
                measure=GeneralMeasure.CHOICE,
                outcome=Kept.HELD,
                base=0.8,
                tuned=0.8,
                gain=0.0,
                low=-0.01,
                high=0.01,
            ),
        ),
        "abilities": (
            AbilityScore(
                name="arithmetic",
                items=100,
                base_sure=0.7,
                tuned_sure=0.7 + gain,
                base_choice=0.8,
                tuned_choice=0.8,
            ),
        ),
    }
    return Forgetting(**(found | facts))


def what_answers_depend_on(outcome: Dependence, **facts: Any) -> AttributeFlips:
    """Return what dev rows with another gender in them would have shown."""
    flipped, control = {
        Dependence.BIASED: (14, 1),
        Dependence.NOT_SHOWN: (2, 1),
        Dependence.BRITTLE: (20, 18),
        Dependence.TOO_FEW: (3, 0),
    }[outcome]
    pairs = 12 if outcome is Dependence.TOO_FEW else 40
    judged = outcome is not Dependence.TOO_FEW
    above = (flipped - control) / pairs
    found: dict[str, Any] = {
        "attribute": Attribute.GENDER_WORDS,
        "outcome": outcome,
        "tuned": Flips(pairs=pairs, flipped=flipped),
        "base": Flips(pairs=30, flipped=5),
        "control": Flips(pairs=pairs, flipped=control),
        "base_control": Flips(pairs=30, flipped=4),
        "above": above if judged else None,
        "above_low": above - 0.1 if judged else None,
        "above_high": above + 0.1 if judged else None,
    }
    if outcome is Dependence.BIASED:
        found |= {
            "sides": Sides(
                pairs=38, first=0.9, second=0.6, gain=0.3, low=0.1, high=0.5, p_value=0.004
            ),
            "leaning": Leaning(answer="refused", first=0, second=12, adjusted_p_value=0.001),
            "rows": tuple(range(2, 16)),
            "examples": (
                FlippedPair(
                    row=2, swapped="he → she", answer="*granted*", twin_answer="[refused](http://x)"
                ),
            ),
        }
    return AttributeFlips(**(found | facts))


def swaps_of(*attributes: AttributeFlips, **facts: Any) -> SwapReport:
    """Return what an evaluation would have seen in its dev rows."""
    found: dict[str, Any] = {
        "rows": 90,
        "change_points": None,
        "attributes": attributes,
        "asked_s": 3.0,
    }
    return SwapReport(**(found | facts))


def an_evaluation(verdict: Verdict, **facts: Any) -> EvaluateResult:
    """Return what an evaluating job would have found."""
    gain = {
        Verdict.BETTER: 0.4,
        Verdict.SMALLER_THAN_ASKED: 0.2,
        Verdict.WORSE: -0.4,
        Verdict.CANNOT_TELL: 0.0,
    }[verdict]
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


def an_answer(row: int, reference: str, tuned: str, base: str = "?", **facts: Any) -> Answered:
    """Return what became of a sealed row."""
    found: dict[str, Any] = {
        "row": row,
        "prompt": f"question {row}",
        "reference": reference,
        "base": base,
        "tuned": tuned,
        "base_score": float(base == reference),
        "tuned_score": float(tuned == reference),
        "prompt_chars": 20,
        "reference_chars": len(reference),
        "base_chars": len(base),
        "tuned_chars": len(tuned),
    }
    return Answered(**(found | facts))
