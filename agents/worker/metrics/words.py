"""A text as metrics see it: case, white space and Unicode form levelled."""

import re
import unicodedata


def plain(text: str) -> str:
    """Return a text as exact match sees it."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def words(text: str) -> list[str]:
    """Return the words of a text, runs of letters and digits of any script."""
    return re.findall(r"\w+", plain(text))
