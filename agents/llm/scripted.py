"""Language models of our own making, for tests and for trying things out: shipped fakes that reply by a rule or from a list."""

from collections.abc import Callable, Sequence
from typing import Any

from agents.fences import fence
from agents.llm.accounts import UNLIMITED, Account, Tokens
from agents.llm.errors import LLMError, UnreadableReply
from agents.llm.structured import Reply, schema_of

Answer = dict[str, Any] | Exception
BYTES_PER_TOKEN = 4


class RuleLLM:
    """Replies by a rule, from instructions and fenced data."""

    def __init__(self, rule: Callable[[str, str], Answer], name: str = "rule (fake)") -> None:
        self._rule = rule
        self.name = name
        self.asked: list[tuple[str, str]] = []

    async def ask(
        self,
        instructions: str,
        untrusted: str,
        reply: type[Reply],
        account: Account = UNLIMITED,
    ) -> Reply:
        """Return what the rule says, validated; raise it if it is an exception.

        Raises: UnreadableReply: the rule's reply is not of the asked type. OutOfRoom: it may not be asked.
        """
        schema_of(reply)
        said = (instructions, fence(untrusted))
        tokens = Tokens(sum(len(text.encode()) for text in said) // BYTES_PER_TOKEN, 1)
        number = await account.reserve(tokens)
        self.asked.append(said)
        following = self._rule(*said)
        await account.settle(number, tokens)
        if isinstance(following, Exception):
            raise following
        try:
            return reply.model_validate(following)
        except ValueError as error:
            raise UnreadableReply(str(error)) from error

    def close(self) -> None:
        """Hold nothing."""


class ScriptedLLM(RuleLLM):
    """Replies from a list, in order, and fails at its end: the same with another rule."""

    def __init__(self, replies: Sequence[Answer]) -> None:
        left = iter(replies)
        super().__init__(
            lambda _instructions, _data: next(left, LLMError("the script is at its end")),
            "script (fake)",
        )
