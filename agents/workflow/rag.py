"""Look up what documents say about a prompt, and put it beside the prompt.

By nearness of embeddings where there is a model that makes them; else by the words in common (BM25), and never by a
mixture of both. Which one it was is told and logged.
"""

import asyncio
import logging
import re
import sqlite3
from array import array
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from agents.workflow import documents, vectors
from agents.workflow.documents import Chunk, NoDocuments
from agents.workflow.model import Rag
from agents.workflow.outside import ModelError, Models
from agents.workflow.reach import NotFound, Reach

log = logging.getLogger(__name__)

CHUNK_TEMPLATE = "[Source: {{chunk.source}}]\n{{chunk.text}}"
CONTEXT_TEMPLATE = "Relevant context:\n\n{{chunks}}"
PLACEHOLDER = re.compile(r"\{\{([\w.]+)\}\}")
PROMPT = "{{prompt}}"
TEXTS_AT_ONCE = 256
MOST_WORDS = 200
"""Of a prompt that are looked for; the rest of a long one says no more about what it is about."""


class Ranked(StrEnum):
    """By what chunks were chosen."""

    MEANING = "meaning"
    """The cosine of embeddings."""
    WORDS = "words"
    """BM25, because there was no model for embeddings."""


@dataclass(frozen=True)
class Found:
    """A prompt with what was found for it."""

    prompt: str
    chunks: tuple[Chunk, ...]
    """The best first."""
    ranked: Ranked
    note: str | None
    """Why words had to do, and which files were left out; None where there is nothing to say."""
    embedded: int
    """Chunks whose embeddings were computed now; those of all others were kept."""


async def context_for(
    rag: Rag, prompt: str, models: Models, reach: Reach, keep_in: Path | None = None
) -> str:
    """Return a prompt with what was found for it, as `look_up` does.

    Raises: ModelError: there are no documents.
    """
    found = await look_up(rag, prompt, models, reach, keep_in)
    if found.note:
        log.warning("looking up in “%s”: %s", rag.name, found.note)
    return found.prompt


async def look_up(
    rag: Rag, prompt: str, models: Models, reach: Reach, keep_in: Path | None = None
) -> Found:
    """Find what documents say about a prompt.

    Args:
        rag: Where they lie, and how they are cut, ranked and shown.
        prompt: What is asked, all variables filled in.
        models: Where the model for embeddings comes from.
        reach: How far the workflow may look.
        keep_in: Folder for the embeddings; None: the folder of the documents, and nowhere for an upload.

    Raises: ModelError: there are no documents.
    """
    try:
        folder = reach.find(rag.directory, rag.base_dir, folder=True)
    except NotFound as error:
        raise NoDocuments(
            f"The documents of “{rag.name or 'rag'}” ({rag.directory}): {error}"
        ) from error
    store = _store(rag, folder, reach, keep_in)
    begin = vectors.JSON_BEGIN
    read = await asyncio.to_thread(
        documents.read, folder, rag.chunk_size_chars, reach.within, begin, store
    )
    notes = [f"left out: {', '.join(read.left_out)}"] if read.left_out else []
    embedded = 0
    try:
        chosen, embedded = await _by_meaning(rag, prompt, models, read.chunks, store)
        ranked = Ranked.MEANING
    except NoDocuments:
        raise
    except ModelError as error:
        notes.insert(0, f"words were compared, not their meaning: {error}")
        chosen = await asyncio.to_thread(by_words, read.chunks, prompt, rag.top_k)
        ranked = Ranked.WORDS
    shown = with_context(rag, prompt, chosen)
    return Found(shown, tuple(chosen), ranked, "; ".join(notes) or None, embedded)


def with_context(rag: Rag, prompt: str, chunks: Sequence[Chunk]) -> str:
    """Put chunks beside a prompt. A context template that holds the prompt is the whole of it (D5)."""
    if not chunks:
        return prompt
    common = {"prompt": prompt, "topK": str(rag.top_k)}
    parts = [
        _filled(rag.chunk_template or CHUNK_TEMPLATE, common | _facts(chunk, place))
        for place, chunk in enumerate(chunks)
    ]
    template = rag.context_template or CONTEXT_TEMPLATE
    best = _facts(chunks[0], 0)
    context = _filled(template, best | common | {"chunks": "\n\n".join(parts)})
    return context if PROMPT in template else f"{prompt}\n\n{context}"


