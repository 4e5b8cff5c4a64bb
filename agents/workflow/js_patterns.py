r"""Search with a JavaScript pattern: what `new RegExp(pattern)` would find, or a sentence on why it cannot be known.

Python reads some of the same characters otherwise: `\d` takes every script's digits, `$` stands before a last line feed,
`a++` means something, `(?<n>…)` nothing. Each is written anew here; what has no counterpart is refused when a file is
read. The `regex` package searches, because it stops after a time: a pattern of a test file may be of any badness.
"""

import re
from collections.abc import Callable
from functools import lru_cache

import regex

MAX_PATTERN_CHARS = 2000
MAX_SIZE = 20_000
"""Of a pattern with all its `{n}` written out: nested ones take all the memory there is, before a search begins."""
TIMEOUT_S = 1.0

SPACE = r"\t\n\x0b\x0c\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
SETS = {"d": "0-9", "w": "A-Za-z0-9_", "s": SPACE}
WORD = f"[{SETS['w']}]"
BOUNDARY = f"(?:(?<={WORD})(?!{WORD})|(?<!{WORD})(?={WORD}))"
NO_BOUNDARY = f"(?:(?<={WORD})(?={WORD})|(?<!{WORD})(?!{WORD}))"
CONTROLS = {"t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "0": "\0"}
ANYTHING = "(?s:.)"
NOTHING = "(?!)"

ESCAPE = (
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}"
    r"|c[A-Za-z]|k<[A-Za-z_]\w*>|[1-9][0-9]*|0[0-9]+|[\s\S])"
)
TOKEN = re.compile(
    rf"(?P<escape>{ESCAPE})|(?P<among>\[\^?(?:\\[\s\S]|[^\]\\])*\])"
    r"|(?P<group>\(\?(?:[:=!]|<[=!]|<[A-Za-z_]\w*>))|(?P<odd>\(\?|\\|\[)"
    r"|(?P<repeat>(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\??)|(?P<char>[\s\S])",
    re.ASCII,
)
INSIDE = re.compile(rf"{ESCAPE}|[\s\S]", re.ASCII)


class NotPossible(Exception):
    """A pattern that cannot be searched for as JavaScript would. `str()` says why, for a person."""


class TooSlow(Exception):
    """A search was given up."""


def check(pattern: str) -> None:
    """Make sure that a pattern can be searched for.

    Raises: NotPossible: it cannot.
    """
    _compiled(pattern, case_sensitive=True)


def found(
    pattern: str, text: str, *, case_sensitive: bool = True, timeout_s: float = TIMEOUT_S
) -> bool:
    """Tell whether a text has a place that fits.

    Raises: NotPossible: the pattern cannot be searched for. TooSlow: it takes longer than the time given.
    """
    compiled = _compiled(pattern, case_sensitive=case_sensitive)
    try:
        return compiled.search(text, timeout=timeout_s) is not None
    except TimeoutError as error:
        raise TooSlow(f"the pattern takes longer than {timeout_s:g} s on this text") from error


def quoted(text: str) -> str:
    """Return a pattern that fits this text and nothing else."""
    return re.sub(r"[\\^$.*+?()\[\]{}|/]", r"\\\g<0>", text)


@lru_cache(maxsize=512)
def _compiled(pattern: str, *, case_sensitive: bool) -> "regex.Pattern[str]":
    flags = regex.V0 if case_sensitive else regex.V0 | regex.IGNORECASE
    try:
        return regex.compile(translated(pattern), flags)
    except (regex.error, OverflowError, RecursionError) as error:
        raise NotPossible(f"is no pattern: {error}") from error


def translated(pattern: str) -> str:
    """Return the pattern as `regex` reads it.

    Raises: NotPossible: it has no counterpart.
    """
    if len(pattern) > MAX_PATTERN_CHARS:
        raise NotPossible(f"is longer than {MAX_PATTERN_CHARS} characters")
    tokens = [(token.lastgroup or "", token[0]) for token in TOKEN.finditer(pattern)]
    _bounded(tokens)
    return "".join(TRANSLATIONS[kind](text) for kind, text in tokens)


