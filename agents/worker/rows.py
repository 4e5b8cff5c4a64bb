"""The rows of a data set: read them, turn them into tokens.

A prompt is rendered here (by `chat`) and nowhere else, so a model is asked in the evaluation exactly as it was taught in training.
"""

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from agents.jobs import FileRef, row_name
from agents.worker import chat
from agents.worker.chat import Message, Tools
from agents.worker.errors import RowsTooLong, WorkerError

R = TypeVar("R")
IGNORED = -100
"""Label of a token that is read but not learnt."""


@dataclass(frozen=True)
class Row:
    """One line of prepared data that a model learns or is asked."""

    prompt: str | list[Message]
    """One turn of a user, or a conversation up to the answer."""
    completion: str | Message
    """The answer: a text, or a message of the assistant where it is more than that."""
    number: int
    """Row of the uploaded file, as people count."""
    tools: Tools | None = None
    plain: bool = False
    """A text that is learnt as it stands: `prompt` is its first half, `completion` its second."""


@dataclass(frozen=True)
class Pair:
    """A row in two texts, for asking a model that was not trained."""

    prompt: str
    completion: str
    number: int


@dataclass(frozen=True)
class Encoded:
    """A row as tokens; labels are `IGNORED` over what is read and not learnt."""

    input_ids: list[int]
    labels: list[int]
    prompt_tokens: int = 0
    """How many of them stand before the answer."""


@dataclass(frozen=True)
class _Stretch:
    """A part of a row that is learnt or not, tokenised apart, so that no token spans a border."""

    text: str
    learnt: bool


def read_rows(ref: FileRef, folder: Path) -> list[Row]:
    """Read a JSONL file of lines of the shapes PROMPT_COMPLETION and TEXT.

    Raises: WorkerError: the file is gone or is not the one that was checked.
    """
    return [_row(record) for record in records(ref, folder)]


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


