"""How columns are read, in words: what a person is asked, and what their reply means. By rules alone."""

import difflib
import re
from collections.abc import Sequence

from agents.jobs import Reading, RowShape
from agents.services import UserError

PARTS = {
    "prompt": "prompt",
    "prompts": "prompt",
    "input": "prompt",
    "question": "prompt",
    "in": "prompt",
    "answer": "answer",
    "answers": "answer",
    "completion": "answer",
    "response": "answer",
    "reply": "answer",
    "output": "answer",
    "out": "answer",
    "target": "answer",
    "label": "answer",
    "text": "text",
    "chosen": "chosen",
    "rejected": "rejected",
    "thumb": "thumb",
    "reference": "reference",
    "system": "system",
    "tools": "tools",
    "history": "history",
}
"""What people call the parts of a row."""
EXAMPLE = "prompt = question, answer = reply"
_ASSIGNMENT = re.compile(r"\s*([\w ]+?)\s*(?:=|:|\bis\b|\bare\b)\s*(.+?)\s*$", re.IGNORECASE)
_ARROW = re.compile(r"^(.+?)\s*(?:->|→|=>)\s*(.+)$")
_AND = re.compile(r"\s*(?:\+|&|\band\b|,)\s*", re.IGNORECASE)
QUOTES = "'\"`“”‘’ "


def say(reading: Reading) -> str:
    """Return a reading as a person would write it: "prompt = context + question, answer = answer"."""
    if reading.shape is RowShape.TEXT:
        return f"text = {reading.answer[0]}"
    named = [f"prompt = {' + '.join(reading.prompt)}"] if reading.prompt else []
    if reading.shape is RowShape.PREFERENCE:
        named.append(f"chosen = {reading.answer[0]}")
    elif reading.answer:
        named.append(f"answer = {' + '.join(reading.answer)}")
    for part, column in (
        ("rejected", reading.rejected),
        ("thumb", reading.label),
        ("reference", reading.reference),
        ("system", reading.system),
        ("history", reading.history),
        ("tools", reading.tools),
    ):
        named += [f"{part} = {column}"] if column else []
    return ", ".join(named)


def understand(words: str, columns: Sequence[str], readings: Sequence[Reading]) -> Reading:
    """Return the reading that a reply asks for: a number of the list, "a -> b", or parts and their columns.

    Raises: UserError: it says nothing that can be carried out; the message says what to say instead.
    """
    words = words.strip().strip('.!“”"')
    if words.isdecimal():
        if not 1 <= int(words) <= len(readings):
            raise UserError(f"There are {len(readings)} readings to choose from; {words} is none.")
        return readings[int(words) - 1]
    if arrow := _ARROW.match(words):
        parts = {"prompt": _columns(arrow[1], columns), "answer": _columns(arrow[2], columns)}
    else:
        parts = _assigned(words, columns)
    return _made(parts, header=readings[0].header if readings else True)


def _assigned(words: str, columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    parts: dict[str, tuple[str, ...]] = {}
    for piece in _pieces(words):
        match = _ASSIGNMENT.match(piece)
        part = PARTS.get(match[1].strip().casefold()) if match else None
        if match is None or part is None:
            raise UserError(f"I could not read “{piece[:80]}”. Say it like: {EXAMPLE}.")
        parts[part] = (*parts.get(part, ()), *_columns(match[2], columns))
    if not parts:
        raise UserError(f"I could not read a column out of that. Say it like: {EXAMPLE}.")
    return parts


def _pieces(words: str) -> list[str]:
    """Cut at commas, semicolons and lines, and at an "and", that begin a new part."""
    starts = "|".join(sorted(PARTS, key=len, reverse=True))
    border = rf"\s*(?:[,;\n]|\band\b)\s*(?=(?:the\s+)?(?:{starts})\s*(?:=|:|\bis\b|\bare\b))"
    pieces = re.split(border, words, flags=re.IGNORECASE)
    return [re.sub(r"^the\s+", "", p.strip(), flags=re.IGNORECASE) for p in pieces if p.strip()]


def _columns(text: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that a text lists; a name may itself hold an "and" or a comma."""
    found: list[str] = []
    rest = text.strip()
    while rest:
        column = next((c for c in _longest_first(columns) if _begins(rest, c)), None)
        if column is None:
            raise _unknown(_AND.split(rest)[0] or rest, columns)
        found.append(column)
        rest = rest.lstrip(QUOTES)[len(column) :].lstrip(QUOTES)
        joint = _AND.match(rest)
        if rest and joint is None:
            raise _unknown(rest, columns)
        rest = rest[joint.end() :] if joint else ""
    if not found:
        raise UserError(f"A column is missing there. Say it like: {EXAMPLE}.")
    return tuple(found)


def _longest_first(columns: Sequence[str]) -> list[str]:
    return sorted(columns, key=len, reverse=True)


def _begins(text: str, column: str) -> bool:
    """Tell whether a text begins with the name of a column, quoted or not, and not in the middle of a word."""
    bare = text.lstrip(QUOTES)
    after = bare[len(column) : len(column) + 1]
    return bare.casefold().startswith(column.casefold()) and not (after.isalnum() or after == "_")


def _unknown(name: str, columns: Sequence[str]) -> UserError:
    near = difflib.get_close_matches(name.casefold(), [c.casefold() for c in columns], 1)
    meant = next((c for c in columns if near and c.casefold() == near[0]), None)
    hint = f" Did you mean “{meant}”?" if meant else f" There are: {', '.join(columns)}."
    return UserError(f"There is no column “{name[:80]}”.{hint}")


def _made(parts: dict[str, tuple[str, ...]], *, header: bool) -> Reading:
    shape = _shape(parts)
    answer = parts.get("chosen") or parts.get("text") or parts.get("answer") or ()
    one = {part: columns[0] for part, columns in parts.items()}
    prompt = parts.get("prompt", ())
    return Reading(
        shape=shape,
        prompt=prompt,
        required=prompt[0] if prompt else None,
        answer=answer,
        as_json=len(answer) > 1,
        rejected=one.get("rejected"),
        label=one.get("thumb"),
        reference=one.get("reference"),
        system=one.get("system"),
        history=one.get("history"),
        tools=one.get("tools"),
        header=header,
        reason="You said so.",
    )


def _shape(parts: dict[str, tuple[str, ...]]) -> RowShape:
    has = parts.keys()
    if {"chosen", "rejected"} <= has:
        return RowShape.PREFERENCE
    if "prompt" in has and "answer" in has:
        return RowShape.UNPAIRED if "thumb" in has else RowShape.PROMPT_COMPLETION
    if "prompt" in has and not has & {"chosen", "rejected", "text", "thumb"}:
        return RowShape.PROMPT_ONLY
    if has == {"text"}:
        return RowShape.TEXT
    raise UserError(f"That leaves it open what goes in and what comes out. Say it like: {EXAMPLE}.")
