"""Drafts whose label is probably another one: by a classifier that has learnt from the upload's rows alone.

How sure it has to be is found on those rows: each is judged by a classifier that has not seen it, with its own label and
with every other one. The bar lets pass `PASSES` of the wrong ones, so that the share of right ones that it holds back is
what the upload allows, and is told.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from agents.worker.sieve.vectors import Floats
from agents.worker.wrong_labels import INVERSE_PENALTY, MOST_PASSES

PASSES = 0.03
"""Share of wrong labels that may pass."""
FOLDS = 5
FEWEST = 2
"""Rows of a label from which on it can be judged: one to learn from, one to try it on."""
MOST_ROWS = 5_000
"""Training rows that are learnt from, drawn with the seed."""
TOO_BLUNT = 0.5
"""Share of right rows held back from which on the check is not used: the texts do not tell the labels."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Check:
    """A classifier and how sure it has to be."""

    names: tuple[str, ...]
    """Labels that it knows."""
    model: LogisticRegression
    bar: float
    """Probability of the given label ÷ that of the likeliest one, from which on a row passes."""
    loses: float
    """Share of right rows of the upload that it would hold back."""
    passes: float
    """Share of wrong labels that it would let pass."""

    def likelier(self, vectors: Floats, labels: Sequence[str]) -> list[str | None]:
        """Return for each row the label that it more probably has; None where the given one will do or is not known here."""
        shares = _shares(self.model, vectors, len(self.names))
        place_of = {name: place for place, name in enumerate(self.names)}
        given = [place_of.get(label) for label in labels]
        return [
            None if at is None or row[at] >= self.bar else self.names[int(row.argmax())]
            for row, at in zip(shares, given, strict=True)
        ]

    def likeliest(self, vectors: Floats) -> list[str]:
        """Return the likeliest label of each row."""
        return [self.names[int(k)] for k in self.model.predict(vectors)]


def learn(
    vectors: Floats, labels: Sequence[str], seed: int, beat: Callable[[], None]
) -> Check | None:
    """Learn to tell labels from rows of the upload; None where fewer than two labels have `FEWEST` rows."""
    names, counts = np.unique(np.array(labels), return_counts=True)
    known = [str(name) for name, count in zip(names, counts, strict=True) if count >= FEWEST]
    if len(known) < 2:
        return None
    place_of = {name: place for place, name in enumerate(known)}
    chance = np.random.default_rng(seed)
    places = np.array([i for i, label in enumerate(labels) if label in place_of])
    if len(places) > MOST_ROWS:
        places = np.sort(chance.choice(places, MOST_ROWS, replace=False))
    vectors, given = vectors[places], np.array([place_of[labels[i]] for i in places])
    unseen = _unseen(vectors, given, len(known), chance, beat)
    own = np.arange(len(known)) == given[:, None]
    bar = float(min(1.0, np.quantile(unseen[~own], 1 - PASSES)))
    return Check(
        tuple(known),
        _taught(vectors, given),
        bar,
        loses=float((unseen[own] < bar).mean()),
        passes=float((unseen[~own] >= bar).mean()),
    )


def _unseen(
    vectors: Floats, labels: Ints, count: int, chance: np.random.Generator, beat: Callable[[], None]
) -> NDArray[np.float64]:
    """Return the shares of all labels for each row, by a classifier of the other folds; rows of a label are dealt out evenly."""
    folds = np.empty(len(labels), dtype=np.int64)
    for label in range(count):
        own = chance.permutation(np.flatnonzero(labels == label))
        folds[own] = np.arange(len(own)) % FOLDS
    found = np.zeros((len(labels), count))
    for fold in np.unique(folds):
        asked = folds == fold
        if len(np.unique(labels[~asked])) > 1:
            found[asked] = _shares(_taught(vectors[~asked], labels[~asked]), vectors[asked], count)
        beat()
    return found


def _taught(vectors: Floats, labels: Ints) -> LogisticRegression:
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=MOST_PASSES, tol=1e-3)
    with warnings.catch_warnings():
        # one that has nearly settled serves as well
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(vectors, labels)


def _shares(model: LogisticRegression, vectors: Floats, count: int) -> NDArray[np.float64]:
    """Return the probability of each label ÷ that of the likeliest one."""
    chances = np.zeros((len(vectors), count))
    chances[:, model.classes_] = model.predict_proba(vectors)
    shares: NDArray[np.float64] = chances / chances.max(axis=1, keepdims=True)
    return shares
