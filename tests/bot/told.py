"""A report in which everything is told, with texts of the test's own wherever one can come from outside."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from agents.candidates import Candidates
from agents.jobs import (
    AbilityScore,
    AgainstTry,
    Attribute,
    AttributeFlips,
    Breakdown,
    Changes,
    Confusion,
    Contaminated,
    Contaminates,
    Contamination,
    Dependence,
    EvaluateResult,
    FieldScore,
    FileRef,
    FlippedPair,
    Kept,
    LabelScore,
    Leaning,
    LearntFrom,
    LossSpike,
    PromptedBase,
    ScoredItem,
    Slice,
    TrainResult,
    Verdict,
)
from agents.recipe import Metric
from bot.reported import Reported
from tests.facts import (
    a_race,
    a_training,
    an_evaluation,
    swaps_of,
    what_answers_depend_on,
    what_was_kept,
)

Say = Callable[[str], str]


def reported(say: Say = str, **facts: Any) -> Reported:
    """Return a report; `say` turns each text that could come from outside into what the test wants there."""
    told = Reported(
        run=7,
        iteration=2,
        task=say("Sort tickets"),
        model=say("small"),
        method="sft",
        measured_at=datetime(2026, 11, 30, 12, tzinfo=UTC),
        partial=False,
        result=everything(say),
        training=a_long_training(say),
    )
    return dataclasses.replace(told, **facts)


def everything(say: Say = str, rows: int = 3, **facts: Any) -> EvaluateResult:
    """Return an evaluation that has found something of every kind, `rows` of each."""
    plain = an_evaluation(Verdict.BETTER)
    primary = plain.primary.model_copy(update={"gained": 9, "lost": 1})
    others = [
        primary.model_copy(update={"metric": metric, "gained": None, "lost": None})
        for metric in (Metric.TOKEN_F1, Metric.BLEU, Metric.BITS_PER_BYTE)
    ]
    worse = Slice(
        by="label",
        name=say("refund"),
        items=34,
        base=0.9,
        tuned=0.7,
        gain=-0.2,
        low=-0.35,
        high=-0.05,
        adjusted_p_value=0.012,
        verdict=Verdict.WORSE,
    )
    rare = worse.model_copy(update={"adjusted_p_value": None, "verdict": None})
    field = FieldScore(
        name=say("priority"),
        items=20,
        base=0.3,
        tuned=0.33,
        always=0.35,
        most_frequent=say("p2"),
        is_guessed=True,
    )
    label = LabelScore(
        label=say("refund"), items=5, found_by_base=0.1, found=0.4, base=0.2, tuned=0.5
    )
    forgotten = what_was_kept(
        Kept.HARMED,
        abilities=(
            AbilityScore(
                name=say("arithmetic"),
                items=20,
                base_sure=0.7,
                tuned_sure=0.6,
                base_choice=0.8,
                tuned_choice=0.8,
            ),
        ),
    )
    known = Contaminated(
        row=4, way=Contaminates.CLOSE, like=9, source=LearntFrom.TRAIN, likeness=0.9
    )
    found: dict[str, Any] = {
        "verdict_reason": say("the interval lies above zero"),
        "items": 1000,
        "primary": primary,
        "comparisons": (primary, *others),
        "groups": 900,
        "target_gain_points": 5.0,
        "slices": (worse, rare) * rows,
        "worst": tuple(an_item(say, n, 1, 0) for n in range(rows)),
        "best": tuple(an_item(say, n, 0, 1) for n in range(10, 10 + rows)),
        "changed": tuple(an_item(say, n, 0, 0) for n in range(20, 20 + rows)),
        "changes": Changes(differ=812, higher=600, lower=40, same=172),
        "judge": say("a judge"),
        "breakdown": Breakdown(
            form="json",
            fields=(field,) * rows,
            labels=(label,) * rows,
            confusions=(Confusion(meant=say("refund"), said=say("charge"), times=7),) * rows,
            left_out=(say("No meaning was compared."),),
            base_answer_s=0.2,
            tuned_answer_s=0.1,
            score_s=1.0,
        ),
        "forgetting": forgotten,
        "prompted": (
            PromptedBase(shots=6, words=say("Read …"), score=0.88, gain=0.02, low=-0.1, high=0.1),
        ),
        "contamination": Contamination(
            sealed=1012, compared_with=8000, items=(known,) * rows, left_out=(say("contained"),)
        ),
        "against_try": AgainstTry(
            iteration=1,
            verdict=Verdict.BETTER,
            metric=Metric.EXACT_MATCH,
            items=1000,
            other=0.7,
            tuned=0.9,
            gain=0.2,
            low=0.1,
            high=0.3,
            p_value=0.001,
            adjusted_p_value=0.001,
        ),
        "swaps": swaps_of(an_attribute(say), asked_for=(Attribute.SPELLING,)),
        "answers": FileRef(path="/srv/secret/answers.jsonl", sha256="1" * 64, size_bytes=1),
        "known_answers": FileRef(path="/srv/secret/known.jsonl", sha256="2" * 64, size_bytes=1),
        "answers_given": 2000,
        "answers_reused": 1000,
        "answers_per_s": 30.0,
    }
    return plain.model_copy(update=found | facts)


def an_attribute(say: Say) -> AttributeFlips:
    """Return what answers depend on, with an example and the answer that one side gets."""
    pair = FlippedPair(
        row=31, swapped=say("he → she"), answer=say("north"), twin_answer=say("south")
    )
    leaning = Leaning(answer=say("west"), first=15, second=0, adjusted_p_value=0.001)
    return what_answers_depend_on(Dependence.BIASED, examples=(pair,), leaning=leaning)


def an_item(say: Say, row: int, base_score: float, tuned_score: float) -> ScoredItem:
    """Return an example in which each text is another one."""
    return ScoredItem(
        row=row,
        prompt=say(f"question {row}"),
        reference=say(f"right answer {row}"),
        base=say(f"base answer {row}"),
        tuned=say(f"tuned answer {row}"),
        base_score=base_score,
        tuned_score=tuned_score,
        parent=say(f"earlier answer {row}"),
        parent_score=0.0,
    )


def a_long_training(say: Say = str, points: int = 200) -> TrainResult:
    """Return a training with curves, a step that stood out and a damaged checkpoint."""
    spike = LossSpike(step=12, loss=9.0, usual=0.5, rows=(1, 2), excerpts=(say("“a” → “b”"),))
    return a_training(
        losses=tuple((step, 3.0 / step) for step in range(1, points + 1)),
        dev_losses=tuple((step, 1.0 + abs(step - 60) / 100) for step in range(0, points, 20)),
        best_step=60,
        spikes=(spike,),
        damaged=(say("The checkpoint of step 30 was damaged."),),
        versions={say("torch"): say("2.13.0")},
        adapter_dir="/srv/secret/adapter",
        candidates=a_race(Candidates(field="learning_rate", values=(1e-4, 3e-4, 1e-3))),
    )
