"""Which metric suits an answer column, and why: from the shape of the answers, not from the task's name."""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from agents.jobs import RowShape
from agents.recipe import Metric
from agents.worker.metrics.structure import (
    RECORD_CHARS,
    SAME_FORM,
    SEPARATORS,
    Form,
    Kind,
    form_of,
    percentile_95,
)

MOST_LABELS = 200
ROWS_PER_LABEL = 3
"""Answers are labels when each comes this often on average."""
LABEL_CHARS = 60
SINGLE_WORD = 1.5
"""Words of an answer, on average, up to which answers are single words or codes."""
SHORT_ANSWER_WORDS = 8
NAMED_FIELDS = 4


def are_labels(completions: Sequence[str]) -> bool:
    """Tell whether the answers are a small set of short labels, each used several times."""
    distinct = len(set(completions))
    return (
        1 < distinct <= MOST_LABELS
        and distinct * ROWS_PER_LABEL <= len(completions)
        and percentile_95(list(map(len, completions))) <= LABEL_CHARS
    )


def structure_of(completions: Sequence[str]) -> Form | None:
    """Return the form of answers that have several fields; None where they have none, or are labels."""
    form = form_of(completions)
    if form is not None and form.kind is Kind.RECORDS and are_labels(completions):
        return None
    return form


def suggest_metric(completions: Sequence[str], shape: RowShape) -> tuple[Metric, str]:
    """Return the metric to judge by and one sentence that says why."""
    if shape is RowShape.TEXT:
        return (
            Metric.CHRF,
            "The texts are learnt as they stand: how a text goes on after its first half is compared by character groups.",
        )
    words = fmean(len(completion.split()) for completion in completions)
    form = structure_of(completions)
    if form is not None and words <= SHORT_ANSWER_WORDS * len(form.names):
        return Metric.FIELD_F1, _about_fields(form)
    if are_labels(completions):
        distinct = len(set(completions))
        return Metric.EXACT_MATCH, f"The answers are {distinct} labels: right or wrong."
    if _are_records(completions):
        return (
            Metric.EXACT_MATCH,
            "The answers are short records of one shape: each must be exactly right.",
        )
    if words <= SINGLE_WORD and percentile_95(list(map(len, completions))) <= RECORD_CHARS:
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


def _about_fields(form: Form) -> str:
    count = len(form.names)
    if form.kind is Kind.RECORDS:
        return f"The answers are short records of {count} parts: each part counts."
    named = ", ".join(form.names[:NAMED_FIELDS]) + (", …" if count > NAMED_FIELDS else "")
    what = "JSON" if form.kind is Kind.JSON else "lines of names and values"
    return f"The answers are {what} with several fields ({named}): each field counts."


def _are_records(completions: Sequence[str]) -> bool:
    if percentile_95(list(map(len, completions))) > RECORD_CHARS:
        return False
    shapes = Counter(SEPARATORS.sub("", completion) for completion in completions)
    shape, times = shapes.most_common(1)[0]
    return bool(shape) and times >= SAME_FORM * len(completions)
