"""A real model in its child program: a random one of two layers, and the embedded ones from their packages."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from agents.workflow import documents
from agents.workflow.backends import MappedModels, models_from
from agents.workflow.model import Rag
from agents.workflow.outside import ModelError
from agents.workflow.rag import Ranked, by_words, look_up
from agents.workflow.reach import Reach
from configs.schema import EMBEDDED_MODEL, ModelSettings, Settings

pytestmark = pytest.mark.torch

CALM = {"temperature": 0, "num_predict": 12}
SCHEMA = {
    "type": "object",
    "properties": {"state": {"enum": ["poem", "story"]}, "sure": {"type": "boolean"}},
    "required": ["state", "sure"],
    "additionalProperties": False,
}

MEANT = {
    "refund.md": ("Purchases can be refunded within 30 days.", "How do I get my money back?"),
    "leave.md": ("Employees have 28 days of paid leave a year.", "How much vacation can I take?"),
    "door.md": ("The entrance is locked from 8 pm on.", "Until when can visitors get in?"),
    "sick.md": ("Call your manager by 9 am when you are ill.", "What if I catch a flu?"),
    "pay.md": ("Salaries are transferred on the 25th.", "When do I receive my wages?"),
    "pet.md": ("Dogs may come to the office on Fridays.", "Can I bring my puppy to work?"),
    "car.md": ("Parking costs 40 euros a month.", "Where do I leave my vehicle, and for how much?"),
    "lunch.md": ("The canteen serves food from noon to two.", "Where can I eat something?"),
}
"""Documents, and questions in other words than theirs."""


def house(data_dir: Path, model: Path | None = None) -> MappedModels:
    own = dict(ModelSettings().catalogue)
    if model is not None:
        own["tiny"] = f"folder:{model}"
    workflows = {"back_end": "local", "timeout_s": 500}
    told: dict[str, Any] = {"data_dir": str(data_dir), "workflows": workflows}
    return models_from(Settings.model_validate(told | {"models": {"catalogue": own}}))


@pytest.fixture(scope="module")
def models(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MappedModels]:
    with house(tmp_path_factory.mktemp("data"), tiny) as models:
        yield models


async def test_a_temperature_of_zero_is_greedy_and_the_stream_is_the_reply(models):
    chat = models.chat("tiny", CALM)

    first, second = await chat.ainvoke("thing"), await chat.ainvoke("thing")
    streamed = "".join([piece.text async for piece in chat.astream("thing")])

    assert first.text == second.text == streamed
    assert 1 <= first.usage_metadata["output_tokens"] <= 12
    assert first.usage_metadata["input_tokens"] > 5


async def test_a_seed_repeats_a_reply_and_another_one_does_not(models):
    async def said(seed):
        parameters = {"temperature": 1.5, "top_p": 1, "seed": seed, "num_predict": 30}
        return (await models.chat("tiny", parameters).ainvoke("colour")).text

    assert await said(1) == await said(1)
    assert len({await said(seed) for seed in range(4)}) > 1


async def test_a_reply_that_is_cut_says_so(models):
    cut = await models.chat("tiny", {**CALM, "num_predict": 1}).ainvoke("thing")

    assert cut.usage_metadata["output_tokens"] == 1
    assert cut.response_metadata["done_reason"] == "length"


async def test_even_a_model_that_knows_nothing_keeps_to_a_schema(models):
    found = []
    for seed in range(5):
        chat = models.chat("tiny", {"temperature": 1.5, "seed": seed, "num_predict": 100})
        reply = await models.structured(chat, SCHEMA).ainvoke("poem?")
        found.append(json.loads(reply.text))

    for value in found:
        jsonschema.validate(value, SCHEMA)
    assert len(found) == 5


async def test_a_schema_that_is_none_is_refused_with_the_reason(models):
    chat = models.chat("tiny", CALM)

    with pytest.raises(ModelError, match="schema cannot be kept to"):
        await models.structured(chat, {"type": "no such type"}).ainvoke("poem?")


async def test_a_text_that_ends_replies_is_not_told(models):
    whole = (await models.chat("tiny", {**CALM, "num_predict": 40}).ainvoke("thing")).text
    end = whole[3:5]

    parameters = {**CALM, "num_predict": 40, "stop": [end]}
    cut = await models.chat("tiny", parameters).ainvoke("thing")

    assert end not in cut.text
    assert cut.text == whole[: whole.index(end)]
    assert cut.response_metadata["done_reason"] == "stop"


@pytest.mark.parametrize(
    ("prompt", "parameters", "told"),
    [
        ("word " * 300, {}, "this model reads 256"),
        ("thing", {"temperature": "hot"}, "temperature must be a number"),
        ("thing", {"top_p": -1}, "top_p must be a number"),
    ],
)
async def test_what_cannot_be_done_is_told(models, prompt, parameters, told):
    with pytest.raises(ModelError, match=told):
        await models.chat("tiny", parameters).ainvoke(prompt)


async def test_a_reply_that_is_not_wanted_any_more_makes_room_for_the_next(models):
    long = models.chat("tiny", {"temperature": 1.5, "seed": 3, "num_predict": 240})

    stream = long.astream("thing")
    await anext(stream)
    await stream.aclose()
    reply = await asyncio.wait_for(models.chat("tiny", CALM).ainvoke("thing"), 60)

    assert reply.text is not None


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing`:FutureWarning"
)  # PEFT asks by the old name
async def test_an_adapter_changes_what_a_model_says(models, tiny, tmp_path):
    torch.manual_seed(0)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(tiny),
        LoraConfig(task_type="CAUSAL_LM", r=4, init_lora_weights=False),
    )
    model.save_pretrained(tmp_path / "adapter")
    name = f"tiny+{tmp_path / 'adapter'}"

    base = await models.chat("tiny", CALM).ainvoke("thing")
    tuned = await models.chat(name, CALM).ainvoke("thing")
    again = await models.chat(name, CALM).ainvoke("thing")

    assert tuned.text == again.text
    assert tuned.text != base.text


async def test_the_embedded_embedding_model_knows_what_means_the_same(models):
    texts = ["How do I get my money back?", "refund policy", "gradient descent"]

    asked, same, other = await models.embeddings("all-minilm").aembed_documents(texts)

    def near(one: list[float], two: list[float]) -> float:
        return sum(a * b for a, b in zip(one, two, strict=True))

    assert near(asked, asked) == pytest.approx(1, abs=1e-4)
    assert near(asked, same) > near(asked, other) + 0.2


async def test_documents_are_found_by_what_is_meant_where_no_word_is_shared(models, tmp_path):
    for name, (text, _question) in MEANT.items():
        (tmp_path / name).write_text(text)
    rag = Rag("docs", str(tmp_path), tmp_path, "all-minilm", "e.msgpack", 1000, 1, None, None)
    right = {Ranked.MEANING: 0, Ranked.WORDS: 0}

    for name, (_text, question) in MEANT.items():
        found = await look_up(rag, question, models, Reach())
        assert found.ranked is Ranked.MEANING
        right[Ranked.MEANING] += found.chunks[0].source == name
        by = by_words(documents.read(tmp_path, 1000, None, b"{", None).chunks, question, 1)
        right[Ranked.WORDS] += [chunk.source for chunk in by] == [name]

    assert right[Ranked.MEANING] >= len(MEANT) - 1
    assert right[Ranked.WORDS] < right[Ranked.MEANING]


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_the_embedded_model_answers_a_question_and_keeps_to_a_schema(tmp_path):
    with house(tmp_path) as models:
        chat = models.chat(EMBEDDED_MODEL, {**CALM, "num_predict": 24})
        reply = await chat.ainvoke("Name the capital of France.")
        kept = await models.structured(chat, SCHEMA).ainvoke("A poem or a story? Reply as JSON.")

    assert "Paris" in reply.text
    jsonschema.validate(json.loads(kept.text), SCHEMA)
