"""Our own lines of Markdown as parts of text, so that a page says them in the same words as a card, and escapes them itself.

What came from people in such a line is escaped by `bot.text`, so no mark in it is theirs.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

_MARK = re.compile(r"\\(.)|(\*\*)|`([^`]*)`", re.DOTALL)


class Voice(StrEnum):
    """How a part is said."""

    PLAIN = "plain"
    STRONG = "strong"
    CODE = "code"


@dataclass(frozen=True)
class Part:
    """Some text that is all said one way."""

    text: str
    voice: Voice


def parts(markdown: str) -> list[Part]:
    """Take a line apart: bold, code, and the rest, with nothing escaped any more."""
    found: list[Part] = []
    voice, pending, at = Voice.PLAIN, "", 0

    def end() -> None:
        nonlocal pending
        if pending:
            found.append(Part(pending.replace("[:]//", "://"), voice))
        pending = ""

    for mark in _MARK.finditer(markdown):
        pending += markdown[at : mark.start()]
        at = mark.end()
        escaped, bold, code = mark.groups()
        if escaped is not None:
            pending += escaped
            continue
        end()
        if bold:
            voice = Voice.PLAIN if voice is Voice.STRONG else Voice.STRONG
        else:
            found.append(Part(code, Voice.CODE))
    pending += markdown[at:]
    end()
    return found


def words(markdown: str) -> str:
    """Return what a line says, without its marks."""
    return "".join(part.text for part in parts(markdown))
