"""Tokens as the words that people read; what belongs to a secret or to personal data is masked."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from agents.worker.checks import personal_data, secrets
from agents.worker.checks.marks import Mark

LONGEST_WORD = 24
"""Characters; languages without spaces are cut at the next token."""
UNFINISHED = "\ufffd"
"""What the decoder shows for a part of a character."""


@dataclass(frozen=True)
class Word:
    """Some tokens in a row, read as one word."""

    text: str
    start: int
    """Place of its first token."""
    end: int
    """Place after its last one."""
    is_mark: bool = False
    """It stands there whatever is asked."""


def words(tokenizer: Any, ids: Sequence[int], fixed: Collection[int]) -> list[Word]:
    """Return the words of a text of tokens, in order; together they have all tokens. `fixed` are the places of marks."""
    texts = _texts(tokenizer, ids)
    read = _Read(texts, [place in fixed for place in range(len(ids))], _owners(texts))
    found: list[Word] = []
    start = 0
    for place in range(1, len(texts)):
        if read.parts(start, place):
            found.append(read.word(start, place))
            start = place
    return [*found, read.word(start, len(texts))] if texts else []


@dataclass(frozen=True)
class _Read:
    """A text, token by token."""

    texts: list[str]
    is_mark: list[bool]
    owners: list[Mark | None]
    """What each token is a part of that must not be shown."""

    def parts(self, start: int, place: int) -> bool:
        """Tell whether the word that begins at `start` ends before `place`."""
        before, here = self.owners[place - 1], self.owners[place]
        if before is not None or here is not None:
            return before is not here
        if self.is_mark[place - 1] is not self.is_mark[place]:
            return True
        following = self.owners[place + 1] if place + 1 < len(self.owners) else None
        if following is not None and not self.texts[place].strip():
            return False  # a space before what is masked
        word = "".join(self.texts[start:place])
        spaced = self.texts[place][:1].isspace() or word[-1:].isspace()
        return (spaced and bool(word.strip())) or len(word.strip()) >= LONGEST_WORD

    def word(self, start: int, end: int) -> Word:
        """Return the word between two places."""
        mark = self.owners[start]
        text = " ".join("".join(self.texts[start:end]).split())
        return Word(f"[{mark.kind}]" if mark else text or "⏎", start, end, self.is_mark[start])


def _texts(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Return what each token adds to the text; a part of a character adds nothing until its last one has come."""
    texts, before = [], ""
    for end in range(1, len(ids) + 1):
        whole = tokenizer.decode(list(ids[:end]), clean_up_tokenization_spaces=False)
        if whole.endswith(UNFINISHED) and end < len(ids):
            texts.append("")
        elif whole.startswith(before):
            texts.append(whole[len(before) :])
            before = whole
        else:  # a decoder that looks ahead
            texts.append(tokenizer.decode([ids[end - 1]]))
            before = whole
    return texts


def _owners(texts: Sequence[str]) -> list[Mark | None]:
    whole = "".join(texts)
    marks = [*secrets.marks(whole), *personal_data.marks(whole)]
    owners: list[Mark | None] = []
    at = 0
    for text in texts:
        end = max(at + len(text), at + 1)
        owners.append(next((m for m in marks if m.start < end and at < m.end), None))
        at += len(text)
    return owners
