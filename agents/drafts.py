"""What a plan is made of: the recipe that the rules suggest around a person's wishes, and what a reply changes in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from agents import (
    backends,
    continuing,
    feedback,
    full_tuning,
    hyperparameters,
    methods,
    planning,
    weights,
)
from agents.continuing import Parent
from agents.jobs import IntakeResult, MeasureResult
from agents.recipe import CHANGES, Method, Recipe, RecipeChange, TargetModules, Tuning
from agents.services import Services, UserError
from storage.models import Approval, Dataset, Plan, Run, Suggestion

ASKED = "as you asked"
SUGGESTED = "suggested by the debugger"
LENGTH = "max_length_tokens"
ORIGINS = TypeAdapter(list[tuple[str, str, str]])


@dataclass(frozen=True)
class Known:
    """The rows that a plan is made from."""

    run: Run
    uploads: list[Dataset]
    data: IntakeResult
    files: dict[str, Dataset]
    """`train` and `dev`."""
    before: Plan | None
    """The plan that this one changes: the last revision, or the last iteration's plan."""
    answer: Approval | None
    """The reply that asked for this revision."""
    suggestions: list[Suggestion]


@dataclass(frozen=True)
class Draft:
    """A plan in the making."""

    recipe: Recipe
    origins: list[hyperparameters.Origin]
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    asked: str | None = None
    found: dict[str, Any] = field(default_factory=dict)
    """What was tried beforehand: the base without training, and models against each other."""


def start(known: Known, model: str) -> Recipe:
    """Return the recipe that a plan begins with: the method that fits the data, or the one that was asked for."""
    wishes = CHANGES.validate_python(known.run.wishes)
    return methods.first(known.data, model, known.run.method, wishes)


def to_measure(start: Recipe, known: Known, replied: Mapping[str, Any]) -> Recipe:
    """Return a recipe with the limit of a row's tokens that a person has set, in the last reply (`replied`) or before.

    One that cannot be is left out: it is told when the draft is made.
    """
    asked: Mapping[str, Any] = {}
    if known.before is not None:
        names = {name for name, _, why in ORIGINS.validate_python(known.before.why) if why == ASKED}
        asked = {name: known.before.recipe[name] for name in names & {LENGTH}}
    else:
        asked = {wish.field: wish.value for wish in CHANGES.validate_python(known.run.wishes)}
    asked = {**asked, **replied}
    try:
        return Recipe.model_validate(
            start.model_dump() | {LENGTH: asked.get(LENGTH, start.max_length_tokens)}
        )
    except ValidationError:
        return start


async def make(services: Services, known: Known, model: str, measured: MeasureResult) -> Draft:
    """Return the next plan: the first one of a run, or the last one with what a reply or the debugger changes.

    Raises: UserError: what a person wants cannot be had with this data, or with the adapter that is trained further.
    """
    if known.before is None:
        return _first(services, known, model, measured)
    before = Recipe.model_validate(known.before.recipe)
    parent = continuing.parent_of(known.run)
    changes: list[RecipeChange] = []
    notes: list[str] = []
    asked_words, reason = None, SUGGESTED
    if known.answer is not None and known.answer.comment:
        changes, notes = await _understood(services, known, before, known.answer.comment)
        asked_words, reason = known.answer.comment, ASKED
    elif known.suggestions:
        changes = CHANGES.validate_python([s.change for s in known.suggestions if s.change])
    changes, stays = continuing.possible(parent, changes)
    begun = before
    refused: list[str] = []
    if parent is None:
        begun, changes, refused = full_tuning.possible(before, changes, measured)
    kept_shape = _shape(parent)
    new = [(c.field, str(c.value), reason) for c in changes] + kept_shape
    named = {entry[0] for entry in new} | set(continuing.SHAPE if parent else ())
    named |= {"tuning"} if refused else set()
    earlier = [o for o in ORIGINS.validate_python(known.before.why) if o[0] not in named]
    if before.method is not Method.SFT:
        after = _shaped(methods.wished(begun, changes), parent)
        after, origins = _rate_follows(before, after, new + earlier)
        shown = planning.difference(before, after)
        said = [*notes, *stays, *refused, *full_tuning.differences(after, measured)]
        return Draft(after, origins, shown, said, asked_words)
    decided = [o for o in earlier if o[2] in {ASKED, SUGGESTED}]
    # what came from a rule is derived anew, because it may rest on what has changed: the number of rows, say
    held: dict[str, Any] = {name: getattr(begun, name) for name, _value, _reason in decided}
    held = {"backend": before.backend} | held
    held |= {c.field: c.value for c in changes} | (parent.shape if parent else {})
    after, origins = hyperparameters.derive(
        model, known.data, measured, before.checkpoint_mode, held
    )
    shown = planning.difference(before, after)
    said = [*notes, *stays, *refused, *full_tuning.differences(after, measured)]
    return Draft(after, new + decided + origins, shown, said, asked_words)


