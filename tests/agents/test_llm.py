"""The language model that helps, by each provider, and its shipped stand-ins: they fail as one does, and see what one would see."""

import pytest
from pydantic import BaseModel

from agents.llm import LLMError, RuleLLM, ScriptedLLM, from_settings
from configs.schema import LLMSettings, Settings
from tests.ollama_server import FakeOllama, running
from tests.openai_server import FakeOpenAI


class Reply(BaseModel):
    """What is asked for."""

    score: int


def configured(**settings):
    return Settings(llm=LLMSettings(**{"model": "gemma3:4b"} | settings))


def ruled(reply):
    return RuleLLM(lambda _instructions, _data: reply)


def scripted(reply):
    return ScriptedLLM([reply])


@pytest.mark.parametrize("fake", [ruled, scripted])
async def test_a_stand_in_replies_with_the_type_that_was_asked_for(fake):
    llm = fake({"score": 3})

    assert await llm.ask("Judge.", "a <<<DATA text", Reply) == Reply(score=3)
    assert llm.asked == [("Judge.", "<<<DATA\na < < <DATA text\nDATA>>>")]
    assert llm.name.endswith("(fake)")


@pytest.mark.parametrize("fake", [ruled, scripted])
@pytest.mark.parametrize("reply", [{"score": "high"}, {}, LLMError("unreachable")])
async def test_a_stand_in_fails_as_a_model_does(fake, reply):
    with pytest.raises(LLMError):
        await fake(reply).ask("Judge.", "text", Reply)


async def test_a_rule_sees_what_it_was_asked_and_a_script_ends():
    rule = RuleLLM(lambda instructions, data: {"score": len(instructions) + len(data)})
    script = ScriptedLLM([{"score": 1}])

    assert (await rule.ask("ab", "c", Reply)).score == 2 + len("<<<DATA\nc\nDATA>>>")
    await script.ask("ab", "c", Reply)
    with pytest.raises(LLMError, match="at its end"):
        await script.ask("ab", "c", Reply)


async def test_a_server_of_ollama_is_asked_for_a_reply_of_the_type():
    fake = FakeOllama(rule=lambda _: '{"score": 3}')
    async with running(fake) as url:
        llm = from_settings(configured(kind="ollama", base_url=url))
        reply = await llm.ask("Judge.", "text", Reply)

    assert reply == Reply(score=3)
    assert fake.asked[0]["options"]["temperature"] == 0
    assert fake.asked[0]["format"]["required"] == ["score"]
    assert llm.name == "gemma3:4b (ollama)"


async def test_a_server_without_a_key_is_asked_without_one_of_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody")
    fake = FakeOpenAI(rule=lambda _: '{"score": 3}')
    async with running(fake) as url:
        to = {"kind": "openai", "base_url": f"{url}/v1"}
        both = (configured(**to), configured(**to, api_key="k-1"))

        replies = [await from_settings(s).ask("Judge.", "text", Reply) for s in both]

    assert replies == [Reply(score=3)] * 2
    assert fake.keys == ["Bearer none", "Bearer k-1"]


async def test_a_server_that_is_not_there_is_a_model_that_did_not_reply():
    settings = configured(kind="ollama", base_url="http://127.0.0.1:9", tries=1)

    with pytest.raises(LLMError):
        await from_settings(settings).ask("Judge.", "text", Reply)
