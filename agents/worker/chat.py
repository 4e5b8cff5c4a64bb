"""Conversations as a model's chat template writes them, tools and all, or in the nearest way that it can.

A template that knows no tools gets them in the words that most open models were taught (Hermes): tools in the system
message, calls between <tool_call> marks, results between <tool_response> marks. One without a system role reads the
system message before the first message of the user.
"""

import json
from itertools import groupby
from typing import Any

from jinja2.exceptions import TemplateError

from agents.worker.errors import WorkerError

Message = dict[str, Any]
Tools = list[dict[str, Any]]

FOR_TEMPLATES = frozenset(("role", "content", "tool_calls", "tool_call_id", "name"))


def render(
    tokenizer: Any, messages: list[Message], tools: Tools | None = None, *, asking: bool = False
) -> str:
    """Return a conversation as text; `asking` opens the turn of the assistant.

    Raises: WorkerError: the model's chat template refuses the conversation; the message is for the person.
    """
    told = [{key: m[key] for key in m if key in FOR_TEMPLATES} for m in messages]
    if (tools or _uses_tools(told)) and not _knows_tools(tokenizer):
        told, tools = _in_words(told, tools), None
    options = {"tools": tools} if tools else {}
    try:
        return _applied(tokenizer, told, asking, options)
    except TemplateError:
        try:
            return _applied(tokenizer, _alternating(told), asking, options)
        except TemplateError as error:
            raise WorkerError(
                "bad_data",
                f"The chat template of this model refuses a conversation of the data ({str(error)[:200]}). Choose "
                "another model, or bring the conversations into turns of user and assistant.",
                for_person=True,
            ) from error


def lines(messages: list[Message], tools: Tools | None = None) -> str:
    """Return a conversation for a model without a template: each message on a line of its own."""
    told = _in_words(messages, tools) if tools or _uses_tools(messages) else messages
    return "".join(_on_its_line(str(message["content"])) for message in told)


def _on_its_line(text: str) -> str:
    return text if text[-1:].isspace() else text + "\n"


def call_in_words(call: dict[str, Any]) -> str:
    """Return a tool call in the words of Hermes."""
    return f"<tool_call>\n{json.dumps(call['function'], ensure_ascii=False)}\n</tool_call>"


def answer_in_words(message: Message) -> str:
    """Return what an assistant says, calls included, as one text."""
    said = [str(message["content"]), *map(call_in_words, message.get("tool_calls", ()))]
    return "\n".join(filter(None, said))


def _applied(tokenizer: Any, messages: list[Message], asking: bool, options: dict[str, Any]) -> str:
    text: str = tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=asking, **options
    )
    return text


def _knows_tools(tokenizer: Any) -> bool:
    template = str(tokenizer.chat_template)
    return "tools" in template and "tool_calls" in template


def _uses_tools(messages: list[Message]) -> bool:
    return any("tool_calls" in message or message["role"] == "tool" for message in messages)


def _in_words(messages: list[Message], tools: Tools | None) -> list[Message]:
    told = [_one_in_words(message) for message in messages]
    if not tools:
        return told
    listed = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    offer = (
        f"You may call these functions:\n<tools>\n{listed}\n</tools>\nCall one by writing its name and arguments as JSON "
        'between marks: <tool_call>\n{"name": …, "arguments": {…}}\n</tool_call>'
    )
    if told and told[0]["role"] == "system":
        return [{"role": "system", "content": f"{told[0]['content']}\n\n{offer}"}, *told[1:]]
    return [{"role": "system", "content": offer}, *told]


def _one_in_words(message: Message) -> Message:
    if message["role"] == "tool":
        content = f"<tool_response>\n{message['content']}\n</tool_response>"
        return {"role": "user", "content": content}
    if "tool_calls" in message:
        return {"role": "assistant", "content": answer_in_words(message)}
    return message


def _alternating(messages: list[Message]) -> list[Message]:
    """Give the system message to the user, and make one message of several that follow each other."""
    no_system = [{**m, "role": "user"} if m["role"] == "system" else m for m in messages]
    joined: list[Message] = []
    for role, group in groupby(no_system, key=lambda message: message["role"]):
        turns = list(group)
        if role == "user":
            turns = [{"role": role, "content": "\n\n".join(str(m["content"]) for m in turns)}]
        joined += turns
    return joined
