"""How much a server has sent, and why it was given up."""

import asyncio
from dataclasses import dataclass, field

TAIL_BYTES = 2000


@dataclass
class Meter:
    """Counts what a server sends, and keeps why it was given up."""

    max_bytes: int
    """Between two requests to it."""
    seen_bytes: int = 0
    trouble: str | None = None
    tail: bytes = b""
    """The end of what it wrote beside its messages."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Nothing more will come from it."""

    def note(self, text: bytes) -> None:
        """Keep the end of what it wrote."""
        self.tail = (self.tail + text)[-TAIL_BYTES:]

    def count(self, size_bytes: int) -> bool:
        """Count what came in, and tell whether that is too much."""
        self.seen_bytes += size_bytes
        if self.seen_bytes > self.max_bytes:
            self.trouble = f"sent more than {self.max_bytes:,} bytes at once"
        return self.trouble is not None
