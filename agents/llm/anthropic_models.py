"""Models of Anthropic's API, or of a server that speaks it. Imported where `llm.kind` is `anthropic`: it needs the extra of that name."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import anthropic
import httpx2
from langchain_anthropic import ChatAnthropic
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from pydantic import ConfigDict, SecretStr

from agents import chat_servers
from agents.llm.errors import causes
from agents.workflow.guarded import (
    GuardedChat,
    Mishap,
    Patience,
    capital,
    in_a_line,
    retry_after_s,
    unknown_model,
)
from agents.workflow.offers import Offered, in_words
from agents.workflow.outside import ModelError

SAME = ("temperature", "top_p", "top_k")
BUSY = frozenset({408, 409, 429, 503, 529})


class _Chat(ChatAnthropic):
    """LangChain's, with connections of ours, and saying why a reply ended where other clients say it."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    pause: httpx2.Timeout
    """How long the server may be silent."""

    @cached_property
    def _async_client(self) -> anthropic.AsyncClient:
        # a connection per call, and nobody is redirected: as `agents.chat_servers` has it
        limits = httpx2.Limits(max_keepalive_connections=0)
        http = httpx2.AsyncClient(limits=limits, follow_redirects=False)
        params = {**self._client_params, "timeout": self.pause}
        return anthropic.AsyncClient(**params, http_client=http)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        result = await super()._agenerate(messages, stop, run_manager, **kwargs)
        why = (result.llm_output or {}).get("stop_reason")
        result.generations[0].generation_info = {"stop_reason": why}
        return result


class AnthropicModels:
    """The models of one server that speaks Anthropic's API."""

    def __init__(self, url: str | None, patience: Patience, api_key: str | None = None) -> None:
        self._url = url or chat_servers.URLS["anthropic"]
        self._patience = patience
        connect_s = min(10.0, patience.silence_s)
        self._timeout = httpx2.Timeout(patience.silence_s, connect=connect_s)
        self._key = api_key or chat_servers.NO_KEY

    @property
    def title(self) -> str:
        """What people are told that it is; a password in the address is not."""
        parts = urlsplit(self._url)
        return f"the server at {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def chat(self, name: str, parameters: Mapping[str, Any]) -> BaseChatModel:
        """Return a chat model; whether the server has it shows with the first call."""
        settings: dict[str, Any] = {
            "model": name,
            "base_url": self._url,
            "api_key": SecretStr(self._key),
            "max_retries": 0,
            "max_tokens": parameters["num_predict"],
        }
        inner = _Chat(**settings, pause=self._timeout)
        options = {key: parameters[key] for key in SAME if key in parameters}
        return GuardedChat(
            inner=inner, name=name, server=self, patience=self._patience, options=options
        )

    async def offered(self) -> list[Offered]:
        """Return what the server has.

        Raises: ModelError: it cannot be asked.
        """
        try:
            return [Offered(one.id, in_words(one.display_name)) for one in await self._list()]
        except Exception as error:
            raise await self.explained(error, "") or error from error

    async def explained(self, error: Exception, model: str) -> ModelError | None:
        """Say what an error of Anthropic's client means."""
        match error:
            case anthropic.APIStatusError():
                return await self._refused(error, model)
            case anthropic.APITimeoutError():
                if isinstance(error.__cause__, httpx2.ConnectTimeout):
                    return self._away()
                return Mishap(f"{capital(self.title)} was silent for too long.", again=True)
            case anthropic.APIConnectionError() | httpx2.TransportError():
                if any(isinstance(one, httpx2.ConnectError) for one in causes(error)):
                    return self._away()
                return Mishap(f"The connection to {self.title} broke off.", again=True)
            case anthropic.APIError() | ValueError() | TypeError() | KeyError() | AttributeError():
                return Mishap(
                    f"{capital(self.title)} sent something that is no reply of Anthropic's API, or “{model}” cannot be asked in "
                    "this way."
                )
        return None

    def whole(self, info: Mapping[str, Any]) -> bool:
        """Tell whether the server said why it ended."""
        return info.get("stop_reason") is not None

    def stopping_at(self, options: Mapping[str, Any], stop: Sequence[str]) -> dict[str, Any]:
        """Put the texts where the client reads them."""
        return {**options, "stop": list(stop)}

    def of_schema(self, options: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002  # a field of its own
        """Put the schema where the API reads it; what it does not know of it is said in words there, and checked here."""
        held = anthropic.transform_schema(dict(schema))
        return {"output_config": {"format": {"type": "json_schema", "schema": held}}}

    def _away(self) -> Mishap:
        return Mishap(
            f"Nothing answers where {self.title} should be. Look at {self._patience.section}.base_url.",
            again=True,
        )

    async def _refused(self, error: anthropic.APIStatusError, model: str) -> ModelError:
        said, section = in_a_line(str(error.message)), self._patience.section
        match error.status_code:
            case 404 if model:
                return unknown_model(self, model, await self._names(), section=section)
            case 401 | 403:
                return Mishap(f"{capital(self.title)} does not let us in. Check {section}.api_key.")
            case 402:
                return Mishap(
                    f"{capital(self.title)} says that the account has nothing left to spend."
                )
            case status if status in BUSY:
                after_s = retry_after_s(error.response.headers.get("retry-after"))
                return Mishap(
                    f"{capital(self.title)} is busy. Try again later.", again=True, after_s=after_s
                )
            case status if status >= 500:
                return Mishap(f"{capital(self.title)} has trouble of its own: {said}", again=True)
        return Mishap(f"{capital(self.title)} refused the request ({error.status_code}): {said}")

    async def _names(self) -> list[str]:
        try:
            return [one.id for one in await self._list()]
        except Exception:  # noqa: BLE001  # a list that cannot be had is left out of a sentence about something else
            return []

    async def _list(self) -> list[Any]:
        http = httpx2.AsyncClient(follow_redirects=False)
        client = anthropic.AsyncClient(
            base_url=self._url,
            api_key=self._key,
            max_retries=0,
            timeout=self._timeout,
            http_client=http,
        )
        async with client:
            return list((await client.models.list()).data or ())