def _bounded(tokens: list[tuple[str, str]]) -> None:
    """Refuse what only Python can repeat, and what becomes too large."""
    sizes = [0]
    last, before = 0, ""
    for kind, text in tokens:
        if kind == "repeat":
            if before == "repeat":
                raise NotPossible(f"has “{text}” where there is nothing to repeat")
            times = max([int(number) for number in re.findall(r"[0-9]+", text)], default=1)
            sizes[-1] += last * max(times - 1, 0)
        elif kind == "group" or text == "(":
            sizes.append(0)
        else:
            last = sizes.pop() if text == ")" and len(sizes) > 1 else 1
            sizes[-1] += last
        if sizes[-1] > MAX_SIZE:
            raise NotPossible("repeats too much")
        before = kind


def _group(text: str) -> str:
    return text.replace("(?<", "(?P<") if text.endswith(">") else text


def _odd(text: str) -> str:
    if text != "(?":
        raise NotPossible(f"has “{text}” without what belongs after it")
    raise NotPossible("has “(?” with something that JavaScript does not know")


def _repeat(text: str) -> str:
    return text


def _literal(text: str) -> str:
    if text == "$":
        return r"\Z"
    if text == ".":
        return r"[^\n\r\u2028\u2029]"
    return text if text in "^()|" else str(regex.escape(text))


def _escape(text: str) -> str:
    """Return an escape outside of brackets."""
    letter = text[1]
    if letter in SETS:
        return f"[{SETS[letter]}]"
    if letter.lower() in SETS:
        return f"[^{SETS[letter.lower()]}]"
    if letter == "b":
        return BOUNDARY
    if letter == "B":
        return NO_BOUNDARY
    if letter in "123456789":
        return f"(?:\\{text[1:]})"
    if letter == "k" and len(text) > 2:
        return f"(?P={text[3:-1]})"
    return str(regex.escape(_character(text)))


def _character(text: str) -> str:
    """Return the one character that an escape stands for."""
    letter, rest = text[1], text[2:]
    if letter == "0" and rest:
        raise NotPossible(f"has “{text}”, an old way to write a character: write “\\x…”")
    if letter in "pP" or (letter == "u" and not rest):
        raise NotPossible(f"has “\\{letter}”, which means something only with a flag of its own")
    if letter == "u" and len(rest) > 4:
        return (bytes.fromhex(rest[:4]) + bytes.fromhex(rest[6:])).decode("utf-16-be")
    if letter == "u" and 0xD800 <= int(rest, 16) <= 0xDFFF:
        raise NotPossible(f"has “{text}”, which is half a character")
    if letter in "ux" and rest:
        return chr(int(rest, 16))
    if letter == "c" and rest:
        return chr(ord(rest) % 32)
    return CONTROLS.get(letter, letter)


def _among(text: str) -> str:
    """Return a pair of brackets: what is in them, and sets of which all but some are meant."""
    negated = text.startswith("[^")
    tokens = INSIDE.findall(text[2:-1] if negated else text[1:-1])
    plain, others = [], []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        single = _is_single(token)
        if single and position + 2 < len(tokens) and tokens[position + 1] == "-":
            last = tokens[position + 2]
            if _is_single(last):
                plain.append(f"{_in_brackets(token)}-{_in_brackets(last)}")
                position += 3
                continue
        if single:
            plain.append(_in_brackets(token))
        elif token[1] in SETS:
            plain.append(SETS[token[1]])
        else:
            others.append(SETS[token[1].lower()])
        position += 1
    return _none_of("".join(plain), others) if negated else _one_of("".join(plain), others)


def _one_of(plain: str, others: list[str]) -> str:
    ways = ([f"[{plain}]"] if plain else []) + [f"[^{other}]" for other in others]
    return f"(?:{'|'.join(ways)})" if ways else NOTHING


def _none_of(plain: str, others: list[str]) -> str:
    ahead = "".join(f"(?=[{other}])" for other in others)
    return f"(?:{ahead}{f'[^{plain}]' if plain else ANYTHING})"


def _is_single(token: str) -> bool:
    return not (token.startswith("\\") and token[1].lower() in SETS)


def _in_brackets(token: str) -> str:
    if not token.startswith("\\"):
        character = token
    elif token[1] in "123456789" or token[1] == "k":
        raise NotPossible(f"has “{token}” in brackets")
    else:
        character = "\b" if token[1] == "b" else _character(token)
    return f"\\U{ord(character):08x}" if not character.isalnum() else character


TRANSLATIONS: dict[str, Callable[[str], str]] = {
    "escape": _escape,
    "among": _among,
    "group": _group,
    "odd": _odd,
    "repeat": _repeat,
    "char": _literal,
}
