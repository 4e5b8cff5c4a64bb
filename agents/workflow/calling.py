"""Ask a model, once per thing to ask: within the limits, into the journal, with every token told."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable

from agents.workflow.asking import asking
from agents.workflow.events import PromptSent, Purpose, Reply, Token
from agents.workflow.outside import ModelError, NoToolsHere
from agents.workflow.spending import Spending, estimated_tokens
from agents.workflow.tools import Tool, as_offer
from agents.workflow.world import LimitReached, World

REPLY_CAP = "num_predict"
"""The parameter for how long a reply may be, by Ollama's name."""


@dataclass(frozen=True)
class Asked:
    """What a model is asked."""

    purpose: Purpose
    model: str
    parameters: Mapping[str, Any]
    messages: Sequence[BaseMessage]
    schema: Mapping[str, Any] | None = None
    """Of the JSON that it has to reply with."""
    tools: Sequence[Tool] = ()

    def plain(self) -> dict[str, Any]:
        """Return it as plain data: what is asked again is the same."""
        return {
            "purpose": self.purpose,
            "model": self.model,
            "parameters": dict(self.parameters),
            "messages": [_plain(message) for message in self.messages],
            "schema": self.schema,
            "tools": [as_offer(tool) for tool in self.tools],
        }


@dataclass
class Visiting:
    """One state while it is being visited: gives every thing that is done there its place in the journal."""

    state: str
    step: int
    used_tools: bool = False
    asked_person: bool = False
    done: int = field(default=0, init=False)

    def place(self) -> str:
        """Return the place of the next thing."""
        self.done += 1
        return f"{self.step}:{self.state}:{self.done}"


async def ask(world: World, spending: Spending, visiting: Visiting, asked: Asked) -> AIMessage:
    """Return the reply of a model: from the journal where it has been asked this already.

    Raises: ModelError: there is no usable reply. LimitReached: it may not be asked, or not as long as it would need.
    """
    where, plain = visiting.place(), asked.plain()
    known = world.journal.recall(where, plain)
    cap = None
    if known is None:
        cap = spending.may_ask(_bytes(plain), len(asked.messages), _images(asked.messages))
    text = asked.messages[-1].text if asked.messages else ""
    world.listen(
        PromptSent(
            visiting.state,
            asked.purpose,
            asked.model,
            asked.parameters,
            str(text),
            _images(asked.messages),
            tuple(tool.offered_as for tool in asked.tools),
        )
    )
    if known is None:
        began = world.clock()
        reply = await _call(world, spending, visiting, asked, cap)
        value = _value(reply, plain, world.clock() - began)
        world.journal.keep(where, plain, value)
    else:
        value = dict(known)
        spending.remembered_s += value["seconds"]
    spending.add(value["prompt_tokens"], value["reply_tokens"])
    world.listen(
        Reply(
            visiting.state,
            asked.purpose,
            value["text"],
            value["seconds"],
            value["prompt_tokens"],
            value["reply_tokens"],
            remembered=known is not None,
        )
    )
    if value.get("cut"):
        raise LimitReached("the tokens that were left did not hold a whole reply")
    return AIMessage(value["text"], tool_calls=value["tool_calls"])


async def _call(
    world: World, spending: Spending, visiting: Visiting, asked: Asked, cap: int | None
) -> AIMessage:
    """Return what a model replies now.

    Raises: ModelError: it does not reply, whatever its back end raises. LimitReached: it takes too long.
    """
    own = asked.parameters.get(REPLY_CAP)
    # -1 and -2 are Ollama's words for no limit
    bounded = isinstance(own, int) and own >= 0 and (cap is None or own <= cap)
    parameters = dict(asked.parameters)
    if cap is not None and not bounded:
        parameters[REPLY_CAP] = cap
    try:
        with asking(visiting.state, asked.purpose):
            async with asyncio.timeout(spending.seconds_left) as clock:
                reply = await _reply(world, visiting, asked, parameters)
    except ModelError:
        raise
    except Exception as error:  # a back end may raise anything; `on_error` is there for that
        if isinstance(error, TimeoutError) and clock.expired():
            raise LimitReached(
                f"the run has taken {world.limits.max_seconds:g} s, and may not longer"
            ) from None
        raise ModelError(f"{asked.model}: {type(error).__name__}: {error}") from error
    if cap is not None and not bounded and _reply_tokens(reply) >= cap:
        reply.response_metadata["cut"] = True
    return reply


async def _reply(
    world: World, visiting: Visiting, asked: Asked, parameters: Mapping[str, Any]
) -> AIMessage:
    chat = world.models.chat(asked.model, parameters)
    runnable: Runnable[Any, Any] = chat
    if asked.schema is not None:
        runnable = world.models.structured(chat, asked.schema)
    elif asked.tools:
        try:
            runnable = chat.bind_tools([as_offer(tool) for tool in asked.tools])
        except NotImplementedError:
            raise NoToolsHere(f"{asked.model} takes no tools") from None
    pieces: Any = runnable.astream(list(asked.messages))
    whole: Any = None
    async with aclosing(pieces) as stream:
        async for piece in stream:
            if not isinstance(piece, AIMessage):
                raise ModelError(f"{asked.model} replied with something that is no message")
            if asked.purpose is Purpose.ANSWER and piece.text:
                world.listen(Token(visiting.state, str(piece.text)))
            whole = piece if whole is None else whole + piece
    if whole is None:
        raise ModelError(f"{asked.model} replied with nothing")
    return cast(AIMessage, whole)


def _reply_tokens(reply: AIMessage) -> int:
    if reply.usage_metadata is not None:
        return reply.usage_metadata["output_tokens"]
    return estimated_tokens(len(str(reply.text).encode()))


def _value(reply: AIMessage, asked: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    usage = reply.usage_metadata
    calls = [
        {"name": call["name"], "args": call["args"], "id": call["id"] or f"call_{number}"}
        for number, call in enumerate(reply.tool_calls, 1)
    ]
    calls += [
        {
            "name": broken["name"] or "?",
            "args": {},
            "id": broken["id"] or f"broken_{number}",
        }
        for number, broken in enumerate(reply.invalid_tool_calls, 1)
    ]
    return {
        "text": str(reply.text),
        "tool_calls": calls,
        "prompt_tokens": usage["input_tokens"] if usage else estimated_tokens(_bytes(asked)),
        "reply_tokens": _reply_tokens(reply),
        "seconds": round(seconds, 3),
        "cut": bool(reply.response_metadata.get("cut")),
    }


def _plain(message: BaseMessage) -> dict[str, Any]:
    plain: dict[str, Any] = {"type": message.type, "content": message.content}
    for key in ("tool_calls", "tool_call_id"):
        if getattr(message, key, None):
            plain[key] = getattr(message, key)
    return plain


def _images(messages: Sequence[BaseMessage]) -> int:
    return sum(
        1
        for message in messages
        if isinstance(message.content, list)
        for block in message.content
        if isinstance(block, dict) and block.get("type") == "image"
    )


def _bytes(asked: Mapping[str, Any]) -> int:
    """Return how long the texts of what is asked are; images are counted otherwise."""

    def texts(content: object) -> object:
        if isinstance(content, list):
            return [block for block in content if block.get("type") != "image"]
        return content

    messages = [{**message, "content": texts(message["content"])} for message in asked["messages"]]
    counted = {"messages": messages, "schema": asked["schema"], "tools": asked["tools"]}
    return len(json.dumps(counted, ensure_ascii=False, default=str).encode("utf-8", "replace"))
