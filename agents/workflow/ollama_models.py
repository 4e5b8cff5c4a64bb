"""Models of an Ollama server, by its own API. Parameters go under `options`, where alone Ollama reads them (D8)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import ollama
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable
from langchain_ollama import ChatOllama, OllamaEmbeddings

from agents import chat_servers
from agents.workflow.guarded import (
    WORKFLOWS,
    GuardedChat,
    GuardedEmbeddings,
    Mishap,
    Patience,
    in_a_line,
    silent,
    structured,
    unknown_model,
)
from agents.workflow.offers import Offered, in_words, size_of
from agents.workflow.outside import ModelError, NoToolsHere

BESIDE = {"keep_alive": "keep_alive", "think": "reasoning", "format": "format"}
"""What workflows write among the parameters and Ollama reads beside `options` → as langchain-ollama calls it."""
BUSY = frozenset({408, 429})


class OllamaModels:
    """The models of one Ollama server."""

    def __init__(self, url: str | None, patience: Patience, api_key: str | None = None) -> None:
        self._url = url or chat_servers.URLS["ollama"]
        self._patience = patience
        self._client = chat_servers.ollama_client(api_key) | {
            "timeout": httpx.Timeout(patience.silence_s, connect=min(10.0, patience.silence_s)),
        }
        self._chats: dict[str, ChatOllama] = {}

    @property
    def title(self) -> str:
        """What people are told that it is; a password in the address is not."""
        parts = urlsplit(self._url)
        host = parts.netloc.rpartition("@")[2]
        return f"Ollama at {urlunsplit((parts.scheme, host, parts.path, '', ''))}"

    def chat(self, name: str, parameters: Mapping[str, Any]) -> BaseChatModel:
        """Return a chat model; whether the server has it shows with the first call."""
        if name not in self._chats:
            self._chats[name] = ChatOllama(
                model=name, base_url=self._url, client_kwargs=dict(self._client)
            )
        options: dict[str, Any] = {
            BESIDE[key]: parameters[key] for key in BESIDE if key in parameters
        }
        options["options"] = {key: parameters[key] for key in parameters if key not in BESIDE}
        return GuardedChat(
            inner=self._chats[name],
            name=name,
            server=self,
            patience=self._patience,
            options=options,
        )

    def structured(self, chat: BaseChatModel, schema: Mapping[str, Any]) -> Runnable[Any, Any]:
        """Return a chat model of ours bound to a schema: the server lets no other token through."""
        return structured(chat, schema)

    def embeddings(self, name: str | None) -> Embeddings:
        """Return a model that makes embeddings.

        Raises: ModelError: none is named.
        """
        if name is None:
            raise Mishap("No embedding model is named; set workflows.embedding_model.")
        inner = OllamaEmbeddings(model=name, base_url=self._url, client_kwargs=dict(self._client))
        return GuardedEmbeddings(inner, name, self, self._patience)

    async def offered(self) -> list[Offered]:
        """Return what the server has.

        Raises: ModelError: it cannot be asked.
        """
        try:
            listed = await self._list()
        except Exception as error:
            raise await self.explained(error, "") or error from error
        return [Offered(model.model or "", _about(model)) for model in listed.models]

    async def explained(self, error: Exception, model: str) -> ModelError | None:
        """Say what an error of Ollama's client means."""
        match error:
            case ollama.ResponseError():
                return await self._refused(error, model)
            case httpx.ConnectError() | httpx.ConnectTimeout() | ConnectionError():
                section = self._patience.section
                where = "--ollama-url or " if section == WORKFLOWS else ""
                return Mishap(
                    f"There is no {self.title}. Start it there (ollama serve), or say where it is: "
                    f"{where}{section}.base_url.",
                    again=True,
                )
            case httpx.TimeoutException():
                return silent(self, self._patience)
            case httpx.TransportError():
                return Mishap(f"The connection to {self.title} broke off.", again=True)
            case json.JSONDecodeError():
                return Mishap(
                    f"{self.title} sent something that is no JSON. Is it an Ollama server?"
                )
            case ValueError() if "No data received" in str(error):
                return Mishap(f"{self.title} sent no reply at all.", again=True)
        return None

    def whole(self, info: Mapping[str, Any]) -> bool:
        """Tell whether the line with `done` came."""
        return info.get("done") is True

    def stopping_at(self, options: Mapping[str, Any], stop: Sequence[str]) -> dict[str, Any]:
        """Put the texts where Ollama reads them."""
        inside = {**options.get("options", {}), "stop": list(stop)}
        return {**options, "options": inside}

    def of_schema(self, options: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002  # a field of its own
        """Put the schema where Ollama reads it."""
        return {"format": dict(schema)}

    async def _refused(self, error: ollama.ResponseError, model: str) -> ModelError:
        said = in_a_line(error.error)
        if error.status_code == 404 and "model" in said.lower():
            advice = f"`ollama pull {model}` fetches it"
            section = self._patience.section
            return unknown_model(self, model, await self._names(), advice, section)
        if error.status_code == 404:
            return Mishap(f"{self.title} does not know that request. Is it an Ollama server?")
        if "does not support tools" in said:
            return NoToolsHere(f"“{model}” takes no tools, says {self.title}")
        if error.status_code in {401, 403}:
            key = f"{self._patience.section}.api_key"
            return Mishap(f"{self.title} does not let us in. Check {key}.")
        if error.status_code in BUSY:
            return Mishap(f"{self.title} is busy. Try again later.", again=True)
        if 400 <= error.status_code < 500 or 300 <= error.status_code < 400:
            return Mishap(f"{self.title} refused the request ({error.status_code}): {said}")
        return Mishap(f"{self.title} has trouble of its own: {said}", again=True)

    async def _names(self) -> list[str]:
        try:
            listed = await self._list()
        except Exception:  # noqa: BLE001  # a list that cannot be had is left out of a sentence about something else
            return []
        return [model.model or "" for model in listed.models]

    async def _list(self) -> ollama.ListResponse:
        client = ollama.AsyncClient(host=self._url, **self._client)
        try:
            return await client.list()
        finally:
            await client.close()  # type: ignore[no-untyped-call]  # theirs


def _about(model: ollama.ListResponse.Model) -> str:
    details = model.details
    if details is None:
        return in_words(size_of(model.size))
    return in_words(details.parameter_size, details.quantization_level, size_of(model.size))
