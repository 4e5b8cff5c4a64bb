"""Ask a model beside a run, as for a suite, a change, or in a person's place: once per thing to ask, into a journal."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import BaseMessage

from agents.workflow.journal import Journal
from agents.workflow.outside import ModelError, Models
from agents.workflow.spending import estimated_tokens

SecondsLeft = Callable[[], float | None]
"""Says how long something may take; None without a limit."""


@dataclass(frozen=True)
class Question:
    """What a model is asked, and the schema of the JSON that it has to reply with."""

    model: str
    messages: Sequence[BaseMessage]
    schema: Mapping[str, Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return it as plain data: what is asked again is the same."""
        messages = [{"type": one.type, "content": one.content} for one in self.messages]
        return {
            "model": self.model,
            "messages": messages,
            "schema": self.schema,
            "parameters": dict(self.parameters),
        }


@dataclass(frozen=True)
class Replied:
    """What came back."""

    text: str
    tokens: int
    """Of what was asked and what was replied; estimated where the back end does not count."""
    seconds: float
    remembered: bool
    """It is known from before, and nobody was asked again."""


def unlimited() -> float | None:
    """Say of how long something may take that there is no limit."""
    return None


async def reply_to(
    models: Models,
    journal: Journal,
    where: str,
    question: Question,
    seconds_left: SecondsLeft = unlimited,
) -> Replied:
    """Return a reply: from the journal where this has been asked already.

    Args:
        models: Where the model comes from.
        journal: Where replies are kept.
        where: Place in it; the same question at another place is asked anew.
        question: What is asked.
        seconds_left: How long the reply may take.

    Raises: ModelError: there is no reply. That is not kept: it is tried again.
    """
    plain = question.plain()
    known = journal.recall(where, plain)
    if known is None:
        began = time.monotonic()
        chat = models.chat(question.model, question.parameters)
        asked = models.structured(chat, question.schema)
        limit = asyncio.timeout(seconds_left())
        try:
            async with limit:
                message = await asked.ainvoke(list(question.messages))
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise ModelError(f"{question.model} had no more time for a reply") from error
        text = str(message.text)
        usage = message.usage_metadata
        tokens = usage["total_tokens"] if usage else _estimated(question, text)
        seconds = round(time.monotonic() - began, 3)
        value = {"text": text, "tokens": tokens, "seconds": seconds}
        journal.keep(where, plain, value)
        return Replied(text, tokens, seconds, remembered=False)
    return Replied(known["text"], known["tokens"], known["seconds"], remembered=True)


def _estimated(question: Question, text: str) -> int:
    whole = "".join([*(str(message.text) for message in question.messages), text])
    return estimated_tokens(len(whole.encode("utf-8", "replace")))


@dataclass
class Asker:
    """Asks one model for JSON of a schema, as `proposing.Ask` wants it, and counts what that costs.

    A process that was killed and begins again is not asked for the money twice: the n-th time that something is asked gets
    the n-th reply that was ever given to it.
    """

    models: Models
    model: str
    journal: Journal
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seconds_left: SecondsLeft = unlimited
    calls: int = field(default=0, init=False)
    """Remembered ones included."""
    tokens: int = field(default=0, init=False)
    _asked: Counter[str] = field(default_factory=Counter, init=False)

    async def __call__(self, messages: Sequence[BaseMessage], schema: Mapping[str, Any]) -> str:
        """Return the reply. Raises: ModelError: there is none."""
        question = Question(self.model, messages, schema, self.parameters)
        self._asked[repr(question.plain())] += 1
        where = f"asked:{self._asked[repr(question.plain())]}"
        self.calls += 1
        replied = await reply_to(self.models, self.journal, where, question, self.seconds_left)
        self.tokens += replied.tokens
        return replied.text
