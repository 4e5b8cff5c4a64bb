"""Rewards that look at the words: equal to the reference, near to it, of the right length."""

from collections.abc import Callable

from sacrebleu.metrics import CHRF

from agents.rewards import Length
from agents.worker.metrics.words import plain
from agents.worker.rewards.attempt import Attempt

CHRF_SCORER = CHRF()


def exact_match(attempt: Attempt) -> float:
    """Return 1 for the reference itself, up to case, white space and Unicode form."""
    return float(plain(attempt.answer) == plain(attempt.reference))


def overlap(attempt: Attempt) -> float:
    """Return chrF of the answer against the reference."""
    score: float = CHRF_SCORER.sentence_score(attempt.answer, [attempt.reference]).score
    return min(1.0, score / 100)


def length(wanted: Length) -> Callable[[Attempt], float]:
    """Return a reward for answers of the wanted number of words."""

    def score(attempt: Attempt) -> float:
        words = len(attempt.answer.split())
        if words < wanted.min_words:
            return words / wanted.min_words
        return max(0.0, min(1.0, 2 - words / wanted.max_words))

    return score
