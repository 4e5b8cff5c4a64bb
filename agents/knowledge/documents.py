"""The text of a document: what a person has uploaded may be a bomb, so PDF, Word and web pages are read by a child under limits."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import PurePath

from agents.knowledge import page_program
from agents.workflow import document_program

TEXTS = frozenset({".md", ".markdown", ".txt", ".text", ".rst"})
TABLES = frozenset({".csv", ".tsv"})
BY_CHILD = frozenset({".pdf", ".docx"})
PAGES = frozenset({".html", ".htm"})
ENDINGS = TEXTS | TABLES | BY_CHILD | PAGES
MOST_CHARS = 2_000_000
TIMEOUT_S = 60.0


class Unreadable(Exception):
    """A document has no text that can be used; `str()` is for a person."""


def is_document(name: str) -> bool:
    """Tell whether a file of that name is read as a document."""
    return PurePath(name).suffix.lower() in ENDINGS


def text_of(name: str, content: bytes) -> str:
    """Return the text of a document as plain text or Markdown, at most MOST_CHARS characters of it.

    Raises: Unreadable: it is of another kind, damaged, locked, empty, or takes too long.
    """
    ending = PurePath(name).suffix.lower()
    if ending in BY_CHILD:
        text = _by_child(name, [document_program.__file__, ending], content)
    elif ending in PAGES:
        text = _page(name, content)
    elif ending in TABLES:
        text = _table(_decoded(name, content), "\t" if ending == ".tsv" else None)
    elif ending in TEXTS:
        text = _decoded(name, content)
    else:
        read = ", ".join(sorted(one[1:] for one in ENDINGS))
        raise Unreadable(f"“{name}” is no document that I can read. I read {read}.")
    if not text.strip():
        raise Unreadable(f"“{name}” holds no text; perhaps it was scanned.")
    return text[:MOST_CHARS]


def _by_child(name: str, program: list[str], content: bytes) -> str:
    try:
        child = subprocess.run(
            [sys.executable, "-I", *program],
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unreadable(
            f"“{name}” takes too long to read. Split it, or save it as text."
        ) from None
    if child.returncode == page_program.NOT_INSTALLED:
        raise Unreadable(
            f"Reading “{name}” needs the extra “knowledge”: pip install 'tunewright[knowledge]'."
        )
    if child.returncode != 0:
        raise Unreadable(f"“{name}” cannot be read: it is damaged, locked, or too large.")
    return child.stdout.decode("utf-8", "replace")


def _page(name: str, content: bytes) -> str:
    """Return what a saved page shows, below its title; its links are gone."""
    head = json.dumps({"kind": "page", "charset": None}).encode()
    told = json.loads(_by_child(name, [page_program.__file__], head + b"\n" + content))
    title, text = " ".join(str(told["title"]).split()), str(told["text"])
    return f"# {title}\n\n{text}" if title and text.strip() else text


def _decoded(name: str, content: bytes) -> str:
    """Decode text: UTF-8, UTF-16 with its mark, else what Western Europe wrote before."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    if b"\0" in content:
        raise Unreadable(f"“{name}” is no text.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _table(text: str, delimiter: str | None) -> str:
    """Return the rows of a table as paragraphs: each cell with the name of its column."""
    if delimiter is None:
        try:
            delimiter = csv.Sniffer().sniff(text[:10_000], ",;|\t").delimiter
        except csv.Error:
            delimiter = ","
    csv.field_size_limit(MOST_CHARS)
    rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    names = next(rows, [])
    paragraphs = []
    for row in rows:
        cells = [f"{key}: {value}" for key, value in zip(names, row, strict=False) if value.strip()]
        if cells:
            paragraphs.append("\n".join(cells))
    return "\n\n".join(paragraphs)
