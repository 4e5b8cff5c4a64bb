"""The documents that a prompt can be answered from: which files of a folder count, and how they are cut."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agents.workflow.outside import ModelError

ENDINGS = frozenset({".txt", ".md", ".json", ".yaml", ".yml", ".js", ".ts", ".py", ".html", ".css"})
SKIPPED = frozenset({"node_modules", ".git", "dist"})
MAX_FILE_BYTES = 10 * 2**20
MAX_BYTES = 256 * 2**20
"""Of all files together: beyond it, somebody has named the wrong folder."""


class NoDocuments(ModelError):
    """There is nothing to look up in. `str()` is for a person."""


@dataclass(frozen=True)
class Chunk:
    """A part of a document that fits into a prompt."""

    id: str
    """`FILE_chunk_NUMBER`."""
    source: str
    """The file, relative to its folder."""
    text: str


@dataclass(frozen=True)
class Documents:
    """All chunks of a folder, and which files were left out."""

    chunks: tuple[Chunk, ...]
    left_out: tuple[str, ...]


def read(
    folder: Path, chunk_chars: int, within: Path | None, stores: bytes, store: Path | None
) -> Documents:
    """Cut the documents of a folder.

    Args:
        folder: Where they lie, at any depth.
        chunk_chars: Most characters of a chunk.
        within: Nothing is read from outside of it, through links either; None: anything.
        stores: How a file begins that holds embeddings: it is no document.
        store: The file of embeddings that is used here, whoever made it.

    Raises: NoDocuments: there is none, or far too much.
    """
    chunks: list[Chunk] = []
    left_out: list[str] = []
    total_bytes = 0
    for path in _files(folder):
        if path == store:
            continue
        source = path.relative_to(folder).as_posix()
        if within is not None and not path.resolve().is_relative_to(within.resolve()):
            left_out.append(f"{source} (leads out of the folder)")
            continue
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            left_out.append(f"{source} (more than {MAX_FILE_BYTES // 2**20} MB)")
            continue
        if content.startswith(stores):
            continue
        total_bytes += len(content)
        if total_bytes > MAX_BYTES:
            raise NoDocuments(
                f"The folder of documents holds more than {MAX_BYTES // 2**20} MB of text. Name one with less in it."
            )
        pieces = cut(content.decode("utf-8-sig", errors="replace"), chunk_chars)
        chunks += [Chunk(f"{source}_chunk_{i}", source, piece) for i, piece in enumerate(pieces)]
    if not chunks:
        endings = " ".join(sorted(ending[1:] for ending in ENDINGS))
        raise NoDocuments(f"The folder of documents holds no text to look up. Read are: {endings}.")
    return Documents(tuple(chunks), tuple(left_out))


def cut(text: str, chunk_chars: int) -> list[str]:
    """Cut a text between lines; a line that is longer than a chunk, between words where it has any."""
    chunks: list[str] = []
    current = ""
    for line in text.splitlines():
        for part in _parts(line, chunk_chars):
            if current and len(current) + 1 + len(part) > chunk_chars:
                chunks.append(current)
                current = part
            else:
                current = f"{current}\n{part}" if current else part
    return [chunk for chunk in [*chunks, current] if chunk.strip()]


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        for name in sorted(names):
            path = Path(parent) / name
            if path.suffix.lower() in ENDINGS and path.is_file():
                yield path


def _parts(line: str, most: int) -> Iterator[str]:
    while len(line) > most:
        end = line.rfind(" ", 1, most + 1)
        end = most if end < 0 else end
        yield line[:end]
        line = line[end:].removeprefix(" ")
    yield line
