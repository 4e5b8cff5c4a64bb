"""The embedding model, held by a child program: the training stack is never imported here."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

import numpy as np

from agents.knowledge.index import Embed
from agents.workflow.local_child import Child, ChildError, ChildGone
from agents.workflow.local_models import LocalEmbeddings
from configs.schema import LauncherSettings

TEXTS_AT_ONCE = 64


class NoEmbeddings(Exception):
    """The embedding model ended, or cannot be loaded."""


@contextmanager
def embedder(
    source: str | None, settings: LauncherSettings, beat: Callable[[], None] = lambda: None
) -> Iterator[Embed | None]:
    """Give what turns texts into unit vectors; None where no embedding model is on this machine: words alone do, then.

    `source` is `package:NAME` or `folder:PATH`. `beat` is called after every 64 texts.
    """
    kind, _, where = (source or "").partition(":")
    if source is None or (kind == "package" and find_spec(where) is None):
        yield None
        return
    child = Child({"embeddings": source}, settings)
    model = LocalEmbeddings(child)

    def embed(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        found: list[list[float]] = []
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            try:
                found += model.embed_documents(list(texts[start : start + TEXTS_AT_ONCE]))
            except (ChildError, ChildGone) as error:
                raise NoEmbeddings(f"The embedding model could not be used: {error}") from error
            beat()
        vectors = np.asarray(found, dtype=np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Sequence[Sequence[float]] = vectors / np.maximum(lengths, 1e-9)
        return unit

    try:
        yield embed
    finally:
        child.close()
