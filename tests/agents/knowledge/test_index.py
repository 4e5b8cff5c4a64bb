"""The index: found by words, by meaning, by both; kept in step when documents change, go, or a write breaks off."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from agents.knowledge.chunks import Passage, passages
from agents.knowledge.index import Document, Index

TOPICS = (("money", "refund", "cash", "pay"), ("card", "plastic"), ("weather", "rain", "sun"))
"""Words that mean about the same to the stand-in for an embedding model."""


class Meaning:
    """Counts words of each topic: a text is near another one that speaks of the same."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked += texts
        found = []
        for text in texts:
            counts = [sum(text.lower().count(word) for word in topic) for topic in TOPICS]
            whole = [*map(float, counts), 0.01]
            length = sum(count**2 for count in whole) ** 0.5
            found.append([count / length for count in whole])
        return found


def document(name: str, text: str) -> tuple[Document, list[Passage]]:
    return Document(id=name, sha256=f"sha of {text}", name=name, kind="document"), passages(text)


FILES = {
    "fees": "# Fees\nAn account costs nothing in the first year.",
    "refunds": "# Refunds\nYou get your cash within five days.",
    "sky": "# Sky\nSun in the morning, rain later.",
}


@pytest.fixture
def meaning() -> Meaning:
    return Meaning()


@pytest.fixture
def index(tmp_path: Path, meaning: Meaning):
    with Index(tmp_path / "k.sqlite", meaning, "stand-in") as opened:
        for name, text in FILES.items():
            opened.add(*document(name, text))
        yield opened


def names(hits) -> list[str]:
    return [hit.document.name for hit in hits]


def test_words_find_what_they_stand_in(index: Index):
    assert names(index.search("what does an account cost", 1, ways=("words",))) == ["fees"]


def test_words_are_found_in_other_forms(index: Index):
    assert names(index.search("accounts", 1, ways=("words",))) == ["fees"]


def test_headings_are_found_too(index: Index):
    assert names(index.search("refunds", 1, ways=("words",))) == ["refunds"]


def test_meaning_finds_what_shares_no_word(index: Index):
    assert names(index.search("how do they pay me", 1, ways=("words",))) == []
    assert names(index.search("how do they pay me", 1, ways=("meaning",))) == ["refunds"]


def test_what_both_find_comes_first(index: Index):
    best = index.search("my cash refund and the sun", 3)[0]
    assert best.document.name == "refunds"
    assert best.by_words == 1
    assert best.by_meaning is not None


def test_without_an_embedding_model_words_alone_do(tmp_path: Path):
    with Index(tmp_path / "words.sqlite") as index:
        index.add(*document("fees", FILES["fees"]))
        assert names(index.search("account", 5)) == ["fees"]


@pytest.mark.parametrize(
    "asked", ["", "?!", '"', "a AND NOT (b", "NEAR/2", "col:x", "*", "'; DROP TABLE x"]
)
def test_any_question_can_be_asked(index: Index, asked: str):
    index.search(asked, 3)


def test_only_the_documents_named_are_looked_in(index: Index):
    assert set(names(index.search("cash sun account", 9, among=["sky"]))) == {"sky"}
    assert index.search("cash", 9, among=[]) == []


def test_a_changed_document_costs_its_changed_passages_only(index: Index, meaning: Meaning):
    meaning.asked.clear()
    assert index.add(*document("fees", FILES["fees"] + "\n# New\nA card costs five a year.")) == 1
    assert meaning.asked == ["New\nA card costs five a year."]
    assert names(index.search("plastic", 1, ways=("meaning",))) == ["fees"]


def test_the_same_document_again_changes_nothing(index: Index, meaning: Meaning):
    meaning.asked.clear()
    assert index.add(*document("fees", FILES["fees"])) == 0
    assert meaning.asked == []


def test_what_is_removed_is_found_no_more_and_leaves_nothing(index: Index, tmp_path: Path):
    assert index.remove("refunds")
    assert not index.remove("refunds")
    assert "refunds" not in names(index.search("cash refunds pay", 9))
    base = sqlite3.connect(tmp_path / "k.sqlite")
    for table in ("passage", "words", "embedding"):
        (count,) = base.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert count == 2, table


def test_a_passage_of_two_documents_stays_until_both_are_gone(index: Index):
    index.add(*document("copy", FILES["refunds"]))
    assert len(index.search("cash", 9)) == 3
    index.remove("refunds")
    assert names(index.search("cash", 1)) == ["copy"]


def test_a_write_that_breaks_off_leaves_the_earlier_version(index: Index):
    torn = Document("fees", "another", "fees", "document")
    (one,) = passages("# Fees\nNow it costs a lot of money.")
    with pytest.raises(sqlite3.IntegrityError):
        index.add(torn, [one, one])
    assert names(index.search("nothing in the first year", 1, ways=("words",))) == ["fees"]
    assert index.documents()[0].sha256 == f"sha of {FILES['fees']}"


def test_embeddings_that_broke_off_are_made_when_it_is_added_again(tmp_path: Path):
    def broken(_texts):
        raise OSError("gone")

    with (
        Index(tmp_path / "k.sqlite", broken, "stand-in") as index,
        pytest.raises(OSError, match="gone"),
    ):
        index.add(*document("fees", FILES["fees"]))
    with Index(tmp_path / "k.sqlite", Meaning(), "stand-in") as index:
        assert index.add(*document("fees", FILES["fees"])) == 1


def test_vectors_of_another_model_are_not_compared(index: Index, tmp_path: Path):
    with Index(tmp_path / "k.sqlite", lambda texts: [[1.0, 0.0]] * len(texts), "another") as other:
        assert other.search("cash", 9, ways=("meaning",)) == []
        other.add(*document("new", "A new document of words."))
        assert len(other.search("cash", 9, ways=("meaning",))) == 4


def test_what_another_process_has_written_is_found(index: Index, tmp_path: Path, meaning: Meaning):
    index.search("plastic", 1)
    with Index(tmp_path / "k.sqlite", meaning, "stand-in") as other:
        other.add(*document("cards", "A plastic card is sent to you."))
    assert names(index.search("plastic", 1)) == ["cards"]
