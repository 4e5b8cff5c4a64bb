"""One budget for a whole job: every call of a model counts, whoever makes it, and none is made that it has no room for.

What was used is kept in a file, so that it counts after a crash too; a call is noted before it is made.
"""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from agents.jobs import Left, Spent
from agents.workflow.outside import Limits, ModelError, Models, SameModels
from agents.workflow.spending import estimated_tokens

USED_UP = "the budget of this run is used up"


class OutOfBudget(ModelError):
    """What is left has no room for another call."""


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

    def begin(self) -> None:
        """Count a call before it is made. Raises: OutOfBudget: there is no room for it."""
        if self.empty:
            self.refused = True
            raise OutOfBudget(USED_UP)
        self.calls += 1
        self._note(calls=1)

    def add_tokens(self, tokens: int) -> None:
        """Count the tokens of a call that has ended."""
        self.tokens += tokens
        self._note(tokens=tokens)

    def limits(self, own: Limits) -> Limits:
        """Return the limits of one run of a workflow: its own, or what is left where that is less."""

        def least(one: float | None, most: float | None, used: float) -> float | None:
            left = None if most is None else max(0, most - used)
            return min((value for value in (one, left) if value is not None), default=None)

        calls = least(own.max_calls, self.left.calls, self.calls)
        tokens = least(own.max_tokens, self.left.tokens, self.tokens)
        return replace(
            own,
            max_calls=own.max_calls if calls is None else int(calls),
            max_tokens=None if tokens is None else int(tokens),
            max_seconds=least(own.max_seconds, self.left.seconds, self.seconds),
        )

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


def open_purse(path: Path, left: Left, beat: Callable[[], None] = lambda: None) -> Purse:
    """Open what was kept of a budget, or begin anew; a torn last line counts for nothing."""
    calls, tokens, seconds = 0, 0, 0.0
    if path.exists():
        for line in path.read_bytes().splitlines():
            with suppress(ValueError):
                told = json.loads(line)
                calls, tokens = calls + told["calls"], tokens + told["tokens"]
                seconds = max(seconds, told["seconds"])
    file = path.open("ab")
    return Purse(left, file, calls=calls, tokens=tokens, earlier_s=seconds, beat=beat)


class PursedModels(SameModels):
    """The same models, each call paid from a purse; what makes embeddings is not counted."""

    def __init__(self, models: Models, purse: Purse) -> None:
        super().__init__(models)
        self._purse = purse

    def chat(self, name: str, parameters: Mapping[str, Any]) -> BaseChatModel:
        """Return the model. Raises: ModelError: there is none of that name."""
        chat = super().chat(name, parameters)
        chat.callbacks = [_Payer(self._purse)]
        return chat


class _Payer(BaseCallbackHandler):
    """Counts the calls of one model."""

    raise_error = True
    run_inline = True

    def __init__(self, purse: Purse) -> None:
        self._purse = purse
        self._asked_bytes = 0

    def on_chat_model_start(self, *asked: Any, **_more: Any) -> None:
        """Count a call; `asked` is the model as langchain describes it, and lists of messages. Raises: OutOfBudget."""
        self._purse.begin()
        self._purse.beat()
        messages: list[list[BaseMessage]] = asked[1]
        self._asked_bytes = sum(len(str(one.content).encode()) for some in messages for one in some)

    def on_llm_new_token(self, token: Any, **_more: Any) -> None:  # noqa: ARG002  # langchain's signature
        """Give a sign of life."""
        self._purse.beat()

    def on_llm_end(self, response: LLMResult, **_more: Any) -> None:
        """Count its tokens: as the back end says, else about as many as its texts have."""
        self._purse.beat()
        for some in response.generations:
            for one in some:
                message = one.message if isinstance(one, ChatGeneration) else None
                usage = message.usage_metadata if isinstance(message, AIMessage) else None
                self._purse.add_tokens(
                    usage["total_tokens"]
                    if usage
                    else estimated_tokens(self._asked_bytes + len(one.text.encode()))
                )

    def on_llm_error(self, error: BaseException, **_more: Any) -> None:
        """Count about what a call has cost that failed, unless it was never made."""
        if not isinstance(error, OutOfBudget):
            self._purse.add_tokens(estimated_tokens(self._asked_bytes))
