"""Lines of prepared data: from a record by a reading, to JSON, and to what people are shown."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from agents.jobs import Mask, Reading, RowShape, Sample, Turn
from agents.worker.checks.masks import safe
from agents.worker.conversations import (
    Message,
    conversation,
    is_conversation,
    shortest,
    shortest_answer,
    speaker,
    split_answer,
    tools_in,
    tools_of,
)
from agents.worker.prefixes import part_answers
from agents.worker.table import Record, clipped
from agents.worker.values import RowProblem, as_json, as_text, as_truth, parsed

Parts = dict[str, Any]

SHOWN_CHARS = 400
SHOWN_TURNS = 8


@dataclass(frozen=True, slots=True)
class Line:
    """One line of prepared data; `parts` are as `RowShape` says."""

    number: int
    """Row of the uploaded file, as people count."""
    parts: Parts

    def as_json(self) -> str:
        """Return the line without its end."""
        prompt, completion = self.parts.get("prompt"), self.parts.get("completion")
        if isinstance(prompt, str) and isinstance(completion, str) and len(self.parts) == 2:
            # String by string: `json.dumps` of a dict takes four times as long.
            return f'{{"prompt": {json.dumps(prompt)}, "completion": {json.dumps(completion)}, "row": {self.number}}}'
        return json.dumps({**self.parts, "row": self.number})

    @property
    def asked(self) -> str:
        """Return what goes in as one text: lines with the same one belong on one side of a split."""
        if "text" in self.parts:
            return str(self.parts["text"])
        return text_of(self.parts["prompt"])

    def changed(self, change: Callable[[str], str]) -> "Line":
        """Return the line with every text in it changed: those of messages and of calls of tools too."""
        return Line(self.number, {key: _changed(part, change) for key, part in self.parts.items()})

    @property
    def answered(self) -> str:
        """Return what comes out as one text."""
        outs = [self.parts[key] for key in OUTS if self.parts.get(key) is not None]
        return "\n".join(map(text_of, outs))


OUTS = ("completion", "chosen", "rejected", "completions", "labels", "label", "reference")


def _changed(value: object, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_changed(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _changed(item, change) for key, item in value.items()}
    return value


def text_of(value: object) -> str:
    """Return a prompt or completion as one text: strings as they are, messages by speaker."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "\n".join(
            filter(None, [str(value["content"]), *map(said_call, value.get("tool_calls", ()))])
        )
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "\n\n".join(f"{message['role']}: {text_of(message)}" for message in value)
    return json.dumps(value, ensure_ascii=False)


def said_call(call: dict[str, Any]) -> str:
    """Return a tool call as people read it: name(arguments)."""
    arguments = json.dumps(call["function"]["arguments"], ensure_ascii=False)
    return f"{call['function']['name']}({arguments})"


def line_of(reading: Reading, record: Record) -> Line:
    """Make a line of a record.

    Raises: RowProblem: a part is empty, missing, of the wrong kind, or text that cannot be stored.
    """
    return Line(record.row, MAKERS[reading.shape](reading, record.values))


def longest_chars(line: Line) -> int:
    """Return the length of the longest part."""
    return max(len(line.asked), len(line.answered))


# ---- one function per shape -----------------------------------------------------------------------------------------


def _pair(reading: Reading, values: Parts) -> Parts:
    if reading.prompt == reading.answer:
        messages = _with_system(
            reading, values, conversation(reading.answer[0], values.get(reading.answer[0]))
        )
        asked, answer = split_answer(messages)
        return _with_tools(
            reading, values, {"prompt": shortest(asked), "completion": shortest_answer(answer)}
        )
    made = {"prompt": _prompt(reading, values), "completion": _answer(reading, values)}
    return _with_tools(reading, values, made)


def _text(reading: Reading, values: Parts) -> Parts:
    name = reading.answer[0]
    return {"text": as_text(name, values.get(name), True)}


def _preference(reading: Reading, values: Parts) -> Parts:
    assert reading.rejected is not None
    given = _prompt(reading, values) if reading.prompt else None
    replies = [_reply(name, values.get(name)) for name in (reading.answer[0], reading.rejected)]
    prompt, chosen, rejected = part_answers(given, *replies)
    if chosen == rejected:
        raise RowProblem("the chosen and the rejected answer are the same")
    return _with_tools(reading, values, {"prompt": prompt, "chosen": chosen, "rejected": rejected})


def _judged(reading: Reading, values: Parts) -> Parts:
    assert reading.label is not None
    judged = as_truth(reading.label, values.get(reading.label))
    return {**_pair(reading, values), "label": judged}


def _asked_only(reading: Reading, values: Parts) -> Parts:
    made: Parts = {"prompt": _prompt(reading, values), "reference": None}
    if reading.reference is not None:
        found = values.get(reading.reference)
        nested = isinstance(found, list | dict)
        made["reference"] = (
            as_json(reading.reference, found)
            if nested
            else as_text(reading.reference, found, False)
        )
    return _with_tools(reading, values, made)


def _steps(reading: Reading, values: Parts) -> Parts:
    assert reading.label is not None
    steps, labels = (parsed(values.get(name)) for name in (reading.answer[0], reading.label))
    if (
        not isinstance(steps, list)
        or not isinstance(labels, list)
        or len(steps) != len(labels)
        or not steps
    ):
        raise RowProblem("steps and labels are not two lists of one length")
    return {
        "prompt": _prompt(reading, values),
        "completions": [as_text("step", step, True) for step in steps],
        "labels": [as_truth("label", label) for label in labels],
    }


