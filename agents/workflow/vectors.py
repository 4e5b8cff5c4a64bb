"""Embeddings of chunks, kept on disk: an embedding belongs to a text and a model, so only what is new is computed.

The file has the original's form (`chunks` with `id`, `text`, `source`, `embedding`; `config`; `createdAt`), as JSON or, by its ending,
msgpack. Which model made it is told by the embedding of one fixed sentence, not by a name: names may come to mean another model.
"""

import hashlib
import json
import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import mul
from pathlib import Path
from typing import Any

import ormsgpack

from agents.jobs import write_atomically
from agents.workflow.documents import Chunk, NoDocuments

PROBE = "The quick brown fox jumps over the lazy dog; 你好, größer than 42?"
SAME_MODEL = 0.999
"""Cosine of two embeddings of the probe; the last digits of a GPU may differ."""
DIGITS = 6
MADE_BY = "tunewright 1"
JSON_BEGIN = f'{{"made_by": "{MADE_BY}"'.encode()


@dataclass
class Index:
    """The vectors of one model, by the hash of their text."""

    model: str
    """As the workflow says it; for people."""
    probe: "array[float]"
    vectors: dict[str, "array[float]"] = field(default_factory=dict)
    held: tuple[Any, ...] = ()
    """What the file holds: size of chunks, then id and text of each."""

    def missing(self, chunks: Sequence[Chunk]) -> list[str]:
        """Return the texts that have no vector yet, each once."""
        texts = dict.fromkeys(chunk.text for chunk in chunks)
        return [text for text in texts if digest(text) not in self.vectors]

    def add(self, texts: Sequence[str], vectors: Sequence[Sequence[float]]) -> None:
        """Take the vectors of texts."""
        for text, vector in zip(texts, vectors, strict=True):
            self.vectors[digest(text)] = unit(vector)

    def is_current(self, chunks: Sequence[Chunk], chunk_chars: int) -> bool:
        """Tell whether the file holds these chunks and no others."""
        return self.held == (chunk_chars, *((chunk.id, chunk.text) for chunk in chunks))

    def nearest(self, chunks: Sequence[Chunk], asked: "array[float]", count: int) -> list[Chunk]:
        """Return the chunks whose vectors are nearest, the nearest first; equal ones in the order of the documents."""
        near = [(-cosine(asked, self.vectors[digest(c.text)]), i) for i, c in enumerate(chunks)]
        return [chunks[i] for _, i in sorted(near)[:count]]


def load(path: Path, model: str, probe: "array[float]") -> Index:
    """Return the index of a file; an empty one where there is none yet, or another model made it.

    Raises: NoDocuments: the file is something else, which must not be replaced.
    """
    index = Index(model, probe)
    stored = _stored(path)
    if stored is None or stored.get("made_by") != MADE_BY:
        return index
    try:
        known = unit(stored["config"]["probe"])
        if len(known) != len(probe) or cosine(known, probe) < SAME_MODEL:
            return index
        for chunk in stored["chunks"]:
            index.vectors[digest(chunk["text"])] = _of_length(unit(chunk["embedding"]), len(probe))
        held = [(chunk["id"], chunk["text"]) for chunk in stored["chunks"]]
        index.held = (stored["config"]["chunk_size"], *held)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Index(model, probe)  # somebody has changed it: all is computed anew
    return index


def save(path: Path, index: Index, chunks: Sequence[Chunk], chunk_chars: int) -> None:
    """Write the vectors of chunks, and no others.

    Raises: OSError: it cannot be written there.
    """
    store = {
        "made_by": MADE_BY,
        "config": {
            "model": index.model,
            "chunk_size": chunk_chars,
            "probe": _rounded(index.probe),
        },
        "createdAt": datetime.now(UTC).isoformat(timespec="seconds"),
        "chunks": [
            {
                "id": chunk.id,
                "text": chunk.text,
                "source": chunk.source,
                "embedding": _rounded(index.vectors[digest(chunk.text)]),
            }
            for chunk in chunks
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = ormsgpack.packb(store) if _is_msgpack(path) else json.dumps(store).encode()
    write_atomically(path, packed)


def unit(vector: Sequence[float]) -> "array[float]":
    """Return a vector of length 1. Raises: ValueError: it has no direction."""
    length = math.sqrt(sum(value * value for value in vector))
    if not math.isfinite(length) or length == 0:
        raise ValueError("a vector without a direction")
    return array("f", [value / length for value in vector])


def _of_length(vector: "array[float]", length: int) -> "array[float]":
    if len(vector) != length:
        raise ValueError("a vector of another model")
    return vector


def cosine(one: "array[float]", two: "array[float]") -> float:
    """Return the cosine of two vectors of length 1."""
    return float(sum(map(mul, one, two)))


def digest(text: str) -> str:
    """Return the address of a text."""
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()


def _stored(path: Path) -> Mapping[str, Any] | None:
    if not path.exists():
        return None
    content = path.read_bytes()
    try:
        read = ormsgpack.unpackb(content) if _is_msgpack(path) else json.loads(content)
    except ValueError:
        read = None
    if not isinstance(read, dict) or not {"chunks", "config"} <= read.keys():
        raise NoDocuments(
            f"“{path.name}” in the folder of documents is no file of embeddings, and I do not replace it. Delete it, or give "
            "the RAG another `embeddings_file`."
        )
    return read


def _is_msgpack(path: Path) -> bool:
    return path.suffix.lower() == ".msgpack"


def _rounded(vector: "array[float]") -> list[float]:
    return [round(value, DIGITS) for value in vector]
