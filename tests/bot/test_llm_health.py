"""The doctor about the language model: whether it can be used, what is missing, and how long it took; no word of a provider's."""

import sys

import pytest

from agents.llm import LLMError, RuleLLM, UnreadableReply
from bot import llm_health
from configs.schema import LLMSettings, Settings
from tests.ollama_server import FakeOllama, Way, running


def configured(url="http://127.0.0.1:9", **settings):
    usual = {"kind": "ollama", "model": "gemma3:4b", "base_url": url, "tries": 1}
    return Settings(llm=LLMSettings(**usual | settings))


async def the_check(settings):
    (check,) = await llm_health.examine(settings)
    return check


async def test_one_question_is_asked_and_its_time_is_told():
    fake = FakeOllama(rule=lambda _: '{"result": 4}')
    async with running(fake) as url:
        check = await the_check(configured(url))

    assert check.ok
    assert check.found.startswith("gemma3:4b (ollama) answers in the asked form, in ")
    assert check.found.endswith(" s")
    assert len(fake.asked) == 1


async def test_without_a_language_model_nothing_is_looked_at():
    assert await llm_health.examine(Settings()) == []


async def test_a_server_that_is_away_is_told_from_a_model_that_is_not_there():
    away = await the_check(configured())
    async with running(FakeOllama(models=("qwen3:8b", "phi4"))) as url:
        unknown = await the_check(configured(url))

    assert (away.ok, unknown.ok) == (False, False)
    assert "ConnectError; it cannot be asked what it has" in away.found
    assert "llm.base_url" in away.fix
    assert unknown.found == "gemma3:4b (ollama) is not there; there is: phi4, qwen3:8b"
    assert "llm.model" in unknown.fix


async def test_a_server_in_trouble_and_one_that_hangs_have_the_model():
    async with running(FakeOllama(ways=[Way.TROUBLE, Way.SILENT])) as url:
        trouble = await the_check(configured(url))
        slow = await the_check(configured(url, timeout_s=0.3))

    assert "gives no answer: ResponseError; the model is there" in trouble.found
    assert "gives no answer: TimeoutError; the model is there" in slow.found


async def test_a_model_that_keeps_to_no_form_is_said_to_answer():
    check = await llm_health.talks(
        RuleLLM(lambda *_: UnreadableReply("sk-canary"), "gpt-x (openai)"), LLMSettings()
    )

    assert (check.ok, check.found) == (
        False,
        "gpt-x (openai) answers, but not in the asked form",
    )


async def test_no_word_of_a_provider_is_shown():
    error = LLMError("401: wrong key sk-canary")
    error.__cause__ = PermissionError("sk-canary")

    check = await llm_health.talks(RuleLLM(lambda *_: error, "gpt-x (openai)"), LLMSettings())

    assert check.found == "gpt-x (openai) gives no answer: PermissionError"
    assert "llm.api_key" in check.fix
    assert "sk-canary" not in str(check)


@pytest.mark.parametrize("kind", ["ollama", "openai", "anthropic"])
async def test_a_missing_extra_is_named(monkeypatch, kind):
    for name in ("agents.workflow.ollama_models", "agents.workflow.openai_models", "agents.llm.anthropic_models"):  # fmt: skip
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, f"langchain_{kind}", None)

    check = await the_check(configured(kind=kind))

    assert not check.ok
    assert check.found == f"{kind} is not installed"
    assert f"pip install 'tunewright[{kind}]'" in check.fix
