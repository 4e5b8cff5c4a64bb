"""Ask a language model for a reply of a type: within a deadline, paid for, tried again where that may help, repaired once."""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from agents.fences import fence
from agents.llm.accounts import NOTHING, UNLIMITED, Account, Tokens
from agents.llm.breaker import Breaker
from agents.llm.errors import LLMError, UnreadableReply
from agents.llm.models import BackEnd, back_end, cost_nothing, structured
from agents.llm.structured import Reply, read, schema_of, told_again
from agents.workflow.guarded import Mishap
from agents.workflow.outside import ModelError
from agents.workflow.spending import Needs
from configs.schema import Settings

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.5
"""Before the second try, at most; doubled before each further one, and each time drawn by lot."""
LONGEST_WAIT_S = 20.0
IDLE_S = 120.0
LENGTH = frozenset({"length", "max_tokens"})
"""What servers call it when a reply was cut at its longest."""
WHY_ENDED = ("finish_reason", "done_reason", "stop_reason")
"""Where they say so."""


class LLM(Protocol):
    """Ask for a reply of a type."""

    @property
    def name(self) -> str:
        """What people are told that it is: the model and who provides it."""

    async def ask(
        self,
        instructions: str,
        untrusted: str,
        reply: type[Reply],
        account: Account = UNLIMITED,
    ) -> Reply:
        """Return a reply to instructions of ours about text that is data; all of it is paid from the account.

        Raises: UnreadableReply: it is not of the type. LLMError: there is none.
        """

    def close(self) -> None:
        """Let go of what it holds."""


class ChatLLM:
    """The configured back end behind `LLM`. All runs of a process share it, and what is known of how it does."""

    def __init__(self, back_end: BackEnd, first_wait_s: float = FIRST_WAIT_S) -> None:
        self.back_end = back_end
        self.name = back_end.name
        self._settings = back_end.settings
        self._first_wait_s = first_wait_s
        settings = self._settings
        self._breaker = Breaker(self.name, settings.failures_to_pause, settings.pause_s)
        self._asking = 0
        self._idle: asyncio.TimerHandle | None = None

    async def ask(
        self,
        instructions: str,
        untrusted: str,
        reply: type[Reply],
        account: Account = UNLIMITED,
    ) -> Reply:
        """Return the model's reply, validated; where the first one cannot be read, the model is shown what is wrong with it.

        Raises: UnreadableReply: it is not of the type. LLMError: there is none.
        """
        schema = schema_of(reply)
        messages = [SystemMessage(instructions), HumanMessage(fence(untrusted))]
        question = _Question(messages, schema, account, _now_s() + self._settings.timeout_s)
        self._asking += 1
        try:
            said = await self._said(question)
            try:
                return _read(said, reply)
            except UnreadableReply as error:
                log.info("%s: an unreadable reply, asked for again: %s", self.name, error)
                return _read(await self._said(question.repaired(said, str(error))), reply)
        finally:
            self._asking -= 1
            self._close_when_idle()

    def close(self) -> None:
        """End what a model of this machine runs in; the next question starts it again."""
        if self._idle is not None:
            self._idle.cancel()
        self.back_end.close()

    def _close_when_idle(self) -> None:
        """Give the memory of a model of this machine back where nobody asks it for a while: trainings want it."""
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if not self._asking:
            self.back_end.close()

    async def _said(self, question: "_Question") -> AIMessage:
        """Return what the model says, asked again where that may help. Raises: LLMError."""
        left_s = question.ends_at_s - _now_s()
        again = AsyncRetrying(
            # of a kind of its own: one that was not sent at all is not sent again here
            retry=retry_if_exception(lambda error: type(error) is LLMError and error.again),
            stop=stop_after_attempt(self._settings.tries) | stop_before_delay(left_s),
            wait=_wait(self._first_wait_s),
            reraise=True,
        )
        return await again(self._once, question)

    async def _once(self, question: "_Question") -> AIMessage:
        model = self._model(question.schema)
        finding_out, worked = self._breaker.enter(), None
        try:
            most = question.most(self._settings.max_reply_tokens)
            number = await question.account.reserve(most)
            try:
                # cancelled from outside, it is never settled: whoever was asked may count it
                async with asyncio.timeout_at(question.ends_at_s):
                    said: AIMessage = await model.ainvoke(list(question.messages))
            except (
                Exception
            ) as error:  # a client may raise anything; the caller has a way without it
                worked = False
                await question.account.settle(number, NOTHING if cost_nothing(error) else most)
                raise _explained(error) from error
            worked = True
            await question.account.settle(number, _used(said, most))
            return said
        finally:
            self._breaker.leave(finding_out=finding_out, worked=worked)

    def _model(self, schema: dict[str, Any]) -> Runnable[Any, Any]:
        try:
            return structured(self.back_end.chat(), schema)
        except ModelError as error:
            raise LLMError(str(error), again=False) from error


@dataclass(frozen=True)
class _Question:
    messages: Sequence[BaseMessage]
    schema: dict[str, Any]
    account: Account
    ends_at_s: float
    """On the clock of the event loop."""

    def most(self, reply_tokens: int) -> Tokens:
        """Return what it may cost: a token is at least one byte of what is sent."""
        texts = [*(str(message.content) for message in self.messages), json.dumps(self.schema)]
        length = sum(len(text.encode("utf-8", "replace")) for text in texts)
        return Tokens(Needs(length, len(texts)).most_tokens, reply_tokens)

    def repaired(self, said: AIMessage, why: str) -> "_Question":
        """Return the question after a reply that could not be read."""
        bad = AIMessage(str(said.text).strip() or "{}")
        told = HumanMessage(told_again(self.schema, why))
        return replace(self, messages=[*self.messages, bad, told])


def from_settings(settings: Settings) -> LLM | None:
    """Return the configured model, or None.

    Raises: NotInstalled: the extra of the provider is missing.
    """
    return None if settings.llm.kind == "none" else ChatLLM(back_end(settings))


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _explained(error: Exception) -> LLMError:
    mishap = error if isinstance(error, Mishap) else Mishap(f"{type(error).__name__}: {error}")
    return LLMError(str(mishap), again=mishap.again, after_s=mishap.after_s)


def _used(said: AIMessage, most: Tokens) -> Tokens:
    """Return what a reply has cost, as the server counts it; where it does not, what it may have cost."""
    usage = said.usage_metadata
    if usage is None or not usage["total_tokens"]:
        return most
    return Tokens(usage["input_tokens"], usage["output_tokens"])


def _read(said: AIMessage, reply: type[Reply]) -> Reply:
    try:
        return read(str(said.text), reply)
    except UnreadableReply as error:
        if not LENGTH & {said.response_metadata.get(name) for name in WHY_ENDED}:
            raise
        raise UnreadableReply(f"it was cut off at its longest ({error})") from error


def _wait(first_wait_s: float) -> Callable[[RetryCallState], float]:
    by_lot = wait_random_exponential(multiplier=first_wait_s, max=LONGEST_WAIT_S)

    def wait_s(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked_s = error.after_s if isinstance(error, LLMError) else None
        return by_lot(state) + (asked_s or 0.0)

    return wait_s
