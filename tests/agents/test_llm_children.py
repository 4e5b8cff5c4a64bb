"""What a program that asks the language model itself is told: the configuration without its key, which comes by the environment."""

import json

from agents.llm import chat_model, key_for_child, settings_told, told
from agents.llm.children import API_KEY
from configs.schema import LLMSettings, Settings
from tests.ollama_server import running
from tests.openai_server import FakeOpenAI


def configured(tmp_path, url="http://127.0.0.1:9/v1", key="sk-canary"):
    llm = {"kind": "openai", "model": "gemma3:4b", "base_url": url, "api_key": key}
    return Settings(data_dir=tmp_path, llm=LLMSettings(**llm))


def test_the_key_is_in_the_environment_alone(tmp_path, monkeypatch):
    settings = configured(tmp_path)
    plain = json.loads(json.dumps(told(settings)))
    without = settings_told(plain)
    monkeypatch.setenv(API_KEY, key_for_child(settings)[API_KEY])
    with_key = settings_told(plain)

    assert "sk-canary" not in json.dumps(plain)
    assert without.llm.api_key is None
    assert with_key.llm == settings.llm
    assert (with_key.models, with_key.data_dir) == (settings.models, tmp_path.resolve())
    assert key_for_child(configured(tmp_path, key=None)) == {}


async def test_its_chat_model_talks_to_the_same_server_with_the_key_and_tries_again(
    tmp_path, monkeypatch
):
    fake = FakeOpenAI()
    async with running(fake) as url:
        settings = configured(tmp_path, f"{url}/v1")
        monkeypatch.setenv(API_KEY, key_for_child(settings)[API_KEY])
        chat = chat_model(settings_told(told(settings)), temperature=0.9)

        reply = await chat.ainvoke("Hello there")

    assert reply.text == "You said: Hello there"
    assert fake.keys == ["Bearer sk-canary"]
    assert (fake.asked[0]["temperature"], fake.asked[0]["max_tokens"]) == (0.9, 1024)
