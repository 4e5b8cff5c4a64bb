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
from agents.workflow.outside import REPLY_CAP, ModelError, NoToolsHere
from agents.workflow.spending import Needs, Spending, estimated_tokens
from agents.workflow.tools import Tool, as_offer
from agents.workflow.world import LimitReached, World

SHAPES_TEXT = frozenset({REPLY_CAP, "stop"})
"""Parameters that are meant for the text of an answer, and would cut a choice short."""


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


def for_choice(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a state as they are for a choice that the model makes for it."""
    return {name: value for name, value in parameters.items() if name not in SHAPES_TEXT}


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
    where_cut, cap = where, None
    if known is None:
        where_cut = _after_cuts(world, spending, where, plain)
        needs = Needs(_bytes(plain), len(asked.messages), len(asked.tools), _images(asked.messages))
        cap = spending.may_ask(needs)
    world.listen(_sent(visiting, asked))
    if known is None:
        began = world.clock()
        reply = await _call(world, spending, visiting, asked, cap)
        value = _value(reply, plain, world.clock() - began)
        if cap is not None and _is_cut(asked, value["reply_tokens"], cap):
            world.journal.keep(where_cut, plain, value)
            spending.add(value["prompt_tokens"], value["reply_tokens"])
            raise LimitReached("the tokens that were left did not hold a whole reply")
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
    return AIMessage(value["text"], tool_calls=value["tool_calls"])


def _sent(visiting: Visiting, asked: Asked) -> PromptSent:
    return PromptSent(
        visiting.state,
        asked.purpose,
        asked.model,
        asked.parameters,
        str(asked.messages[-1].text),
        _images(asked.messages),
        tuple(tool.offered_as for tool in asked.tools),
    )


def _after_cuts(world: World, spending: Spending, where: str, asked: Mapping[str, Any]) -> str:
    """Count replies that an earlier budget has cut: paid, and no answer. Return the place of the next one."""
    number = 1
    while (cut := world.journal.recall(f"{where}:cut{number}", asked)) is not None:
        spending.add(cut["prompt_tokens"], cut["reply_tokens"])
        spending.remembered_s += cut["seconds"]
        number += 1
    return f"{where}:cut{number}"


def _own_cap(asked: Asked, cap: int) -> bool:
    """Tell whether what is asked bounds its reply itself, within the cap. -1 and -2 are Ollama's words for no limit."""
    own = asked.parameters.get(REPLY_CAP)
    return isinstance(own, int) and 0 <= own <= cap


def _is_cut(asked: Asked, reply_tokens: int, cap: int) -> bool:
    return not _own_cap(asked, cap) and reply_tokens >= cap


async def _call(
    world: World, spending: Spending, visiting: Visiting, asked: Asked, cap: int | None
) -> AIMessage:
    """Return what a model replies now.

    Raises: ModelError: it does not reply, whatever its back end raises. LimitReached: it takes too long.
    """
    parameters = dict(asked.parameters)
    if cap is not None and not _own_cap(asked, cap):
        parameters[REPLY_CAP] = cap
    heard: list[str] = []
    try:
        with asking(visiting.state, asked.purpose):
            async with asyncio.timeout(spending.seconds_left) as clock:
                return await _reply(world, visiting, asked, parameters, heard)
    except NoToolsHere:
        raise
    except Exception as error:  # a back end may raise anything; `on_error` is there for that
        _count_failure(spending, asked, heard, bounded=cap is not None)
        if isinstance(error, ModelError):
            raise
        if isinstance(error, TimeoutError) and clock.expired():
            raise LimitReached(spending.too_long) from None
        raise ModelError(f"{asked.model}: {type(error).__name__}: {error}") from error


def _count_failure(
    spending: Spending, asked: Asked, heard: Sequence[str], *, bounded: bool
) -> None:
    """Count a call that failed. Where it had begun to reply it has cost tokens, which nobody has told.

    Within a budget that is as many as it can have been, else about as many as it was.
    """
    prompt_tokens = reply_tokens = 0
    if any(heard):
        prompt, reply = _bytes(asked.plain()), len("".join(heard).encode("utf-8", "replace"))
        most = (prompt, reply) if bounded else (estimated_tokens(prompt), estimated_tokens(reply))
        prompt_tokens, reply_tokens = most
    spending.add(prompt_tokens, reply_tokens)


async def _reply(
    world: World,
    visiting: Visiting,
    asked: Asked,
    parameters: Mapping[str, Any],
    heard: list[str],
) -> AIMessage:
    """Return the reply; what has come of it meanwhile is in `heard`."""
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
            heard.append(str(piece.text))
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
