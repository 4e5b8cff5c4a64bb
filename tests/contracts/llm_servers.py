"""Each server that the language model is asked at in contract tests: strict stand-ins always, llama.cpp's where it is installed."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from agents.llm import ChatLLM, back_end
from configs.schema import LLMSettings, Settings
from tests import anthropic_server, ollama_server, openai_server
from tests.anthropic_server import FakeAnthropic
from tests.contracts.model_servers import NO_LLAMA_CPP, Servers
from tests.ollama_server import FakeOllama, running
from tests.openai_server import FakeOpenAI


@dataclass(frozen=True)
class Stage:
    """How the language model is configured, and the stand-in that it talks to."""

    configured: dict[str, Any]
    fake: Any = None
    ways: dict[str, Any] = field(default_factory=dict)
    """How its next reply goes wrong, by names that all stand-ins share."""

    def llm(self, **settings: Any) -> ChatLLM:
        """Return the language model, in a hurry between tries."""
        usual = {"timeout_s": 30.0, "max_reply_tokens": 256} | self.configured | settings
        return ChatLLM(back_end(Settings(llm=LLMSettings(**usual))), first_wait_s=0.01)


@asynccontextmanager
async def ollama(servers: Servers) -> AsyncIterator[Stage]:
    fake = FakeOllama()
    way = ollama_server.Way
    async with running(fake) as url:
        yield Stage(
            {"kind": "ollama", "model": "gemma3:4b", "base_url": url},
            fake,
            {
                "limited": way.LIMITED,
                "trouble": way.TROUBLE,
                "cut off": way.NO_DONE,
                "dropped": way.DROPPED,
                "silent": way.SILENT,
                "hangs": way.HANGS,
                "no JSON": way.BROKEN_JSON,
            },
        )


@asynccontextmanager
async def openai(servers: Servers) -> AsyncIterator[Stage]:
    fake = FakeOpenAI()
    way = openai_server.Way
    async with running(fake) as url:
        yield Stage(
            {"kind": "openai", "model": "gemma3:4b", "base_url": f"{url}/v1"},
            fake,
            {
                "limited": way.BUSY,
                "trouble": way.TROUBLE,
                "dropped": way.DROPPED,
                "silent": way.SILENT,
                "no JSON": way.BROKEN_JSON,
                "a page": way.PAGE,
                "locked": way.LOCKED,
            },
        )


@asynccontextmanager
async def anthropic(servers: Servers) -> AsyncIterator[Stage]:
    fake = FakeAnthropic()
    way = anthropic_server.Way
    async with running(fake) as url:
        yield Stage(
            {"kind": "anthropic", "model": "claude-haiku-4-5", "base_url": url},
            fake,
            {
                "limited": way.LIMITED,
                "trouble": way.TROUBLE,
                "overloaded": way.OVERLOADED,
                "cut off": way.NO_END,
                "dropped": way.DROPPED,
                "silent": way.SILENT,
                "no JSON": way.BROKEN_JSON,
                "a page": way.PAGE,
                "locked": way.LOCKED,
            },
        )


@asynccontextmanager
async def llama_cpp(servers: Servers) -> AsyncIterator[Stage]:
    url = servers.url(embedding=False)
    yield Stage({"kind": "openai", "model": "smollm2", "base_url": f"{url}/v1"})


@asynccontextmanager
async def llama_cpp_as_anthropic(servers: Servers) -> AsyncIterator[Stage]:
    url = servers.url(embedding=False)
    yield Stage({"kind": "anthropic", "model": "smollm2", "base_url": url})


STAGES: dict[str, Callable[[Servers], AbstractAsyncContextManager[Stage]]] = {
    "ollama": ollama,
    "openai": openai,
    "anthropic": anthropic,
    "llama_cpp": llama_cpp,
    "llama_cpp_as_anthropic": llama_cpp_as_anthropic,
}
FAKES = ("ollama", "openai", "anthropic")


def real() -> list[Any]:
    """Return the names of real servers, marked to be left out where they cannot be had."""
    skip = pytest.mark.skipif(NO_LLAMA_CPP, reason="not installed")
    return [pytest.param(name, marks=skip) for name in STAGES if name not in FAKES]