def _first(services: Services, known: Known, model: str, measured: MeasureResult) -> Draft:
    """Derive what the rules suggest around a person's wishes, and turn it into what the method needs."""
    parent = continuing.parent_of(known.run)
    begun = start(known, model)
    if parent is not None:
        continuing.check_method(parent, begun.method)
    wishes, _stays = continuing.possible(parent, CHANGES.validate_python(known.run.wishes))
    mode = services.settings.training.checkpoint_mode
    plain = [w for w in wishes if begun.method is Method.SFT or w.field not in methods.OWN_FIELDS]
    wished: dict[str, Any] = {w.field: w.value for w in plain} | (parent.shape if parent else {})
    own: dict[str, Any] = {}
    if begun.method is not Method.SFT:
        own = {"epochs": methods.passes(known.data)}
    usual, origins = hyperparameters.derive(model, known.data, measured, mode, own | wished)
    recipe, origins = methods.adapted(usual, origins, known.data, measured, begun, known.run.method)
    asked = [(w.field, str(w.value), ASKED) for w in wishes] + _shape(parent)
    said = {field for field, _value, _why in asked}
    recipe = methods.wished(recipe, wishes)
    full_tuning.check(recipe, measured)
    notes = full_tuning.differences(recipe, measured)
    return Draft(recipe, asked + [o for o in origins if o[0] not in said], notes=notes)


async def _understood(
    services: Services, known: Known, before: Recipe, comment: str
) -> tuple[list[RecipeChange], list[str]]:
    """Return what a reply asks for, and notes about what it does not."""
    words = continuing.without_name(comment)
    about_weights: list[str] = []
    if len(known.uploads) > 1 and weights.named(words):
        about_weights = _about_weights(known, words)
        words = weights.without_names(words)
    if (
        not words
    ):  # all that it says has been done: files are weighed, or the run goes on from another one
        return [], about_weights
    models = sorted(services.settings.models.catalogue)
    understood = await feedback.understand(words, before, models, services.llm)
    changes, notes = backends.possible(understood.changes, services.settings.training)
    said = [*notes, *understood.notes, *about_weights, *_about_repairs(known, words)]
    return changes, said


def _rate_follows(
    before: Recipe, after: Recipe, origins: list[hyperparameters.Origin]
) -> tuple[Recipe, list[hyperparameters.Origin]]:
    """Let a method's own learning rate follow from LoRA to all layers or back, unless somebody has set it."""
    change = full_tuning.rate_follows(before, after)
    if change is None or ("learning_rate", True) in {
        (field, why in {ASKED, SUGGESTED}) for field, _value, why in origins
    }:
        return after, origins
    why = (
        "a tenth of LoRA's"
        if after.tuning is Tuning.FULL
        else "LoRA's, ten times that of all layers"
    )
    kept = [origin for origin in origins if origin[0] != "learning_rate"]
    rate = ("learning_rate", f"{change.value:g}", f"{why} (Tinker)")
    return after.amended([change]), [*kept, rate]


UNSAID = (False, Tuning.LORA, TargetModules.ALL_LINEAR)
"""What an earlier adapter usually is."""


def _shape(parent: Parent | None) -> list[hyperparameters.Origin]:
    """Return what a recipe takes over from an earlier adapter, and that it is from there; what is usual goes unsaid."""
    if parent is None:
        return []
    if parent.tuning is Tuning.FULL:
        return [("tuning", parent.tuning.value, parent.origin)]
    return [(n, str(v), parent.origin) for n, v in parent.shape.items() if v not in UNSAID]


def _shaped(recipe: Recipe, parent: Parent | None) -> Recipe:
    return Recipe.model_validate(recipe.model_dump() | parent.shape) if parent else recipe


def _about_weights(known: Known, words: str) -> list[str]:
    """Say how much of each file is used now, or why it is as it was."""
    if known.run.iteration > 1:
        return [
            "The files are used as before: a model has been tested on them. Start a new run to weigh them anew."
        ]
    try:
        weights.settled([upload.name for upload in known.uploads], weights.named(words))
    except UserError as error:
        return [str(error)]
    used = ", ".join(f"{upload.name} × {weights.of(upload):g}" for upload in known.uploads)
    return [f"Used of the files' training rows: {used}."]


def _about_repairs(known: Known, words: str) -> list[str]:
    """Say what became of a wish to repair rows, which has been carried out by now where it could be."""
    if not feedback.asks_for_repairs(words):
        return []
    if known.run.iteration > 1:
        return [
            "The rows are as they are: a model has been tested on them. Start a new run to repair them."
        ]
    return list(known.data.repaired) or ["I found nothing of that kind to repair in your rows."]
