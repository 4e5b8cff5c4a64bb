"""Texts as vectors: by meaning where a sentence-embedding model is on this machine, by words where there is none."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
AT_ONCE = 512
"""Rows whose similarities to all others are held together."""
WORD_FEATURES = 2048


@dataclass(frozen=True)
class Space:
    """What turns texts into unit vectors."""

    embed: Callable[[Sequence[str]], Floats]
    by_meaning: bool
    """False: by the words and letters that texts have in common."""


def space(source: str, beat: Callable[[], None]) -> Space:
    """Return the space of a sentence-embedding model, or of words where it is not on this machine."""
    from agents.worker.sentences import embedder

    found = embedder(source, beat)
    if found is None:
        return Space(_by_words, by_meaning=False)

    def embed(texts: Sequence[str]) -> Floats:
        vectors: Floats = found(texts).numpy().astype(np.float32)
        return vectors

    return Space(embed, by_meaning=True)


def nearest(texts: Floats, others: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return for each vector the place of the nearest of the others, and their cosine."""
    places, found = [], []
    for part in _parts(texts):
        likeness = part @ others.T
        at = likeness.argmax(axis=1)
        places.append(at)
        found.append(likeness[np.arange(len(part)), at])
    return np.concatenate(places), np.concatenate(found)


def nearest_other(texts: Floats) -> Floats:
    """Return for each vector its cosine to the nearest other one of the same texts."""
    found = []
    for number, part in enumerate(_parts(texts)):
        likeness = part @ texts.T
        own = np.arange(len(part))
        likeness[own, number * AT_ONCE + own] = -1
        found.append(likeness.max(axis=1))
    return np.concatenate(found)


def spread(texts: Floats) -> float | None:
    """Return the mean of 1 − cosine over all pairs; None of fewer than two."""
    n = len(texts)
    if n < 2:
        return None
    total = texts.astype(np.float64).sum(axis=0)
    return float(1 - (total @ total - n) / (n * (n - 1)))


def _parts(texts: Floats) -> Iterator[Floats]:
    for start in range(0, len(texts), AT_ONCE):
        yield texts[start : start + AT_ONCE]


def _by_words(texts: Sequence[str]) -> Floats:
    from sklearn.feature_extraction.text import HashingVectorizer

    from agents.worker.checks.texts import normal

    words = HashingVectorizer(ngram_range=(1, 2), n_features=WORD_FEATURES, token_pattern=r"\S+")
    found: Floats = words.transform([normal(text) for text in texts]).toarray().astype(np.float32)
    return found
