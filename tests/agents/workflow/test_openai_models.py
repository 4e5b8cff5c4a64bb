"""Models of OpenAI-compatible servers: what is sent, and what people are told when it goes wrong."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from langchain_core.tools import tool

from agents.workflow.guarded import Patience
from agents.workflow.openai_models import OpenAIModels, of_openai
from agents.workflow.outside import ModelError
from tests.ollama_server import Call, running
from tests.openai_server import FakeOpenAI, Way

PATIENCE = Patience(timeout_s=60, silence_s=30, tries=3, first_wait_s=0.01)
SHORT = Patience(timeout_s=60, silence_s=1, tries=3, first_wait_s=0.01)
SAID = "Grüße aus München"


@asynccontextmanager
async def server(fake, patience=PATIENCE, key=None):
    async with running(fake) as url:
        yield OpenAIModels(f"{url}/v1", patience, key)


async def said_by(fake, key=None, **parameters):
    async with server(fake, key=key) as models:
        return (await models.chat("gemma3:4b", parameters).ainvoke("Hello")).text


async def fails(fake, patience=PATIENCE, name="gemma3:4b", **parameters):
    async with server(fake, patience) as models:
        with pytest.raises(ModelError) as caught:
            await models.chat(name, parameters).ainvoke("Hello")
    return str(caught.value)


async def test_parameters_are_sent_by_the_names_of_this_api():
    fake = FakeOpenAI()

    await said_by(fake, temperature=0.5, seed=3, num_predict=50, num_ctx=4096, repeat_penalty=1.1)

    sent = {key: value for key, value in fake.asked[0].items() if key not in {"messages", "stream"}}
    assert sent == {
        "model": "gemma3:4b",
        "temperature": 0.5,
        "seed": 3,
        "max_tokens": 50,
        "repeat_penalty": 1.1,
    }


def test_the_hosted_api_gets_only_what_it_knows():
    parameters = {"num_predict": 9, "top_k": 3, "top_p": 0.9, "keep_alive": "1m"}

    assert of_openai(parameters, hosted=True) == {"max_completion_tokens": 9, "top_p": 0.9}
    assert of_openai(parameters, hosted=False) == {"max_tokens": 9, "top_k": 3, "top_p": 0.9}
    assert of_openai({"num_predict": -1}, hosted=False) == {}


async def test_a_key_of_the_environment_is_sent_to_nobody(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody")
    fake = FakeOpenAI()

    await said_by(fake)
    await said_by(fake, key="k-1")

    assert fake.keys == ["Bearer none", "Bearer k-1"]


@pytest.mark.parametrize(
    "way", [Way.BUSY, Way.TROUBLE, Way.AWAY, Way.DROPPED], ids=lambda w: w.name
)
async def test_what_may_come_right_is_tried_again(way):
    fake = FakeOpenAI(rule=lambda _: SAID, ways=[way, way])

    assert await said_by(fake) == SAID
    assert len(fake.asked) == 3


async def test_a_busy_server_is_left_alone_for_as_long_as_it_says():
    fake = FakeOpenAI(ways=[Way.BUSY], retry_after="0.4")
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    await said_by(fake)

    assert loop.time() - began_s >= 0.4


async def test_a_wait_that_is_longer_than_our_patience_is_not_begun():
    fake = FakeOpenAI(ways=[Way.BUSY] * 3, retry_after="3600")

    assert "is busy" in await fails(fake)
    assert len(fake.asked) == 1


@pytest.mark.parametrize(
    ("way", "tries", "told"),
    [
        (Way.BUSY, 3, "is busy. Try again later"),
        (Way.TROUBLE, 3, "has trouble of its own"),
        (Way.NO_MONEY, 1, "has nothing left to spend"),
        (Way.LOCKED, 1, "Check workflows.api_key"),
        (Way.PAGE, 1, "is no reply of OpenAI's API"),
        (Way.BROKEN_JSON, 1, "is no reply of OpenAI's API"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
async def test_what_stays_wrong_is_told(way, tries, told):
    fake = FakeOpenAI(ways=[way] * 9)

    assert told in await fails(fake)
    assert len(fake.asked) == tries


@pytest.mark.parametrize(
    ("way", "told"),
    [
        (Way.NO_END, "was cut off before its end"),
        (Way.DROPPED, "broke off"),
        (Way.SILENT, "sent nothing for 1 s"),
        (Way.HANGS, "sent nothing for 1 s"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
async def test_a_stream_that_does_not_come_to_its_end_is_no_reply(way, told):
    fake = FakeOpenAI(ways=[way] * 9)
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    async with server(fake, SHORT) as models:
        with pytest.raises(ModelError, match=told):
            async for _piece in models.chat("gemma3:4b", {}).astream("Hello"):
                pass

    assert loop.time() - began_s < 30


async def test_a_call_ends_at_its_deadline():
    patience = Patience(timeout_s=1, silence_s=30)

    assert "within 1 s" in await fails(FakeOpenAI(ways=[Way.SILENT]), patience)


async def test_an_unknown_model_is_told_with_those_that_there_are():
    fake = FakeOpenAI(models=("qwen3:4b",))

    told = await fails(fake)

    assert "has no model “gemma3:4b”. It has: qwen3:4b." in told


async def test_a_server_that_is_not_there_is_told_with_where_it_was_looked_for():
    models = OpenAIModels("http://127.0.0.1:9/v1", PATIENCE)

    with pytest.raises(
        ModelError, match=r"Nothing answers where the server at http://127\.0\.0\.1:9/v1"
    ):
        await models.chat("gemma3:4b", {}).ainvoke("Hello")


async def test_tools_reach_the_model_and_its_calls_come_back():
    @tool
    def weather(city: str) -> str:
        """Tell the weather."""
        return city

    fake = FakeOpenAI(rule=lambda _: Call("weather", {"city": "Rome"}))

    async with server(fake) as models:
        chat = models.chat("gemma3:4b", {"temperature": 0}).bind_tools([weather])
        whole = await chat.ainvoke("Weather in Rome?")
        streamed = None
        async for piece in chat.astream("Weather in Rome?"):
            streamed = piece if streamed is None else streamed + piece

    assert [call["args"] for call in whole.tool_calls] == [{"city": "Rome"}]
    assert [call["args"] for call in streamed.tool_calls] == [{"city": "Rome"}]
    assert fake.asked[0]["temperature"] == 0


async def test_texts_are_embedded_as_texts_and_nothing_is_fetched_for_it():
    fake = FakeOpenAI()

    async with server(fake) as models:
        vectors = await models.embeddings("all-minilm").aembed_documents(["one", "two"])

    assert len(vectors) == 2
    assert fake.asked[0]["input"] == ["one", "two"]


async def test_a_schema_is_strict_only_where_the_hosted_api_can_keep_to_it():
    closed = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}  # fmt: skip
    nested = {**closed, "properties": {"n": {"type": "object", "properties": {"m": {"type": "integer"}}}}}  # fmt: skip
    fake = FakeOpenAI()

    async with server(fake) as models:
        for schema in (closed, nested):
            chat = models.chat("gemma3:4b", {"temperature": 0})
            await models.structured(chat, schema).ainvoke("Hello")

    formats = [asked["response_format"]["json_schema"] for asked in fake.asked]
    assert [one["strict"] for one in formats] == [True, False]
    assert [one["schema"] for one in formats] == [closed, nested]
    assert fake.asked[0]["temperature"] == 0
