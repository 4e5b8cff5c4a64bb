"""Faults that no upload can plant: a worker that masks too much, a base model that is damaged or asked in other words."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.zoo import base

STILL_ENDED = 20
"""One row in so many still teaches when to stop; a training without any is refused."""
TOO_LARGE = 1e38
FINITE_LOSSES = 60
"""Losses of batches before the first infinite one; a training has more than twice as many steps."""


@contextmanager
def end_not_learnt() -> Iterator[None]:
    """Let the worker mask the end of nearly all answers."""
    from agents.worker import rows

    encode = rows.encode
    seen = 0

    def masked(tokenizer: Any, row: rows.Row, ends: Sequence[int]) -> rows.Encoded:
        nonlocal seen
        seen += 1
        encoded = encode(tokenizer, row, ends)
        if seen % STILL_ENDED == 1:
            return encoded
        labels = [rows.IGNORED if label in ends else label for label in encoded.labels]
        return replace(encoded, labels=labels)

    rows.encode = masked
    try:
        yield
    finally:
        rows.encode = encode


@contextmanager
def overflow_half_way() -> Iterator[None]:
    """Let the loss become infinite after a while, as in half precision once a score is too large for it."""
    from agents.worker import lean_steps

    steps: Any = lean_steps
    plain = steps.answer_loss
    seen = 0

    def overflowing_loss(hidden: Any, *others: Any) -> Any:
        nonlocal seen
        loss = plain(hidden, *others)
        seen += bool(hidden.requires_grad)
        return loss if seen <= FINITE_LOSSES else loss * float("inf")

    steps.answer_loss = overflowing_loss
    try:
        yield
    finally:
        steps.answer_loss = plain


def other_template(folder: Path, into: Path) -> Path:
    """Return a copy of a model that writes conversations in another way."""
    copy = Path(shutil.copytree(folder, into / "asked"))
    (copy / "chat_template.jinja").write_text(base.OTHER_TEMPLATE)
    config = json.loads((copy / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (copy / "tokenizer_config.json").write_text(json.dumps(config))
    return copy


def overflowing(folder: Path, into: Path) -> Path:
    """Return a copy of a model with a weight that is too large for what is computed with it."""
    from safetensors.torch import load_file, save_file

    copy = Path(shutil.copytree(folder, into / "damaged"))
    path = copy / "model.safetensors"
    weights = load_file(path)
    name = next(name for name in sorted(weights) if "mlp.down_proj" in name)
    weights[name] = weights[name].clone()
    weights[name][0] = TOO_LARGE
    save_file(weights, path, metadata={"format": "pt"})
    return copy
