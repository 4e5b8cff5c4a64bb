"""Words with a colour behind each, as wide as a picture: how strong a word is. Drawn in the child program of `bot.charts`.

The strongest words carry a sign too, so that nobody needs to see colours.
"""

import unicodedata
from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from bot.text import clip

COLUMNS = 88
"""Characters of a line."""
WIDTH_INCHES = 7.0
LINE_INCHES = 0.26
NAME_INCHES = 0.35
TITLE_COLUMNS = 78
EDGE_INCHES = 0.15
LONGEST = 30
FONT_SIZE = 9
STRONGEST = 5
DEEPEST = 0.85
"""Opacity of the colour behind the heaviest word."""

Words = Sequence[tuple[str, float]]


def strongest(words: Words, sign: int = 1, count: int = STRONGEST) -> list[tuple[str, float]]:
    """Return the words that weigh most, above zero (or below, for `sign` -1)."""
    weighing = [(text, value) for text, value in words if sign * value > 0]
    return sorted(weighing, key=lambda word: -sign * word[1])[:count]


def height_inches(title: str, strips: Sequence[dict[str, Any]]) -> float:
    """Return how high a picture of some strips is."""
    lines = sum(_placed(strip["words"])[-1][1] + 1 for strip in strips if strip["words"])
    lines += len(_lines(title))
    return 2 * EDGE_INCHES + NAME_INCHES * len(strips) + LINE_INCHES * lines


def paint(
    axes: Any, title: str, strips: Sequence[dict[str, Any]], colours: tuple[str, str]
) -> None:
    """Paint a title and strips below each other; the colours are of what is more than zero, and of what is less."""
    height = height_inches(title, strips)
    edge = EDGE_INCHES / height
    axes.axis("off")
    axes.set_position((0.015, edge, 0.97, 1 - 2 * edge))
    axes.set_xlim(0, COLUMNS)
    axes.set_ylim((height - 2 * EDGE_INCHES) / LINE_INCHES, 0)
    top = 0.0
    for line in _lines(title):
        axes.text(0, top + 0.5, line, fontsize=FONT_SIZE + 2, va="center", parse_math=False)
        top += 1
    for strip in strips:
        axes.text(
            0, top + 0.6, strip["name"], fontsize=FONT_SIZE + 1, va="center", parse_math=False
        )
        top += NAME_INCHES / LINE_INCHES
        top = _paint_words(axes, strip["words"], top, colours)


def _paint_words(axes: Any, words: Words, top: float, colours: tuple[str, str]) -> float:
    """Paint words from a line on, and return the line after them."""
    most = max((abs(value) for _text, value in words), default=0.0) or 1.0
    signs = dict.fromkeys(strongest(words), "▲") | dict.fromkeys(strongest(words, -1), "▼")
    placed = _placed(words)
    for (column, line), (text, value) in zip(placed, words, strict=True):
        sign = signs.get((text, value), "")
        depth = DEEPEST * abs(value) / most
        axes.text(
            column,
            top + line + 0.5,
            _shown(text) + sign,
            family="monospace",
            fontsize=FONT_SIZE,
            fontweight="bold" if sign else "normal",
            va="center",
            parse_math=False,
            bbox={
                "boxstyle": "square,pad=0.12",
                "linewidth": 0,
                "alpha": depth,
                "facecolor": colours[0] if value >= 0 else colours[1],
            },
        )
    return top + (placed[-1][1] + 1 if placed else 0)


def _placed(words: Words) -> list[tuple[int, int]]:
    """Return column and line of each word."""
    found, column, line = [], 0, 0
    for text, _value in words:
        width = _cells(_shown(text)) + 2  # room for a sign and a gap
        if column and column + width > COLUMNS:
            column, line = 0, line + 1
        found.append((column, line))
        column += width
    return found


def _lines(title: str) -> list[str]:
    return wrap(title, TITLE_COLUMNS) or [""]


def _shown(text: str) -> str:
    return clip(text, LONGEST)


def _cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
