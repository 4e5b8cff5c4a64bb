"""Insults and obscene words, by the lists of the package glin-profanity (MIT), which are looked up and never run.

A list finds words, not meanings: an insult without a bad word passes, and a medical word may be taken for an obscene one.
So words that stand in the upload's own rows are left alone.
"""

import importlib.util
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.worker.checks.texts import normal
from agents.worker.sieve.drafts import Known

PACKAGE = "glin_profanity"
ENGLISH = "en"
LISTS = {
    "ar": "arabic",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "en": "english",
    "eo": "esperanto",
    "es": "spanish",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "hi": "hindi",
    "hu": "hungarian",
    "it": "italian",
    "ko": "korean",
    "nl": "dutch",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ru": "russian",
    "sv": "swedish",
    "tr": "turkish",
}
"""Names of the lists, of languages that part words by spaces."""
MOST_WORDS = 6
"""Of one entry of a list."""
PLAIN = re.compile(r"[^\W_]+(?:[ '-][^\W_]+)*")
"""Entries in disguise ("$hit") are left out: without their marks they are other words."""


@dataclass(frozen=True)
class BadWords:
    """Entries of lists, without their spelling."""

    entries: frozenset[str]
    languages: tuple[str, ...]
    """Whose lists these are."""

    @classmethod
    def of(cls, speaks: Iterable[str], rows: Sequence[Known]) -> "BadWords":
        """Read the lists of some languages, English always, less what stands in rows of the upload."""
        known = tuple(sorted({ENGLISH, *speaks} & LISTS.keys()))
        folder = _folder()
        if folder is None:
            return cls(frozenset(), ())
        entries = {
            text
            for language in known
            for entry in json.loads((folder / f"{LISTS[language]}.json").read_bytes())["words"]
            if PLAIN.fullmatch(str(entry))
            and len(text := normal(str(entry))) > 2
            and text.count(" ") < MOST_WORDS
        }
        bare = cls(frozenset(entries), known)
        used = {word for row in rows for word in bare._in(f"{row.prompt}\n{row.answer}")}
        return cls(bare.entries - used, known)

    def fault(self, text: str) -> str | None:
        """Say that a text holds a word of the lists, without saying the word; None where it does not."""
        return "it holds an insult or an obscene word" if self._in(text) else None

    def _in(self, text: str) -> list[str]:
        words = normal(text).split()
        return [
            run
            for start in range(len(words))
            for end in range(start + 1, min(start + MOST_WORDS, len(words)) + 1)
            if (run := " ".join(words[start:end])) in self.entries
        ]


def _folder() -> Path | None:
    # looked up, never imported: of the package only the lists are wanted
    spec = importlib.util.find_spec(PACKAGE)
    found = Path(spec.origin).parent / "data" / "dictionaries" if spec and spec.origin else None
    return found if found is not None and found.is_dir() else None
