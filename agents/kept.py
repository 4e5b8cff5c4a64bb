"""What a try has come to: where its plan had several candidates, the one that was kept stands for the try from then on."""

from agents.candidates import number
from agents.jobs import TrainResult, TrainSpec
from agents.recipe import Recipe
from storage.models import Job, Plan

AS_IN = "as in try "
"""Beginning of where a value is from that was taken over from an earlier try."""


def recipe_of(plan: Plan, training: Job | None) -> Recipe:
    """Return the recipe of a plan as its training has carried it out; the plan's own candidate where none was kept."""
    recipe = Recipe.model_validate(plan.recipe)
    if recipe.candidates is None:
        return recipe
    chosen = None
    if training is not None and training.payload:
        chosen = TrainResult.model_validate(training.payload).chosen_candidate
    return recipe.alone(None if chosen is None else recipe.candidates.values[chosen - 1])


def training_of(job: Job) -> TrainSpec:
    """Return what a training did for the adapter that was kept: of several candidates, or of a trial, that one's part alone."""
    spec = TrainSpec.model_validate(job.spec)
    if not job.payload:
        return spec
    result = TrainResult.model_validate(job.payload)
    if spec.without is not None and result.learnt_made is not None:
        return spec.with_made() if result.learnt_made else spec.without_made(result.steps_planned)
    chosen = result.chosen_candidate
    return spec if chosen is None else spec.of_candidate(chosen)


def plan_of(plan: Plan, training: Job | None) -> Plan:
    """Return a plan as its training has carried it out, for the next plan to start from; it is not stored."""
    several = Recipe.model_validate(plan.recipe).candidates
    if several is None:
        return plan
    recipe = recipe_of(plan, training)
    value = number(getattr(recipe, several.field))
    why = f"{AS_IN}{plan.iteration}, the best of {len(several.values)} candidates"
    others = [origin for origin in plan.why if origin[0] not in {several.field, "candidates"}]
    changed = {
        "recipe": recipe.model_dump(mode="json"),
        "why": [[several.field, value, why], *others],
    }
    return Plan.model_validate(plan.model_dump() | changed)
