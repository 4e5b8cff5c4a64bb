"""Prepared rows that are no prompt with one answer: pairs, thumbs, and prompts that the model answers itself.

A prompt is a string (one turn of a user) or a list of messages; an answer is a string or one assistant message. A prompt
is rendered as `rows` renders it, so that a model is trained, rewarded and asked in the very same words.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from agents.jobs import FileRef
from agents.recipe import Recipe
from agents.worker import rows
from agents.worker.base_model import LoadedBase
from agents.worker.errors import RowsTooLong, WorkerError
from agents.worker.lessons import Lesson

Prompt = str | list[dict[str, Any]]
Answer = str | dict[str, Any]
R = TypeVar("R")


@dataclass(frozen=True)
class Pair:
    """Two answers to a prompt, one of them preferred."""

    prompt: Prompt
    chosen: Answer
    rejected: Answer
    number: int
    """Row of the uploaded file, as people count."""
    tools: list[Any] | None = None


@dataclass(frozen=True)
class Vote:
    """An answer with a thumb up (True) or down."""

    prompt: Prompt
    completion: Answer
    label: bool
    number: int
    tools: list[Any] | None = None


@dataclass(frozen=True)
class Task:
    """A prompt that the model answers itself, and what would be right where that is known."""

    prompt: Prompt
    reference: str | None
    number: int
    tools: list[Any] | None = None


@dataclass(frozen=True)
class Said:
    """A prompt and an answer to it as tokens, before and after cutting."""

    prompt: list[int]
    answer: list[int]
    whole_tokens: int


def read_pairs(ref: FileRef, folder: Path) -> list[Pair]:
    """Read rows of `RowShape.PREFERENCE`. Raises: WorkerError: the file is not the one that was checked."""
    return _read(
        ref,
        folder,
        lambda r: Pair(r["prompt"], r["chosen"], r["rejected"], r["row"], r.get("tools")),
    )


def read_votes(ref: FileRef, folder: Path) -> list[Vote]:
    """Read rows of `RowShape.UNPAIRED`. Raises: WorkerError: the file is not the one that was checked."""
    return _read(
        ref,
        folder,
        lambda r: Vote(r["prompt"], r["completion"], bool(r["label"]), r["row"], r.get("tools")),
    )


def read_tasks(ref: FileRef, folder: Path) -> list[Task]:
    """Read rows of `RowShape.PROMPT_ONLY`, or prompts with their completions as references.

    Raises: WorkerError: the file is not the one that was checked.
    """
    return _read(ref, folder, _task)


def said(tokenizer: Any, row: Pair | Vote | Task, answer: Answer, ends: Sequence[int]) -> Said:
    """Return a prompt and an answer as tokens, each tokenised apart; the answer ends as the template ends it.

    An answer that the template leaves open is closed with the first of `ends`.
    """
    prompt = prompt_ids(tokenizer, row)
    whole = rows.Row(row.prompt, answer, row.number, row.tools)
    tokens = tokenizer(rows.written_answer(tokenizer, whole), add_special_tokens=False)["input_ids"]
    if not set(ends) & set(tokens):
        tokens = [*tokens, ends[0]]
    return Said(prompt, tokens, len(prompt) + len(tokens))


def prompt_ids(tokenizer: Any, row: Pair | Vote | Task) -> list[int]:
    """Return the tokens that a model sees before it answers."""
    ids: list[int] = tokenizer(
        rendered(tokenizer, row), add_special_tokens=not tokenizer.chat_template
    )["input_ids"]
    return ids


def rendered(tokenizer: Any, row: Pair | Vote | Task) -> str:
    """Return a prompt as text: by the chat template, or, without one, the turns on lines of their own."""
    return rows.rendered(tokenizer, row.prompt, row.tools)


def asked(prompt: Prompt) -> str:
    """Return a prompt as plain text, for people and for rewards that read it."""
    if isinstance(prompt, str):
        return prompt
    return "\n".join(str(message.get("content") or "") for message in prompt)


def answered(answer: Answer) -> str:
    """Return an answer as plain text; calls of tools as JSON."""
    if isinstance(answer, str):
        return answer
    calls = answer.get("tool_calls")
    parts = [str(answer.get("content") or ""), json.dumps(calls, sort_keys=True) if calls else ""]
    return "\n".join(part for part in parts if part)


def fit(
    found: Sequence[R], texts: Sequence[Sequence[Said]], ends: Sequence[int], limit: int
) -> list[list[Said]]:
    """Cut every answer of every row so that it fits `limit` tokens together with its prompt.

    Raises: RowsTooLong: in rows nothing is left of an answer. WorkerError: no answer at all teaches when to stop.
    """
    short = [
        [Said(t.prompt, t.answer[: max(0, limit - len(t.prompt))], t.whole_tokens) for t in row]
        for row in texts
    ]
    silent = [
        row.number  # type: ignore[attr-defined]  # every kind of row has one
        for row, cut in zip(found, short, strict=True)
        if not all(t.answer for t in cut)
    ]
    if silent:
        raise RowsTooLong(
            silent,
            f"{rows.listed(silent)} {'is' if len(silent) == 1 else 'are'} longer than {limit} tokens before the answer "
            "begins, so nothing can be learnt there. Shorten the prompts or raise max_length_tokens.",
        )
    if not any(set(ends) & set(t.answer) for row in short for t in row):
        raise WorkerError(
            "bad_data",
            f"Every answer is cut off at {limit} tokens, so the model would never learn to stop. "
            "Shorten the rows or raise max_length_tokens.",
            for_person=True,
        )
    return short


def encode_pairs(base: LoadedBase, found: Sequence[Pair], recipe: Recipe) -> list[Lesson]:
    """Turn pairs into tokens. Raises: WorkerError: a row has nothing to learn from, or both answers are the same."""
    ends = rows.stop_ids(base.tokenizer, base.model)
    short = fit(found, _texts(base, found, ends), ends, room(base, recipe))
    return _pair_lessons(found, short)


def encode_whole_pairs(base: LoadedBase, found: Sequence[Pair], recipe: Recipe) -> list[Lesson]:
    """Turn pairs into tokens of which none is cut.

    Raises: RowsTooLong: answers do not fit. WorkerError: both answers are the same.
    """
    limit = room(base, recipe)
    texts = _texts(base, found, rows.stop_ids(base.tokenizer, base.model))
    long = [
        row.number
        for row, sides in zip(found, texts, strict=True)
        if max(side.whole_tokens for side in sides) > limit
    ]
    if long:
        raise RowsTooLong(
            long,
            f"{rows.listed(long)}: an answer ends after more than {limit} tokens, and a model that does not see where "
            "answers end would learn to prefer those that it sees end. Shorten the rows or raise max_length_tokens.",
        )
    return _pair_lessons(found, texts)


def _texts(base: LoadedBase, found: Sequence[Pair], ends: Sequence[int]) -> list[list[Said]]:
    return [
        [said(base.tokenizer, row, answer, ends) for answer in (row.chosen, row.rejected)]
        for row in found
    ]


def _pair_lessons(found: Sequence[Pair], short: Sequence[Sequence[Said]]) -> list[Lesson]:
    alike = [r.number for r, (a, b) in zip(found, short, strict=True) if a.answer == b.answer]
    if alike:
        raise WorkerError(
            "bad_data",
            f"{rows.listed(alike)}: the preferred and the other answer are the same as far as they are read, so there "
            "is nothing to prefer. Remove them, or raise max_length_tokens if they differ further on.",
            for_person=True,
        )
    return [_pair_lesson(*pair) for pair in short]


def room(base: LoadedBase, recipe: Recipe) -> int:
    """Return how many tokens a row may have."""
    return min(recipe.max_length_tokens, base.context_tokens)


def _pair_lesson(chosen: Said, rejected: Said) -> Lesson:
    return Lesson(
        columns={
            "prompt_ids": chosen.prompt,
            "chosen_ids": chosen.answer,
            "rejected_ids": rejected.answer,
        },
        tokens=2 * len(chosen.prompt) + len(chosen.answer) + len(rejected.answer),
        whole_tokens=max(chosen.whole_tokens, rejected.whole_tokens),
        answer_tokens=max(t.whole_tokens - len(t.prompt) for t in (chosen, rejected)),
        prompt_ids=chosen.prompt,
    )


def _read(ref: FileRef, folder: Path, make: Callable[[dict[str, Any]], R]) -> list[R]:
    try:
        return [make(record) for record in rows.records(ref, folder)]
    except (KeyError, TypeError) as error:
        raise WorkerError(
            "bad_data",
            f"The prepared rows do not fit the method ({error} is missing). Start a new run without naming a method.",
            for_person=True,
        ) from error


def _task(record: dict[str, Any]) -> Task:
    reference = record.get("reference", record.get("completion"))
    text = None if reference is None else answered(reference)
    return Task(record["prompt"], text, record["row"], record.get("tools"))
