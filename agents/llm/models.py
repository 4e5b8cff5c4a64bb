"""Which language model the settings mean, as a LangChain chat model that fails in words."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable

from agents import chat_servers
from agents.llm.errors import NotInstalled, causes
from agents.workflow import guarded
from agents.workflow.guarded import Patience
from agents.workflow.local_models import LocalModels
from agents.workflow.offers import Offered
from configs.schema import LLMSettings, Settings

SECTION = "llm"
"""Of the settings, that sentences name."""
SERVERS = {
    "ollama": ("agents.workflow.ollama_models", "OllamaModels"),
    "openai": ("agents.workflow.openai_models", "OpenAIModels"),
    "anthropic": ("agents.llm.anthropic_models", "AnthropicModels"),
}
"""Imported where they are configured: each needs an extra."""

HOSTED = frozenset({"api.openai.com", "api.anthropic.com"})


class NotConfigured(Exception):
    """`llm.kind` is none."""


class Back(Protocol):
    """A back end: what chat models come from."""

    @property
    def title(self) -> str:
        """What people are told that it is."""

    def chat(self, name: str, parameters: Mapping[str, Any]) -> BaseChatModel:
        """Return a chat model; parameters by Ollama's names. Raises: ModelError: there is none of that name."""

    async def offered(self) -> list[Offered]:
        """Return what there is. Raises: ModelError: it cannot be asked."""


@dataclass(frozen=True)
class BackEnd:
    """The configured back end, and the model that is asked there."""

    back: Back
    settings: LLMSettings

    @property
    def name(self) -> str:
        """What people are told that is asked."""
        return f"{self.settings.model.partition('+')[0]} ({self.settings.kind})"

    def chat(self, *, temperature: float | None = None) -> BaseChatModel:
        """Return the model; None: as calm as it can be. Raises: ModelError: there is none of that name."""
        parameters: dict[str, Any] = {"num_predict": self.settings.max_reply_tokens}
        if temperature is not None:
            parameters["temperature"] = temperature
        elif not self._is_hosted:  # newer models there refuse any temperature but their own
            parameters["temperature"] = 0
        return self.back.chat(self.settings.model, parameters)

    @property
    def _is_hosted(self) -> bool:
        usual = chat_servers.URLS.get(self.settings.kind, "")
        host = urlsplit(self.settings.base_url or usual).hostname
        return host in HOSTED

    async def offered(self) -> list[Offered]:
        """Return what the back end has. Raises: ModelError: it cannot be asked."""
        return await self.back.offered()

    def close(self) -> None:
        """End the child program of a model of this machine."""
        if isinstance(self.back, LocalModels):
            self.back.close()


def chat_model(settings: Settings, *, temperature: float | None = None) -> BaseChatModel:
    """Return the configured chat model, for programs that make calls of their own.

    What goes wrong with it is an `agents.workflow.outside.ModelError`, in words; what may pass is tried again. A reply has at
    most `llm.max_reply_tokens`. `structured` binds it to a schema. The child program of a `local` one ends with this process.

    Raises: NotConfigured, NotInstalled, ModelError: there is none of that name on this machine.
    """
    return back_end(settings, tries=settings.llm.tries).chat(temperature=temperature)


def structured(chat: BaseChatModel, schema: Mapping[str, Any]) -> Runnable[Any, Any]:
    """Return a model that `chat_model` gave out, bound to reply with JSON of a schema, such as `schema_of` makes."""
    return guarded.structured(chat, schema)


def back_end(settings: Settings, *, tries: int = 1) -> BackEnd:
    """Return the configured back end.

    Raises: NotConfigured, NotInstalled.
    """
    llm = settings.llm
    # a silence is told by our own deadline, which comes first and knows what to say
    patience = Patience(llm.timeout_s, llm.timeout_s + 10, tries, section=SECTION)
    if llm.kind == "none":
        raise NotConfigured("No language model is configured: set llm.kind and llm.model.")
    if llm.kind == "local":
        return BackEnd(LocalModels(settings, patience), llm)
    module, name = SERVERS[llm.kind]
    try:
        server = getattr(importlib.import_module(module), name)
    except ImportError as error:
        told = chat_servers.missing(f"{SECTION}.kind", llm.kind, error.name)
        raise NotInstalled(told) from error
    key = llm.api_key.get_secret_value() if llm.api_key else None
    return BackEnd(server(llm.base_url, patience, key), llm)


def cost_nothing(error: BaseException) -> bool:
    """Tell whether a question that failed with this surely was not answered: nobody was there, or it was refused."""
    return any(map(_is_refusal, causes(error)))


def _is_refusal(error: BaseException) -> bool:
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and status >= 400:
        return True
    if type(error).__name__ in {"ConnectError", "ConnectTimeout"}:  # of httpx and of httpx2
        return True
    return type(error) is ConnectionError  # of Ollama's client: it found no server
