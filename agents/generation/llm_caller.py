"""The configured language model, asked by ours: some calls at a time, each paid from the purse, JSON of a schema back."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from agents.generation.asks import Ask, Keep
from agents.jobs import RowsBackend
from agents.workflow.guarded import structured
from agents.workflow.outside import ModelError
from agents.workflow.purse import OutOfBudget, Purse, payer

FAILURES = 3
"""Calls in a row that fail before no further one is made: the model is away."""
KINDS: dict[str, type[BaseMessage]] = {
    "system": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
}


class LLMCaller:
    """Calls a chat model."""

    backend = RowsBackend.LLM

    def __init__(
        self,
        chat: BaseChatModel,
        model: str,
        purse: Purse,
        at_once: int,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.parameters = parameters or {}
        """As the chat model has them: what it is asked with."""
        self._chat = chat
        self._purse = purse
        self._at_once = at_once
        self._failed = 0
        self._over: ModelError | None = None

    async def call(self, asks: Sequence[Ask], keep: Keep) -> None:
        """Make calls, and keep each reply as soon as it is there.

        Raises: OutOfBudget: there is no room for more. ModelError: the model is away.
        """
        left = iter(asks)
        await asyncio.gather(*(self._work(left, keep) for _ in range(self._at_once)))
        if self._over is not None:
            raise self._over

    async def _work(self, left: Iterator[Ask], keep: Keep) -> None:
        for ask in left:
            if self._over is not None:
                return
            try:
                text = await self._one(ask)
            except OutOfBudget as error:
                self._over = error
            except ModelError as error:
                self._failed += 1
                if self._failed >= FAILURES:
                    self._over = error
            else:
                self._failed = 0
                keep(ask, text)

    async def _one(self, ask: Ask) -> str:
        messages = [KINDS[turn.role](turn.text) for turn in ask.turns]
        asked = structured(self._chat, ask.form.schema())
        reply = await asked.ainvoke(messages, {"callbacks": [payer(self._purse)]})
        return str(reply.text)