def _row(record: dict[str, Any]) -> Row:
    if "text" in record:
        text = record["text"]
        half = text.find(" ", len(text) // 2)
        half = half if half > 0 else (len(text) + 1) // 2
        return Row(text[:half], text[half:], record["row"], plain=True)
    return Row(record["prompt"], record["completion"], record["row"], record.get("tools"))


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
    """Return the tokens that a model sees before it answers a prompt of one turn."""
    return asked_ids(tokenizer, Row(prompt, "", 0))


def asked_ids(tokenizer: Any, row: Row) -> list[int]:
    """Return the tokens that a model sees before it gives the last answer of a row: the very ones of `encode`."""
    return [i for part in _tokens(tokenizer, row, _asked(tokenizer, row)) for i in part]


def rendered(tokenizer: Any, prompt: str | list[Message], tools: Tools | None = None) -> str:
    """Return a prompt as text: turns of the chat template, or, without one, each message on a line of its own."""
    messages = turns(prompt)
    if tokenizer.chat_template:
        return chat.render(tokenizer, messages, tools, asking=True)
    return chat.lines(messages, tools)


def written_answer(tokenizer: Any, row: Row) -> str:
    """Return the answer of a row as the chat template writes it after the prompt, its end included."""
    said = row.completion
    message = {"role": "assistant", "content": said} if isinstance(said, str) else said
    if row.plain or not tokenizer.chat_template:
        return chat.answer_in_words(message)
    whole = chat.render(tokenizer, [*turns(row.prompt), message], row.tools)
    asked = rendered(tokenizer, row.prompt, row.tools)
    # Some templates render an open turn differently from a closed one (with a block for thoughts, say).
    return whole[len(asked) :] if whole.startswith(asked) else chat.answer_in_words(message)


def reference(tokenizer: Any, row: Row) -> str:
    """Return the right answer as a model would write it, without the tokens that open and close turns."""
    if isinstance(row.completion, str):
        return row.completion.strip() if row.plain else row.completion
    ids = tokenizer(written_answer(tokenizer, row), add_special_tokens=False)["input_ids"]
    text: str = tokenizer.decode(ids, skip_special_tokens=True)
    return text.strip()


def prompt_text(row: Row) -> str:
    """Return a prompt for people: its text, or its turns by speaker."""
    if isinstance(row.prompt, str):
        return row.prompt
    return "\n\n".join(f"{m['role']}: {chat.answer_in_words(m)}" for m in row.prompt)


def pairs(rows: Sequence[Row]) -> list[Pair]:
    """Return rows in two texts each."""
    return [
        Pair(
            prompt_text(row),
            row.completion
            if isinstance(row.completion, str)
            else chat.answer_in_words(row.completion),
            row.number,
        )
        for row in rows
    ]


def encode(tokenizer: Any, row: Row, ends: Sequence[int]) -> Encoded:
    """Turn a row into tokens: the prompt as it is asked, then the answer as the template closes it.

    Of a conversation earlier answers are learnt as well, where the template writes them the same at their end and later.
    Prompt and answer are tokenised apart, so that the prompt's tokens are the very ones of `asked_ids`.
    An answer that the template leaves open is closed with the first of `ends`.
    """
    stretches = _asked(tokenizer, row)
    parts = _tokens(tokenizer, row, stretches)
    ids = [i for part in parts for i in part]
    labels = [
        i if stretch.learnt else IGNORED
        for stretch, part in zip(stretches, parts, strict=True)
        for i in part
    ]
    answer = tokenizer(written_answer(tokenizer, row), add_special_tokens=False)["input_ids"]
    if not set(ends) & set(answer):
        answer = [*answer, ends[0]]
    return Encoded([*ids, *answer], labels + answer, len(ids))


def cut(
    rows: Sequence[Row], encoded: Sequence[Encoded], ends: Sequence[int], max_length: int
) -> list[Encoded]:
    """Cut encoded rows at `max_length`.

    Raises: RowsTooLong: rows have no answer left to learn from. WorkerError: no row teaches when to stop.
    """
    short = [
        Encoded(e.input_ids[:max_length], e.labels[:max_length], min(e.prompt_tokens, max_length))
        for e in encoded
    ]
    silent = [
        row.number
        for row, e in zip(rows, short, strict=True)
        if all(i == IGNORED for i in e.labels)
    ]
    if silent:
        raise RowsTooLong(
            silent,
            f"{listed(silent)} {'is' if len(silent) == 1 else 'are'} longer than {max_length} tokens before the answer "
            "begins, so nothing can be learnt there. Shorten the prompts or raise max_length_tokens.",
        )
    if not any(set(ends) & set(e.labels) for e in short):
        raise WorkerError(
            "bad_data",
            f"Every answer is cut off at {max_length} tokens, so the model would never learn to stop. "
            "Shorten the rows or raise max_length_tokens.",
            for_person=True,
        )
    return short


def _asked(tokenizer: Any, row: Row) -> list[_Stretch]:
    """Return what stands before the last answer, with the earlier answers in it."""
    if row.plain:
        return [_Stretch(str(row.prompt), learnt=True)]
    whole = rendered(tokenizer, row.prompt, row.tools)
    messages = turns(row.prompt)
    stretches, at = [], 0
    for start, end in _earlier_answers(tokenizer, messages, row.tools, whole):
        stretches += [
            _Stretch(whole[at:start], learnt=False),
            _Stretch(whole[start:end], learnt=True),
        ]
        at = end
    return [*stretches, _Stretch(whole[at:], learnt=False)]


def _earlier_answers(
    tokenizer: Any, messages: list[Message], tools: Tools | None, whole: str
) -> list[tuple[int, int]]:
    """Return where the answers in a prompt stand; one that the template writes differently later is left out."""
    if not tokenizer.chat_template:
        return []
    found = []
    for place, message in enumerate(messages):
        if message["role"] != "assistant" or message.get("weight") == 0 or place == 0:
            continue
        before = chat.render(tokenizer, messages[:place], tools, asking=True)
        after = chat.render(tokenizer, messages[: place + 1], tools)
        if whole.startswith(after) and after.startswith(before) and len(after) > len(before):
            found.append((len(before), len(after)))
    return found


def _tokens(tokenizer: Any, row: Row, stretches: Sequence[_Stretch]) -> list[list[int]]:
    bare = row.plain or not tokenizer.chat_template
    return [
        tokenizer(stretch.text, add_special_tokens=bare and place == 0)["input_ids"]
        for place, stretch in enumerate(stretches)
    ]


def turns(prompt: str | list[Message]) -> list[Message]:
    """Return a prompt as messages."""
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt


def listed(numbers: list[int]) -> str:
    """Name rows by their numbers, the first five of them."""
    if len(numbers) == 1:
        return row_name(numbers[0]).capitalize()
    shown = ", ".join(row_name(number).removeprefix("row ") for number in numbers[:5])
    return f"Rows {shown}" + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")


def _changed(how: str) -> WorkerError:
    return WorkerError(
        "bad_data",
        f"The prepared data file {how} since it was checked. Start a new run.",
        for_person=True,
    )
