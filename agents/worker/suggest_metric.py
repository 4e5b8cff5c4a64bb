"""Which metric suits an answer column, and why: from the shape of the answers, not from the task's name."""

import re
from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from agents.jobs import RowShape
from agents.recipe import Metric

MOST_LABELS = 200
ROWS_PER_LABEL = 3
"""Answers are labels when each comes this often on average."""
LABEL_CHARS = 60
RECORD_CHARS = 80
SAME_SHAPE = 0.8
"""Share of answers with the same separators from which on they are records."""
SHORT_ANSWER_WORDS = 8
SEPARATORS = re.compile(r"[^|;{}\[\]=<>/\t_]+")


def are_labels(completions: Sequence[str]) -> bool:
    """Tell whether the answers are a small set of short labels, each used several times."""
    distinct = len(set(completions))
    return (
        1 < distinct <= MOST_LABELS
        and distinct * ROWS_PER_LABEL <= len(completions)
        and percentile_95(list(map(len, completions))) <= LABEL_CHARS
    )


def suggest_metric(completions: Sequence[str], shape: RowShape) -> tuple[Metric, str]:
    """Return the metric to judge by and one sentence that says why."""
    if shape is RowShape.TEXT:
        return (
            Metric.CHRF,
            "The texts are learnt as they stand: how a text goes on after its first half is compared by character groups.",
        )
    if are_labels(completions):
        distinct = len(set(completions))
        return Metric.EXACT_MATCH, f"The answers are {distinct} labels: right or wrong."
    if _are_records(completions):
        return (
            Metric.EXACT_MATCH,
            "The answers are short records of one shape: each must be exactly right.",
        )
    words = fmean(len(completion.split()) for completion in completions)
    if words <= 1.5 and percentile_95(list(map(len, completions))) <= RECORD_CHARS:
        return (
            Metric.EXACT_MATCH,
            "The answers are single words or codes: each must be exactly right.",
        )
    if words <= SHORT_ANSWER_WORDS:
        return (
            Metric.TOKEN_F1,
            f"The answers are short ({words:.1f} words on average): overlap of words counts.",
        )
    return (
        Metric.CHRF,
        f"The answers are free text ({words:.0f} words on average): overlap of character groups counts.",
    )


def percentile_95(values: Sequence[int]) -> int:
    """Return the smallest value that 95 % of a non-empty sequence do not exceed."""
    return sorted(values)[max(0, -(-len(values) * 95 // 100) - 1)]


def _are_records(completions: Sequence[str]) -> bool:
    if percentile_95(list(map(len, completions))) > RECORD_CHARS:
        return False
    shapes = Counter(SEPARATORS.sub("", completion) for completion in completions)
    shape, times = shapes.most_common(1)[0]
    return bool(shape) and times >= SAME_SHAPE * len(completions)
