"""Text from outside without a link that anything could follow: no program that shows it, and no person by a slip.

`https://evil.example/x` becomes `hxxps[:]//evil[.]example/x`: the form in which people who handle such addresses write them.
"""

import re
import unicodedata

_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
_HOST = r"[^\s/<>\"'()\[\]{}|\\^`]+"
_AFTER_SLASHES = re.compile(rf"(?<=//){_HOST}")
_WWW = re.compile(rf"\bwww\.{_HOST}", re.IGNORECASE)
_WITH_PATH = re.compile(r"(?<![\w.])(?:[\w-]+\.)+[^\W\d_]{2,}(?=[/:?#]\S)")
_SLASHES = re.compile(r":(?=[/\\]{2})")
_HTTP = re.compile(r"(?<![^\W\d_])h(tt)ps?(?=\s*(?::|\[:\]))", re.IGNORECASE)
_SCHEME = re.compile(
    r"(?<![^\W\d_])(hxxps?|ftp|file|data|javascript|vbscript|mailto|tel|blob|wss?|steam|discord|tg|slack)(\s*):(?!:)(?=\S)",
    re.IGNORECASE,
)
_TARGET = re.compile(r"\](?=[(\[])")
_DEFINITION = re.compile(r"^(\s{0,3}(?:[>*+-]\s*)*\[[^\]\n]+\]):", re.MULTILINE)
_AT = re.compile(r"@(?=everyone|here)|(?<=<)[@#](?=[!&\d])", re.IGNORECASE)


def defanged(text: str) -> str:
    """Return a text in which no link, image or call of everybody is live; what it says stays readable.

    Idempotent. It is not yet safe as Markdown of a message: whoever shows it escapes it as well.
    """
    text = visible(text)
    text = _SLASHES.sub("[:]", text)
    text = _HTTP.sub(lambda found: found[0].replace(found[1], "xx"), text)
    text = _SCHEME.sub(r"\1\2[:]", text)
    for pattern in (_AFTER_SLASHES, _WWW, _WITH_PATH):
        text = pattern.sub(_dead_host, text)
    text = _TARGET.sub("] ", text)
    text = _DEFINITION.sub(r"\1 :", text)
    return _AT.sub(lambda found: found[0] + " ", text)


def visible(text: str) -> str:
    """Drop controls, bidi marks and other characters that cannot be seen; keep line breaks and tabs."""
    text = text.replace("\r\n", "\n")
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in _INVISIBLE)


def _dead_host(found: re.Match[str]) -> str:
    return re.sub(r"(?<!\[)\.(?!\])", "[.]", found[0])
