"""In which order a training sees its rows, decided beforehand by the seed alone.

Because the order depends on nothing that happens while training, a resumed attempt sees what the first one would have.
"""

import math
import random
from collections.abc import Sequence

from agents.recipe import Recipe

CHUNK_BATCHES = 50
"""Batches among which rows are sorted by length: less padding for a little less chance."""


def steps_of(rows: int, recipe: Recipe) -> int:
    """Return the optimizer steps of a training: `epochs` passes rounded up to whole batches, at most `max_steps`."""
    steps = math.ceil(rows * recipe.epochs / recipe.batch_size)
    return max(1, min(steps, recipe.max_steps or steps))


def order_of(lengths: Sequence[int], batch_size: int, steps: int, seed: int) -> list[int]:
    """Return `steps * batch_size` row indices, batch after batch.

    Every row comes equally often, give or take one. A batch holds rows of about equal length,
    longest first; batches are shuffled, but the one with the longest row comes first: if memory
    runs out, then at once.
    """
    chance = random.Random(seed)
    stream: list[int] = []
    while len(stream) < steps * batch_size:
        stream += chance.sample(range(len(lengths)), len(lengths))
    del stream[steps * batch_size :]
    chunk = batch_size * max(1, min(CHUNK_BATCHES, len(lengths) // (4 * batch_size)))
    batches: list[list[int]] = []
    for start in range(0, len(stream), chunk):
        grouped = sorted(stream[start : start + chunk], key=lambda i: -lengths[i])
        cut = [grouped[i : i + batch_size] for i in range(0, len(grouped), batch_size)]
        chance.shuffle(cut)
        batches += cut
    longest = max(range(len(batches)), key=lambda b: lengths[batches[b][0]])
    batches[0], batches[longest] = batches[longest], batches[0]
    return [i for batch in batches for i in batch]
