"""Models of any server that speaks OpenAI's API: llama.cpp's, vLLM, LM Studio, Ollama's own `/v1`, hosted ones."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable
from langchain_openai import ChatOpenAI, OpenAIEmbeddings, StreamChunkTimeoutError

from agents import chat_servers
from agents.workflow.guarded import (
    GuardedChat,
    GuardedEmbeddings,
    Mishap,
    Patience,
    capital,
    in_a_line,
    retry_after_s,
    silent,
    structured,
    unknown_model,
)
from agents.workflow.offers import Offered, in_words

log = logging.getLogger(__name__)

SAME = ("temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty")
OTHER_NAMES = {"num_predict": "max_tokens"}
OF_LLAMA_CPP = ("top_k", "min_p", "typical_p", "repeat_penalty", "repeat_last_n", "mirostat", "mirostat_eta", "mirostat_tau")  # fmt: skip
"""Parameters that Ollama took over from llama.cpp. Its server knows them by the same names, others pass over them; the
hosted API refuses what it does not know."""


class OpenAIModels:
    """The models of one OpenAI-compatible server."""

    def __init__(self, url: str | None, patience: Patience, api_key: str | None = None) -> None:
        self._url = url or chat_servers.URLS["openai"]
        self._hosted = urlsplit(self._url).hostname == "api.openai.com"
        self._patience = patience
        connect_s = min(10.0, patience.silence_s)
        self._clients = chat_servers.openai_client(url, api_key) | {
            "max_retries": 0,
            # our own deadline comes first, and knows what to say
            "timeout": httpx.Timeout(patience.timeout_s + 10, connect=connect_s),
        }

    @property
    def title(self) -> str:
        """What people are told that it is; a password in the address is not."""
        parts = urlsplit(self._url)
        return f"the server at {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def chat(self, name: str, parameters: Mapping[str, Any]) -> BaseChatModel:
        """Return a chat model; whether the server has it shows with the first call."""
        inner = ChatOpenAI(
            model=name,
            stream_usage=True,
            stream_chunk_timeout=self._patience.silence_s,
            use_responses_api=False,
            **self._clients,
        )
        return GuardedChat(
            inner=inner,
            name=name,
            server=self,
            patience=self._patience,
            options={"extra_body": of_openai(parameters, hosted=self._hosted)},
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
        inner = OpenAIEmbeddings(
            model=name,
            check_embedding_ctx_length=False,  # else texts are sent as tokens of OpenAI's, fetched from its host
            **self._clients,
        )
        return GuardedEmbeddings(inner, name, self, self._patience)

    async def offered(self) -> list[Offered]:
        """Return what the server has.

        Raises: ModelError: it cannot be asked.
        """
        try:
            listed = await self._list()
        except Exception as error:
            raise await self.explained(error, "") or error from error
        return [Offered(model.id, in_words(model.owned_by)) for model in listed]

    async def explained(self, error: Exception, model: str) -> Mishap | None:
        """Say what an error of OpenAI's client means."""
        match error:
            case openai.APIStatusError():
                return await self._refused(error, model)
            case openai.APITimeoutError() | httpx.TimeoutException() | StreamChunkTimeoutError():
                if _is(error, httpx.ConnectTimeout):
                    return self._away()
                return silent(self, self._patience)
            case openai.APIConnectionError() | httpx.TransportError():
                if _is(error, httpx.ConnectError):
                    return self._away()
                return Mishap(f"The connection to {self.title} broke off.", again=True)
            case openai.APIError():
                said = in_a_line(str(error.message))
                return Mishap(f"{capital(self.title)} has trouble of its own: {said}", again=True)
            case ValueError() | TypeError() | KeyError() | AttributeError():
                # langchain-openai reads replies without looking at their form
                return Mishap(
                    f"{capital(self.title)} sent something that is no reply of OpenAI's API. Is it such a server, and does its "
                    "address end with /v1?"
                )
        return None

    def whole(self, info: Mapping[str, Any]) -> bool:
        """Tell whether the server said why it ended."""
        return info.get("finish_reason") is not None

    def stopping_at(self, options: Mapping[str, Any], stop: Sequence[str]) -> dict[str, Any]:
        """Put the texts where the API reads them."""
        return _with_body(options, {"stop": list(stop)})

    def of_schema(self, options: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
        """Put the schema where the API reads it."""
        named = {"name": "reply", "strict": _is_strict(schema), "schema": dict(schema)}
        return _with_body(
            options, {"response_format": {"type": "json_schema", "json_schema": named}}
        )

    def _away(self) -> Mishap:
        return Mishap(
            f"Nothing answers where {self.title} should be. Start it, or say where it is in {self._patience.section}.base_url.",
            again=True,
        )

    async def _refused(self, error: openai.APIStatusError, model: str) -> Mishap:
        said = in_a_line(str(error.message))
        match error.status_code:
            case 404 if model:
                section = self._patience.section
                return unknown_model(self, model, await self._names(), section=section)
            case 401 | 403:
                key = f"{self._patience.section}.api_key"
                return Mishap(f"{capital(self.title)} does not let us in. Check {key}.")
            case 429 if error.code == "insufficient_quota":
                return Mishap(
                    f"{capital(self.title)} says that the account has nothing left to spend."
                )
            case 408 | 409 | 429 | 503:
                after_s = retry_after_s(error.response.headers.get("retry-after"))
                return Mishap(
                    f"{capital(self.title)} is busy. Try again later.", again=True, after_s=after_s
                )
            case status if status >= 500:
                return Mishap(f"{capital(self.title)} has trouble of its own: {said}", again=True)
        return Mishap(f"{capital(self.title)} refused the request ({error.status_code}): {said}")

    async def _names(self) -> list[str]:
        try:
            return [model.id for model in await self._list()]
        except Exception:  # noqa: BLE001  # a list that cannot be had is left out of a sentence about something else
            return []

    async def _list(self) -> list[Any]:
        options = {key: value for key, value in self._clients.items() if "http" not in key}
        client = openai.AsyncOpenAI(http_client=self._clients["http_async_client"], **options)
        page = await client.models.list()
        return list(page.data or ())


def of_openai(parameters: Mapping[str, Any], *, hosted: bool) -> dict[str, Any]:
    """Return parameters by OpenAI's names; what has no meaning there is left out, and logged."""
    found: dict[str, Any] = {name: parameters[name] for name in SAME if name in parameters}
    wanted = parameters.get("num_predict")
    if isinstance(wanted, int) and wanted > 0:  # −1 and −2 are Ollama's words for no limit
        found["max_completion_tokens" if hosted else "max_tokens"] = wanted
    if not hosted:
        found |= {name: parameters[name] for name in OF_LLAMA_CPP if name in parameters}
    left_out = parameters.keys() - found.keys() - OTHER_NAMES.keys()
    if left_out:
        log.info("parameters without a meaning for this server: %s", ", ".join(sorted(left_out)))
    return found


def _with_body(options: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    return {**options, "extra_body": {**options.get("extra_body", {}), **more}}


def _is_strict(schema: Any) -> bool:
    """Tell whether a schema has the form that the hosted API can keep to: closed objects, nothing optional."""
    if isinstance(schema, list):
        return all(map(_is_strict, schema))
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object":
        names = set(schema.get("properties", ()))
        if schema.get("additionalProperties") is not False or names != set(
            schema.get("required", ())
        ):
            return False
    return all(map(_is_strict, schema.values()))


def _is(error: BaseException | None, kind: type[Exception]) -> bool:
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__
    return False
