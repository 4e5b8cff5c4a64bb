"""Whether the language model can be used, for `tunewright doctor`: reached, there, and replying in a form; and how long that takes."""

import time

from pydantic import BaseModel

from agents import llm
from agents.workflow.outside import ModelError
from bot.checks import Check
from bot.text import visible
from configs.schema import LLMSettings, Settings

NAME = "language model"
SHOWN = 5
FIX = "Look whether its server runs, and at llm.base_url, llm.model, llm.api_key and llm.timeout_s."


class _Sum(BaseModel):
    """What the language model is asked for, to see that it answers in a form."""

    result: int


async def examine(settings: Settings) -> list[Check]:
    """Ask the language model one question, where one is configured: everything but the reward `judge` works without."""
    try:
        model = llm.from_settings(settings)
    except llm.NotInstalled as error:
        found = f"{settings.llm.kind} is not installed"
        return [Check(NAME, False, found, str(error))]
    if model is None:
        return []
    try:
        return [await talks(model, settings.llm)]
    finally:
        model.close()


async def talks(model: llm.LLM, settings: LLMSettings) -> Check:
    """Have it add two numbers. Numbers are not looked at: a small model may get them wrong and still help."""
    began_s = time.monotonic()
    try:
        await model.ask("Add the numbers.", "2 and 2", _Sum)
    except llm.UnreadableReply:
        fix = "Take a model, or a server, that replies with JSON of a schema; see docs/model-back-ends.md."
        return Check(NAME, False, f"{model.name} answers, but not in the asked form", fix)
    except llm.LLMError as error:
        return await _silent(model, settings, error)
    took_s = time.monotonic() - began_s
    return Check(NAME, True, visible(f"{model.name} answers in the asked form, in {took_s:.1f} s"))


async def _silent(model: llm.LLM, settings: LLMSettings, error: llm.LLMError) -> Check:
    """Say why there is no answer: nobody is there, it has no such model, or what was refused. Never in a provider's own words."""
    found = f"{model.name} gives no answer: {llm.what_failed(error)}"
    if not isinstance(model, llm.ChatLLM):
        return Check(NAME, False, visible(found), FIX)
    try:
        there = [one.name for one in await model.back_end.offered()]
    except ModelError:
        return Check(NAME, False, visible(f"{found}; it cannot be asked what it has"), FIX)
    wanted = settings.model.partition("+")[0].removesuffix(":latest")
    if there and wanted not in {name.removesuffix(":latest") for name in there}:
        listed = ", ".join(sorted(there)[:SHOWN])
        found = f"{model.name} is not there; there is: {listed}"
        return Check(NAME, False, visible(found), "Set llm.model to one that is there.")
    return Check(NAME, False, visible(f"{found}; the model is there"), FIX)
