"""Which column is the question and which the answer: by name, then by what is in them, never by guessing.

messages                 one exchange per row becomes prompt and completion
a usual pair of names    prompt/completion, question/answer, instruction (+ input)/output, …
a text and one label     text/label, sentence/intent, … ; the task sentence decides between several
exactly two columns      one of them known by name, or the one with fewer different values is the answer
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.worker.table import Record, Unusable, cannot_be_stored, clipped, listed
from agents.worker.upload_bytes import bad_data

PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("prompt", "answer"),
    ("question", "answer"),
    ("question", "response"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("instruction", "completion"),
    ("input", "output"),
    ("source", "target"),
    ("user", "assistant"),
    ("query", "response"),
    ("mr", "ref"),
    ("article", "summary"),
    ("document", "summary"),
)
"""Names that belong together, the clearest first."""

TEXTS = frozenset(
    [
        "text",
        "sentence",
        "utterance",
        "message",
        "review",
        "query",
        "question",
        "input",
        "document",
        "article",
        "ticket",
        "request",
        "comment",
        "tweet",
        "email",
        "prompt",
    ]
)
LABELS = frozenset(["label", "category", "intent", "class", "sentiment", "topic", "tag", "emotion"])
ANSWERS = LABELS | frozenset(
    [
        "completion",
        "answer",
        "output",
        "response",
        "target",
        "assistant",
        "ref",
        "reference",
        "reply",
        "summary",
    ]
)
LEADING = {"question": ("context", "passage")}
"""Columns that stand before the prompt where they are present."""
TRAILING = {"instruction": ("input", "context")}
"""Columns that stand after it."""
EXCHANGES = frozenset(("messages", "conversations", "conversation", "dialog", "dialogue"))
SPEAKERS = {"human": "user", "gpt": "assistant", "model": "assistant", "bot": "assistant"}
NUMBERING = frozenset(("id", "idx", "index", "no", "nr", "number", "row", "unnamed: 0"))
SAMPLE_RECORDS = 5000
FEWER = 0.5
"""Share of the other column's different values up to which a column has "fewer"."""

WORD = re.compile(r"\w+")
HOW_TO_NAME = (
    "Rename them to 'prompt' and 'completion' (others are ignored) and upload the file again."
)


class RowProblem(Exception):
    """A row cannot become a prompt and a completion; the text says why."""


@dataclass(frozen=True)
class Roles:
    """How a record becomes a prompt and a completion."""

    prompt_columns: tuple[str, ...]
    """Joined with a blank line where they are not empty; the one called `required` must not be."""
    required: str
    completion_column: str
    reason: str
    asks_already: bool = False
    """The prompt column says itself what is wanted, so the task sentence need not."""
    exchange: bool = False
    """Both come out of one column with a list of messages."""

    def pair(self, record: Record) -> tuple[str, str]:
        """Return the stripped prompt and completion of a record.

        Raises: RowProblem: one of them is empty, missing, no text, or text that cannot be stored.
        """
        if self.exchange:
            return _exchange(record.values.get(self.completion_column))
        parts = [
            _as_text(name, record.values.get(name), name == self.required)
            for name in self.prompt_columns
        ]
        completion = _as_text(
            self.completion_column, record.values.get(self.completion_column), True
        )
        return "\n\n".join(filter(None, parts)), completion


