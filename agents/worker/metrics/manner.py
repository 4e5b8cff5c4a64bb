"""How a model answers, whatever it says: whether it refuses to."""

import re

from agents.worker.metrics.items import ItemMetric
from agents.worker.metrics.words import plain

BEGINNING_CHARS = 200
REFUSING = re.compile(
    r"\bas an ai\b|\bi(?:'m| am) (?:just |only )?an ai\b"
    r"|\bi(?:'m| am)(?: so| very)? sorry,?(?: but)? i (?:can(?:'t|not)|am not able|am unable|won't|do not have|don't have)\b"
    r"|\bi (?:can(?:'t|not)|am not able to|am unable to|won't) (?:help|assist|answer|provide|fulfil|comply|do that|discuss|create|write|generate)"
    r"|\bi(?:'m| am) (?:not able|unable) to (?:help|assist|answer|provide|fulfil|comply|discuss|create|write|generate)"
    r"|\b(?:es tut mir leid|tut mir leid),? (?:aber )?ich kann\b|\bich kann (?:dir |ihnen )?(?:dabei |damit )?nicht helfen\b"
    r"|\bje suis désolée?,? (?:mais )?je ne (?:peux|suis)|\bje ne peux pas (?:vous |t')?(?:aider|répondre)"
    r"|\blo siento,? (?:pero )?no puedo\b"
)
"""Usual beginnings of a refusal in English, German, French and Spanish."""


class Refusals(ItemMetric):
    """1 when the answer begins by refusing to answer and the reference does not. 0 is best.

    By fixed expressions in four languages: what is refused in other words is not seen.
    """

    def item(self, said: str, meant: str) -> float:
        """Score one answer."""
        return float(refuses(said) and not refuses(meant))


def refuses(text: str) -> bool:
    """Tell whether a text begins like a refusal."""
    return REFUSING.search(plain(text.replace("’", "'"))[:BEGINNING_CHARS]) is not None
