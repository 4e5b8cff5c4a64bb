"""The official clients against our stand-ins, so that these are no misunderstanding of ours."""

import json
from typing import Any

import ollama
import openai
import pytest

from tests.ollama_server import Call, FakeOllama, running
from tests.openai_server import FakeOpenAI, Way

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
HELLO: Any = [{"role": "user", "content": "Hello there"}]


async def test_ollama_s_own_client_can_do_all_of_it():
    fake = FakeOllama(models=("gemma3:4b", "all-minilm"))
    async with running(fake) as url:
        client = ollama.AsyncClient(host=url)

        chat = await client.chat(model="gemma3:4b", messages=HELLO, options={"seed": 1})
        parts = [part async for part in await client.chat("gemma3:4b", HELLO, stream=True)]
        said = await client.generate(model="gemma3:4b", prompt="Hello there", format=SCHEMA)
        pieces = [part async for part in await client.generate("gemma3:4b", "Hello", stream=True)]
        embedded = await client.embed(model="all-minilm", input=["one", "two"])
        legacy = await client.embeddings(model="all-minilm", prompt="one")
        shown = await client.show("gemma3:4b")
        listed, running_now = await client.list(), await client.ps()
        await client.close()

    assert chat.message.content == "You said: Hello there"
    assert chat.done
    assert chat.eval_count == 4
    assert chat.total_duration > 1e9
    assert "".join(part.message.content or "" for part in parts) == chat.message.content
    assert [part.done for part in parts] == [False, False, False, False, True]
    assert json.loads(said.response) == {"city": ""}
    assert "".join(piece.response or "" for piece in pieces) == "You said: Hello"
    assert list(embedded.embeddings[0]) == list(legacy.embedding)
    assert len(embedded.embeddings) == 2
    assert set(shown.capabilities) == {"completion", "tools", "vision"}
    assert [model.model for model in listed.models] == ["gemma3:4b", "all-minilm"]
    assert running_now.models[0].model == "gemma3:4b"


async def test_ollama_s_own_client_reads_calls_of_tools():
    fake = FakeOllama(rule=lambda _: Call("weather", {"city": "Rome"}))
    async with running(fake) as url:
        client = ollama.AsyncClient(host=url)
        reply = await client.chat("gemma3:4b", HELLO, tools=[{"type": "function", "function": {"name": "weather"}}])  # fmt: skip
        await client.close()

    assert reply.message.tool_calls[0].function.arguments == {"city": "Rome"}


async def test_ollama_s_own_client_reads_a_refusal():
    async with running(FakeOllama()) as url:
        client = ollama.AsyncClient(host=url)
        with pytest.raises(ollama.ResponseError, match="model 'llama9' not found") as caught:
            await client.chat("llama9", HELLO)
        await client.close()

    assert caught.value.status_code == 404


async def test_openai_s_own_client_can_do_all_of_it():
    fake = FakeOpenAI()
    async with (
        running(fake) as url,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client,
    ):
        whole = await client.chat.completions.create(model="gemma3:4b", messages=HELLO)
        usage: Any = {"include_usage": True}
        stream = await client.chat.completions.create(
            model="gemma3:4b", messages=HELLO, stream=True, stream_options=usage
        )
        parts = [part async for part in stream]
        embedded = await client.embeddings.create(model="all-minilm", input=["one", "two"])
        models = [model.id async for model in client.models.list()]

    assert whole.choices[0].message.content == "You said: Hello there"
    assert whole.usage.completion_tokens == 4
    said = [part.choices[0].delta.content or "" for part in parts if part.choices]
    assert "".join(said) == "You said: Hello there"
    assert parts[-1].usage.completion_tokens == 4
    assert len(embedded.data) == 2
    assert models == ["gemma3:4b", "all-minilm"]


async def test_openai_s_own_client_reads_refusals_and_honours_retry_after():
    fake = FakeOpenAI(ways=[Way.BUSY])
    async with (
        running(fake) as url,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client,
    ):
        await client.chat.completions.create(model="gemma3:4b", messages=HELLO)
        with pytest.raises(openai.NotFoundError, match="does not exist"):
            await client.chat.completions.create(model="llama9", messages=HELLO)

    assert len(fake.asked) == 3
