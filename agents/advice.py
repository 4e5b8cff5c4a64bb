"""What of a language model's advice may be shown: words. Numbers come from code, and nothing in it leads anywhere."""

import re

_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_LEADS_SOMEWHERE = re.compile(
    r"://|\bwww\.|@|\b[\w-]+\.(?:com|net|org|io|dev|ai|example)\b", re.IGNORECASE
)
_NUMBERS = re.compile(r"\d|%|\bper\s?cent\b|\bpercent\b", re.IGNORECASE)


def to_show(text: str, most_chars: int) -> str | None:
    """Return the sentences that say no number and name no address, as many as fit; None where none is left."""
    kept = ""
    for sentence in _SENTENCE.split(" ".join(text.split())):
        if _LEADS_SOMEWHERE.search(sentence) or _NUMBERS.search(sentence):
            continue
        longer = f"{kept} {sentence}".strip()
        if len(longer) > most_chars:
            break
        kept = longer
    return kept or None
