"""Which models run workflows here: the configured back end, a model map before it, and models of this machine beside it."""

import importlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol, Self

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable
from pydantic import ValidationError

from agents import chat_servers
from agents.workflow import guarded
from agents.workflow.guarded import Patience
from agents.workflow.local_models import LocalModels
from agents.workflow.offers import Offered
from agents.workflow.outside import ModelError, Models
from configs.schema import Settings, WorkflowSettings

LOCAL = "local:"
"""Before a name in the model map: of this machine. A workflow itself cannot say it."""
ANY = "*"
"""In the model map: every model that it does not name."""
SERVERS = {
    "ollama": ("agents.workflow.ollama_models", "OllamaModels"),
    "openai": ("agents.workflow.openai_models", "OpenAIModels"),
}
"""Imported when they are used: each needs an extra."""
SCRIPTED = ("agents.workflow.scripted", "ScriptedModels")


class BackEnd(Models, Protocol):
    """Models that can be listed."""

    @property
    def title(self) -> str:
        """What people are told that it is."""

    async def offered(self) -> list[Offered]:
        """Return what there is. Raises: ModelError: it cannot be asked."""


def models_from(settings: Settings, ollama_url: str | None = None) -> "MappedModels":
    """Return the models that the settings describe; close them when a run is over.

    Args:
        settings: Those of this Tunewright.
        ollama_url: Use Ollama, at this address, whatever the settings say.

    Raises: ModelError: that is no address.
    """
    workflows = settings.workflows
    if ollama_url is not None:
        told = {"back_end": "ollama", "base_url": _address(ollama_url), "api_key": None}
        workflows = workflows.model_copy(update=told)
    return MappedModels(workflows, LocalModels(settings))


def _address(url: str) -> str:
    """Return an address as a setting would hold it; `HOST:PORT` is one of http."""
    whole = url if "://" in url else f"http://{url}"
    try:
        return str(WorkflowSettings(base_url=whole).base_url)
    except ValidationError as error:
        raise ModelError(
            f"“{url}” is no address of an Ollama server. It is written http://HOST:PORT."
        ) from error


class MappedModels:
    """Looks a name up in the model map, and takes the model from where that leads."""

    def __init__(self, settings: WorkflowSettings, local: LocalModels) -> None:
        self._settings = settings
        self.local = local

    def chat(self, name: str, parameters: Mapping[str, Any]) -> BaseChatModel:
        """Return a chat model.

        Raises: ModelError: there is none of that name.
        """
        models, target = self._found(name)
        return models.chat(target, parameters)

    def structured(self, chat: BaseChatModel, schema: Mapping[str, Any]) -> Runnable[Any, Any]:
        """Return a chat model of ours bound to reply with JSON of a schema."""
        if self._settings.back_end == "script":
            return self.main.structured(chat, schema)
        return guarded.structured(chat, schema)

    def embeddings(self, name: str | None) -> Embeddings:
        """Return a model that makes embeddings; None is the configured one.

        Raises: ModelError: there is none.
        """
        if name is not None:
            models, target = self._found(name, whatever=False)
        elif (configured := self._settings.embedding_model) is not None:
            models, target = self._at(self._settings.model_map.get(configured, configured))
        else:
            raise ModelError("No embedding model is configured: set workflows.embedding_model.")
        return models.embeddings(target)

    async def offered(self) -> list[Offered]:
        """Return what the back end has; a script says it nowhere.

        Raises: ModelError: it cannot be asked.
        """
        return [] if self._settings.back_end == "script" else await self.main.offered()

    @cached_property
    def main(self) -> BackEnd:
        """The configured back end. Raises: ModelError: its extra is not installed."""
        settings = self._settings
        if settings.back_end == "local":
            return self.local
        if settings.back_end == "script":
            scripted: BackEnd = _imported(*SCRIPTED).from_file(settings.script)
            return scripted
        key = settings.api_key.get_secret_value() if settings.api_key else None
        try:
            kind = _imported(*SERVERS[settings.back_end])
        except ImportError as error:
            told = chat_servers.missing("workflows.back_end", settings.back_end, error.name)
            raise ModelError(told) from error
        patience = Patience(settings.timeout_s, settings.silence_s, settings.tries)
        found: BackEnd = kind(settings.base_url, patience, key)
        return found

    def close(self) -> None:
        """End the child programs of models of this machine."""
        self.local.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_ended: object) -> None:
        self.close()

    def _found(self, name: str, *, whatever: bool = True) -> tuple[Models, str]:
        """Return who has a model, and its name there; `whatever` lets `*` stand for it."""
        mapped = self._settings.model_map
        target = mapped.get(name, mapped.get(ANY) if whatever else None)
        return (self.main, name) if target is None else self._at(target)

    def _at(self, target: str) -> tuple[Models, str]:
        """Return who has what the settings name, and its name there."""
        if target.startswith(LOCAL):
            return self.local, target.removeprefix(LOCAL)
        return self.main, target


def _imported(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)
