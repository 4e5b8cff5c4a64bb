"""What a server sent, read and unpacked up to a size and no byte further."""

import zlib
from collections.abc import AsyncIterable, Iterator, Sequence

from agents.knowledge.refusals import FetchRefused

PACKED = frozenset({"gzip", "x-gzip"})
_GZIP = 16 + zlib.MAX_WBITS
Headers = Sequence[tuple[bytes, bytes]]


def header(headers: Headers, name: str) -> str:
    """Return the last header of a name, or an empty text."""
    found = [value for key, value in headers if key.decode("latin-1").lower() == name]
    return found[-1].decode("latin-1").strip() if found else ""


async def read(
    stream: AsyncIterable[bytes], headers: Headers, max_bytes: int, *, cut: bool = False
) -> bytes:
    """Return a body, unpacked.

    Args:
        stream: As it comes.
        headers: That came before it.
        max_bytes: Of what is sent, and of what it unpacks to.
        cut: Whether what is longer ends there, instead of being refused.

    Raises: FetchRefused: it is longer, packed in a way that nobody asked for, or damaged.
    """
    packed = _is_packed(headers)
    announced = header(headers, "content-length")
    if announced.isdecimal() and int(announced) > max_bytes and not cut:
        raise _too_large(max_bytes)
    unpacker = _Gzip() if packed else None
    body = bytearray()
    sent = 0
    async for chunk in stream:
        sent += len(chunk)
        for piece in [chunk] if unpacker is None else unpacker.pieces(chunk):
            body += piece
            if len(body) > max_bytes:
                break
        if max(len(body), sent) > max_bytes:
            if cut:
                return bytes(body[:max_bytes])
            raise _too_large(max_bytes)
    if unpacker is not None and not unpacker.ended:
        raise _damaged()
    return bytes(body)


def _is_packed(headers: Headers) -> bool:
    encoding = header(headers, "content-encoding").lower()
    if encoding not in {"", "identity", *PACKED}:
        raise FetchRefused("encoding", "The page is packed in a way that was not asked for.")
    return encoding in PACKED


class _Gzip:
    """Unpacks gzip by pieces of at most 64 KB, however much a byte unpacks to."""

    PIECE_BYTES = 64 * 1024

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(_GZIP)
        self._begun = False

    @property
    def ended(self) -> bool:
        """Whether what came was whole."""
        return self._inner.eof or not self._begun

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Unpack what came; whoever has enough stops asking."""
        while chunk:
            if self._inner.eof:  # several files in a row are one
                self._inner = zlib.decompressobj(_GZIP)
            self._begun = True
            try:
                yield self._inner.decompress(chunk, self.PIECE_BYTES)
            except zlib.error:
                raise _damaged() from None
            chunk = self._inner.unused_data if self._inner.eof else self._inner.unconsumed_tail


def _too_large(max_bytes: int) -> FetchRefused:
    return FetchRefused("size", f"The page is larger than {max_bytes:,} bytes.")


def _damaged() -> FetchRefused:
    return FetchRefused("encoding", "The page is packed, and damaged.")
