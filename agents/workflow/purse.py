"""One budget for a whole job: every call of a model counts, whoever makes it, and none is made that it has no room for.

What was used is kept in a file, so that it counts after a crash too; a call is noted before it is made. Tokens are counted
when a call has ended; before it, its prompt counts a token per byte, and its reply as long as it may become.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.runnables import Runnable

from agents.jobs import Left, Spent
from agents.workflow.guarded import GuardedChat
from agents.workflow.outside import REPLY_CAP, ModelError, Models, SameModels
from agents.workflow.spending import MIN_REPLY_TOKENS, Needs, estimated_tokens
from agents.workflow.world import LimitReached

USED_UP = "the budget of this run is used up"
UNBOUNDED_REPLY_TOKENS = 1024
"""That a reply may have within a budget of tokens where who asks says nothing."""


class OutOfBudget(ModelError):
    """What is left has no room for another call."""


class TooPoor(Exception):
    """The budget has no room for what a job cannot go on without; the message is for a person."""


@dataclass
class Purse:
    """What may be used, and what has been."""

    left: Left
    """When the job began for the first time."""
    file: BinaryIO | None = None
    clock: Callable[[], float] = time.monotonic
    calls: int = 0
    tokens: int = 0
    earlier_s: float = 0.0
    """Took earlier attempts."""
    beat: Callable[[], None] = lambda: None
    """Called whenever a model has begun, said something, or ended: a sign of life."""
    refused: bool = False
    """A call had no room; whatever was being measured then says nothing."""
    _began: float = field(init=False)
    _granted: int | None = field(default=None, init=False)
    """How long the last reply of a run might become, that being all that was left."""

    def __post_init__(self) -> None:
        self._began = self.clock()

    @property
    def seconds(self) -> float:
        """Return how long all attempts have taken."""
        return self.earlier_s + self.clock() - self._began

    @property
    def spent(self) -> Spent:
        """Return what has been used."""
        return Spent(calls=self.calls, tokens=self.tokens, seconds=round(self.seconds, 1))

    @property
    def empty(self) -> bool:
        """Tell whether there is no room for another call."""
        return (
            (self.left.calls is not None and self.calls >= self.left.calls)
            or (self.left.tokens is not None and self.tokens >= self.left.tokens)
            or (self.left.seconds is not None and self.seconds >= self.left.seconds)
        )

    @property
    def seconds_left(self) -> float | None:
        """Return how long it lasts; None without a limit."""
        return None if self.left.seconds is None else max(0.0, self.left.seconds - self.seconds)

    @property
    def ended(self) -> bool:
        """Tell whether it has ended something: a call had no room, or the time is up."""
        return self.refused or self.seconds_left == 0

    def for_reply(self, prompt_tokens: int) -> int | None:
        """Return how long the reply of a run may become, as `outside.Room` says. Raises: LimitReached."""
        room = None if self.left.tokens is None else self.left.tokens - self.tokens - prompt_tokens
        if self.empty or (room is not None and room < MIN_REPLY_TOKENS):
            self.refused = True
            raise LimitReached(USED_UP)
        self._granted = room
        return room

    def begin(self, most_tokens: int = 0) -> None:
        """Count a call before it is made that takes so many tokens at most. Raises: OutOfBudget: there is no room for it."""
        limit = self.left.tokens
        if self.empty or (limit is not None and self.tokens + most_tokens > limit):
            self.refused = True
            raise OutOfBudget(USED_UP)
        self.calls += 1
        self._note(calls=1)

    def add_tokens(self, tokens: int) -> None:
        """Count the tokens of a call that has ended."""
        self.tokens += tokens
        self._note(tokens=tokens)

    def replied(self, tokens: int, cap: int | None) -> None:
        """Note how long a reply became: one that took all that was left is cut, and says nothing."""
        if cap is not None and cap == self._granted and tokens >= cap:
            self.refused = True

    def close(self) -> None:
        """Let go of the file."""
        if self.file is not None:
            self._note()
            self.file.close()

    def _note(self, *, calls: int = 0, tokens: int = 0) -> None:
        if self.file is not None:
            line = {"calls": calls, "tokens": tokens, "seconds": round(self.seconds, 3)}
            self.file.write(json.dumps(line).encode() + b"\n")
            self.file.flush()
            if calls:
                os.fsync(self.file.fileno())


def open_purse(path: Path, left: Left, beat: Callable[[], None] = lambda: None) -> Purse:
    """Open what was kept of a budget, or begin anew."""
    used = used_of(path)
    file = path.open("a+b")
    if file.tell():
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":  # else the next line would be torn with it
            file.write(b"\n")
    return Purse(
        left, file, calls=used.calls, tokens=used.tokens, earlier_s=used.seconds, beat=beat
    )


def used_of(path: Path) -> Spent:
    """Return what a file says was used, nothing where there is none; a torn line counts for nothing."""
    calls, tokens, seconds = 0, 0, 0.0
    if path.exists():
        for line in path.read_bytes().splitlines():
            with suppress(ValueError):
                told = json.loads(line)
                calls, tokens = calls + told["calls"], tokens + told["tokens"]
                seconds = max(seconds, told["seconds"])
    return Spent(calls=calls, tokens=tokens, seconds=round(seconds, 1))


class PursedModels(SameModels):
    """The same models, each call paid from a purse; what makes embeddings is not counted."""

    def __init__(self, models: Models, purse: Purse) -> None:
        super().__init__(models)
        self._purse = purse

    def chat(self, name: str, parameters: Mapping[str, Any]) -> BaseChatModel:
        """Return the model. Raises: ModelError: there is none of that name."""
        cap = parameters.get(REPLY_CAP)
        bounded = isinstance(cap, int) and cap >= 0
        if self._purse.left.tokens is not None and not bounded:
            cap, bounded = UNBOUNDED_REPLY_TOKENS, True
            parameters = {**parameters, REPLY_CAP: cap}
        chat = super().chat(name, parameters)
        payer = _Payer(self._purse, cap if bounded else None)
        chat.callbacks = [payer]
        if isinstance(chat, GuardedChat):
            chat.again = payer.again
        return chat

    def structured(self, chat: BaseChatModel, schema: Mapping[str, Any]) -> Runnable[Any, Any]:
        """Return the model bound to a schema, which may be a part of its prompt."""
        for payer in chat.callbacks if isinstance(chat.callbacks, list) else ():
            if isinstance(payer, _Payer):
                payer.schema_bytes = len(json.dumps(schema, ensure_ascii=False).encode())
        return super().structured(chat, schema)


def payer(purse: Purse) -> BaseCallbackHandler:
    """Return what pays for the calls of a model from a purse, one at a time."""
    return _Payer(purse, None)


class _Payer(BaseCallbackHandler):
    """Counts the calls of one model."""

    raise_error = True
    run_inline = True

    def __init__(self, purse: Purse, cap: int | None) -> None:
        self._purse = purse
        self._cap = cap
        self.schema_bytes = 0
        """Of the JSON that the model has to reply with."""
        self._needs = Needs(0, 0)
        self._heard_bytes = 0

    def on_chat_model_start(self, *asked: Any, **_more: Any) -> None:
        """Count a call; `asked` is the model as langchain describes it, and lists of messages. Raises: OutOfBudget."""
        messages: list[list[BaseMessage]] = asked[1]
        self._needs = _needs([one for some in messages for one in some], self.schema_bytes)
        self._heard_bytes = 0
        self._begin()

    async def again(self, _state: object) -> None:
        """Count a further try, which is a call too. Raises: OutOfBudget."""
        self._purse.add_tokens(self._failed_tokens)
        self._heard_bytes = 0
        self._begin()

    def on_llm_new_token(self, token: Any, **_more: Any) -> None:
        """Give a sign of life, and note how long the reply is."""
        self._heard_bytes += len(str(token).encode("utf-8", "replace"))
        self._purse.beat()

    def on_llm_end(self, response: LLMResult, **_more: Any) -> None:
        """Count its tokens: as the back end says, else about as many as its texts have."""
        self._purse.beat()
        for some in response.generations:
            for one in some:
                message = one.message if isinstance(one, ChatGeneration) else None
                usage = message.usage_metadata if isinstance(message, AIMessage) else None
                said = estimated_tokens(len(one.text.encode("utf-8", "replace")))
                asked = estimated_tokens(self._needs.prompt_bytes)
                self._purse.add_tokens(usage["total_tokens"] if usage else asked + said)
                self._purse.replied(usage["output_tokens"] if usage else said, self._cap)

    def on_llm_error(self, error: BaseException, **_more: Any) -> None:
        """Count about what a call has cost that failed, unless it was never made."""
        if not isinstance(error, OutOfBudget):
            self._purse.add_tokens(self._failed_tokens)

    def _begin(self) -> None:
        self._purse.begin(self._needs.most_tokens + (self._cap or 0))
        self._purse.beat()

    @property
    def _failed_tokens(self) -> int:
        """Return about what a failed call has cost; within a budget, where it had begun to reply, what it can have cost."""
        if self._heard_bytes and self._purse.left.tokens is not None:
            return self._needs.most_tokens + self._heard_bytes
        return estimated_tokens(self._needs.prompt_bytes + self._heard_bytes)


def _needs(messages: Sequence[BaseMessage], schema_bytes: int) -> Needs:
    """Return what a call is made of; a picture counts by itself, and not by the length of its file."""
    texts, images = 0, 0
    for message in messages:
        blocks = message.content if isinstance(message.content, list) else [message.content]
        for block in blocks:
            if isinstance(block, dict) and block.get("type") == "image":
                images += 1
            else:
                texts += len(str(block).encode("utf-8", "replace"))
    return Needs(texts + schema_bytes, len(messages), images=images)
