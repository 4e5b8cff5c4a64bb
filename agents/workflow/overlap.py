"""Tell whether two descriptions of ways out can be told apart by their words.

A ratio of equal letters would not do: “the user wants the standard form” and “the user wants the simple form” are
nearly the same text, and a model tells them apart without effort. What matters is whether each of the two says
something that the other does not.
"""

import re

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
# fmt: off
FILLING = frozenset({
    "a", "an", "and", "are", "as", "at", "be", "been", "by", "can", "do", "does", "for", "from",
    "has", "have", "he", "if", "in", "into", "is", "it", "its", "of", "on", "or", "our", "shall",
    "she", "should", "so", "that", "the", "their", "them", "then", "there", "these", "they", "this",
    "to", "was", "we", "were", "when", "which", "who", "will", "with", "would", "you", "your",
})
"""Words that say nothing about when a way is taken."""
NEGATING = frozenset({
    "no", "not", "never", "none", "nothing", "without", "neither", "nor", "cannot", "can't",
    "don't", "doesn't", "isn't",
})
# fmt: on


def overlap(first: str, second: str) -> bool:
    """Tell whether all that one description says is said by the other one too; a “not” tells two apart."""
    one, other = content(first), content(second)
    if not (one <= other or other <= one):
        return False
    return not (one ^ other) & NEGATING


def content(text: str) -> frozenset[str]:
    """Return the words of a description that say something, without the ending of a plural or a verb."""
    words = (word.replace("’", "'") for word in WORD.findall(text.casefold()))
    kept = [word for word in words if word not in FILLING]
    return frozenset(word if word in NEGATING else _stem(word) for word in kept)


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
