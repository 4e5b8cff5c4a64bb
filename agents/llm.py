"""A language model that helps to understand people, and judges answers where a run asks for that; all else works without one.

Its reply is of a type. Code checks it, a gate shows it, and it never causes an effect by itself.
"""

import importlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from pydantic import BaseModel

from agents import chat_servers
from configs.schema import LLMSettings

Reply = TypeVar("Reply", bound=BaseModel)


class LLMError(Exception):
    """The model did not give a usable reply: unreachable, too slow, or not of the asked type."""


class UnreadableReply(LLMError):
    """The model replied, but not in the asked type."""


class NotInstalled(Exception):
    """The extra of the configured provider is missing."""


class LLM(Protocol):
    """Ask for a reply of a type."""

    @property
    def name(self) -> str:
        """What people are told that it is: the model and who provides it."""

    async def ask(self, instructions: str, untrusted: str, reply: type[Reply]) -> Reply:
        """Return a reply to instructions of ours about text that is data.

        Raises: UnreadableReply: it is not of the type. LLMError: there is none.
        """


class ChatLLM:
    """A LangChain chat model behind `LLM`, with structured output by JSON schema."""

    def __init__(self, model: BaseChatModel, name: str) -> None:
        self._model = model
        self.name = name

    async def ask(self, instructions: str, untrusted: str, reply: type[Reply]) -> Reply:
        """Return the model's reply, validated.

        Raises: UnreadableReply: it is not of the type. LLMError: there is none.
        """
        structured = self._model.with_structured_output(reply, method="json_schema")
        try:
            answer = await structured.ainvoke(
                [SystemMessage(instructions), HumanMessage(fence(untrusted))]
            )
        except ValueError as error:  # of pydantic, of a parser of JSON or of LangChain's
            raise UnreadableReply(f"{type(error).__name__}: {error}") from error
        except Exception as error:  # a provider may raise anything; the caller has a way without it
            raise LLMError(f"{type(error).__name__}: {error}") from error
        if not isinstance(answer, reply):
            raise UnreadableReply(f"the reply is a {type(answer).__name__}, not a {reply.__name__}")
        return answer


Answer = dict[str, Any] | Exception


class RuleLLM:
    """Replies by a rule, from instructions and fenced data: a shipped fake."""

    def __init__(self, rule: Callable[[str, str], Answer], name: str = "rule (fake)") -> None:
        self._rule = rule
        self.name = name
        self.asked: list[tuple[str, str]] = []

    async def ask(self, instructions: str, untrusted: str, reply: type[Reply]) -> Reply:
        """Return what the rule says, validated; raise it if it is an exception.

        Raises: UnreadableReply: the rule's reply is not of the asked type.
        """
        said = (instructions, fence(untrusted))
        self.asked.append(said)
        following = self._rule(*said)
        if isinstance(following, Exception):
            raise following
        try:
            return reply.model_validate(following)
        except ValueError as error:
            raise UnreadableReply(str(error)) from error


class ScriptedLLM(RuleLLM):
    """Replies from a list, in order, and fails at its end: the same with another rule."""

    def __init__(self, replies: Sequence[Answer]) -> None:
        left = iter(replies)
        super().__init__(
            lambda _instructions, _data: next(left, LLMError("the script is at its end")),
            "script (fake)",
        )


def what_failed(error: LLMError | TimeoutError) -> str:
    """Name what went wrong in a word: a provider's own sentence may quote what it was sent, or a part of a key."""
    cause = error.__cause__ if isinstance(error, LLMError) else None
    return type(cause or error).__name__


def fence(untrusted: str) -> str:
    """Mark text as data, so that instructions inside it are not taken for ours."""
    inner = untrusted.replace("<<<", "< < <").replace("DATA>>>", "DATA> > >")
    return f"<<<DATA\n{inner}\nDATA>>>"


def from_settings(settings: LLMSettings) -> LLM | None:
    """Return the configured model, or None.

    Raises: NotInstalled: the extra of the provider is missing.
    """
    if settings.kind == "none":
        return None
    module_name, class_name = chat_servers.CLIENTS[settings.kind]
    try:
        chat_model = getattr(importlib.import_module(module_name), class_name)
    except ImportError as error:
        raise NotInstalled(chat_servers.missing("llm.kind", settings.kind, module_name)) from error
    key = settings.api_key.get_secret_value() if settings.api_key else None
    options: dict[str, Any] = {"model": settings.model, "temperature": 0}
    if settings.kind == "openai":
        options |= chat_servers.openai_client(settings.base_url, key)
        options["timeout"] = settings.timeout_s
    else:
        options["base_url"] = settings.base_url or chat_servers.URLS["ollama"]
        client = chat_servers.ollama_client(key)
        options["client_kwargs"] = client | {"timeout": settings.timeout_s}
    return ChatLLM(chat_model(**options), f"{settings.model} ({settings.kind})")
