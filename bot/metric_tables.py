"""The numbers of an evaluation as tables, and the parts of the answers that are still guessed in plain words."""

from collections.abc import Sequence
from typing import Any

from agents.jobs import (
    Breakdown,
    Comparison,
    EvaluateResult,
    FieldScore,
    Forgetting,
    GeneralMeasure,
    Kept,
    TrainResult,
)
from agents.recipe import Metric
from bot.text import inline, plain

NAMES = {
    Metric.EXACT_MATCH: "answers exactly right",
    Metric.FIELD_F1: "fields right (field F1)",
    Metric.VALID_SHAPE: "answers of the right shape",
    Metric.MACRO_F1: "right per label (macro-F1)",
    Metric.TOKEN_F1: "words in common (token F1)",
    Metric.CHRF: "letters in common (chrF)",
    Metric.ROUGE_L: "wording in order (ROUGE-L)",
    Metric.BLEU: "phrases in common (BLEU)",
    Metric.TER: "edits per word (TER)",
    Metric.SIMILARITY: "same meaning (embeddings)",
    Metric.MATCHED_TOKENS: "same meaning word by word",
    Metric.BITS_PER_BYTE: "surprise at the right answer (bits per byte)",
    Metric.LENGTH_RATIO: "length against the right answer",
    Metric.REFUSALS: "refusals",
    Metric.OWN: "your own metric",
    Metric.PAIR_ACCURACY: "preferred answer of a pair found",
    Metric.VOTE_ACCURACY: "thumbs agreed with",
    Metric.REWARD: "reward of the answers",
}
GENERAL = {
    GeneralMeasure.SURE: "everyday questions: sure of right answers",
    GeneralMeasure.CHOICE: "everyday questions: right one of four",
}
KEPT = {Kept.HELD: "kept", Kept.NOT_SHOWN: "not shown", Kept.HARMED: "forgotten"}
BETTER = {"higher": "", "lower": " (lower is better)", "near 1": " (1 is best)"}
ON_CARD = (
    Metric.EXACT_MATCH,
    Metric.FIELD_F1,
    Metric.VALID_SHAPE,
    Metric.MACRO_F1,
    Metric.SIMILARITY,
    Metric.BLEU,
    Metric.ROUGE_L,
    Metric.OWN,
)
"""Beside what decides; the report has all."""
MOST_WARNINGS = 3
"""On the card."""
MOST_LABELS = 30
"""In the report, the worst first."""


def on_card(result: EvaluateResult) -> list[Comparison]:
    """Return the few comparisons that a card shows, what decides first."""
    decides = result.primary.metric
    others = [c for c in result.comparisons if c.metric in ON_CARD and c.metric is not decides]
    return [result.primary, *others]


def value(metric: Metric, number: float) -> str:
    """Return a score as people read it: shares in percent."""
    return f"{100 * number:.1f} %" if metric.is_share else f"{number:.2f}"


def table(comparisons: Sequence[Comparison], forgetting: Forgetting | None = None) -> str:
    """Return all comparisons as a Markdown table, and what became of everyday abilities."""
    rows = [_row(comparison) for comparison in comparisons]
    rows += [
        f"| {GENERAL[score.measure]} | {100 * score.base:.1f} % | {100 * score.tuned:.1f} % | {100 * score.gain:+.1f} "
        f"| {100 * score.low:+.1f} … {100 * score.high:+.1f} | {KEPT[score.outcome]} |"
        for score in (forgetting.scores if forgetting else ())
    ]
    head = "| metric | base | tuned | gain (points, or as it is) | 95 % interval | p |\n|---|---|---|---|---|---|"
    return "\n".join([head, *rows])


def abilities(found: Forgetting | None) -> list[str]:
    """Return the table of everyday abilities; nothing where they were not asked."""
    if found is None:
        return []
    rows = "\n".join(
        f"| {score.name} | {score.items} | {100 * score.base_sure:.1f} % | {100 * score.tuned_sure:.1f} % "
        f"| {100 * score.base_choice:.1f} % | {100 * score.tuned_choice:.1f} % |"
        for score in found.abilities
    )
    return [
        f"## Everyday abilities\n\nSuite {found.suite}. Kept is what loses less than {found.margin_points:g} points for certain.\n\n"
        "| ability | questions | base sure of right answers | tuned | base prefers the right one of four | tuned |\n"
        f"|---|---|---|---|---|---|\n{rows}"
    ]


