"""A row as the checks see it: two plain texts, and what is left of a text when its spelling is taken away."""

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from agents.jobs import ROWS_PER_FILE

WORD = re.compile(r"\w+")
MOST_CHARS = 20_000
"""Of one text are compared; what follows in a longer one is not."""
PLAIN = re.compile(r"[a-z0-9 ]*")
ESCAPED = re.compile(r"&(?:#\d+|#x[0-9a-f]+|[a-z]+);", re.IGNORECASE)
PERCENT = re.compile(r"%[0-9a-f]{2}", re.IGNORECASE)
BASE64 = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")
LOOK_ALIKES = str.maketrans(
    "\u0430\u0432\u0435\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u0455\u0456\u0458\u0501\u051b\u051d"
    "\u03b1\u03b2\u03b5\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7",
    "abekmhopctyxsijdqwabeikvoptux",
)
"""Letters of Cyrillic and Greek that pass for Latin ones."""
LATIN = re.compile(r"[a-z]")
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Scripts that write no spaces between words."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What goes in and what should come out of one row, as plain text."""

    row: int
    """Its number in the upload."""
    prompt: str
    answer: str
    file: str = ""
    """Its name, where there are several files."""

    @property
    def where(self) -> str:
        """Name the row for people."""
        row = self.row % ROWS_PER_FILE
        return f"row {row:,} of {self.file}" if self.file else f"row {row:,}"


def normal(text: str) -> str:
    """Return the words of a text and nothing else: no case, accents, punctuation, invisible marks or disguise.

    HTML entities, percent signs and a text that is Base64 as a whole are decoded first; where a text has
    Latin letters, words of letters that only look so become Latin.
    """
    lowered = text[:MOST_CHARS].casefold()
    if PLAIN.fullmatch(lowered):
        return " ".join(_decoded(text, lowered).split())
    plain = _decoded(text, lowered)
    if not plain.isascii():
        decomposed = unicodedata.normalize("NFKD", plain)
        kept = (c for c in decomposed if unicodedata.category(c) not in {"Mn", "Cf"})
        plain = "".join(kept).casefold().replace("’", "")
    words = WORD.findall(plain.replace("'", "").replace("_", " "))
    if not plain.isascii() and LATIN.search(plain):
        words = [word if word.isascii() else _latin(word) for word in words]
    return " ".join(words)


def words_of(normalised: str) -> list[str]:
    """Return the words of a normalised text; where a script writes no spaces, pairs of letters stand for words."""
    words = normalised.split()
    if normalised.isascii() or not UNSPACED.search(normalised):
        return words
    found: list[str] = []
    for word in words:
        pairs = [word[i : i + 2] for i in range(len(word) - 1)]
        found.extend(pairs if pairs and UNSPACED.search(word) else [word])
    return found


def numbers(pairs: Sequence[Pair], places: Sequence[int]) -> list[int]:
    """Return the row numbers of the pairs at these places, in order."""
    return sorted(pairs[place].row for place in places)


def _decoded(text: str, lowered: str) -> str:
    if "&" in lowered and ESCAPED.search(lowered):
        lowered = html.unescape(lowered)
    if "%" in lowered and PERCENT.search(lowered):
        lowered = unquote(lowered, errors="replace").casefold()
    stripped = text.strip()
    if " " not in stripped and len(stripped) % 4 == 0 and BASE64.fullmatch(stripped):
        return _from_base64(stripped) or lowered
    return lowered


def _from_base64(text: str) -> str | None:
    try:
        decoded = base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return decoded.casefold() if decoded.isprintable() and " " in decoded else None


def _latin(word: str) -> str:
    """Return a word of look-alikes in Latin letters; one with other letters in it is what it seems to be."""
    latin = word.translate(LOOK_ALIKES)
    return latin if latin.isascii() else word
