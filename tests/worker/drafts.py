"""Drafts of rows and rows of an upload, as the sieves see them."""

import json
from typing import Any

from agents.jobs import (
    MADE_ROWS,
    Provenance,
)
from agents.worker.sieve.drafts import Draft, Known

MADE = {
    "backend": "llm",
    "strategy": "vary",
    "made_at": "2026-01-01T00:00:00Z",
    "seeds": [2],
}
FRAME = "Say what the customer wants\n\n"
LABELS = ("refund", "parcel")


def known(prompt: str, answer: str = "refund", **parts: Any) -> Known:
    return Known({"prompt": prompt, "completion": answer, **parts}, prompt, answer)


def draft(prompt: str, answer: str = "refund", number: int = 1, **made: Any) -> Draft:
    parts = {"prompt": prompt, "completion": answer}
    line = {**parts, "row": MADE_ROWS + number, "made": MADE | made}
    return Draft(
        parts,
        prompt,
        answer,
        json.dumps(line),
        MADE_ROWS + number,
        Provenance.model_validate(MADE | made),
        own=prompt,
    )


def drafts_of(pairs: list[tuple[str, str]], **made: Any) -> list[Draft]:
    return [draft(prompt, answer, n, **made) for n, (prompt, answer) in enumerate(pairs, 1)]


def nothing() -> None:
    """Beat for nobody."""


PLAIN = [known(f"Where is my parcel number {n}, sent on Monday by train?") for n in range(30)]
