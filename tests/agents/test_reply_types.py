"""Every type that the language model is asked for: a text or a list without an end would let it write for ever."""

import ast
import importlib
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from agents.llm import RuleLLM, closed, schema_of, unbounded

ROOT = Path(__file__).parents[2]


def asked_for() -> dict[str, type[BaseModel]]:
    """Return what stands third in every `….ask(instructions, data, TYPE …)`, by module and name."""
    found: dict[str, type[BaseModel]] = {}
    for package in ("agents", "bot"):
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            tree: Any = ast.parse(path.read_text(encoding="utf-8"))
            questions: Any = [node for node in ast.walk(tree) if is_question(node)]
            for node in questions:
                if isinstance(node.args[2], ast.Name):
                    name = node.args[2].id
                    if name[0].isupper() or name.startswith("_"):
                        found[f"{module}.{name}"] = getattr(importlib.import_module(module), name)
    return found


def is_question(node: Any) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "ask"
        and len(node.args) >= 3
    )


def test_no_reply_that_is_asked_for_can_be_endless():
    found = asked_for()

    assert {
        "agents.feedback._ModelReply",
        "agents.jury.Preference",
        "agents.judging.Mark",
        "agents.remarks._ModelReply",
        "bot.llm_health._Sum",
    } <= set(found)
    for name, reply in found.items():
        assert unbounded(schema_of(reply)) == set(), name


class _Inner(BaseModel):
    note: str


class _Endless(BaseModel):
    text: str
    texts: Annotated[list[str], Field(max_length=3)]
    numbers: list[int]
    by_name: dict[str, int]
    maybe: str | None
    inner: _Inner
    anything: Any
    fine: Annotated[list[Annotated[str, Field(max_length=9)]], Field(max_length=3)]


def test_what_has_no_bounds_is_found_wherever_it_stands():
    assert unbounded(_Inner.model_json_schema()) == {"note", "the whole"}
    places = unbounded(closed(_Endless.model_json_schema()))

    assert places == {
        "text", "texts[]", "numbers", "by_name", "maybe", "_Inner.note", "anything",
    }  # fmt: skip


def test_no_object_may_have_names_that_nobody_has_asked_for():
    found = asked_for()
    objects = [
        one
        for reply in found.values()
        for one in (schema_of(reply), *schema_of(reply).get("$defs", {}).values())
        if one.get("type") == "object"
    ]

    assert len(objects) >= 10
    assert all(one["additionalProperties"] is False for one in objects)


async def test_a_type_without_bounds_is_never_asked_for():
    llm = RuleLLM(lambda *_: {"note": "x"})

    with pytest.raises(TypeError, match="_Inner has no bounds at note"):
        await llm.ask("Say.", "text", _Inner)
    assert llm.asked == []
    with pytest.raises(TypeError):
        schema_of(_Endless)
