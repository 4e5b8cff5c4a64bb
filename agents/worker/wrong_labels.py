"""Find wrong labels with a classifier that has not seen the row it is asked about, and try out what leaving them out does.

Confident learning (Northcutt 2021, arXiv 1911.00068): a row is doubted when another label reaches the probability that is
usual for rows of that label. It is done twice, the second time by classifiers that learn without the rows doubted first.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from agents.jobs import Trial

FOLDS = 5
INVERSE_PENALTY = 10.0
"""Of the logistic regression on unit vectors; scikit-learn's C."""
MOST_PASSES = 300
INFORMATIVE = 0.75
"""Area under the curve from which on the training is heard as a second witness."""
REPEATS = 5
RESAMPLES = 2000

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Findings:
    """What is thought of each row."""

    doubted: Flags
    likelier: Ints
    """Of each row: the likeliest label but the given one."""
    probabilities: Floats
    """Rows × labels, each row by a classifier that has not seen it."""
    score: Floats
    """0 … 1, the most doubtful near 1."""
    agreement: float | None
    """How well the confidences of a training tell doubted rows from others; None where there are none."""


def find(
    vectors: Floats,
    labels: Ints,
    seed: int,
    confidence: Floats | None = None,
    beat: Callable[[], None] = lambda: None,
) -> Findings:
    """Judge the labels of rows by the vectors of their prompts; every label comes `FOLDS` times at least.

    `confidence` is what a training has thought of each given answer, NaN where it has not looked. Where it agrees with the
    classifier on the whole, a row whose label the training found likelier than it usually finds that label is not doubted.
    """
    first = _doubted(out_of_fold(vectors, labels, seed, None, beat), labels)
    probabilities = out_of_fold(vectors, labels, seed + 1, ~first, beat)
    doubted = _doubted(probabilities, labels)
    others = probabilities.copy()
    others[np.arange(len(labels)), labels] = -1
    likelier = others.argmax(axis=1)
    score = _rank(others.max(axis=1) - probabilities[np.arange(len(labels)), labels])
    seen = None if confidence is None else _against_its_label(confidence, labels, doubted)
    agreement = None if seen is None else _agreement(doubted, seen)
    if seen is not None and agreement is not None and agreement >= INFORMATIVE:
        known = ~np.isnan(seen)
        doubted = doubted & ~(known & (seen >= 0))
        score[known] = (score[known] + _rank(-seen[known])) / 2
    return Findings(doubted, likelier, probabilities, score, agreement)


def out_of_fold(
    vectors: Floats,
    labels: Ints,
    seed: int,
    trusted: Flags | None = None,
    beat: Callable[[], None] = lambda: None,
) -> Floats:
    """Return the probabilities of all labels for each row, by a classifier of the other folds' (trusted) rows."""
    found = np.zeros((len(labels), int(labels.max()) + 1))
    known = np.ones(len(labels), dtype=bool) if trusted is None else _enough(trusted, labels)
    for taught, asked in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(
        vectors, labels
    ):
        taught = taught[known[taught]]
        model = _taught(vectors[taught], labels[taught])
        found[np.ix_(asked, model.classes_)] = model.predict_proba(vectors[asked])
        beat()
    return found


def trial(
    train: tuple[Floats, Ints],
    dev: tuple[Floats, Ints],
    doubted: Flags,
    seed: int,
    beat: Callable[[], None] = lambda: None,
) -> Trial:
    """Learn without the doubted rows, and several times without as many at random; compare on the dev rows.

    The interval resamples dev rows and random removals together. A dev row with a label of its own (-1) is wrong for all.
    """
    chance = np.random.default_rng(seed)
    right = _right(train, dev, ~doubted)
    at_random = []
    for _ in range(REPEATS):
        kept = np.ones(len(doubted), dtype=bool)
        kept[chance.choice(len(doubted), int(doubted.sum()), replace=False)] = False
        at_random.append(_right(train, dev, kept))
        beat()
    gains = right - np.array(at_random)
    means = [
        gains[
            np.ix_(
                chance.integers(0, REPEATS, REPEATS),
                chance.integers(0, len(right), len(right)),
            )
        ].mean()
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    return Trial(
        items=len(right),
        repeats=REPEATS,
        without=float(right.mean()),
        at_random=float(np.mean(at_random)),
        gain=float(gains.mean()),
        low=float(low),
        high=float(high),
    )


def common(labels: Sequence[str]) -> set[str]:
    """Return the labels that come often enough to be judged: once in each fold."""
    names, counts = np.unique(np.array(labels), return_counts=True)
    return {str(name) for name, count in zip(names, counts, strict=True) if count >= FOLDS}


def _doubted(probabilities: Floats, labels: Ints) -> Flags:
    """Doubt a row when the label that is surest by its own usual probability is not the given one."""
    usual = np.array([probabilities[labels == k, k].mean() for k in range(probabilities.shape[1])])
    sure = np.where(probabilities >= usual, probabilities, -1)
    doubted: Flags = (sure.max(axis=1) >= 0) & (sure.argmax(axis=1) != labels)
    return doubted


def _enough(trusted: Flags, labels: Ints) -> Flags:
    """Trust all rows of a label of which too few would be left."""
    left = np.bincount(labels[trusted], minlength=int(labels.max()) + 1)
    return trusted | (left[labels] < FOLDS)


def _right(train: tuple[Floats, Ints], dev: tuple[Floats, Ints], kept: Flags) -> Floats:
    vectors, labels = train
    kept = _enough(kept, labels)
    model = _taught(vectors[kept], labels[kept])
    right: Floats = (model.predict(dev[0]) == dev[1]).astype(float)
    return right


def _taught(vectors: Floats, labels: Ints) -> LogisticRegression:
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=MOST_PASSES, tol=1e-3)
    with warnings.catch_warnings():
        # one that has nearly settled serves as well
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(vectors, labels)


def _against_its_label(confidence: Floats, labels: Ints, doubted: Flags) -> Floats:
    """Return confidences less what is usual for rows of the same label: some labels are likelier words than others."""
    seen = confidence.copy()
    for label in np.unique(labels):
        own = labels == label
        undoubted = own & ~doubted & ~np.isnan(confidence)
        usual = np.median(confidence[undoubted]) if undoubted.any() else np.nan
        seen[own] -= usual
    return seen


def _agreement(doubted: Flags, confidence: Floats) -> float | None:
    known = ~np.isnan(confidence)
    if not 0 < int(doubted[known].sum()) < int(known.sum()):
        return None
    return float(roc_auc_score(doubted[known], -confidence[known]))


def _rank(values: Floats) -> Floats:
    """Return the place of each value in order, 0 … 1."""
    order = values.argsort(kind="stable").argsort(kind="stable")
    return order / max(1, len(values) - 1)
