"""Whether a draft has the shape of the upload's rows: the same parts, a label that is one, JSON with the same keys."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.worker.metrics.structure import SAME_FORM, percentile_95
from agents.worker.sieve.drafts import Draft, Known
from agents.worker.suggest_metric import are_labels

ROLES = frozenset({"system", "user", "assistant", "tool"})
MOST_DEPTH = 20


@dataclass(frozen=True)
class Node:
    """What stood at one place of the upload's JSON answers."""

    kinds: frozenset[str]
    keys: "dict[str, Node]"
    required: frozenset[str]
    items: "Node | None"
    closed: frozenset[str]
    """The texts that may stand there, where the upload has few different ones; none: any."""


@dataclass(frozen=True)
class Shape:
    """What all rows of the upload have in common."""

    parts: dict[str, frozenset[str]]
    """Kinds of value by the name of a part."""
    required: frozenset[str]
    labels: frozenset[str]
    answers: Node | None
    """Of answers in JSON."""
    last_roles: frozenset[str]
    """Who speaks last in the prompts that are conversations."""


def learn(rows: Sequence[Known], labels: Sequence[str]) -> Shape:
    """Learn the shape of rows of the upload; `labels` are the only answers there are, if any."""
    names = {name for row in rows for name in row.parts}
    return Shape(
        parts={
            name: frozenset(kind_of(row.parts[name]) for row in rows if name in row.parts)
            for name in names
        },
        required=frozenset(name for name in names if all(name in row.parts for row in rows)),
        labels=frozenset(labels),
        answers=None if labels else _json_of([row.answer for row in rows]),
        last_roles=frozenset(
            row.parts["prompt"][-1]["role"]
            for row in rows
            if kind_of(row.parts.get("prompt")) == "messages"
        ),
    )


def fault(shape: Shape, draft: Draft) -> str | None:
    """Say what is wrong with the shape of a draft that could be read; None where nothing is."""
    why = _parts_fault(shape, draft)
    if why is not None:
        return why
    if not draft.own.strip() or ("text" not in draft.parts and not draft.answer.strip()):
        return "a part of it is empty"
    if "rejected" in draft.parts and draft.parts["chosen"] == draft.parts["rejected"]:
        return "both of its answers are the same"
    prompt = draft.parts.get("prompt")
    if isinstance(prompt, list) and prompt[-1]["role"] not in shape.last_roles:
        return "another speaks last than in your rows"
    if shape.labels and draft.answer not in shape.labels:
        return "its answer is none of your labels"
    return _json_fault(shape.answers, draft.answer) if shape.answers else None


def _parts_fault(shape: Shape, draft: Draft) -> str | None:
    missing = sorted(shape.required - draft.parts.keys())
    if missing:
        return f"it has no “{missing[0]}”"
    if draft.parts.keys() - shape.parts.keys():
        return "it has a part that your rows do not have"
    other = (name for name, value in draft.parts.items() if kind_of(value) not in shape.parts[name])
    name = next(other, None)
    return None if name is None else f"its “{name}” is not what it is in your rows"


def kind_of(value: object) -> str:
    """Name the kind of a value: `messages` and `message` are what a chat is made of; `other` fits nothing."""
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, str):
        return "text"
    if value is None:
        return "nothing"
    if _is_message(value):
        return "message"
    if isinstance(value, list):
        if value and all(map(_is_message, value)):
            return "messages"
        kinds = {kind_of(item) for item in value}
        return f"list of {kinds.pop()}" if len(kinds) == 1 else "list"
    return "other" if isinstance(value, dict) else "number"


def _is_message(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.get("role") in ROLES
        and isinstance(value.get("content", ""), str)
    )


# ---- answers in JSON --------------------------------------------------------------------------------------------------


def _json_of(answers: Sequence[str]) -> Node | None:
    found = [value for answer in answers if isinstance(value := _parsed(answer), (dict, list))]
    return _node(found, 0) if found and len(found) >= SAME_FORM * len(answers) else None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _node(values: Sequence[Any], depth: int) -> Node:
    objects = [value for value in values if isinstance(value, dict)]
    items = [item for value in values if isinstance(value, list) for item in value]
    texts = [value for value in values if isinstance(value, str)]
    names = {name for value in objects for name in value} if depth < MOST_DEPTH else set()
    return Node(
        kinds=frozenset(map(_json_kind, values)),
        keys={name: _node([v[name] for v in objects if name in v], depth + 1) for name in names},
        required=frozenset(name for name in names if all(name in value for value in objects)),
        items=_node(items, depth + 1) if items and depth < MOST_DEPTH else None,
        closed=frozenset(texts) if texts and are_labels(texts) else frozenset(),
    )


def _json_kind(value: object) -> str:
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, (int, float)):
        return "number"
    names = {dict: "object", list: "list", str: "text"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "null")


def _json_fault(node: Node, answer: str) -> str | None:
    value = _parsed(answer)
    if value is None:
        return "its answer is no JSON"
    where = _unlike(node, value, "")
    return (
        f"its answer differs in {where} from the JSON of your rows" if where is not None else None
    )


def _unlike(node: Node, value: Any, where: str) -> str | None:
    """Return the path of the first place that is not as in the upload; only names that the upload has are ever said."""
    named = f"“{where}”" if where else "its form"
    if _json_kind(value) not in node.kinds:
        return named
    if isinstance(value, str):
        return named if node.closed and value not in node.closed else None
    if isinstance(value, list):
        found = (_unlike(node.items, item, f"{where}[]") for item in value) if node.items else ()
        return next((path for path in found if path), None)
    if not isinstance(value, dict):
        return None
    if value.keys() - node.keys.keys() or node.required - value.keys():
        return f"the keys of {named}" if where else "its keys"
    inner = (_unlike(node.keys[name], v, f"{where}.{name}".strip(".")) for name, v in value.items())
    return next((path for path in inner if path), None)


# ---- length -----------------------------------------------------------------------------------------------------------

SLACK = 3
"""A draft may be so many times as long as the longest usual row, or as short as that part of the shortest."""


@dataclass(frozen=True)
class Lengths:
    """Characters that prompts and answers of the upload usually have."""

    prompt: tuple[int, int]
    answer: tuple[int, int]
    most: int
    """Of both together, whatever is usual."""

    def fault(self, draft: Draft) -> str | None:
        """Say how the length of a draft is unlike that of the upload's rows; None where it is like it."""
        if len(draft.prompt) + len(draft.answer) > self.most:
            return f"it has more than {self.most:,} characters"
        for what, text, (least, most) in (
            ("prompt", draft.own, self.prompt),
            ("answer", draft.answer, self.answer),
        ):
            if not least / SLACK <= len(text) <= most * SLACK:
                return f"its {what} has {len(text):,} characters, those of your rows {least:,} to {most:,}"
        return None


def lengths(rows: Sequence[Known], most_chars: int) -> Lengths:
    """Learn how long the upload's rows are: from their 5 % quantile to their 95 % one."""

    def usual(found: list[int]) -> tuple[int, int]:
        return -percentile_95([-length for length in found]), percentile_95(found)

    return Lengths(
        usual([len(row.prompt) for row in rows]),
        usual([len(row.answer) for row in rows]),
        most_chars,
    )
