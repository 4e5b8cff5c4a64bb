"""What a back end has to offer, for people."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Offered:
    """One model of a back end."""

    name: str
    """As a workflow or the model map may say it."""
    about: str = ""
    """Size and the like."""


def in_words(*facts: str | None) -> str:
    """Join what is known."""
    return ", ".join(fact for fact in facts if fact)


def size_of(size_bytes: int | None) -> str | None:
    """Write a size as people read it."""
    if not size_bytes:
        return None
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"
