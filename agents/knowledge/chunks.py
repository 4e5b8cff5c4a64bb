"""Passages of a document: parts that are short enough to be looked up and long enough to be understood alone."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST_WORDS = 120
"""Of a passage. MiniLM reads 256 tokens, about 190 words of English."""
FEWEST_WORDS = 4
"""A line of a page number or a menu is no passage."""
OVERLAP_SENTENCES = 1
"""Sentences of a passage that the next one of the same paragraph begins with, so that none is cut from its neighbour."""
_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[.!?][\"'”’)\]])\s+|(?<=[\u3002\uff01\uff1f])")


@dataclass(frozen=True)
class Passage:
    """A part of a document."""

    id: str
    """Of its words, so that the same words in another place or version have the same id."""
    text: str
    where: str
    """Headings above it, outermost first; empty where there are none."""
    place: int
    """From 0 on, in the order of the document."""

    @property
    def searched(self) -> str:
        """Return what it is found by: its headings and its text."""
        return f"{self.where}\n{self.text}" if self.where else self.text


def passages(text: str) -> list[Passage]:
    """Cut Markdown or plain text between paragraphs, a long paragraph between sentences, a long sentence between words.

    Short neighbours under the same heading are put together. The words of a document are all in some passage, in their
    order, but for lines of fewer than FEWEST_WORDS words that stand alone under a heading.
    """
    found: list[Passage] = []
    for where, body in _sections(text):
        for part in _joined(_paragraphs(body)):
            if len(part.split()) >= FEWEST_WORDS:
                found.append(Passage(_id(where, part), part, where, len(found)))
    return found


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """Yield (headings, text below them); what stands in a block of code is no heading."""
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        heading = None if fenced else _HEADING.match(line)
        if heading is None:
            lines.append(line)
            continue
        yield _named(path), "\n".join(lines)
        lines = []
        level = len(heading[1])
        path = [*((above, name) for above, name in path if above < level), (level, heading[2])]
    yield _named(path), "\n".join(lines)


def _named(path: list[tuple[int, str]]) -> str:
    return " > ".join(name for _level, name in path)


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text):
        tidy = "\n".join(" ".join(line.split()) for line in paragraph.splitlines() if line.strip())
        if tidy:
            yield from _short(tidy)


def _short(paragraph: str) -> Iterator[str]:
    """Yield a paragraph in parts of at most MOST_WORDS words."""
    if len(paragraph.split()) <= MOST_WORDS:
        yield paragraph
        return
    current: list[str] = []
    for sentence in _sentences(paragraph):
        words = sum(len(part.split()) for part in current)
        if current and words + len(sentence.split()) > MOST_WORDS:
            yield " ".join(current)
            last = current[-OVERLAP_SENTENCES:]
            overlap = sum(len(part.split()) for part in last)
            current = last if overlap + len(sentence.split()) <= MOST_WORDS else []
        current.append(sentence)
    yield " ".join(current)


def _sentences(paragraph: str) -> Iterator[str]:
    for sentence in _SENTENCE.split(" ".join(paragraph.split())):
        words = sentence.split()
        for start in range(0, len(words), MOST_WORDS):
            yield " ".join(words[start : start + MOST_WORDS])


def _joined(parts: Iterator[str]) -> Iterator[str]:
    """Put short neighbours together."""
    current = ""
    for part in parts:
        if current and len(current.split()) + len(part.split()) > MOST_WORDS:
            yield current
            current = part
        else:
            current = f"{current}\n\n{part}" if current else part
    if current:
        yield current


def _id(where: str, text: str) -> str:
    said = f"{where}\n{text}".encode("utf-8", errors="surrogatepass")
    return hashlib.sha256(said).hexdigest()[:16]