def find_roles(columns: Sequence[str], records: Sequence[Record], task: str) -> Roles:
    """Find prompt and completion among the columns.

    Raises: WorkerError: there is no answer or more than one; the message names the columns and says what to do.
    """
    sample = records[:: max(1, len(records) // SAMPLE_RECORDS)]
    names = {name.strip().casefold(): name for name in columns}
    _refuse_preferences(names, sample)
    for key, name in names.items():
        if key in EXCHANGES and any(isinstance(record.values.get(name), list) for record in sample):
            return _exchange_roles(name, columns, sample)
    if len(columns) < 2:
        raise bad_data(
            f"There is only one column, {listed(columns)}. A row needs a prompt and a completion: two columns."
        )
    found = _usual_pair(names) or _text_and_label(names, task) or _one_of_two(columns, sample)
    if found is None:
        raise bad_data(
            f"It is unclear which columns hold prompts and which completions. Found: {listed(columns)}. {HOW_TO_NAME}"
        )
    return _with_ignored(found, columns)


# ---- the rules ------------------------------------------------------------------------------------------------------


def _usual_pair(names: dict[str, str]) -> Roles | None:
    for prompt, completion in PAIRS:
        if prompt in names and completion in names:
            before = [names[key] for key in LEADING.get(prompt, ()) if key in names]
            after = [names[key] for key in TRAILING.get(prompt, ()) if key in names]
            reason = f"'{names[prompt]}' and '{names[completion]}' are usual names for a prompt and its completion."
            if before or after:
                reason += f" {listed(before + after)} is added to the prompt where it is not empty."
            return Roles(
                prompt_columns=(*before, names[prompt], *after),
                required=names[prompt],
                completion_column=names[completion],
                reason=reason,
                asks_already=prompt in {"prompt", "instruction", "user"},
            )
    return None


def _text_and_label(names: dict[str, str], task: str) -> Roles | None:
    texts, labels = [key for key in names if key in TEXTS], [key for key in names if key in LABELS]
    if not texts or not labels:
        return None
    words = set(WORD.findall(task.casefold()))
    text, label = _only(texts, words), _only(labels, words)
    if text is None or label is None:
        unclear = texts if text is None else labels
        raise bad_data(
            f"It is unclear which columns to use: {listed(names[key] for key in unclear)} could each be the "
            f"{'prompt' if text is None else 'completion'}. Name the one you mean in the task sentence, or rename the "
            "columns to 'prompt' and 'completion', and upload the file again."
        )
    reason = f"'{names[text]}' and '{names[label]}' are usual names for a text and its label."
    if len(texts) > 1 or len(labels) > 1:
        reason += " The task sentence decided between several such columns."
    return _single(names[text], names[label], reason, asks_already=text == "prompt")


def _only(keys: list[str], words: set[str]) -> str | None:
    """Return the only key, or the only one that the task sentence mentions."""
    if len(keys) > 1:
        keys = [key for key in keys if key in words]
    return keys[0] if len(keys) == 1 else None


def _one_of_two(columns: Sequence[str], sample: Sequence[Record]) -> Roles | None:
    values = {name: [_plain(record.values.get(name)) for record in sample] for name in columns}
    candidates = [name for name in columns if _can_be_text(name, values[name])]
    if len(candidates) != 2:
        return None
    known = _one_by_name(candidates)
    if known is not None:
        return known
    first, second = candidates
    _refuse_missing_header(columns, values)
    distinct = {name: len(set(values[name])) for name in candidates}
    if distinct[first] <= FEWER * distinct[second]:
        prompt, completion = second, first
    else:
        prompt, completion = first, second
    if distinct[completion] <= FEWER * distinct[prompt]:
        why = f"has fewer different values ({distinct[completion]} against {distinct[prompt]})"
    else:
        why = "comes last"
    reason = f"Of the two text columns {listed(candidates)}, '{completion}' {why}, so it is taken for the answer."
    return _single(prompt, completion, reason)


def _one_by_name(candidates: list[str]) -> Roles | None:
    texts = [name for name in candidates if name.strip().casefold() in TEXTS]
    answers = [name for name in candidates if name.strip().casefold() in ANSWERS]
    if len(texts) + len(answers) != 1:
        return None
    known = (texts or answers)[0]
    other = next(name for name in candidates if name != known)
    prompt, completion = (known, other) if texts else (other, known)
    role = "prompt" if texts else "completion"
    reason = f"'{known}' is a usual name for a {role}, and '{other}' is the only other text column."
    return _single(
        prompt,
        completion,
        reason,
        asks_already=prompt.strip().casefold() in {"prompt", "instruction"},
    )


def _single(prompt: str, completion: str, reason: str, *, asks_already: bool = False) -> Roles:
    return Roles((prompt,), prompt, completion, reason, asks_already=asks_already)


def _with_ignored(roles: Roles, columns: Sequence[str]) -> Roles:
    used = {*roles.prompt_columns, roles.completion_column}
    ignored = [name for name in columns if name not in used]
    if not ignored:
        return roles
    return replace(roles, reason=f"{roles.reason} Ignored: {listed(ignored)}.")


def _can_be_text(name: str, values: list[str]) -> bool:
    filled = [value for value in values if value]
    key = name.strip().casefold()
    numbering = key in NUMBERING or (key.startswith("column ") and all(map(str.isdecimal, filled)))
    return len(filled) * 2 >= len(values) and len(set(filled)) > 1 and not numbering


def _refuse_missing_header(columns: Sequence[str], values: dict[str, list[str]]) -> None:
    if any(name in values[name] for name in columns):
        raise bad_data(
            f"The first row ({listed(columns)}) looks like data, not like column names. Put a first row such as "
            "prompt,completion above it."
        )


# ---- data for other methods -----------------------------------------------------------------------------------------


def _refuse_preferences(names: dict[str, str], sample: Sequence[Record]) -> None:
    if {"chosen", "rejected"} <= names.keys():
        raise bad_data(
            "These are preference pairs ('chosen' and 'rejected'). Supervised fine-tuning needs one right answer per "
            "row: keep the chosen ones, in columns 'prompt' and 'completion'."
        )
    judged = "label" in names and (
        {"prompt", "completion"} <= names.keys() or EXCHANGES & names.keys()
    )
    if judged and all(
        _plain(record.values.get(names["label"])).casefold() in {"true", "false"}
        for record in sample
    ):
        raise bad_data(
            "These are judged answers (a 'label' of true or false beside each). Supervised fine-tuning would learn the "
            "bad ones too: keep the rows with true, and remove the column 'label'."
        )


# ---- messages -------------------------------------------------------------------------------------------------------


def _exchange_roles(name: str, columns: Sequence[str], sample: Sequence[Record]) -> Roles:
    longer = sum(_turns(record.values.get(name)) > 1 for record in sample)
    if longer * 2 > len(sample):
        raise bad_data(
            f"The conversations in '{name}' have several turns. For now each row must be one exchange: a message of the "
            "user and the answer of the assistant, with a system message before them at most."
        )
    reason = f"Each list in '{name}' is one exchange: the user's message is the prompt, the assistant's the completion."
    return _with_ignored(
        Roles((name,), name, name, reason, asks_already=True, exchange=True), columns
    )


def _turns(messages: object) -> int:
    if not isinstance(messages, list):
        return 0
    return sum(_speaker(message) == "assistant" for message in messages)


def _speaker(message: object) -> str:
    if not isinstance(message, dict):
        return ""
    name = str(message.get("role", message.get("from", ""))).casefold()
    return SPEAKERS.get(name, name)


def _exchange(messages: object) -> tuple[str, str]:
    if not isinstance(messages, list):
        raise RowProblem("the conversation is not a list of messages")
    speakers = [_speaker(message) for message in messages]
    if speakers not in (["user", "assistant"], ["system", "user", "assistant"]):
        raise RowProblem(
            "the conversation is not one message of the user and one answer of the assistant"
        )
    texts = [_as_text("message", m.get("content", m.get("value")), True) for m in messages]
    return "\n\n".join(texts[:-1]), texts[-1]


# ---- values ---------------------------------------------------------------------------------------------------------


def _as_text(name: str, value: object, needed: bool) -> str:
    text = value.strip() if isinstance(value, str) else _not_a_string(name, value)
    if not text and needed:
        raise RowProblem(f"'{clipped(name)}' is empty")
    if cannot_be_stored(text):
        raise RowProblem(f"'{clipped(name)}' holds a NUL or half a character")
    return text


def _not_a_string(name: str, value: object) -> str:
    if isinstance(value, Unusable):
        raise RowProblem(value.reason)
    if isinstance(value, list | dict):
        raise RowProblem(
            f"'{clipped(name)}' is a {'list' if isinstance(value, list) else 'nested object'}, not text"
        )
    return _plain(value)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.strip() if isinstance(value, str) else ""
