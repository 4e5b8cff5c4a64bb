"""The index of documents: one SQLite file, found in by words (FTS5), by meaning (embeddings), or by both.

    document   what was read, by the hash of its bytes
    passage    its parts; a passage of several documents stands there for each
    words      FTS5 over headings and text, kept in step by the same transaction
    embedding  by the hash of the text and the model: a changed document costs its changed passages only

It can be deleted at any time: it is made anew from the documents.
"""

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from agents.knowledge.chunks import Passage

RRF_K = 5
"""Of reciprocal rank fusion (Cormack, Clarke & Büttcher 2009): score = Σ 1 / (RRF_K + rank). They used 60 for lists of a thousand; of two
lists of fifty that lets what both find in the middle pass what one finds first (measured: benchmarks.retrieval)."""
CANDIDATES = 50
"""Passages that each way of finding puts forward."""
MOST_WORDS = 32
"""Words of a question that are looked up."""
Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
"""Texts → unit vectors."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS document (
    id TEXT PRIMARY KEY, sha256 TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, origin TEXT NOT NULL, at TEXT
);
CREATE TABLE IF NOT EXISTS passage (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, document TEXT NOT NULL REFERENCES document(id) ON DELETE CASCADE,
    place INTEGER NOT NULL, origin TEXT NOT NULL, text TEXT NOT NULL, UNIQUE (document, place)
);
CREATE INDEX IF NOT EXISTS passage_id ON passage(id);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(origin, text, tokenize='porter unicode61');
CREATE TABLE IF NOT EXISTS embedding (
    id TEXT NOT NULL, model TEXT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (id, model)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Document:
    """What was read."""

    id: str
    """Of the document, whatever version."""
    sha256: str
    """Of its bytes."""
    name: str
    kind: str
    origin: str = ""
    """Address or folder."""
    at: str | None = None
    """When a page was fetched, UTC."""


@dataclass(frozen=True)
class Hit:
    """A passage that was found."""

    passage: Passage
    document: Document
    score: float
    by_words: int | None
    """Its rank by words, from 1 on; None: not among the first."""
    by_meaning: int | None


class Index:
    """An open index. Several processes may read while one writes."""

    def __init__(self, path: Path, embed: Embed | None = None, model: str = "") -> None:
        """Open or make the file.

        Args:
            path: Of the SQLite file; its folder is there.
            embed: Makes unit vectors; None: only words count.
            model: What `embed` is called: another model's vectors are of no use.
        """
        self._base = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute("PRAGMA foreign_keys=ON")
        self._base.executescript(SCHEMA)
        self._embed, self._model = embed, model
        self._matrix: tuple[int, list[str], np.ndarray] | None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def add(self, document: Document, found: Sequence[Passage]) -> int:
        """Put a document in, in place of an earlier version; return for how many passages embeddings were made.

        Nothing is done where the same bytes are there already.
        """
        known = self._base.execute("SELECT sha256 FROM document WHERE id = ?", (document.id,))
        if known.fetchone() != (document.sha256,):
            with _transaction(self._base):
                self._remove(document.id)
                self._base.execute(
                    "INSERT INTO document VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        document.id,
                        document.sha256,
                        document.name,
                        document.kind,
                        document.origin,
                        document.at,
                    ),
                )
                for one in found:
                    row = self._base.execute(
                        "INSERT INTO passage (id, document, place, origin, text) VALUES (?, ?, ?, ?, ?)",
                        (one.id, document.id, one.place, one.where, one.text),
                    )
                    self._base.execute(
                        "INSERT INTO words (rowid, origin, text) VALUES (?, ?, ?)",
                        (row.lastrowid, one.where, one.text),
                    )
        return self._embed_missing()

    def remove(self, document_id: str) -> bool:
        """Take a document out, with the embeddings that no other one needs; tell whether it was there."""
        with _transaction(self._base):
            was_there = self._remove(document_id)
            self._base.execute("DELETE FROM embedding WHERE id NOT IN (SELECT id FROM passage)")
        return was_there

    def documents(self) -> list[Document]:
        """Return what is in it, by name."""
        rows = self._base.execute(
            "SELECT id, sha256, name, kind, origin, at FROM document ORDER BY name, id"
        )
        return [Document(*row) for row in rows]

    def search(
        self,
        asked: str,
        count: int,
        among: Iterable[str] | None = None,
        ways: Sequence[str] = ("words", "meaning"),
    ) -> list[Hit]:
        """Return the passages that fit a question best, the best first; each text once.

        Args:
            asked: The question.
            count: Passages, at most.
            among: Ids of documents to look in; None: all.
            ways: Of `words` and `meaning`; without an embedding model only words count.
        """
        within = None if among is None else frozenset(among)
        ranks: list[dict[str, int]] = [{}, {}]
        if "words" in ways:
            ranks[0] = _ranked(self._by_words(asked, within))
        if "meaning" in ways and self._embed is not None:
            ranks[1] = _ranked(self._by_meaning(asked, within))
        scores = {
            one: sum(1 / (RRF_K + rank[one]) for rank in ranks if one in rank)
            for one in {**ranks[0], **ranks[1]}
        }
        best = sorted(scores, key=lambda one: (-scores[one], one))[:count]
        return [self._hit(one, within, scores[one], ranks) for one in best]

    def _remove(self, document_id: str) -> bool:
        numbers = self._base.execute(
            "SELECT number FROM passage WHERE document = ?", (document_id,)
        )
        self._base.executemany("DELETE FROM words WHERE rowid = ?", numbers.fetchall())
        gone = self._base.execute("DELETE FROM document WHERE id = ?", (document_id,))
        return gone.rowcount > 0

    def _embed_missing(self) -> int:
        if self._embed is None:
            return 0
        missing = self._base.execute(
            "SELECT id, min(origin), min(text) FROM passage WHERE id NOT IN (SELECT id FROM embedding WHERE model = ?) "
            "GROUP BY id ORDER BY id",
            (self._model,),
        ).fetchall()
        for start in range(0, len(missing), 256):
            some = missing[start : start + 256]
            texts = [Passage(one, text, where, 0).searched for one, where, text in some]
            vectors = np.asarray(self._embed(texts), dtype=np.float32)
            with _transaction(self._base):
                self._base.executemany(
                    "INSERT OR REPLACE INTO embedding VALUES (?, ?, ?)",
                    [
                        (one[0], self._model, vector.tobytes())
                        for one, vector in zip(some, vectors, strict=True)
                    ],
                )
        return len(missing)

    def _by_words(self, asked: str, within: frozenset[str] | None) -> list[str]:
        words = list(dict.fromkeys(re.findall(r"\w+", asked.lower())))[:MOST_WORDS]
        if not words:
            return []
        wanted = " OR ".join(f'"{word}"' for word in words)
        rows = self._base.execute(
            "SELECT passage.id, passage.document FROM words JOIN passage ON passage.number = words.rowid "
            "WHERE words MATCH ? ORDER BY bm25(words), words.rowid LIMIT ?",
            (wanted, CANDIDATES if within is None else -1),
        )
        return [one for one, document in rows if within is None or document in within][:CANDIDATES]

    def _by_meaning(self, asked: str, within: frozenset[str] | None) -> list[str]:
        assert self._embed is not None
        ids, matrix = self._vectors()
        if not ids:
            return []
        near = matrix @ np.asarray(self._embed([asked])[0], dtype=np.float32)
        allowed = None if within is None else self._ids_within(within)
        if allowed is not None:
            near = np.where([one in allowed for one in ids], near, -np.inf)
        best = np.argsort(-near, kind="stable")[:CANDIDATES]
        return [ids[place] for place in best if np.isfinite(near[place])]

    def _vectors(self) -> tuple[list[str], np.ndarray]:
        """Return ids and vectors, read anew only when somebody has written."""
        ((version,),) = self._base.execute("PRAGMA data_version").fetchall()
        version = version + self._base.total_changes
        if self._matrix is None or self._matrix[0] != version:
            rows = self._base.execute(
                "SELECT id, vector FROM embedding WHERE model = ? AND id IN (SELECT id FROM passage) ORDER BY id",
                (self._model,),
            ).fetchall()
            data = b"".join(vector for _id, vector in rows)
            matrix = np.frombuffer(data, dtype=np.float32).reshape(len(rows), -1 if rows else 0)
            self._matrix = version, [one for one, _vector in rows], matrix
        return self._matrix[1], self._matrix[2]

    def _ids_within(self, within: frozenset[str]) -> frozenset[str]:
        rows = self._base.execute("SELECT id, document FROM passage")
        return frozenset(one for one, document in rows if document in within)

    def _hit(
        self,
        passage_id: str,
        within: frozenset[str] | None,
        score: float,
        ranks: Sequence[dict[str, int]],
    ) -> Hit:
        rows = self._base.execute(
            "SELECT passage.text, passage.origin, place, document.id, sha256, name, kind, document.origin, at "
            "FROM passage JOIN document ON document.id = document WHERE passage.id = ? ORDER BY document.id, place",
            (passage_id,),
        )
        row = next(row for row in rows if within is None or row[3] in within)
        return Hit(
            Passage(passage_id, row[0], row[1], row[2]),
            Document(*row[3:]),
            score,
            ranks[0].get(passage_id),
            ranks[1].get(passage_id),
        )


def _ranked(ids: Sequence[str]) -> dict[str, int]:
    """Return the rank of each, from 1 on; of one that stands there twice the better one."""
    return {one: rank for rank, one in enumerate(dict.fromkeys(ids), start=1)}


@contextmanager
def _transaction(base: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, for the writes of a block."""
    base.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        base.execute("ROLLBACK")
        raise
    base.execute("COMMIT")
