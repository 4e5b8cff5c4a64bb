"""Conversations as OpenAI, ShareGPT and Hugging Face write them, made into one form.

A message is {"role", "content"} with role system, user, assistant or tool; an assistant's may have "tool_calls", whose
arguments are an object, and "weight" 0 where it is not to be learnt; a tool's may have "name" and "tool_call_id".
"""

import json
from typing import Any

from agents.worker.table import clipped
from agents.worker.values import RowProblem, as_text, native, parsed, plain

Message = dict[str, Any]

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "ai": "assistant",
    "tool": "tool",
    "observation": "tool",
    "ipython": "tool",
    "function": "tool",
    "function_response": "tool",
    "function_call": "assistant",
    "tool_call": "assistant",
}
CALLS = frozenset(("function_call", "tool_call"))
"""Speakers of ShareGPT whose text is a call, or a list of calls, as JSON."""


def speaker(message: object) -> str:
    """Return the role of a message in our words, or "" where it has none that is known."""
    return ROLES.get(_named(message), "")


def is_conversation(value: object) -> bool:
    """Tell whether a value, or the JSON in it, is a list of messages."""
    messages = _messages(value)
    return isinstance(messages, list) and bool(messages) and all(map(speaker, messages))


def conversation(name: str, value: object) -> list[Message]:
    """Return the messages of a value; one message alone is a list of one, and an object may hold them as `messages`.

    Raises: RowProblem: it is no list of messages, or one of them cannot be used.
    """
    found = _messages(value)
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list) or not found:
        raise RowProblem("the conversation is not a list of messages")
    messages = [_message(name, message) for message in found]
    return [m for m in messages if m["role"] != "system" or m["content"]]


def tools_of(name: str, value: object) -> list[dict[str, Any]] | None:
    """Return the tools of a row as OpenAI writes them, or None for no tools.

    Raises: RowProblem: they are no list of objects with names.
    """
    found = native(name, parsed(value))
    if found in (None, "", [], {}):
        return None
    tools = found if isinstance(found, list) else [found]
    if not all(isinstance(tool, dict) for tool in tools):
        raise RowProblem(f"'{clipped(name)}' is not a list of tools")
    wrapped = [
        tool if "function" in tool else {"type": "function", "function": tool} for tool in tools
    ]
    if not all(
        isinstance(tool["function"], dict) and tool["function"].get("name") for tool in wrapped
    ):
        raise RowProblem(f"a tool in '{clipped(name)}' has no name")
    return wrapped


def split_answer(messages: list[Message]) -> tuple[list[Message], Message]:
    """Part a conversation into what is read and the last answer.

    Raises: RowProblem: it does not end with an answer, or nobody asked.
    """
    if messages[-1]["role"] != "assistant":
        raise RowProblem("the conversation does not end with an answer of the assistant")
    if messages[-1].get("weight") == 0:
        raise RowProblem("the last answer has weight 0, so nothing is to be learnt")
    if not any(message["role"] == "user" for message in messages[:-1]):
        raise RowProblem("the conversation has no message of the user before its answer")
    return messages[:-1], messages[-1]


def shortest(messages: list[Message]) -> str | list[Message]:
    """Return a prompt of one user message as its text; the model is asked the same either way."""
    alone = len(messages) == 1 and messages[0].keys() == {"role", "content"}
    return str(messages[0]["content"]) if alone and messages[0]["role"] == "user" else messages


def shortest_answer(message: Message) -> str | Message:
    """Return an answer of nothing but text as that text."""
    return str(message["content"]) if message.keys() == {"role", "content"} else message


def tools_in(value: object) -> object:
    """Return the tools that stand beside the messages in one object, as OpenAI writes the input of a preference."""
    found = parsed(value)
    return found.get("tools") if isinstance(found, dict) and is_conversation(found) else None


def _messages(value: object) -> object:
    """Return what may be messages: the value, the JSON in it, or what an object of OpenAI's holds of them."""
    found = parsed(value)
    return found["messages"] if isinstance(found, dict) and "messages" in found else found


def _named(message: object) -> str:
    if not isinstance(message, dict):
        return ""
    return str(message.get("role", message.get("from", ""))).strip().casefold()


def _message(name: str, message: object) -> Message:
    role = speaker(message)
    if not isinstance(message, dict) or not role:
        raise RowProblem(
            f"a message in '{clipped(name)}' is of nobody known ('{clipped(_named(message))}')"
        )
    content = message.get("content", message.get("value"))
    if _named(message) in CALLS:
        return {"role": role, "content": "", "tool_calls": _calls(name, content)}
    calls = _calls(name, message.get("tool_calls") or message.get("function_call"))
    text = as_text("message", _only_text(content), role in {"user", "assistant"} and not calls)
    made: Message = {"role": role, "content": text}
    if calls:
        made["tool_calls"] = calls
    if role == "tool":
        made |= {
            key: plain(message[key]) for key in ("name", "tool_call_id") if plain(message.get(key))
        }
    if role == "assistant" and plain(message.get("weight")) == "0":
        made["weight"] = 0
    return made


def _only_text(content: object) -> object:
    """Join the text parts of a content that is a list. Raises: RowProblem: it has other parts."""
    if not isinstance(content, list):
        return content
    if not all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        raise RowProblem("a message holds something other than text; only text can be learnt")
    return "".join(plain(part.get("text")) for part in content)


def _calls(name: str, value: object) -> list[dict[str, Any]]:
    found = native(name, parsed(value))
    if not found:
        return []
    return [_call(one) for one in (found if isinstance(found, list) else [found])]


def _call(call: object) -> dict[str, Any]:
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise RowProblem("a tool call has no name")
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except (ValueError, RecursionError):
            raise RowProblem("the arguments of a tool call are not JSON") from None
    if not isinstance(arguments, dict):
        raise RowProblem("the arguments of a tool call are not an object")
    made = {"type": "function", "function": {"name": function["name"], "arguments": arguments}}
    named = call.get("id") if isinstance(call, dict) else None
    return {"id": named, **made} if isinstance(named, str) and named else made
