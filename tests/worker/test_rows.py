"""Rows as tokens: asked as they were taught, closed with an end, refused by number."""

# ruff: noqa: PLC0415  # importing transformers takes seconds, which only these tests should pay

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.worker.errors import WorkerError
from agents.worker.rows import (
    IGNORED,
    Encoded,
    Row,
    cut,
    draw,
    encode,
    prompt_ids,
    read_rows,
    rendered,
)
from tests.worker.tiny_model import CHAT_TEMPLATE, write_rows

END = 1
ROWS = [Row(f"prompt {i}\nwith  space ", f" answer {i}\n", 10 + i) for i in range(4)]


@pytest.fixture(scope="module")
def tokenizer(tiny: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny)


@pytest.fixture
def plain(tokenizer: Any) -> Iterator[Any]:
    """The tokenizer of a base model, which knows no turns."""
    tokenizer.chat_template = None
    yield tokenizer
    tokenizer.chat_template = CHAT_TEMPLATE


def learnt(encoded: Encoded) -> list[int]:
    return [i for i in encoded.labels if i != IGNORED]


@pytest.mark.torch
@pytest.mark.parametrize("row", ROWS)
def test_a_model_is_asked_exactly_as_it_was_taught(tokenizer: Any, row: Row) -> None:
    encoded = encode(tokenizer, row, [END])

    asked = prompt_ids(tokenizer, row.prompt)
    assert encoded.input_ids[: len(asked)] == asked
    assert encoded.labels[: len(asked)] == [IGNORED] * len(asked)
    assert encoded.input_ids[len(asked) :] == learnt(encoded)
    assert tokenizer.decode(learnt(encoded)) == row.completion + "<|im_end|>\n"


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_the_tokens_are_those_that_trl_makes_of_a_conversation(tokenizer: Any) -> None:
    from trl.data_utils import apply_chat_template

    row = ROWS[1]
    talk = {
        "prompt": [{"role": "user", "content": row.prompt}],
        "completion": [{"role": "assistant", "content": row.completion}],
    }

    theirs = apply_chat_template(talk, tokenizer)

    assert rendered(tokenizer, row.prompt) == theirs["prompt"]
    assert tokenizer.decode(encode(tokenizer, row, [END]).input_ids) == (
        theirs["prompt"] + theirs["completion"]
    )


@pytest.mark.torch
def test_without_a_chat_template_the_prompt_stands_on_a_line_of_its_own(plain: Any) -> None:
    encoded = encode(plain, Row("colour?", "red", 2), [END])

    assert plain.decode(encoded.input_ids) == "colour?\nred<|im_end|>"
    assert plain.decode(learnt(encoded)) == "red<|im_end|>"
    assert rendered(plain, "colour? ") == "colour? "


@pytest.mark.torch
def test_a_template_that_leaves_the_answer_open_gets_an_end(tokenizer: Any) -> None:
    tokenizer.chat_template = (
        "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
    )
    try:
        encoded = encode(tokenizer, Row("a", "b", 2), [END])
    finally:
        tokenizer.chat_template = CHAT_TEMPLATE

    assert encoded.input_ids[-1] == END


@pytest.mark.torch
def test_a_template_that_rewrites_the_open_turn_still_asks_as_it_taught(tokenizer: Any) -> None:
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<assistant><think></think>{% endif %}"
    )
    try:
        encoded = encode(tokenizer, Row("a", "b", 2), [END])
    finally:
        tokenizer.chat_template = CHAT_TEMPLATE

    assert (
        tokenizer.decode(encoded.input_ids)
        == "<user>a<|im_end|><assistant><think></think>b<|im_end|>"
    )


def test_rows_without_room_for_an_answer_are_named() -> None:
    long = Encoded([5] * 20, [IGNORED] * 18 + [5, END])
    short = Encoded([5] * 4, [IGNORED] * 2 + [5, END])

    with pytest.raises(WorkerError, match=r"^Rows 10, 11, 13 are longer than 16 tokens"):
        cut(ROWS, [long, long, short, long], [END], 16)
    with pytest.raises(WorkerError, match=r"^Row 12 is longer"):
        cut(ROWS, [short, short, long, short], [END], 16)


def test_many_rows_are_counted_instead_of_named() -> None:
    long = Encoded([5] * 20, [IGNORED] * 18 + [5, END])
    rows = [Row("p", "c", number) for number in range(2, 100)]

    with pytest.raises(WorkerError, match=r"^Rows 2, 3, 4, 5, 6 and 93 more are"):
        cut(rows, [long] * 98, [END], 16)


def test_rows_that_never_teach_to_stop_are_refused() -> None:
    endless = Encoded([5] * 20, [IGNORED] * 4 + [5] * 15 + [END])

    with pytest.raises(WorkerError, match="never learn to stop"):
        cut(ROWS, [endless] * 4, [END], 16)


def test_some_rows_may_be_cut() -> None:
    whole = Encoded([5] * 4, [IGNORED] * 2 + [5, END])
    endless = Encoded([5] * 20, [IGNORED] * 4 + [5] * 15 + [END])

    assert [len(e.labels) for e in cut(ROWS[:2], [whole, endless], [END], 16)] == [4, 16]


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    pairs = [("a\u2028b", "c\r\nd"), ('"quoted"', "日本")]

    rows = read_rows(write_rows(tmp_path / "rows.jsonl", pairs), tmp_path)

    assert [(row.prompt, row.completion) for row in rows] == pairs
    assert [row.number for row in rows] == [2, 3]


def test_a_file_that_changed_since_it_was_checked_is_refused(tmp_path: Path) -> None:
    ref = write_rows(tmp_path / "rows.jsonl", [("a", "b")])
    write_rows(tmp_path / "rows.jsonl", [("a", "c")])

    with pytest.raises(WorkerError, match="has changed"):
        read_rows(ref, tmp_path)
    (tmp_path / "rows.jsonl").unlink()
    with pytest.raises(WorkerError, match="is gone"):
        read_rows(ref, tmp_path)


def test_a_path_may_be_relative_to_the_job(tmp_path: Path) -> None:
    ref = write_rows(tmp_path / "rows.jsonl", [("a", "b")])

    assert read_rows(ref.model_copy(update={"path": "rows.jsonl"}), tmp_path) == [Row("a", "b", 2)]


def test_a_draw_keeps_the_order_and_depends_on_the_seed() -> None:
    rows = [Row(str(i), "", i) for i in range(50)]

    drawn = draw(rows, 10, seed=1)

    assert len(drawn) == 10
    assert [row.number for row in drawn] == sorted(row.number for row in drawn)
    assert drawn == draw(rows, 10, seed=1) != draw(rows, 10, seed=2)
    assert draw(rows, None, seed=1) == draw(rows, 99, seed=1) == rows