def by_words(chunks: Sequence[Chunk], prompt: str, count: int) -> list[Chunk]:
    """Return the chunks that have the most telling words in common with a prompt (BM25), the best first."""
    words = list(dict.fromkeys(re.findall(r"\w+", prompt.lower())))[:MOST_WORDS]
    if not words:
        return []
    wanted = " OR ".join(f'"{word}"' for word in words)
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute(
            "CREATE VIRTUAL TABLE chunk USING fts5(source, text, tokenize='porter unicode61')"
        )
        rows = [(i, chunk.source, chunk.text) for i, chunk in enumerate(chunks)]
        base.executemany("INSERT INTO chunk (rowid, source, text) VALUES (?, ?, ?)", rows)
        found = base.execute(
            "SELECT rowid FROM chunk WHERE chunk MATCH ? ORDER BY bm25(chunk), rowid LIMIT ?",
            (wanted, count),
        )
        return [chunks[row] for (row,) in found]


async def _by_meaning(
    rag: Rag, prompt: str, models: Models, chunks: Sequence[Chunk], store: Path | None
) -> tuple[list[Chunk], int]:
    """Return the nearest chunks, and how many embeddings had to be made for that."""
    embedder = models.embeddings(rag.model)
    asked, probe = await embedder.aembed_documents([prompt, vectors.PROBE])
    index = vectors.Index(rag.model or "", _unit(probe))
    if store is not None:
        index = await asyncio.to_thread(vectors.load, store, index.model, index.probe)
    missing = index.missing(chunks)
    for start in range(0, len(missing), TEXTS_AT_ONCE):
        some = missing[start : start + TEXTS_AT_ONCE]
        _add(index, some, await embedder.aembed_documents(some))
    if store is not None and not index.is_current(chunks, rag.chunk_size_chars):
        await asyncio.to_thread(_keep, store, index, chunks, rag.chunk_size_chars)
    nearest = await asyncio.to_thread(index.nearest, chunks, _unit(asked), rag.top_k)
    return nearest, len(missing)


def _unit(vector: Sequence[float]) -> "array[float]":
    try:
        return vectors.unit(vector)
    except ValueError as error:
        raise ModelError("the embedding model makes vectors without a direction") from error


def _add(index: vectors.Index, texts: Sequence[str], made: Sequence[Sequence[float]]) -> None:
    try:
        index.add(texts, made)
    except ValueError as error:
        raise ModelError("the embedding model makes vectors without a direction") from error


def _keep(path: Path, index: vectors.Index, chunks: Sequence[Chunk], chunk_chars: int) -> None:
    try:
        vectors.save(path, index, chunks, chunk_chars)
    except OSError as error:
        log.warning("embeddings are not kept in %s: %s", path, error.strerror)


def _store(rag: Rag, folder: Path, reach: Reach, keep_in: Path | None) -> Path | None:
    """Return the file of embeddings; None where they are kept nowhere."""
    if keep_in is not None:
        address = vectors.digest(f"{rag.directory}\n{rag.embeddings_file}")[:12]
        return keep_in / f"embeddings-{address}{Path(rag.embeddings_file).suffix}"
    if reach.within is not None:
        return None
    path = (folder / rag.embeddings_file).resolve()
    if not path.is_relative_to(folder):
        raise NoDocuments(
            f"The `embeddings_file` of “{rag.name or 'rag'}” leads out of its folder. Name a file inside it."
        )
    return path


def _facts(chunk: Chunk, place: int) -> dict[str, str]:
    return {
        "chunk.source": chunk.source,
        "chunk.text": chunk.text,
        "chunk.id": chunk.id,
        "index": str(place),
        "number": str(place + 1),
    }


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Fill a template in one pass: what a document says between braces stays as it is."""
    filled = PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), template)
    return filled.rstrip("\n")
