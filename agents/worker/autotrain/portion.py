"""The rows as AutoTrain learns them: texts in the words of the model's chat template, in the order of all passes.

AutoTrain's trainer opens and closes a text itself and joins texts into blocks of one length (packing). All passes are
written out, so that to AutoTrain it is one pass: it knows whole epochs only, and no number of steps.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.recipe import Recipe, largest_part, rows_at_once
from agents.worker import rows
from agents.worker.errors import WorkerError
from agents.worker.order import steps_of
from agents.worker.shaped_rows import Pair

Record = dict[str, str]
SHORTEST_BLOCK_TOKENS = 16


@dataclass(frozen=True)
class Portion:
    """What AutoTrain is given to learn."""

    records: list[Record]
    """One line of its input each: `text`, of pairs also `prompt` and `rejected`."""
    block_tokens: int
    at_once: int
    """Blocks, or pairs, that go through the model together."""
    accumulation: int
    """How often, before a step."""
    steps: int
    """About: blocks are counted by AutoTrain."""
    tokens: int
    """That go through the model, padding left out."""


def of_answers(
    tokenizer: Any, learnt: Sequence[rows.Row], recipe: Recipe, longest: int, device: str
) -> Portion:
    """Return prompts with their answers as whole texts, in blocks; a step holds about as many tokens as the plan's do."""
    texts = [whole_text(tokenizer, row) for row in learnt]
    lengths = [
        len(tokenizer(text)["input_ids"]) + 1 for text in texts
    ]  # and the token that closes it
    block = min(recipe.max_length_tokens, longest)
    blocks_per_step = max(1, round(recipe.batch_size * sum(lengths) / len(lengths) / block))
    most_tokens = (recipe.max_steps or math.inf) * blocks_per_step * block
    chosen: list[int] = []
    tokens = 0
    for i in _passes(len(texts), math.ceil(len(texts) * recipe.epochs), recipe.seed):
        if tokens >= most_tokens:
            break
        chosen.append(i)
        tokens += lengths[i]
    block = max(SHORTEST_BLOCK_TOKENS, min(block, tokens))
    at_once = largest_part(blocks_per_step, rows_at_once(recipe, device))
    steps = max(1, tokens // block // blocks_per_step)
    records = [{"text": texts[i]} for i in chosen]
    return Portion(records, block, at_once, blocks_per_step // at_once, steps, tokens)


def of_pairs(
    tokenizer: Any, learnt: Sequence[Pair], recipe: Recipe, longest: int, device: str
) -> Portion:
    """Return prompts with a preferred answer and another one.

    Raises: WorkerError: both answers of a row are the same.
    """
    records = [_pair(tokenizer, row) for row in learnt]
    alike = [
        row.number
        for row, record in zip(learnt, records, strict=True)
        if record["text"] == record["rejected"]
    ]
    if alike:
        raise WorkerError(
            "bad_data",
            f"{rows.listed(alike)}: the preferred and the other answer are the same, so there is nothing to prefer. "
            "Remove them.",
            for_person=True,
        )
    steps = steps_of(len(records), recipe)
    at_once = rows_at_once(recipe, device)
    stream = _passes(len(records), steps * recipe.batch_size, recipe.seed)
    lengths = [_tokens_of_pair(tokenizer, record) for record in records]
    return Portion(
        records=[records[i] for i in stream],
        block_tokens=min(recipe.max_length_tokens, longest),
        at_once=at_once,
        accumulation=recipe.batch_size // at_once,
        steps=steps,
        tokens=sum(lengths[i] for i in stream),
    )


def whole_text(tokenizer: Any, row: rows.Row) -> str:
    """Return prompt and answer as one text, without the tokens that AutoTrain's trainer adds at both ends."""
    asked = row.prompt if row.plain else rows.rendered(tokenizer, row.prompt, row.tools)
    text = f"{asked}{rows.written_answer(tokenizer, row)}"
    if _opens_texts(tokenizer):
        text = text.removeprefix(tokenizer.bos_token)
    return text.removesuffix(tokenizer.eos_token)


def _pair(tokenizer: Any, row: Pair) -> Record:
    prompt = rows.rendered(tokenizer, row.prompt, row.tools)
    # The trainer of pairs opens no prompt. An answer that is a number would be read as one, so its end is written out.
    bare = not tokenizer.chat_template
    opened = tokenizer.bos_token if bare and _opens_texts(tokenizer) else ""
    closed = tokenizer.eos_token if bare else ""
    sides = {
        side: rows.written_answer(tokenizer, rows.Row(row.prompt, answer, row.number, row.tools))
        for side, answer in (("text", row.chosen), ("rejected", row.rejected))
    }
    return {"prompt": opened + prompt} | {side: text + closed for side, text in sides.items()}


def _tokens_of_pair(tokenizer: Any, record: Record) -> int:
    prompt, chosen, rejected = (
        len(tokenizer(record[name], add_special_tokens=False)["input_ids"])
        for name in ("prompt", "text", "rejected")
    )
    return 2 * prompt + chosen + rejected


def _opens_texts(tokenizer: Any) -> bool:
    first: list[int] = tokenizer("a")["input_ids"][:1]
    return tokenizer.bos_token_id is not None and first == [tokenizer.bos_token_id]


def _passes(count: int, entries: int, seed: int) -> list[int]:
    """Return so many row numbers, every row equally often, give or take one."""
    chance = random.Random(seed)
    stream: list[int] = []
    while len(stream) < entries:
        stream += chance.sample(range(count), count)
    return stream[:entries]
