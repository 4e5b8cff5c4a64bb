"""One question to a database: a single SELECT in plain words. The outer of two walls; the inner one is the database's own.

Not a parser of SQL. It lets through less than databases understand, and what it lets through means the same to all.
"""

import re

from agents.knowledge.refusals import KnowledgeError

MAX_CHARS = 10_000
_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<text>'(?:[^']|'')*')|(?P<quoted>\"(?:[^\"]|\"\")+\")|(?P<number>\d[\w.]*|\.\d+)"
    r"|(?P<word>[^\W\d]\w*)|(?P<sign>[-+*/%(),.<>=!|&~:\[\]])"
)
# fmt: off
_NEVER = frozenset({
    "alter", "analyze", "attach", "begin", "call", "cluster", "comment", "commit", "copy", "create", "deallocate", "declare", "delete",
    "detach", "discard", "do", "drop", "execute", "explain", "fetch", "grant", "import", "insert", "into", "listen", "load", "lock",
    "merge", "move", "notify", "pragma", "prepare", "reassign", "refresh", "reindex", "release", "reset", "revoke", "rollback",
    "savepoint", "security", "set", "show", "start", "table", "truncate", "uescape", "unlisten", "update", "vacuum",
})
"""Words that begin or turn a statement into one that does something. A column of such a name is written in quotes."""
_PREFIXES = frozenset({"b", "e", "n", "u", "x"})
_BEFORE_BRACKETS = frozenset({
    "all", "and", "any", "as", "between", "by", "case", "cross", "distinct", "else", "except", "exists", "filter", "from", "group",
    "having", "in", "intersect", "is", "join", "lateral", "like", "limit", "materialized", "not", "on", "or", "order", "over",
    "partition", "select", "some", "then", "union", "using", "values", "when", "where", "with", "within",
})
"""Words that brackets may follow without being a function."""
FUNCTIONS = frozenset({
    "abs", "age", "array_agg", "array_length", "avg", "btrim", "cardinality", "cast", "ceil", "ceiling", "char_length", "coalesce",
    "concat", "concat_ws", "count", "cume_dist", "date", "date_part", "date_trunc", "datetime", "decimal", "dense_rank", "extract",
    "first_value", "floor", "greatest", "group_concat", "hex", "ifnull", "initcap", "instr", "json_extract",
    "julianday", "lag", "last_value", "lead", "least", "left", "length", "lower", "ltrim", "max", "min", "mod", "now", "nth_value",
    "ntile", "nullif", "numeric", "percent_rank", "percentile_cont", "percentile_disc", "position", "power", "rank", "replace",
    "right", "round", "row_number", "rtrim", "sign", "split_part", "sqrt", "stddev", "strftime", "string_agg", "strpos", "substr",
    "substring", "sum", "time", "to_char", "total", "translate", "trim", "trunc", "typeof", "unixepoch", "upper", "varchar",
    "variance",
})
# fmt: on
"""Functions that a statement may call; SQLite allows fewer once more."""


class StatementRefused(KnowledgeError):
    """A statement does more, or might do more, than ask."""


def checked(statement: str) -> str:
    """Return a statement as it is shown at a gate and run, to the letter.

    Raises: StatementRefused: it is not one SELECT, or not one that is plain enough to be sure.
    """
    text = statement.strip().removesuffix(";").rstrip()
    if not text or len(text) > MAX_CHARS:
        raise StatementRefused(
            f"A question to a database is a SELECT of at most {MAX_CHARS:,} characters."
        )
    words = _tokens(text)
    first = words[0][1].lower()
    if first not in {"select", "with"} or words[0][0] != "word":
        raise StatementRefused("Only SELECT is taken.")
    for (kind, token), (_, following) in zip(words, [*words[1:], ("", "")], strict=True):
        if kind == "word":
            _check_word(token, following)
        if following == "(" and _calls(kind, token.lower()):
            raise StatementRefused(f"The function {token} is not taken.")
    return text


def _tokens(text: str) -> list[tuple[str, str]]:
    """Cut a statement; comments, semicolons, dollars, backslashes and controls are no part of any."""
    found: list[tuple[str, str]] = []
    place = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        comment = text.startswith(("--", "/*"), place)
        if token is None or comment or not (token[0].isprintable() or token[0].isspace()):
            raise StatementRefused(
                f"A question holds one statement without comments or special signs; the sign “{text[place]}” is not taken."
            )
        if "\\" in token[0]:
            raise StatementRefused("Texts are written without backslashes.")
        place = token.end()
        if token.lastgroup != "space":
            found.append((str(token.lastgroup), token[0]))
    return found


def _check_word(word: str, following: str) -> None:
    if word.lower() in _NEVER:
        raise StatementRefused(
            f"The word {word} is not taken; a column of that name is written in quotes."
        )
    if word.lower() in _PREFIXES and following[:1] in {"'", '"', "&"}:
        raise StatementRefused("Texts are written plainly, without a letter before the quote.")


def _calls(kind: str, word: str) -> bool:
    return kind == "quoted" or (
        kind == "word" and word not in FUNCTIONS and word not in _BEFORE_BRACKETS
    )
