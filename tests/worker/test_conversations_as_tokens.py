"""Conversations and tools as tokens: asked as they were taught, every answer learnt that the template keeps."""

# ruff: noqa: PLC0415  # importing transformers takes seconds, which only these tests should pay

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.worker.errors import WorkerError
from agents.worker.rows import IGNORED, Row, asked_ids, encode, read_rows, reference, rendered
from tests.worker.tiny_model import CHAT_TEMPLATE, write_lines

END = 1
TALK = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "hello"},
    {"role": "user", "content": "bye"},
]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
CALL = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Bonn"}}}
CALLING = {"role": "assistant", "content": "", "tool_calls": [CALL]}

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def loaded(tiny: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny)


@pytest.fixture
def tokenizer(loaded: Any) -> Iterator[Any]:
    yield loaded
    loaded.chat_template = CHAT_TEMPLATE


def learnt(tokenizer: Any, row: Row) -> str:
    encoded = encode(tokenizer, row, [END])
    return tokenizer.decode([i for i in encoded.labels if i != IGNORED])


def test_every_answer_of_a_conversation_is_learnt_and_nothing_else(tokenizer: Any) -> None:
    row = Row(TALK, "so long", 1)

    assert learnt(tokenizer, row) == "hello<|im_end|>\nso long<|im_end|>\n"


def test_a_conversation_is_asked_exactly_as_it_was_taught(tokenizer: Any) -> None:
    row = Row(TALK, "so long", 1)

    encoded, asked = encode(tokenizer, row, [END]), asked_ids(tokenizer, row)

    assert encoded.input_ids[: len(asked)] == asked
    assert encoded.prompt_tokens == len(asked)
    assert tokenizer.decode(asked) == rendered(tokenizer, TALK)


def test_an_answer_with_weight_zero_is_read_and_not_learnt(tokenizer: Any) -> None:
    talk = [*TALK[:2], {**TALK[2], "weight": 0}, TALK[3]]

    assert learnt(tokenizer, Row(talk, "so long", 1)) == "so long<|im_end|>\n"


def test_where_the_template_rewrites_earlier_answers_only_the_last_is_learnt(
    tokenizer: Any,
) -> None:
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] if loop.last or m['role'] != 'assistant' else '…' }}"
        "<|im_end|>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
    )

    assert learnt(tokenizer, Row(TALK, "so long", 1)) == "so long<|im_end|>"


def test_tools_reach_a_template_that_knows_them(tokenizer: Any) -> None:
    tokenizer.chat_template = (
        "{% for t in tools or [] %}[{{ t['function']['name'] }}]{% endfor %}"
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}"
        "{% for c in m.tool_calls or [] %}!{{ c['function']['name'] }}{% endfor %}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    row = Row("rain?", CALLING, 1, TOOLS)

    whole = tokenizer.decode(encode(tokenizer, row, [END]).input_ids)

    assert whole == "[weather]<user>rain?<|im_end|><assistant>!weather<|im_end|>"
    assert reference(tokenizer, row) == "!weather"


def test_tools_are_put_in_words_for_a_template_that_does_not_know_them(tokenizer: Any) -> None:
    talk = [{"role": "user", "content": "rain?"}, CALLING, {"role": "tool", "content": "no"}]

    asked = rendered(tokenizer, talk, TOOLS)

    assert asked.startswith("<|im_start|>system\nYou may call these functions:\n<tools>\n")
    assert '"name": "weather"' in asked
    assert "<|im_start|>user\n<tool_response>\nno\n</tool_response><|im_end|>" in asked
    assert learnt(tokenizer, Row("rain?", CALLING, 1, TOOLS)) == (
        '<tool_call>\n{"name": "weather", "arguments": {"city": "Bonn"}}\n</tool_call><|im_end|>\n'
    )


def test_a_template_without_a_system_role_gets_the_message_through_the_user(tokenizer: Any) -> None:
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        + CHAT_TEMPLATE
    )

    assert "<|im_start|>user\nBe kind.\n\nhi<|im_end|>" in rendered(tokenizer, TALK)


def test_a_template_that_refuses_a_conversation_is_named(tokenizer: Any) -> None:
    tokenizer.chat_template = "{{ raise_exception('never') }}"

    with pytest.raises(WorkerError, match=r"refuses a conversation of the data \(never\)"):
        rendered(tokenizer, TALK)


def test_without_a_template_each_message_has_a_line(tokenizer: Any) -> None:
    tokenizer.chat_template = None

    assert rendered(tokenizer, TALK) == "Be kind.\nhi\nhello\nbye\n"


def test_a_plain_text_is_learnt_whole_and_asked_by_its_first_half(
    tokenizer: Any, tmp_path: Path
) -> None:
    ref = write_lines(tmp_path / "t.jsonl", [{"text": "once upon a time there was", "row": 4}])

    (row,) = read_rows(ref, tmp_path)

    assert learnt(tokenizer, row) == "once upon a time there was<|im_end|>"
    assert tokenizer.decode(asked_ids(tokenizer, row)) == "once upon a time"
    assert reference(tokenizer, row) == "there was"
