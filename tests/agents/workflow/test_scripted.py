"""The scripted model is shipped: it does what its script says, the same each time."""

import asyncio
import json

import pytest

from agents.workflow.outside import ModelError
from agents.workflow.scripted import Script, ScriptedModels, read_script


def scripted(**script):
    return ScriptedModels(Script.model_validate(script))


def ask(models, text, name="m", **parameters):
    return str(asyncio.run(models.chat(name, parameters).ainvoke(text)).text)


def pieces(models, text):
    async def stream():
        return [str(p.text) async for p in models.chat("m", {}).astream(text) if p.text]

    return asyncio.run(stream())


def test_the_first_rule_that_fits_counts():
    models = scripted(
        rules=[
            {"prompt": "(?i)poem", "model": "poet", "reply": "roses"},
            {"prompt": "poem", "reply": {"a": 1}},
        ],
        default="fine",
    )

    assert ask(models, "A Poem", "poet") == "roses"
    assert ask(models, "a poem") == '{"a": 1}'
    assert ask(models, "prose") == "fine"
    assert models.calls == ["A Poem", "a poem", "prose"]
    assert (models.prompt_tokens, models.reply_tokens) == (5, 4)


def test_a_rule_can_fit_only_so_often():
    models = scripted(rules=[{"times": 2, "reply": "x"}])

    assert [ask(models, "a") for _ in range(3)] == ["x", "x", "ok"]


def test_a_reply_is_right_only_where_the_prompt_contains_what_it_needs():
    models = scripted(rules=[{"contains": "step by step", "reply": "42", "otherwise": "41"}])

    assert ask(models, "Add") == "41"
    assert ask(models, "Add, step by step") == "42"


def test_replies_come_word_by_word_and_can_break_off():
    models = scripted(
        rules=[{"prompt": "whole", "reply": "a b  c"}, {"reply": "a b", "cut_after": 1}]
    )

    assert pieces(models, "whole") == ["a ", "b  ", "c"]
    with pytest.raises(ModelError, match="broke off"):
        pieces(models, "cut")
    assert models.calls == ["whole"]


def test_the_share_of_failures_follows_the_seed():
    def failures(seed):
        models = scripted(error_rate=0.3, seed=seed)
        failed = []
        for number in range(200):
            try:
                ask(models, f"question {number}")
            except ModelError:
                failed.append(number)
        return failed

    first = failures(1)

    assert first == failures(1)
    assert first != failures(2)
    assert 35 <= len(first) <= 85


def test_a_question_that_failed_may_come_right_when_it_is_asked_again():
    models = scripted(error_rate=0.5)
    seen = set()
    for _ in range(20):
        try:
            seen.add(ask(models, "the same"))
        except ModelError:
            seen.add("failed")

    assert seen == {"ok", "failed"}


def test_without_a_rule_a_schema_gets_the_first_thing_it_allows():
    models = scripted()
    schema = {
        "type": "object",
        "properties": {
            "choice": {"type": "integer", "enum": [3, 4]},
            "why": {"type": "string"},
            "more": {"type": "array"},
        },
    }

    reply = asyncio.run(models.structured(models.chat("m", {}), schema).ainvoke("x"))

    assert json.loads(reply.text) == {"choice": 3, "why": "", "more": []}


def test_a_name_that_the_script_does_not_have_is_an_error():
    with pytest.raises(ModelError, match="no model “b”"):
        scripted(models=["a"]).chat("b", {})


def test_words_that_are_shared_make_texts_near():
    embeddings = scripted().embeddings(None)
    tide, sea, tax = embeddings.embed_documents(["the tide is high", "high tide", "income tax"])

    def near(a, b):
        return sum(x * y for x, y in zip(a, b, strict=True))

    assert near(tide, sea) > near(tide, tax)
    assert near(tide, tide) == pytest.approx(1)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"rules": [{"replies": "x"}]}', "rules.0.replies"),
        ('{"error_rate": 2}', "error_rate"),
        ("nothing", "the file"),
    ],
)
def test_a_script_that_cannot_be_read_is_told_with_its_place(tmp_path, content, told):
    path = tmp_path / "s.json"
    path.write_text(content)

    with pytest.raises(ModelError, match=told):
        read_script(path)
    with pytest.raises(ModelError, match="No such file"):
        read_script(tmp_path / "none.json")
