"""What is likely where names do not settle it: from the task sentence and from what is in the columns."""

from collections.abc import Sequence
from dataclasses import replace

from agents.jobs import Reading, RowShape
from agents.worker.columns import ABOUT, Columns
from agents.worker.role_names import ANSWERS, EXTRACTING, TEXTS
from agents.worker.table import Record, Table, listed

FEWER = 0.5
"""Share of the other column's different values up to which a column has "fewer"."""
MOST_READINGS = 4


def two_columns(seen: Columns) -> list[Reading]:
    """Return how two columns of text can be read; nothing where there are more or fewer."""
    usable = seen.usable()
    if len(usable) != 2:
        return []
    if known := _one_by_name(usable):
        return [known]
    if _lacks_header(seen, usable):
        return _headless(seen)
    first, second = usable
    distinct = {name: seen.distinct(name) for name in usable}
    for prompt, completion in ((first, second), (second, first)):
        if distinct[completion] <= FEWER * distinct[prompt]:
            why = f"has fewer different values ({distinct[completion]} against {distinct[prompt]})"
            return [_of_two(usable, prompt, completion, why)]
    mentioned = seen.mentioned(usable)
    if len(mentioned) == 2:
        return [_of_two(usable, mentioned[0], mentioned[1], "is named last in your task sentence")]
    return [
        _of_two(usable, first, second, "comes last"),
        _of_two(usable, second, first, "comes first"),
    ]


def _of_two(both: Sequence[str], prompt: str, completion: str, why: str) -> Reading:
    reason = f"Of the two text columns {listed(both)}, '{completion}' {why}, so it is taken for the answer."
    return single(prompt, completion, reason)


def _one_by_name(usable: Sequence[str]) -> Reading | None:
    texts = [name for name in usable if name.strip().casefold() in TEXTS]
    answers = [name for name in usable if name.strip().casefold() in ANSWERS]
    if len(texts) == len(answers) == 1:
        reason = f"'{texts[0]}' and '{answers[0]}' are usual names for a prompt and its completion."
        return single(texts[0], answers[0], reason)
    if len(texts) + len(answers) != 1:
        return None
    known = (texts or answers)[0]
    other = next(name for name in usable if name != known)
    prompt, completion = (known, other) if texts else (other, known)
    role = "prompt" if texts else "completion"
    return single(
        prompt,
        completion,
        f"'{known}' is a usual name for a {role}, and '{other}' is the only other text column.",
    )


def _lacks_header(seen: Columns, usable: Sequence[str]) -> bool:
    return seen.has_header and any(name in seen.texts(name) for name in usable)


def _headless(seen: Columns) -> list[Reading]:
    """Return readings of a table whose first row is data, and of one whose first row is not, after all."""
    table = without_header(Table("", seen.names, tuple(seen.sample)))
    unnamed = Columns(table.columns, table.records, seen.task)
    found = two_columns(unnamed) or anything_else(unnamed)
    looks = f"The first row ({listed(seen.names)}) looks like data, not like column names, so it is taken for a row."
    rows = [r.model_copy(update={"header": False, "reason": f"{looks} {r.reason}"}) for r in found]
    names = seen.usable()
    named = single(names[0], names[-1], "The first row is taken for column names.")
    return [*rows[: MOST_READINGS - 1], named]


def anything_else(seen: Columns) -> list[Reading]:
    """Return what is likely among three columns or more that nothing else is known of."""
    usable = [name for name in seen.usable() if name.strip().casefold() not in ABOUT]
    if len(usable) < 2:
        return []
    if not {*TEXTS, *ANSWERS} & seen.by_key.keys() and _lacks_header(seen, usable):
        return _headless(seen)
    texts = [name for name in usable if name.strip().casefold() in TEXTS]
    longest = texts[0] if len(texts) == 1 else max(usable, key=seen.mean_chars)
    fields = [name for name in usable if name != longest]
    mentioned = [name for name in seen.mentioned(usable) if name != longest]
    if len(mentioned) > 1 or (extracts(seen) and len(fields) > 1):
        return fields_of(longest, mentioned if len(mentioned) > 1 else fields, sure=bool(texts))
    if len(mentioned) == 1:
        return [
            single(
                longest,
                mentioned[0],
                f"Your task sentence names '{mentioned[0]}', and '{longest}' has the longest texts.",
            )
        ]
    if len(fields) > 1 and all(map(seen.is_short, fields)) and not seen.is_short(longest):
        return fields_of(longest, fields, sure=False)
    *before, last = usable
    together = Reading(
        shape=RowShape.PROMPT_COMPLETION,
        prompt=tuple(before),
        required=before[0],
        answer=(last,),
        reason=f"'{last}' comes last, so it is taken for the answer to {listed(before)} together.",
    )
    alone = [
        single(name, last, f"'{last}' is taken for the answer to '{name}' alone.")
        for name in before
    ]
    return [together, *alone] if len(before) > 1 else [together]


def single(prompt: str, completion: str, reason: str) -> Reading:
    """Return the reading of one column as prompt and one as its answer."""
    return Reading(
        shape=RowShape.PROMPT_COMPLETION,
        prompt=(prompt,),
        answer=(completion,),
        asks_already=prompt.strip().casefold() in {"prompt", "instruction"},
        reason=reason,
    )


def fields_of(text: str, fields: Sequence[str], *, sure: bool) -> list[Reading]:
    """Return a reading of several answers as one JSON object, and, unless it is `sure`, of each one alone."""
    together = Reading(
        shape=RowShape.PROMPT_COMPLETION,
        prompt=(text,),
        answer=tuple(fields),
        as_json=True,
        reason=f"{listed(fields)} are told about '{text}', as one JSON object.",
    )
    if sure:
        return [together]
    return [
        together,
        *(single(text, name, f"'{name}' alone is the answer to '{text}'.") for name in fields),
    ]


def extracts(seen: Columns) -> bool:
    """Tell whether the task sentence asks for several values at once."""
    return bool(EXTRACTING & set(seen.words))


def without_header(table: Table) -> Table:
    """Return the table with its first row as a row, and its columns called by number."""
    columns = tuple(f"column {number}" for number in range(1, len(table.columns) + 1))
    first = Record(1, dict(zip(columns, table.columns, strict=True)))
    others = [
        Record(record.row, dict(zip(columns, record.values.values(), strict=True)))
        for record in table.records
    ]
    return replace(table, columns=columns, records=(first, *others))
