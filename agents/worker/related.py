"""Which test items resemble each other: what one of them shows, the others show too."""

from collections.abc import Sequence

import numpy as np

from agents.worker.checks import likeness
from agents.worker.checks.budget import Budget
from agents.worker.checks.texts import Pair
from agents.worker.paired import Groups

MOST_CPU_S = 60.0
"""After this, items that have not been compared stand for themselves; thousands of items take seconds."""


def groups(prompts: Sequence[str], answers: Sequence[str]) -> Groups:
    """Return the group of each item, from 0 on: prompts that are equal or close by the rules of the split."""
    pairs = [
        Pair(place, prompt, answer)
        for place, (prompt, answer) in enumerate(zip(own_parts(prompts), answers, strict=True))
    ]
    found = likeness.find(pairs, Budget.of(MOST_CPU_S)).group_of
    return np.unique([found[place] for place in range(len(pairs))], return_inverse=True)[1]


def own_parts(prompts: Sequence[str]) -> list[str]:
    """Return prompts without the lines that all of them begin with, such as the task: those make nothing alike."""
    first, last = min(prompts), max(prompts)  # what these share, all between them share
    differs = (i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    shared = first.rfind("\n", 0, next(differs, len(first))) + 1
    parts = [prompt[shared:] for prompt in prompts]
    return parts if all(map(str.strip, parts)) else list(prompts)
