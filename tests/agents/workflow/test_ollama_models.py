"""Models of Ollama: what is sent, what comes back in pieces, and what people are told when it goes wrong."""

import json
from asyncio import to_thread
from contextlib import asynccontextmanager

import httpx
import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool

from agents.jobs import Left
from agents.workflow.guarded import Patience
from agents.workflow.ollama_models import OllamaModels
from agents.workflow.outside import ModelError, NoToolsHere
from agents.workflow.purse import OutOfBudget, Purse, PursedModels
from tests.ollama_server import Call, FakeOllama, Way, running

PATIENCE = Patience(timeout_s=60, silence_s=30, tries=3, first_wait_s=0.01)
SHORT = Patience(timeout_s=60, silence_s=1, tries=3, first_wait_s=0.01)
SAID = "Grüße aus München: 你好 and all the best"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@asynccontextmanager
async def ollama(fake, patience=PATIENCE):
    async with running(fake) as url:
        yield OllamaModels(url, patience)


async def said_by(fake, patience=PATIENCE, **parameters):
    async with ollama(fake, patience) as models:
        return (await models.chat("gemma3:4b", parameters).ainvoke("Hello")).text


async def fails(fake, patience=PATIENCE, name="gemma3:4b", **parameters):
    async with ollama(fake, patience) as models:
        with pytest.raises(ModelError) as caught:
            await models.chat(name, parameters).ainvoke("Hello")
    return str(caught.value)


async def hear(models, heard):
    async for piece in models.chat("gemma3:4b", {}).astream("Hello"):
        heard.append(piece.text)


async def test_d13_a_json_object_cut_in_two_network_chunks_is_not_lost():
    fake = FakeOllama(rule=lambda _: SAID)
    async with running(fake) as url:
        fake.ways = [Way.CUT_OBJECTS, Way.CUT_OBJECTS]
        body = {"model": "gemma3:4b", "messages": [{"role": "user", "content": "Hi"}]}
        async with (
            httpx.AsyncClient() as client,
            client.stream("POST", f"{url}/api/chat", json=body) as raw,
        ):
            chunks = [chunk async for chunk in raw.aiter_raw()]
        pieces = [p async for p in OllamaModels(url, PATIENCE).chat("gemma3:4b", {}).astream("Hi")]

    # the original takes each chunk for a line: of these not one is
    assert len(chunks) > len(SAID.split())
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(chunks[0])
    assert "".join(piece.text for piece in pieces) == SAID


async def test_a_character_cut_in_its_middle_is_not_lost():
    assert await said_by(FakeOllama(rule=lambda _: SAID, ways=[Way.CUT_CHARACTERS])) == SAID


async def test_d08_parameters_go_where_ollama_reads_them():
    fake = FakeOllama()
    parameters = {"temperature": 1.2, "seed": 3, "num_predict": 50, "min_p": 0.1, "keep_alive": "1m", "think": False}  # fmt: skip

    await said_by(fake, **parameters)

    (asked,) = fake.asked
    assert asked["options"] == {"temperature": 1.2, "seed": 3, "num_predict": 50, "min_p": 0.1}
    assert asked["keep_alive"] == "1m"
    assert asked["think"] is False
    assert "temperature" not in asked


async def test_a_stray_parameter_is_refused_by_the_stand_in():
    async with running(FakeOllama()) as url, httpx.AsyncClient() as client:
        body = {"model": "gemma3:4b", "prompt": "Hi", "temperature": 1.2}
        answer = await client.post(f"{url}/api/generate", json=body)

    assert answer.status_code == 400
    assert "temperature" in answer.json()["error"]


async def test_pictures_and_tools_reach_the_model():
    @tool
    def weather(city: str) -> str:
        """Tell the weather."""
        return city

    fake = FakeOllama(rule=lambda request: Call("weather", {"city": "Rome"}))
    picture = {"type": "image_url", "image_url": f"data:image/png;base64,{PIXEL}"}
    message = HumanMessage([{"type": "text", "text": "What is this?"}, picture])

    async with ollama(fake) as models:
        reply = await models.chat("gemma3:4b", {}).bind_tools([weather]).ainvoke([message])

    assert [(call["name"], call["args"]) for call in reply.tool_calls] == [
        ("weather", {"city": "Rome"})
    ]
    assert fake.asked[0]["messages"][0]["images"] == [PIXEL]
    assert fake.asked[0]["tools"][0]["function"]["name"] == "weather"


async def test_tools_that_a_model_does_not_know_are_told_as_that():
    async with ollama(FakeOllama(can=frozenset({"completion"}))) as models:
        chat = models.chat("gemma3:4b", {}).bind_tools([{"name": "x", "description": "y", "parameters": {}}])  # fmt: skip
        with pytest.raises(NoToolsHere, match="“gemma3:4b” takes no tools"):
            await chat.ainvoke("Hello")


@pytest.mark.parametrize(
    "way", [Way.TROUBLE, Way.BUSY, Way.NO_DONE, Way.DROPPED, Way.ERROR_LINE], ids=lambda w: w.name
)
async def test_what_may_come_right_is_tried_again(way):
    fake = FakeOllama(rule=lambda _: SAID, ways=[way, way])

    assert await said_by(fake) == SAID
    assert len(fake.asked) == 3


