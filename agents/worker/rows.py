"""The rows of a data set: read them, turn them into tokens.

A prompt is rendered here and nowhere else, so a model is asked in the evaluation exactly as it was taught in training.
"""

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from agents.jobs import FileRef
from agents.worker.errors import WorkerError

R = TypeVar("R")
IGNORED = -100
"""Label of a token that is read but not learnt."""


@dataclass(frozen=True)
class Row:
    """One pair that a model learns or is asked."""

    prompt: str
    completion: str
    number: int
    """Row of the uploaded file, as people count."""


@dataclass(frozen=True)
class Encoded:
    """A row as tokens; labels are `IGNORED` over the prompt."""

    input_ids: list[int]
    labels: list[int]


def read_rows(ref: FileRef, folder: Path) -> list[Row]:
    """Read a JSONL file of {"prompt", "completion", "row"}.

    Raises: WorkerError: the file is gone or is not the one that was checked.
    """
    return [Row(r["prompt"], r["completion"], r["row"]) for r in records(ref, folder)]


def records(ref: FileRef, folder: Path) -> list[dict[str, Any]]:
    """Read a JSONL file of prepared rows as it stands.

    Raises: WorkerError: the file is gone or is not the one that was checked.
    """
    path = folder / ref.path
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise _changed("is gone") from None
    if hashlib.sha256(raw).hexdigest() != ref.sha256:
        raise _changed("has changed")
    return [json.loads(line) for line in raw.splitlines() if line.strip()]


def draw(rows: list[R], limit: int | None, seed: int) -> list[R]:
    """Return `limit` of the rows, drawn with the seed, in their old order; None returns all."""
    if limit is None or limit >= len(rows):
        return rows
    return [rows[i] for i in sorted(random.Random(seed).sample(range(len(rows)), limit))]


def stop_ids(tokenizer: Any, model: Any) -> list[int]:
    """Return the tokens that end an answer, the tokenizer's own first."""
    named = model.generation_config.eos_token_id
    more = named if isinstance(named, list) else [named]
    return list(dict.fromkeys(i for i in (tokenizer.eos_token_id, *more) if i is not None))


def prompt_ids(tokenizer: Any, prompt: str) -> list[int]:
    """Return the tokens that a model sees before it answers."""
    ids: list[int] = tokenizer(
        rendered(tokenizer, prompt), add_special_tokens=not tokenizer.chat_template
    )["input_ids"]
    return ids


def rendered(tokenizer: Any, prompt: str) -> str:
    """Return a prompt as text: one user turn of the chat template, or, without one, the prompt on a line of its own."""
    if tokenizer.chat_template:
        text: str = tokenizer.apply_chat_template(
            _turns(prompt), tokenize=False, add_generation_prompt=True
        )
        return text
    return prompt if prompt[-1:].isspace() else prompt + "\n"


def encode(tokenizer: Any, row: Row, ends: Sequence[int]) -> Encoded:
    """Turn a row into tokens: the prompt as it is asked, then the answer as the template closes it.

    The two are tokenised apart, so that no token spans the border and the prompt's are the very ones of `prompt_ids`.
    An answer that the template leaves open is closed with the first of `ends`.
    """
    prompt = prompt_ids(tokenizer, row.prompt)
    answer = tokenizer(_answer(tokenizer, row), add_special_tokens=False)["input_ids"]
    if not set(ends) & set(answer):
        answer = [*answer, ends[0]]
    return Encoded([*prompt, *answer], [IGNORED] * len(prompt) + answer)


def cut(
    rows: Sequence[Row], encoded: Sequence[Encoded], ends: Sequence[int], max_length: int
) -> list[Encoded]:
    """Cut encoded rows at `max_length`.

    Raises: WorkerError: a row has no answer left to learn from, or no row teaches when to stop.
    """
    short = [Encoded(e.input_ids[:max_length], e.labels[:max_length]) for e in encoded]
    silent = [
        row.number
        for row, e in zip(rows, short, strict=True)
        if all(i == IGNORED for i in e.labels)
    ]
    if silent:
        raise WorkerError(
            "bad_data",
            f"{listed(silent)} {'is' if len(silent) == 1 else 'are'} longer than {max_length} tokens before the answer "
            "begins, so nothing can be learnt there. Shorten the prompts or raise max_length_tokens.",
            for_person=True,
        )
    if not any(set(ends) & set(e.labels) for e in short):
        raise WorkerError(
            "bad_data",
            f"Every answer is cut off at {max_length} tokens, so the model would never learn to stop. "
            "Shorten the rows or raise max_length_tokens.",
            for_person=True,
        )
    return short


def _answer(tokenizer: Any, row: Row) -> str:
    if not tokenizer.chat_template:
        return row.completion
    whole: str = tokenizer.apply_chat_template(
        [*_turns(row.prompt), {"role": "assistant", "content": row.completion}], tokenize=False
    )
    asked = rendered(tokenizer, row.prompt)
    # Some templates render an open turn differently from a closed one (with a block for thoughts, say).
    return whole[len(asked) :] if whole.startswith(asked) else row.completion


def _turns(prompt: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}]


def listed(numbers: list[int]) -> str:
    """Name rows by their numbers, the first five of them."""
    if len(numbers) == 1:
        return f"Row {numbers[0]}"
    shown = ", ".join(str(number) for number in numbers[:5])
    return f"Rows {shown}" + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")


def _changed(how: str) -> WorkerError:
    return WorkerError(
        "bad_data",
        f"The prepared data file {how} since it was checked. Start a new run.",
        for_person=True,
    )