def _row(found: Comparison) -> str:
    metric = found.metric
    scale, digits = (100, 1) if metric.is_share else (1, 2)
    gain, low, high = (f"{scale * n:+.{digits}f}" for n in (found.gain, found.low, found.high))
    return (
        f"| {NAMES[metric]}{BETTER[metric.better]} | {value(metric, found.base)} | {value(metric, found.tuned)} "
        f"| {gain} | {low} … {high} | {found.p_value:.2g} |"
    )


def guessed(
    result: EvaluateResult, training: dict[str, Any] | None, most: int = MOST_WARNINGS
) -> list[str]:
    """Say which fields are answered no better than by always saying the same, though the loss may have fallen."""
    fields = [f for f in result.breakdown.fields if f.is_guessed] if result.breakdown else []
    sentences = [f"⚠ {_guessed(field, has_fallen(training))}" for field in fields[:most]]
    if len(fields) > most:
        sentences.append(f"… and {len(fields) - most} more fields; the report has all.")
    return sentences


def has_fallen(training: dict[str, Any] | None) -> bool:
    """Tell whether the loss of a training fell, on the dev rows where they were looked at."""
    done = TrainResult.model_validate(training) if training else None
    losses = (done.dev_losses if len(done.dev_losses) > 1 else done.losses) if done else ()
    return len(losses) > 1 and min(loss for _step, loss in losses[1:]) < losses[0][1]


def _guessed(field: FieldScore, fell: bool) -> str:
    who = "answer" if field.name == "answer" else f"field {inline(field.name, 60)}"
    start = f"The loss fell, but the {who}" if fell else f"The {who}"
    usual = f"always saying {inline(field.most_frequent, 60)}"
    right = f"{100 * field.tuned:.0f} % right"
    if field.tuned <= field.always:
        return f"{start} is still guessed: {right}, {usual} would get {100 * field.always:.0f} %."
    return (
        f"{start} is not shown to be better than a guess: {right}, {usual} would get {100 * field.always:.0f} %; with "
        f"{field.items} rows that difference may be chance."
    )


def details(result: EvaluateResult) -> list[str]:
    """Return what lies behind the metrics, as parts of the Markdown report."""
    found = result.breakdown
    if found is None:
        return []
    return [
        *_field_table(found),
        *_label_table(found),
        *_confusions(found),
        *(plain(sentence, 300) for sentence in found.left_out),
        *_speed(found),
    ]


def _field_table(found: Breakdown) -> list[str]:
    if not found.fields:
        return []
    title = "What is right" if found.form == "labels" else "Field by field"
    rows = "\n".join(
        f"| {inline(f.name, 60)} | {f.items:,} | {100 * f.base:.0f} % | {100 * f.tuned:.0f} % | {100 * f.always:.0f} % "
        f"| {inline(f.most_frequent, 60).replace('|', '¦')} | {'still guessed' if f.is_guessed else ''} |"
        for f in found.fields
    )
    return [
        f"## {title}",
        "| field | rows | base right | tuned right | always the most frequent value | which is | |\n|---|---|---|---|---|---|---|\n"
        + rows,
    ]


def _label_table(found: Breakdown) -> list[str]:
    if not found.labels:
        return []
    rows = "\n".join(
        f"| {inline(s.label, 60).replace('|', '¦')} | {s.items:,} | {100 * s.found_by_base:.0f} % | {100 * s.found:.0f} % "
        f"| {100 * s.base:.0f} % | {100 * s.tuned:.0f} % |"
        for s in found.labels[:MOST_LABELS]
    )
    more = len(found.labels) - MOST_LABELS
    return [
        "## Label by label, the worst first",
        "| label | rows | found by base | found by tuned | F1 of base | F1 of tuned |\n|---|---|---|---|---|---|\n"
        + rows,
        *([f"… and {more} labels that do better."] if more > 0 else []),
    ]


def _confusions(found: Breakdown) -> list[str]:
    if not found.confusions:
        return []
    lines = "\n".join(
        f"- {inline(c.meant, 60)} → {inline(c.said, 60)} {c.times}×" for c in found.confusions
    )
    return ["## What the tuned model takes for what", lines]


def _speed(found: Breakdown) -> list[str]:
    if found.base_answer_s is None or found.tuned_answer_s is None:
        return []
    return [
        f"An answer took {found.base_answer_s:.2f} s of base and {found.tuned_answer_s:.2f} s of tuned, answering in batches on "
        "this machine. Longer answers take longer."
    ]
