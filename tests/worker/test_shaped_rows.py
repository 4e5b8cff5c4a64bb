"""Rows of every shape as tokens: rendered as those of supervised fine-tuning, closed with an end, never learnt by prompt."""

# ruff: noqa: PLC0415  # importing transformers takes seconds, which only these tests should pay

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents.jobs import FileRef
from agents.recipe import Method
from agents.worker import rows, shaped_rows
from agents.worker.errors import RowsTooLong, WorkerError
from agents.worker.lessons import drawn
from agents.worker.shaped_rows import Pair, Said, Task, Vote
from tests.worker.tiny_model import RECIPE, method_recipe, write_records

pytestmark = pytest.mark.torch

END = 1
TURNS = [
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "hello"},
    {"role": "user", "content": "again"},
]


@pytest.fixture(scope="module")
def tokenizer(tiny: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny)


@pytest.fixture(scope="module")
def base(tokenizer: Any) -> Any:
    generation = SimpleNamespace(eos_token_id=END)
    model = SimpleNamespace(generation_config=generation)
    return SimpleNamespace(tokenizer=tokenizer, model=model, context_tokens=256)


@pytest.mark.parametrize("with_template", [True, False])
def test_a_string_is_rendered_as_it_is_for_supervised_fine_tuning(
    tokenizer: Any, with_template: bool
) -> None:
    template = tokenizer.chat_template
    tokenizer.chat_template = template if with_template else None
    try:
        whole = rows.encode(tokenizer, rows.Row("what is it?", "a thing", 2), [END])
        ours = shaped_rows.said(tokenizer, Task("what is it?", None, 2), "a thing", [END])
    finally:
        tokenizer.chat_template = template

    assert [*ours.prompt, *ours.answer] == whole.input_ids
    assert ours.answer == [i for i in whole.labels if i != rows.IGNORED]


def test_turns_are_rendered_by_the_template_and_the_answer_ends(tokenizer: Any) -> None:
    row = Vote(TURNS, {"role": "assistant", "content": "bye"}, True, 2)

    text = shaped_rows.said(tokenizer, row, row.completion, [END])

    assert tokenizer.decode(text.prompt) == (
        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\n"
        "<|im_start|>user\nagain<|im_end|>\n<|im_start|>assistant\n"
    )
    assert tokenizer.decode(text.answer) == "bye<|im_end|>\n"


def test_pairs_share_their_prompt_and_both_answers_end(base: Any) -> None:
    (lesson,) = shaped_rows.encode_pairs(base, [Pair("q", "yes", "never", 2)], RECIPE)

    columns = lesson.columns
    assert columns["prompt_ids"] == lesson.prompt_ids
    assert all(END in columns[side] for side in ("chosen_ids", "rejected_ids"))
    sides = len(columns["chosen_ids"]) + len(columns["rejected_ids"])
    assert lesson.tokens == 2 * len(columns["prompt_ids"]) + sides


def test_a_reward_model_never_sees_an_answer_without_its_end(base: Any) -> None:
    from agents.worker import train_reward

    pairs = [Pair("q", "yes", "never " * count, number) for number, count in ((2, 1), (3, 40))]
    recipe = method_recipe(Method.REWARD, max_length_tokens=64)

    with pytest.raises(RowsTooLong, match="Row 3: an answer ends after more than 64") as refused:
        train_reward.encode(base, pairs, recipe)
    found = drawn(lambda part: train_reward.encode(base, part, recipe), pairs, None, seed=1)
    cut = shaped_rows.encode_pairs(base, pairs, recipe)

    assert refused.value.rows == {3}
    assert ([row.number for row in found.rows], found.left_out) == ([2], (3,))
    assert END in found.lessons[0].columns["rejected_ids"]
    assert END not in cut[1].columns["rejected_ids"]


def test_answers_that_are_all_cut_are_refused() -> None:
    found = [Pair("q", "a", "b", 7)]
    texts = [[Said([5, 5], [6, 6, END], 5), Said([5, 5], [7, 7, END], 5)]]

    short = shaped_rows.fit(found, texts, [END], 5)
    with pytest.raises(WorkerError, match="never learn to stop"):
        shaped_rows.fit(found, texts, [END], 4)
    with pytest.raises(WorkerError, match="Row 7 is longer than 2 tokens"):
        shaped_rows.fit(found, texts, [END], 2)

    assert [t.answer for t in short[0]] == [[6, 6, END], [7, 7, END]]


def test_rows_are_read_by_their_shape_and_others_refused(tmp_path: Path) -> None:
    ref = write_records(
        tmp_path / "rows.jsonl", [{"prompt": TURNS, "chosen": "a", "rejected": "b"}]
    )

    (pair,) = shaped_rows.read_pairs(ref, tmp_path)
    (task,) = shaped_rows.read_tasks(ref, tmp_path)
    with pytest.raises(WorkerError, match="do not fit the method"):
        shaped_rows.read_votes(ref, tmp_path)
    with pytest.raises(WorkerError, match="has changed"):
        shaped_rows.read_pairs(ref.model_copy(update={"sha256": "0" * 64}), tmp_path)

    assert isinstance(ref, FileRef)
    assert (pair.prompt, pair.chosen, pair.number) == (TURNS, "a", 2)
    assert (task.reference, shaped_rows.asked(task.prompt)) == (None, "hi\nhello\nagain")


def test_references_may_be_messages_with_calls_of_tools(tmp_path: Path) -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"name": "find"}]}
    ref = write_records(
        tmp_path / "rows.jsonl",
        [{"prompt": "q", "completion": call}, {"prompt": "q", "reference": "r"}],
    )

    found = shaped_rows.read_tasks(ref, tmp_path)

    assert [task.reference for task in found] == ['[{"name": "find"}]', "r"]
