"""Prepared rows back into the formats that people exchange: what was read can be written, and read again as it was.

`openai` and `sharegpt` hold everything; `alpaca` and `csv` hold what they have places for, and say so otherwise. A CSV is
written exactly, for training: a cell that begins with = is not made harmless for spreadsheets.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable
from typing import Any

from agents.worker.conversations import Message

Line = dict[str, Any]
"""{"prompt", "completion"} and "tools" or not, as in RowShape.PROMPT_COMPLETION."""

SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}


class NoPlace(ValueError):
    """A row holds something that the format has no place for."""


def to_openai(lines: Iterable[Line]) -> str:
    """Return JSONL of {"messages", "tools"}; the arguments of tool calls are JSON in a string, as OpenAI has them."""
    return "".join(
        _json({"messages": [_openai(m) for m in _messages(line)], **_tools(line)}) + "\n"
        for line in lines
    )


def to_sharegpt(lines: Iterable[Line]) -> str:
    """Return JSON of {"conversations", "tools"}.

    Raises: NoPlace: a message has text beside its tool calls, an id, a name or a weight.
    """
    rows = []
    for line in lines:
        row: Line = {"conversations": [_sharegpt(m) for m in _messages(line)]}
        if line.get("tools"):
            row["tools"] = _json([tool["function"] for tool in line["tools"]])
        rows.append(row)
    return json.dumps(rows, ensure_ascii=False, indent=1)


def to_alpaca(lines: Iterable[Line]) -> str:
    """Return JSON of {"instruction", "input", "output", "system", "history"}.

    Raises: NoPlace: a row has tools, or its turns are not system, user and assistant in their order.
    """
    return json.dumps([_alpaca(line) for line in lines], ensure_ascii=False, indent=1)


def to_csv(lines: Iterable[Line]) -> str:
    """Return a CSV with the columns prompt and completion. Raises: NoPlace: a row is more than two texts."""
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(("prompt", "completion"))
    for line in lines:
        pair = line["prompt"], line["completion"]
        if line.get("tools") or not all(isinstance(text, str) for text in pair):
            raise NoPlace("a CSV holds one prompt and one completion, both plain text")
        writer.writerow(pair)
    return stream.getvalue()


WRITERS: dict[str, Callable[[Iterable[Line]], str]] = {
    "openai": to_openai,
    "sharegpt": to_sharegpt,
    "alpaca": to_alpaca,
    "csv": to_csv,
}


def _messages(line: Line) -> list[Message]:
    prompt, completion = line["prompt"], line["completion"]
    asked = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    answer = (
        {"role": "assistant", "content": completion} if isinstance(completion, str) else completion
    )
    return [*asked, answer]


def _tools(line: Line) -> Line:
    return {"tools": line["tools"]} if line.get("tools") else {}


def _openai(message: Message) -> Message:
    if "tool_calls" not in message:
        return message
    calls = [
        {
            **call,
            "function": {**call["function"], "arguments": _json(call["function"]["arguments"])},
        }
        for call in message["tool_calls"]
    ]
    return {**message, "tool_calls": calls}


def _sharegpt(message: Message) -> dict[str, str]:
    if message.keys() - {"role", "content", "tool_calls"}:
        raise NoPlace("ShareGPT has no place for ids, names and weights")
    calls = message.get("tool_calls")
    if not calls:
        return {"from": SPEAKERS[message["role"]], "value": message["content"]}
    if message["content"] or any("id" in call for call in calls):
        raise NoPlace("ShareGPT has no place for text beside a call, nor for its id")
    functions = [call["function"] for call in calls]
    return {
        "from": "function_call",
        "value": _json(functions[0] if len(functions) == 1 else functions),
    }


def _alpaca(line: Line) -> Line:
    messages = _messages(line)
    system = messages.pop(0)["content"] if messages[0]["role"] == "system" else ""
    roles = [message["role"] for message in messages]
    plain = all(message.keys() == {"role", "content"} for message in messages)
    if line.get("tools") or not plain or roles != ["user", "assistant"] * (len(roles) // 2):
        raise NoPlace("Alpaca holds turns of user and assistant, with a system message before them")
    texts = [str(message["content"]) for message in messages]
    pairs = [[ask, say] for ask, say in zip(texts[::2], texts[1::2], strict=True)]
    (instruction, output), history = pairs[-1], pairs[:-1]
    return {
        "instruction": instruction,
        "input": "",
        "output": output,
        "system": system,
        "history": history,
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
