"""Prompts that stand inside another one, or share most of their text with it: runs of eight words in common.

Finds what an overlap of words cannot: a short prompt inside a long one, two questions about the same passage. Runs that
many rows share are the frame of a template and do not count.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from agents.worker.checks.budget import Budget
from agents.worker.checks.close import Close
from agents.worker.checks.near_duplicates import same_answer
from agents.worker.checks.texts import words_of

CHECK = "prompts that stand inside others"
RUN = 8
"""Words."""
FEWEST_RUNS = 9
"""A prompt with fewer runs of its own is too short to judge."""
COVERED = 0.6
"""Share of a prompt's runs that must stand in the other one."""
MOST_SHARERS = 8
"""A run that more rows share belongs to a template."""
MOST_WORDS = 4_000_000
"""Of all rows together are looked at."""

Numbers = NDArray[np.int64]


def contained_pairs(
    prompts: Sequence[str], answers: Sequence[str], budget: Budget
) -> Iterator[Close]:
    """Yield rows of which one has most of its text in common with the other, within the budget."""
    words, owners = _flat(prompts, budget)
    if len(words) < RUN:
        return
    keys, owners = _runs(words, owners)
    order = np.argsort(keys, kind="stable")
    keys, owners = keys[order], owners[order]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    sharers = np.repeat(
        np.diff(np.append(starts, len(keys))), np.diff(np.append(starts, len(keys)))
    )
    own = np.bincount(owners[sharers <= MOST_SHARERS], minlength=len(prompts))
    for first, second, common in _shared(keys, owners, sharers, len(prompts)):
        least = min(int(own[first]), int(own[second]))
        if least >= FEWEST_RUNS and common >= COVERED * least:
            same = same_answer(answers[first], answers[second])
            yield Close(first, second, min(0.98, common / least), same)


def _flat(prompts: Sequence[str], budget: Budget) -> tuple[Numbers, Numbers]:
    """Return the words of all prompts that are long enough, as numbers, and the place of the prompt of each."""
    known: dict[str, int] = {}
    words: list[int] = []
    owners: list[int] = []
    for place, prompt in enumerate(prompts):
        if prompt.count(" ") < RUN + FEWEST_RUNS - 2:
            continue
        own = words_of(prompt)
        if len(words) + len(own) > MOST_WORDS or budget.spent():
            budget.stop(CHECK, f"prompts after the first {place:,}")
            break
        words.extend(known.setdefault(word, len(known)) for word in own)
        owners.extend([place] * len(own))
    return np.array(words, dtype=np.int64), np.array(owners, dtype=np.int64)


def _runs(words: Numbers, owners: Numbers) -> tuple[NDArray[np.uint64], Numbers]:
    """Return a hash of each run of words inside one prompt, and its owner; each run once per prompt."""
    keys = np.zeros(len(words) - RUN + 1, dtype=np.uint64)
    for step in range(RUN):
        part = words[step : step + len(keys)].astype(np.uint64)
        keys = keys * np.uint64(0x9E3779B97F4A7C15) + part + np.uint64(1)
    inside = owners[: len(keys)] == owners[RUN - 1 :]
    keys, owners = keys[inside], owners[: len(inside)][inside]
    order = np.lexsort((owners, keys))
    keys, owners = keys[order], owners[order]
    fresh = np.append(True, (keys[1:] != keys[:-1]) | (owners[1:] != owners[:-1]))[: len(keys)]
    return keys[fresh], owners[fresh]


def _shared(
    keys: NDArray[np.uint64], owners: Numbers, sharers: Numbers, rows: int
) -> Iterator[tuple[int, int, int]]:
    """Yield two places and the number of runs that both have."""
    codes = []
    for step in range(1, min(MOST_SHARERS, len(keys))):
        both = (keys[step:] == keys[:-step]) & (sharers[step:] <= MOST_SHARERS)
        left, right = owners[:-step][both], owners[step:][both]
        codes.append(np.minimum(left, right) * rows + np.maximum(left, right))
    found = np.sort(np.concatenate(codes)) if codes else np.empty(0, dtype=np.int64)
    starts = np.flatnonzero(np.append(True, found[1:] != found[:-1])[: len(found)])
    times = np.diff(np.append(starts, len(found)))
    for code, common in zip(found[starts], times, strict=True):
        first, second = divmod(int(code), rows)
        yield first, second, int(common)
