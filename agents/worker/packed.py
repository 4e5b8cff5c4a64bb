"""Unpack gzip, up to a limit: a small file must not become a large one unseen."""

import zlib

from agents.worker.upload_bytes import bad_data

GZIP = b"\x1f\x8b\x08"
GZIP_WINDOW = 31
"""zlib's word for "a gzip header and nothing else"."""
STEP_BYTES = 2**20


def is_gzip(raw: bytes) -> bool:
    """Tell whether the bytes begin as gzip does."""
    return raw.startswith(GZIP)


def unpacked(raw: bytes, limit_bytes: int) -> bytes:
    """Return what a gzip file holds, all members of it one after another; zeros that pad its end are skipped.

    Raises: WorkerError: it is damaged, or holds more than `limit_bytes`.
    """
    chunks: list[bytes] = []
    size_bytes = 0
    rest = raw
    while rest:
        member = zlib.decompressobj(GZIP_WINDOW)
        while not member.eof:
            try:
                chunk = member.decompress(rest, STEP_BYTES)
            except zlib.error:
                raise _damaged() from None
            rest = member.unconsumed_tail or member.unused_data
            size_bytes += len(chunk)
            if size_bytes > limit_bytes:
                raise too_large(limit_bytes)
            chunks.append(chunk)
            if not chunk and not rest and not member.eof:
                raise _damaged()
        rest = rest.lstrip(b"\x00")
    return b"".join(chunks)


def too_large(limit_bytes: int) -> Exception:
    """Make the error for a file that is small only as long as it is packed."""
    return bad_data(
        f"The file is packed and holds more than the {limit_bytes // 2**20:,} MiB that are accepted here. "
        "Upload a part of it."
    )


def _damaged() -> Exception:
    return bad_data(
        "The gzip file is damaged or not complete. Pack it anew, or upload it unpacked."
    )
