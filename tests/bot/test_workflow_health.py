"""What `tunewright doctor` says of the models that run workflows: a hint with its fix, and never a key."""

import asyncio
import json

import pytest
from aiohttp import web

from bot import workflow_health
from configs.schema import Settings, WorkflowSettings
from tests import ollama_server
from tests.ollama_server import FakeOllama


class Echo:
    """A server that refuses every key, and repeats it."""

    def __init__(self):
        self.over = asyncio.Event()

    def app(self):
        app = web.Application()
        app.router.add_get("/v1/models", self.refuse)
        return app

    async def refuse(self, request):
        told = {"message": f"Incorrect API key provided: {request.headers['Authorization']}"}
        return web.json_response({"error": told}, status=401)


async def looked(tmp_path, **workflows):
    settings = Settings(data_dir=tmp_path, workflows=WorkflowSettings(**workflows))
    (check,) = await workflow_health.examine(settings)
    return check


async def test_a_server_with_the_default_model_is_well(tmp_path):
    async with ollama_server.running(FakeOllama(models=("qwen3:4b", "gemma3:4b"))) as url:
        check = await looked(tmp_path, base_url=url)
        mapped = await looked(tmp_path, base_url=url, model_map={"gemma3:4b": "qwen3:4b"})

    assert (check.ok, check.found) == (True, f"Ollama at {url}, with gemma3:4b")
    assert (mapped.ok, mapped.found) == (True, f"Ollama at {url}, with qwen3:4b")


async def test_a_server_without_it_says_how_to_get_it(tmp_path):
    async with ollama_server.running(FakeOllama(models=("qwen3:4b",))) as url:
        check = await looked(tmp_path, base_url=url)

    assert (check.ok, check.optional) == (False, True)
    assert (
        "gemma3:4b, which writes proposals and tests, is not there; there is: qwen3:4b"
        in check.found
    )
    assert check.fix.startswith("`ollama pull gemma3:4b`")


async def test_a_server_that_is_away_is_a_hint(tmp_path):
    check = await looked(tmp_path, base_url="http://127.0.0.1:9")

    assert (check.ok, check.optional) == (False, True)
    assert "There is no Ollama at http://127.0.0.1:9" in check.found
    assert "ollama serve" in check.fix


async def test_a_server_that_repeats_the_key_does_not_get_it_shown(tmp_path):
    async with ollama_server.running(Echo()) as url:
        told = {"back_end": "openai", "base_url": f"{url}/v1", "api_key": "sk-canary"}
        check = await looked(tmp_path, **told)

    assert (check.ok, check.optional) == (False, True)
    assert "sk-canary" not in json.dumps(check.as_json())
    assert (
        workflow_health._trouble(WorkflowSettings(**told), "no such key: sk-canary").found
        == "openai: no such key: …"
    )


@pytest.mark.parametrize(
    ("text", "ok", "found"),
    [
        ('{"rules": [{"reply": "a"}]}', True, "replies come from a script of 1 rules"),
        ('{"rulez": []}', False, "rulez"),
        (None, False, "No such file"),
    ],
)
async def test_a_script_is_read(tmp_path, text, ok, found):
    script = tmp_path / "script.json"
    if text is not None:
        script.write_text(text)

    check = await looked(tmp_path, back_end="script", script=script)

    assert check.ok is ok
    assert found in check.found


async def test_models_of_this_machine_are_looked_up_in_the_catalogue(tmp_path):
    well = await looked(tmp_path, back_end="local", default_model="smollm2-135m-instruct")
    ill = await looked(tmp_path, back_end="local", default_model="gpt-9")

    assert well.ok
    assert "gpt-9, which writes" in ill.found
    assert "ollama pull" not in ill.fix
