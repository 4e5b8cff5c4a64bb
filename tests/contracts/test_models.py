"""What every back end of workflows does: against strict stand-ins always, against llama.cpp's server where it is installed."""

import json
from collections.abc import AsyncIterator, Iterator

import jsonschema
import pytest

from agents.workflow.outside import ModelError
from tests.contracts.model_servers import STAGES, Servers, Stage, stages

QUESTION = "Name the capital of France."
SCHEMA = {
    "type": "object",
    "properties": {
        "state": {"type": "string", "enum": ["poem", "story"]},
        "number": {"type": "integer"},
    },
    "required": ["state", "number"],
    "additionalProperties": False,
}
CALM = {"temperature": 0, "seed": 7, "num_predict": 24}


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.close()


@pytest.fixture(params=stages())
async def stage(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[Stage]:
    async with STAGES[request.param](servers) as stage:
        yield stage


async def test_a_reply_has_text_and_the_tokens_that_it_cost(stage):
    reply = await stage.models.chat(stage.chat, CALM).ainvoke(QUESTION)

    assert reply.text.strip()
    assert reply.usage_metadata["input_tokens"] >= 4
    assert reply.usage_metadata["output_tokens"] >= 1


async def test_a_streamed_reply_is_the_same_and_comes_in_pieces(stage):
    chat = stage.models.chat(stage.chat, CALM)

    whole = await chat.ainvoke(QUESTION)
    pieces = [piece async for piece in chat.astream(QUESTION)]

    assert "".join(piece.text for piece in pieces) == whole.text
    assert sum(1 for piece in pieces if piece.text) > 1
    assert sum((piece.usage_metadata or {}).get("output_tokens", 0) for piece in pieces) >= 1


async def test_calm_replies_repeat_word_for_word(stage):
    chat = stage.models.chat(stage.chat, CALM)

    assert (await chat.ainvoke(QUESTION)).text == (await chat.ainvoke(QUESTION)).text


async def test_num_predict_ends_a_reply(stage):
    chat = stage.models.chat(stage.chat, {**CALM, "num_predict": 3})

    reply = await chat.ainvoke("Tell a long story of five sentences.")

    assert reply.usage_metadata["output_tokens"] <= 4
    assert len(reply.text.split()) <= 4


async def test_a_schema_is_kept_to(stage):
    chat = stage.models.chat(stage.chat, {**CALM, "num_predict": 60})
    bound = stage.models.structured(chat, SCHEMA)

    reply = await bound.ainvoke("A poem or a story? Reply as JSON.")

    jsonschema.validate(json.loads(reply.text), SCHEMA)


async def test_a_text_that_ends_replies_does(stage):
    chat = stage.models.chat(stage.chat, CALM)
    whole = (await chat.ainvoke(QUESTION)).text
    word = whole.split()[2]

    cut = await stage.models.chat(stage.chat, {**CALM, "stop": [word]}).ainvoke(QUESTION)

    assert word not in cut.text
    assert whole.startswith(cut.text.rstrip())


async def test_embeddings_have_one_length_and_the_same_text_has_the_same(stage):
    embedder = stage.models.embeddings(stage.embedder)

    vectors = await embedder.aembed_documents(["the cat sat", "tax law", "the cat sat"])

    assert len({len(vector) for vector in vectors}) == 1
    assert vectors[0] == pytest.approx(vectors[2], abs=1e-3)
    assert vectors[0] != pytest.approx(vectors[1], abs=1e-3)
    assert await embedder.aembed_query("the cat sat") == pytest.approx(vectors[0], abs=1e-3)


async def test_what_is_there_is_listed(stage):
    names = [offered.name for offered in await stage.models.offered()]

    assert stage.chat in names


async def test_an_unknown_model_is_told_with_those_that_there_are(stage):
    chat = stage.models.chat("llava:13b", CALM)

    if "any name is known" in stage.differs:
        assert (await chat.ainvoke(QUESTION)).text
        return
    with pytest.raises(ModelError) as caught:
        await chat.ainvoke(QUESTION)
    if "an unknown model is trouble" in stage.differs:
        assert "trouble of its own" in str(caught.value)
        return
    assert "“llava:13b”" in str(caught.value)
    assert stage.chat in str(caught.value)
    assert "workflows.model_map" in str(caught.value)
