"""The text of documents, of every kind that is read, and what is said of those that cannot be."""

import io

import pytest
from docx import Document as Word

from agents.knowledge import documents
from agents.knowledge.chunks import passages
from agents.knowledge.documents import Unreadable, is_document, text_of

SENTENCE = "Überweisungen ins Ausland – höchstens drei Euro danach."


def word(*paragraphs: str) -> bytes:
    made = Word()
    for paragraph in paragraphs:
        made.add_paragraph(paragraph)
    made.add_table(1, 2).rows[0].cells[0].text = "in a table"
    written = io.BytesIO()
    made.save(written)
    return written.getvalue()


def pdf(text: str) -> bytes:
    """Return a PDF of one page with one line."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    return out + (
        b"xref\n0 6\n0000000000 65535 f \n"
        + table
        + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % start
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("name", ["a.md", "A.TXT", "a.rst"])
def test_text_in_any_usual_encoding(name: str, encoding: str):
    assert text_of(name, SENTENCE.encode(encoding)) == SENTENCE


def test_a_pdf_and_a_word_file_are_read_by_a_child():
    assert "Cards are sent in three days." in text_of("a.pdf", pdf("Cards are sent in three days."))
    text = text_of("a.docx", word("First.", SENTENCE))
    assert SENTENCE in text
    assert "in a table" in text


def test_of_a_saved_page_what_it_shows_is_read_without_its_links():
    page = (
        "<html><head><title>Fees of the bank</title><script>evil()</script></head><body><nav><a href='/x'>Home</a></nav>"
        "<article><h2>Cards</h2><p>A second card costs five euros a year, see <a href='https://evil.example'>here</a>. "
        "It is sent within three working days to the address that we know.</p></article></body></html>"
    )
    text = text_of("fees.html", page.encode())
    assert text.startswith("# Fees of the bank\n")
    assert "A second card costs five euros a year" in text
    assert "evil" not in text


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t")])
def test_rows_of_a_table_name_their_columns(name: str, mark: str):
    table = f"country{mark}fee\nSpain{mark}3 EUR\nFrance{mark}\n"
    assert text_of(name, table.encode()) == "country: Spain\nfee: 3 EUR\n\ncountry: France"


def test_a_table_is_cut_between_rows():
    rows = "".join(f"country {i},a fee of {i} euros for each transfer\n" for i in range(60))
    found = passages(text_of("a.csv", ("country,fee\n" + rows).encode()))
    assert len(found) > 3
    assert all(one.text.startswith("country: country") for one in found)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.pdf", b"%PDF-1.4 and nothing else", "damaged, locked, or too large"),
        ("a.pdf", pdf(""), "perhaps it was scanned"),
        ("a.html", b"<html><body></body></html>", "holds no text"),
        ("a.docx", b"PK\x03\x04", "damaged, locked, or too large"),
        ("a.txt", b"\x00\x01", "is no text"),
        ("a.md", b"  \n ", "holds no text"),
        ("a.zip", b"PK", "no document that I can read"),
        ("a", b"x", "no document that I can read"),
    ],
)
def test_what_cannot_be_read_says_why(name: str, content: bytes, says: str):
    with pytest.raises(Unreadable, match=says) as told:
        text_of(name, content)
    assert f"“{name}”" in str(told.value)


def test_what_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(documents, "TIMEOUT_S", 0.001)
    with pytest.raises(Unreadable, match="takes too long"):
        text_of("a.pdf", pdf("Cards"))


def test_no_more_than_a_limit_is_taken(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(documents, "MOST_CHARS", 10)
    assert text_of("a.txt", b"x" * 50) == "x" * 10


def test_what_is_a_document():
    assert is_document("Report.PDF")
    assert not is_document("rows.jsonl")
