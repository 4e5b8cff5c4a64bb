"""The shipped stand-ins for a language model: they fail as one does, and see what one would see."""

import pytest
from pydantic import BaseModel

from agents.llm import LLMError, RuleLLM, ScriptedLLM


class Reply(BaseModel):
    """What is asked for."""

    score: int


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
