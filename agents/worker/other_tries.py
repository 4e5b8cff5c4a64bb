"""Tuned against the adapter of an earlier try of the same run, item by item, from what that one was worth when it was measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from agents.jobs import AgainstTry, Answered, EvaluateSpec
from agents.worker import verdict
from agents.worker.evaluate_shaped import Judged, estimate
from agents.worker.rows import records


def compare(judged: Judged, spec: EvaluateSpec, folder: Path) -> AgainstTry | None:
    """Compare on the items that both were asked, by the rule of the verdict; None where there is no earlier try to compare with.

    Means of scores of single items are compared, also where the primary metric is one of a whole corpus.

    Raises: WorkerError: the file of answers is not the one that was kept.
    """
    rival = spec.rival
    if rival is None or rival.metric is not judged.primary:
        return None
    said = [Answered.model_validate(line) for line in records(rival.answers, folder)]
    worth = {answer.row: answer.tuned_score for answer in said}
    places = [place for place, item in enumerate(judged.items) if item.number in worth]
    if not places:
        return None
    items = [
        replace(item, parent_score=worth[item.number])
        for item in (judged.items[place] for place in places)
    ]
    groups = None
    if judged.groups is not None:
        groups = np.unique(judged.groups[places], return_inverse=True)[1].astype(np.int64)
    found = estimate(judged.primary, items, "parent_score", groups, spec)
    judgement = verdict.judge(found, len(items), spec.earlier_rival_p_values)
    return AgainstTry(
        iteration=rival.iteration,
        verdict=judgement.verdict,
        metric=judged.primary,
        items=len(items),
        other=found.base,
        tuned=found.tuned,
        gain=found.gain,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
        adjusted_p_value=judgement.adjusted_p_value,
    )