@pytest.mark.parametrize("stream", [False, True])
async def test_a_further_try_is_a_call_of_a_budget_too(stream):
    fake = FakeOllama(rule=lambda _: SAID, ways=[Way.BUSY] * 9)
    async with ollama(fake) as models:
        purse = Purse(Left(calls=2))
        chat = PursedModels(models, purse).chat("gemma3:4b", {})
        with pytest.raises(OutOfBudget):
            await anext(chat.astream("Hello")) if stream else await chat.ainvoke("Hello")
    assert (len(fake.asked), purse.calls, purse.refused) == (2, 2, True)


@pytest.mark.parametrize(
    ("way", "told"),
    [
        (Way.TROUBLE, "has trouble of its own: llama runner process has terminated"),
        (Way.BUSY, "has trouble of its own"),
        (Way.NO_DONE, "was cut off before its end"),
        (Way.DROPPED, "broke off"),
        (Way.ERROR_LINE, "an error was encountered while running the model"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
async def test_what_stays_wrong_is_told_after_the_last_try(way, told):
    fake = FakeOllama(ways=[way] * 9)

    assert told in await fails(fake)
    assert len(fake.asked) == 3


@pytest.mark.parametrize(
    ("way", "told"),
    [(Way.BROKEN_JSON, "is no JSON"), (Way.SILENT, "sent nothing for 1 s"), (Way.HANGS, "sent nothing for 1 s")],
    ids=lambda value: getattr(value, "name", ""),
)  # fmt: skip
async def test_what_would_only_go_wrong_again_is_told_at_once(way, told):
    fake = FakeOllama(ways=[way] * 9)

    assert told in await fails(fake, SHORT)
    assert len(fake.asked) == 1


async def test_a_call_ends_at_its_deadline_even_if_tokens_keep_coming():
    patience = Patience(timeout_s=1, silence_s=30, tries=3, first_wait_s=0.01)

    told = await fails(FakeOllama(ways=[Way.HANGS]), patience)

    assert "did not finish its reply within 1 s" in told
    assert "num_predict" in told


async def test_a_stream_ends_at_its_deadline_too():
    patience = Patience(timeout_s=1, silence_s=30)
    heard: list[str] = []

    async with ollama(FakeOllama(ways=[Way.HANGS]), patience) as models:
        with pytest.raises(ModelError, match=r"within 1 s"):
            await hear(models, heard)

    assert heard == ["You"]


async def test_a_slow_first_token_is_waited_for():
    assert await said_by(FakeOllama(rule=lambda _: "late", ways=[Way.SLOW_START])) == "late"


async def test_a_stream_whose_beginning_is_out_is_not_begun_again():
    fake = FakeOllama(rule=lambda _: SAID, ways=[Way.NO_DONE] * 3)
    heard: list[str] = []

    async with ollama(fake) as models:
        with pytest.raises(ModelError, match="cut off"):
            await hear(models, heard)

    assert "".join(heard) == SAID
    assert len(fake.asked) == 1


async def test_an_unknown_model_is_told_with_those_that_there_are():
    told = await fails(FakeOllama(models=("qwen3:4b", "llava:7b")))

    assert "has no model “gemma3:4b”. It has: qwen3:4b, llava:7b." in told
    assert "ollama pull gemma3:4b" in told


async def test_an_ollama_that_is_not_there_is_told_with_where_it_was_looked_for():
    models = OllamaModels("http://someone:secret@127.0.0.1:9", PATIENCE)

    with pytest.raises(ModelError) as caught:
        await models.chat("gemma3:4b", {}).ainvoke("Hello")

    assert "There is no Ollama at http://127.0.0.1:9." in str(caught.value)
    assert "ollama serve" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_a_parameter_of_the_wrong_kind_is_told_in_the_server_s_words():
    fake = FakeOllama()

    told = await fails(fake, temperature="hot")

    assert 'refused the request (400): option "temperature" must be of type float' in told
    assert len(fake.asked) == 1


async def test_a_key_is_sent_only_where_one_is_configured():
    async with running(FakeOllama()) as url:
        client = OllamaModels(url, PATIENCE, "k-1")._client
        bare = OllamaModels(url, PATIENCE)._client

    assert client["headers"] == {"Authorization": "Bearer k-1"}
    assert bare["headers"] == {}


async def test_a_caller_without_a_loop_gets_the_same():
    async with ollama(FakeOllama(rule=lambda _: SAID)) as models:
        chat, embedder = models.chat("gemma3:4b", {}), models.embeddings("all-minilm")
        assert (await to_thread(chat.invoke, "Hello")).text == SAID
        assert await to_thread(embedder.embed_query, "x") == await embedder.aembed_query("x")


async def test_many_texts_are_embedded_in_several_requests():
    fake = FakeOllama()

    async with ollama(fake) as models:
        vectors = await models.embeddings("all-minilm").aembed_documents(
            [f"word{i}" for i in range(150)]
        )

    assert len(vectors) == 150
    assert [len(asked["input"]) for asked in fake.asked] == [64, 64, 22]


async def test_what_is_offered_has_its_size():
    async with ollama(FakeOllama(models=("gemma3:4b",))) as models:
        (offered,) = await models.offered()

    assert (offered.name, offered.about) == ("gemma3:4b", "4.3B, Q4_K_M, 3.3 GB")