MAKERS: dict[RowShape, Callable[[Reading, Parts], Parts]] = {
    RowShape.PROMPT_COMPLETION: _pair,
    RowShape.TEXT: _text,
    RowShape.PREFERENCE: _preference,
    RowShape.UNPAIRED: _judged,
    RowShape.PROMPT_ONLY: _asked_only,
    RowShape.STEPWISE: _steps,
}


# ---- parts ----------------------------------------------------------------------------------------------------------


def _prompt(reading: Reading, values: Parts) -> str | list[Message]:
    names = reading.prompt
    if len(names) == 1 and is_conversation(values.get(names[0])):
        asked = conversation(names[0], values.get(names[0]))
        return shortest(_with_system(reading, values, asked))
    required = reading.required or names[-1]
    texts = [as_text(name, values.get(name), name == required) for name in names]
    user = {"role": "user", "content": "\n\n".join(filter(None, texts))}
    return shortest(_with_system(reading, values, [*_history(reading, values), user]))


def _with_system(reading: Reading, values: Parts, messages: list[Message]) -> list[Message]:
    if reading.system is None:
        return messages
    system = as_text(reading.system, values.get(reading.system), False)
    return [{"role": "system", "content": system}, *messages] if system else messages


def _history(reading: Reading, values: Parts) -> list[Message]:
    if reading.history is None:
        return []
    found = parsed(values.get(reading.history)) or []
    if not isinstance(found, list) or not all(
        isinstance(pair, list) and len(pair) == 2 for pair in found
    ):
        raise RowProblem(f"'{clipped(reading.history)}' is not a list of [question, answer]")
    return [
        {"role": role, "content": as_text("history", text, True)}
        for pair in found
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]


def _answer(reading: Reading, values: Parts) -> str | Message:
    if len(reading.answer) > 1:
        record = {name: values.get(name) for name in reading.answer}
        if all(value in (None, "") for value in record.values()):
            raise RowProblem(f"'{clipped(' + '.join(reading.answer))}' are empty")
        return as_json("answer", record)
    name = reading.answer[0]
    value = _first_of(values.get(name))
    if reading.as_json and isinstance(value, list | dict):
        return as_json(name, value)
    made = _reply(name, value)
    if isinstance(made, list):
        if len(made) != 1 or made[0]["role"] != "assistant":
            raise RowProblem(f"'{clipped(name)}' is not one answer of the assistant")
        return shortest_answer(made[0])
    return made


def _first_of(value: object) -> object:
    """Return the first of several right answers, as question answering data list them."""
    if isinstance(value, dict) and "answer_start" in value:
        value = value.get("text")
        return value[0] if isinstance(value, list) and value else ""
    return value


def _reply(name: str, value: object) -> str | list[Message]:
    """Return an answer: text, or messages of which the last is the answer."""
    if (isinstance(value, dict) and speaker(value)) or is_conversation(value):
        return conversation(name, value)
    return as_text(name, value, True)


def _with_tools(reading: Reading, values: Parts, made: Parts) -> Parts:
    asked = reading.prompt[0] if reading.prompt else None
    found = values.get(reading.tools) if reading.tools else None
    if found is None and asked is not None:
        found = tools_in(values.get(asked))
    tools = tools_of(reading.tools or asked or "tools", found)
    return {**made, "tools": tools} if tools else made


# ---- what people are shown ------------------------------------------------------------------------------------------


def sample_of(line: Line) -> Sample:
    """Return a line as turns, each with what a training does with it; the middle of a long conversation is left out."""
    parts = line.parts
    turns: list[Turn] = []
    if parts.get("tools"):
        names = ", ".join(str(tool["function"]["name"]) for tool in parts["tools"])
        turns.append(_turn("tools", names, Mask.READ))
    learns_all = "completion" in parts and "label" not in parts
    turns += _said(parts.get("prompt", []), Mask.LEARNT if learns_all else Mask.READ)
    for key, who, mask in (
        ("text", "text", Mask.LEARNT),
        ("completion", "assistant", Mask.AVOIDED if parts.get("label") is False else Mask.LEARNT),
        ("chosen", "assistant", Mask.LEARNT),
        ("rejected", "assistant", Mask.AVOIDED),
        ("reference", "reference", Mask.COMPARED),
    ):
        if parts.get(key) is not None:
            turns.append(_turn(who, text_of(parts[key]), mask))
    steps = zip(parts.get("completions", ()), parts.get("labels", ()), strict=True)
    turns += [_turn("step", step, Mask.LEARNT if right else Mask.AVOIDED) for step, right in steps]
    return Sample(row=line.number, turns=tuple(_ends(turns)))


def _said(prompt: str | Sequence[Message], answers: Mask) -> list[Turn]:
    """Return the turns of a prompt; `answers` is what is done with earlier answers in it."""
    if isinstance(prompt, str):
        return [_turn("user", prompt, Mask.READ)]
    learnt = {True: answers, False: Mask.READ}
    return [
        _turn(m["role"], text_of(m), learnt[m["role"] == "assistant" and m.get("weight") != 0])
        for m in prompt
    ]


def _ends(turns: list[Turn]) -> list[Turn]:
    if len(turns) <= SHOWN_TURNS:
        return turns
    left = _turn("…", f"{len(turns) - SHOWN_TURNS + 1} more turns", Mask.READ)
    return [*turns[:3], left, *turns[-(SHOWN_TURNS - 4) :]]


def _turn(who: str, text: str, mask: Mask) -> Turn:
    shown = safe(text)
    cut = shown if len(shown) <= SHOWN_CHARS else shown[: SHOWN_CHARS - 1] + "…"
    return Turn(who=who, text=cut, mask=mask)
