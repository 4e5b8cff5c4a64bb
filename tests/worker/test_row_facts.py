"""What the texts of rows have in common."""

import pytest

from agents.worker.row_facts import is_json, of_pairs
from agents.worker.rows import Pair


def pairs(*texts: tuple[str, str]) -> list[Pair]:
    return [Pair(prompt, answer, number) for number, (prompt, answer) in enumerate(texts, start=2)]


def test_rows_are_counted_by_what_their_texts_have_in_common() -> None:
    facts = of_pairs(
        pairs(
            ("where is it?", "here"),
            ("and that", '{"place": 1}'),
            ("this?", "here"),
            ("so", "[1, 2]"),
            ("[INST] hello [/INST]", "what do you mean? </s>"),
        )
    )

    assert (facts.rows, facts.most_common_answer, facts.json_answers) == (5, 0.4, 0.4)
    assert (facts.same_length, facts.longest_chars) == (1, len("what do you mean? </s>"))
    assert (facts.prompts_asking, facts.answers_asking) == (0.4, 0.0)
    assert (facts.marked, facts.marked_count) == ((6,), 1)
    assert set(facts.marks) == {"[INST]", "[/INST]", "</s>"}


@pytest.mark.parametrize(
    "text",
    [
        "<|im_start|>user\nhi<|im_end|>",
        "### Instruction:\nsay it",
        "<start_of_turn>user",
        "<<SYS>> be kind <</SYS>>",
        "<|start_header_id|>",
    ],
)
def test_marks_of_the_usual_templates_are_known(text: str) -> None:
    assert of_pairs(pairs((text, "a"))).marked_count == 1


@pytest.mark.parametrize(
    "text", ["a <b> and </b>", "### A heading", "x << 3 | y", "[INSTALL]", "<|pipe", "#hash"]
)
def test_what_only_looks_like_a_mark_is_none(text: str) -> None:
    assert of_pairs(pairs((text, "a"))).marked_count == 0


def test_marks_are_named_for_twenty_rows_and_counted_for_all() -> None:
    facts = of_pairs(pairs(*[("[INST] x", "a")] * 30))

    assert (len(facts.marked), facts.marked_count) == (20, 30)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ('{"a": 1}', True),
        (" [1]\n", True),
        ("{a}", False),
        ("12", False),
        ('"text"', False),
        ("", False),
        ("[" * 100_000, False),
    ],
)
def test_only_objects_and_lists_are_json(text: str, is_one: bool) -> None:
    assert is_json(text) is is_one
