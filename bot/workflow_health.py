"""Whether workflows can be run here, for `tunewright doctor`: the back end, its default model, what is missing for it."""

import asyncio

from agents.services import UserError
from agents.workflow.outside import ModelError
from agents.workflow.scripted import read_script
from bot.checks import Check
from bot.text import visible
from bot.workflow_models import Listed, list_models
from configs.schema import Settings, WorkflowSettings

NAME = "workflows"
TIMEOUT_S = 10.0
SHOWN = 5
FIXES = {
    "ollama": "Start Ollama there (ollama serve), or set workflows.base_url or workflows.back_end. Only workflows need it.",
    "openai": "Look at workflows.base_url and workflows.api_key, or set workflows.back_end. Only workflows need it.",
    "local": "Look at models.catalogue. Only workflows need it.",
    "script": "Look at workflows.script: docs/workflows.md says what is in such a file.",
}


async def examine(settings: Settings) -> list[Check]:
    """Ask the back end what it has. Whoever runs no workflows needs none, so what is missing is a hint."""
    workflows = settings.workflows
    if workflows.back_end == "script":
        return [await asyncio.to_thread(_script, workflows)]
    try:
        async with asyncio.timeout(TIMEOUT_S):
            listed = await list_models(settings, None)
    except UserError as error:
        return [_trouble(workflows, str(error))]
    except TimeoutError:
        return [_trouble(workflows, f"no answer within {TIMEOUT_S:.0f} s")]
    return [_default_model(workflows, listed)]


def _script(workflows: WorkflowSettings) -> Check:
    assert workflows.script is not None
    try:
        rules = len(read_script(workflows.script).rules)
    except ModelError as error:
        return _trouble(workflows, str(error))
    return Check(NAME, True, f"replies come from a script of {rules} rules")


def _default_model(workflows: WorkflowSettings, listed: Listed) -> Check:
    """Look whether the model is there that writes proposals and tests."""
    name = workflows.default_model
    names = {one.name.removesuffix(":latest") for one in listed.models}
    mapped = next((one for one in listed.model_map if one.name == name), None)
    wanted = name if mapped is None else mapped.stands_for
    if mapped.there if mapped else name.removesuffix(":latest") in names:
        return Check(NAME, True, visible(f"{listed.back_end}, with {wanted}"))
    there = ", ".join(sorted(names)[:SHOWN]) or "none"
    found = f"{listed.back_end}: {wanted}, which writes proposals and tests, is not there; there is: {there}"
    pull = f"`ollama pull {wanted}`, or set" if workflows.back_end == "ollama" else "Set"
    fix = f"{pull} workflows.default_model or workflows.model_map. Only workflows need it."
    return Check(NAME, False, visible(found), fix, optional=True)


def _trouble(workflows: WorkflowSettings, why: str) -> Check:
    """Say what is wrong, without the key where a server has repeated it."""
    key = workflows.api_key.get_secret_value() if workflows.api_key else None
    told = why.replace(key, "…") if key else why
    return Check(
        NAME,
        False,
        visible(f"{workflows.back_end}: {told}"),
        FIXES[workflows.back_end],
        optional=True,
    )
