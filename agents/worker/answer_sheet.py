"""What base and tuned said to each sealed item, in a file: people compare it, and what they say of it is counted there."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from agents.jobs import Answered, FileRef, write_atomically
from agents.worker.checks.languages import language_of
from agents.worker.checks.masks import safe
from agents.worker.evaluate_shaped import Item
from agents.worker.related import own_parts

FILE = "artifacts/answers.jsonl"
KEPT_CHARS = 4000


def write(items: Sequence[Item], folder: Path) -> FileRef:
    """Write a line per item, in their order."""
    parts = own_parts([item.prompt for item in items])
    lines = (
        _line(item, language_of(part)).model_dump_json(exclude_none=True) + "\n"
        for item, part in zip(items, parts, strict=True)
    )
    raw = "".join(lines).encode()
    (folder / FILE).parent.mkdir(exist_ok=True)
    write_atomically(folder / FILE, raw)
    return FileRef(path=FILE, sha256=hashlib.sha256(raw).hexdigest(), size_bytes=len(raw))


def _line(item: Item, language: str | None) -> Answered:
    return Answered(
        row=item.number,
        prompt=safe(item.prompt)[:KEPT_CHARS],
        reference=safe(item.reference)[:KEPT_CHARS],
        base=safe(item.base)[:KEPT_CHARS],
        tuned=safe(item.tuned)[:KEPT_CHARS],
        base_score=item.base_score,
        tuned_score=item.tuned_score,
        prompt_chars=len(item.prompt),
        reference_chars=len(item.reference),
        base_chars=len(item.base),
        tuned_chars=len(item.tuned),
        language=language,
    )
