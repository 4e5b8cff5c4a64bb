"""How documents are cut: no word is lost, none is too long, and each knows its headings."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.knowledge.chunks import FEWEST_WORDS, MOST_WORDS, passages

WORD = st.text("abcdefgh.!?äß。", min_size=1, max_size=8)
TEXT = st.lists(st.lists(WORD, min_size=FEWEST_WORDS, max_size=300).map(" ".join), max_size=6)


def words(count: int, name: str = "word") -> str:
    return " ".join(f"{name}{i}" for i in range(count))


def test_a_short_document_is_one_passage():
    (one,) = passages("Cards are sent within three days.\nAbroad it takes a week.")
    assert one.text == "Cards are sent within three days.\nAbroad it takes a week."
    assert (one.where, one.place) == ("", 0)


def test_headings_are_kept_beside_what_stands_below_them():
    found = passages(
        "# Bank\nOpen from nine to five.\n## Cards\nSent within three days.\n## Fees\nThere are none at all.\n"
        "# Contact\nWrite to us at any time."
    )
    assert [one.where for one in found] == ["Bank", "Bank > Cards", "Bank > Fees", "Contact"]
    assert found[1].searched == "Bank > Cards\nSent within three days."


def test_a_hash_within_code_is_no_heading():
    (one,) = passages("Run this first of all:\n```\n# install it now\npip install x\n```")
    assert one.where == ""
    assert "# install it now" in one.text


def test_a_long_paragraph_is_cut_between_sentences_and_the_next_part_begins_with_the_last_one():
    sentences = [f"Sentence {i} has six words here." for i in range(50)]
    found = passages(" ".join(sentences))
    assert len(found) > 2
    for before, after in itertools.pairwise(found):
        assert after.text.startswith(before.text[before.text.rindex("Sentence") :])
    assert all(one.text.endswith("here.") for one in found)


def test_closing_quotation_marks_stay_with_their_sentence():
    (one, *more) = passages(
        " ".join(f'He said "number {i} is it." Then he left.' for i in range(30))
    )
    assert more
    assert '"number 0 is it." Then' in one.text


def test_what_has_no_end_of_a_sentence_is_cut_between_words():
    found = passages(words(MOST_WORDS * 2 + 10))
    assert [len(one.text.split()) for one in found] == [MOST_WORDS, MOST_WORDS, 10]


def test_a_page_number_is_no_passage():
    assert [one.text for one in passages("# A\n17\n# B\nThis is a whole sentence.")] == [
        "This is a whole sentence."
    ]


def test_the_same_words_have_the_same_id_wherever_they_stand():
    one = passages("# Fees\nThere are no fees at all.")
    other = passages("# Cards\nSent within three days.\n# Fees\nThere are no fees at all.")
    assert one[0].id == other[1].id
    assert one[0].id != passages("# Costs\nThere are no fees at all.")[0].id


@pytest.mark.parametrize("text", ["", " \n\n ", "#", "# Only a heading\n"])
def test_nothing_gives_nothing(text: str):
    assert passages(text) == []


@given(TEXT)
def test_no_word_is_lost_and_no_passage_too_long(paragraphs: list[str]):
    found = passages("\n\n".join(paragraphs))
    assert all(len(one.text.split()) <= MOST_WORDS for one in found)
    kept = {word for one in found for word in one.text.replace("。", "。 ").split()}
    assert {word for p in paragraphs for word in p.replace("。", "。 ").split()} <= kept
    assert [one.place for one in found] == list(range(len(found)))
