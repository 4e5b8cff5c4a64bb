"""Which files of a folder are documents, and how they are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.workflow import documents
from agents.workflow.documents import NoDocuments, cut

STORES = b'{"made_by": "tunewright'


def read(folder, within=None, chunk_chars=1000, store=None):
    return documents.read(folder, chunk_chars, within, STORES, store)


def sources(found):
    return sorted({chunk.source for chunk in found.chunks})


def test_text_files_at_any_depth_are_read_and_what_is_installed_or_built_is_not(tmp_path):
    kept = ["a.md", "deep/er/b.txt", "c.JSON", "d.yaml", "e.yml", "f.js", "g.ts", "h.py", "i.html", "j.css"]  # fmt: skip
    others = ["node_modules/x.js", ".git/x.txt", "deep/dist/x.md", "x.png", "x.exe", "x"]
    for name in [*kept, *others]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text of {name}")

    assert sources(read(tmp_path)) == sorted(kept)


def test_embeddings_are_no_document(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "other.json").write_text('{"made_by": "tunewright 1", "chunks": []}')
    (tmp_path / "store.json").write_text('{"config": {}, "chunks": []}')

    assert sources(read(tmp_path, store=tmp_path / "store.json")) == ["a.txt"]


def test_a_file_that_is_too_large_is_left_out_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "MAX_FILE_BYTES", 100)
    (tmp_path / "a.txt").write_text("x" * 100)
    (tmp_path / "b.txt").write_text("x" * 101)

    found = read(tmp_path)

    assert sources(found) == ["a.txt"]
    assert found.left_out[0].startswith("b.txt")


def test_a_folder_with_far_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "MAX_BYTES", 150)
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text("x" * 60)

    with pytest.raises(NoDocuments, match="Name one with less in it"):
        read(tmp_path)


def test_a_folder_without_text_is_told(tmp_path):
    (tmp_path / "a.png").write_bytes(b"1")
    (tmp_path / "empty.txt").write_text("\n  \n")

    with pytest.raises(NoDocuments, match="no text to look up"):
        read(tmp_path)


def test_a_link_out_of_an_upload_is_not_followed(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (inside / "a.txt").write_text("fine")
    (inside / "link.txt").symlink_to(tmp_path / "secret.txt")
    (inside / "folder").symlink_to(tmp_path)

    found = read(inside, within=inside)

    assert sources(found) == ["a.txt"]
    assert found.left_out == ("link.txt (leads out of the folder)",)
    assert sources(read(inside)) == ["a.txt", "link.txt"]


def test_chunks_are_cut_between_lines_and_counted_per_file(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\nthree\nfour")

    found = read(tmp_path, chunk_chars=9)

    assert [chunk.text for chunk in found.chunks] == ["one\ntwo", "three", "four"]
    assert [chunk.id for chunk in found.chunks] == [f"a.txt_chunk_{i}" for i in range(3)]


def test_a_long_line_is_cut_between_words_so_that_the_size_holds():
    assert cut("alpha beta gamma", 11) == ["alpha beta", "gamma"]
    assert cut("x" * 25, 10) == ["x" * 10, "x" * 10, "x" * 5]


@given(st.text(alphabet="ab \n\t", max_size=200), st.integers(min_value=1, max_value=30))
def test_no_chunk_is_too_long_and_no_letter_is_lost(text, most):
    chunks = cut(text, most)

    assert all(len(chunk) <= most for chunk in chunks)
    assert "".join("".join(chunks).split()) == "".join(text.split())
