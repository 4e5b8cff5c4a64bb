"""Files by what is in them: one file per content, whole or not there."""

import asyncio
import hashlib
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK_BYTES = 2**20
_LEFTOVER_AGE_S = 3600
"""An unfinished file that old belongs to a process that died."""


class FileTooLarge(Exception):
    """More bytes than allowed have come in; nothing is kept."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"more than {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


@dataclass(frozen=True)
class StoredFile:
    """A file in the store."""

    sha256: str
    size_bytes: int
    path: Path


class FileStore:
    """Keeps files under their SHA-256; names that people give never become paths."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._remove_leftovers()

    def path(self, sha256: str) -> Path:
        """Return where a content lies or would lie.

        Raises: ValueError: this is no SHA-256.
        """
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"not a SHA-256: {sha256!r}")
        return self._root / sha256[:2] / sha256

    def put(self, content: Path | bytes) -> StoredFile:
        """Keep bytes, or a copy of a file."""
        with self._incoming() as incoming:
            if isinstance(content, bytes):
                incoming.add(content)
            else:
                with content.open("rb") as stream:
                    while chunk := stream.read(_CHUNK_BYTES):
                        incoming.add(chunk)
            return self._keep(incoming)

    def put_written(self, write: Callable[[BinaryIO], None]) -> StoredFile:
        """Keep what a function writes into a stream; it may go back in it. Never in memory as a whole."""
        with self._incoming() as incoming:
            write(incoming.stream)
            incoming.stream.flush()
            with incoming.path.open("rb") as written:
                incoming.digest = hashlib.file_digest(written, "sha256")
            incoming.size_bytes = incoming.path.stat().st_size
            return self._keep(incoming)

    async def put_stream(self, chunks: AsyncIterator[bytes], max_bytes: int) -> StoredFile:
        """Keep what streams in.

        Raises: FileTooLarge: more than `max_bytes` came; the rest is not read.
        """
        with self._incoming() as incoming:
            async for chunk in chunks:
                incoming.add(chunk)
                if incoming.size_bytes > max_bytes:
                    raise FileTooLarge(max_bytes)
            return await asyncio.to_thread(self._keep, incoming)

    def verify(self, sha256: str) -> bool:
        """Tell whether a kept file still has the content it is kept under."""
        try:
            with self.path(sha256).open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest() == sha256
        except FileNotFoundError:
            return False

    def _remove_leftovers(self) -> None:
        oldest_s = time.time() - _LEFTOVER_AGE_S
        for path in self._root.glob(".incoming-*"):
            if path.stat().st_mtime < oldest_s:
                path.unlink()

    @contextmanager
    def _incoming(self) -> "Iterator[_Incoming]":
        handle, name = tempfile.mkstemp(prefix=".incoming-", dir=self._root)
        try:
            with os.fdopen(handle, "wb") as stream:
                yield _Incoming(stream, Path(name))
        finally:
            Path(name).unlink(missing_ok=True)

    def _keep(self, incoming: "_Incoming") -> StoredFile:
        sha256 = incoming.digest.hexdigest()
        target = self.path(sha256)
        incoming.stream.flush()
        os.fsync(incoming.stream.fileno())
        target.parent.mkdir(exist_ok=True, mode=0o700)
        incoming.path.replace(target)
        _sync_folder(target.parent)
        return StoredFile(sha256, incoming.size_bytes, target)


class _Incoming:
    """Bytes on their way in."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self.stream = stream
        self.path = path
        self.digest = hashlib.sha256()
        self.size_bytes = 0

    def add(self, chunk: bytes) -> None:
        self.stream.write(chunk)
        self.digest.update(chunk)
        self.size_bytes += len(chunk)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
