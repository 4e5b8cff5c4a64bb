"""Answers as they are compared: without the marks that make one look better than it is."""

import re

AS_LONG = 0.8
"""Two answers are about equally long where the shorter has at least this share of the characters of the longer."""
_MARKS: tuple[tuple[str, str], ...] = (
    (r"^[ \t]*(?:```|~~~)[^\n]*$", ""),  # fences of code; the code stays
    (r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+•][ \t]+|\d{1,3}[.)][ \t]+)", ""),
    (r"^[ \t]*(?:[-*_][ \t]*){3,}$", ""),  # rules
    (r"!?\[([^\]\n]*)\]\([^)\n]*\)", r"\1"),
    (r"(\*\*|__|~~|`+)(?=\S)(.+?)(?<=\S)\1", r"\2"),
    (r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])", r"\1"),
)


def without_markdown(text: str) -> str:
    """Return the words of an answer: headings, lists, emphasis, links and fences are taken off."""
    for pattern, instead in _MARKS:
        text = re.sub(pattern, instead, text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def is_about_as_long(first: str, second: str) -> bool:
    """Tell whether two answers have about equally many characters."""
    lengths = sorted(len(without_markdown(text)) for text in (first, second))
    return lengths[0] >= AS_LONG * lengths[1]
