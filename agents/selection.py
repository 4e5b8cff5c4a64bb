"""Which base model a run gets when nobody named one: filtered by what is known, then compared on dev rows."""

from dataclasses import dataclass
from typing import Any

from agents import memory, work
from agents.jobs import FileRef, IntakeResult, JobKind, RowShape, SelectResult, SelectSpec
from agents.recipe import Recipe
from agents.services import Services
from configs.registry import ModelFacts, facts_of
from configs.schema import PlanningSettings, Settings
from storage.models import Run

CHARS_PER_TOKEN = 3
"""Fewer than in most texts: a row is rather taken for too long than for short enough."""
PROCESS_BYTES = 500_000_000
MOST_NEW_TOKENS = 48
MOST_ROWS = 40
SLACK_S = 120.0
"""For loading, on top of the time that is configured."""


@dataclass(frozen=True)
class Selection:
    """The model to tune, and how it was found."""

    model: str
    why: str
    shown: list[dict[str, Any]]
    """For the card: name, figures, and why a model is out."""


@dataclass(frozen=True)
class Need:
    """What a model has to bring along."""

    tokens: int
    """Context, estimated from the longest rows."""
    memory_bytes: int
    """Of this machine; 0: unknown."""


def unfit(facts: ModelFacts | None, need: Need, wanted: PlanningSettings) -> str | None:
    """Return why a model is out before it is loaded, or None; of a model without facts only a list of licences is a reason."""
    if wanted.licences and (facts is None or facts.licence not in wanted.licences):
        return f"its licence ({(facts and facts.licence) or 'not known'}) is not on the list here"
    if facts is None:
        return None
    if wanted.languages and facts.languages and not set(wanted.languages) <= set(facts.languages):
        return f"it is made for {', '.join(facts.languages)}"
    if facts.context_tokens < need.tokens:
        return f"its context of {facts.context_tokens:,} tokens is too short for these rows"
    recipe = Recipe(model=facts.name, micro_batch_size=1)
    step = memory.Step(facts.architecture, recipe, row_tokens=need.tokens, answer_tokens=1)
    least = memory.training_bytes(step, PROCESS_BYTES)
    if need.memory_bytes and least > memory.ROOM * need.memory_bytes:
        return f"it needs {least / 1e9:.0f} GB of memory"
    return None


def wanted_by_nobody(settings: Settings, run: Run) -> bool:
    """Tell whether neither the person nor the server named a model, and there is more than one to choose from."""
    named = any(wish["field"] == "model" for wish in run.wishes)
    by_server = settings.guild(run.guild).default_model is not None
    several = len(settings.models.catalogue) > 1 and settings.planning.select_s > 0
    return several and not named and not by_server


async def choose(
    services: Services, run: Run, data: IntakeResult, files: dict[str, FileRef], memory_bytes: int
) -> Selection | None:
    """Return the model to tune, or None where the default is to be taken.

    Raises: work.JobFailed: the comparison could not be done.
    """
    settings = services.settings
    if data.shape is not RowShape.PROMPT_COMPLETION or not wanted_by_nobody(settings, run):
        return None
    chars = data.prompt_chars_p95 + data.completion_chars_p95
    need = Need(tokens=chars // CHARS_PER_TOKEN, memory_bytes=memory_bytes)
    reasons = {
        name: unfit(facts_of(name, source), need, settings.planning)
        for name, source in settings.models.catalogue.items()
    }
    fit = [name for name, reason in reasons.items() if reason is None]
    shown = [{"name": name, "out": reason} for name, reason in reasons.items() if reason]
    if not fit:
        return None
    if len(fit) == 1:
        return Selection(fit[0], "the only one of the catalogue that fits", shown)
    spec = SelectSpec(
        candidates=tuple(services.model_ref(name) for name in fit),
        train=files["train"],
        dev=files["dev"],
        task=run.goal,
        labels=data.labels,
        metric=data.suggested_metric,
        max_new_tokens=MOST_NEW_TOKENS,
        max_rows=MOST_ROWS,
        budget_s=settings.planning.select_s,
        threads=settings.launcher.threads,
    )
    job = await work.finished(
        services, run, JobKind.SELECT, spec, expected_s=spec.budget_s + SLACK_S
    )
    result = SelectResult.model_validate(work.payload(job))
    compared = [candidate.model_dump(mode="json") for candidate in result.candidates]
    return Selection(result.chosen, result.why, compared + shown)
