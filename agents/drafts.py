"""What a plan is made of: the recipe that the rules suggest around a person's wishes, and what a reply changes in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from agents import (
    backends,
    continuing,
    draft_notes,
    feedback,
    full_tuning,
    hyperparameters,
    made_wishes,
    methods,
    metric_plugins,
    offers,
    planning,
    row_changes,
    weights,
    work,
)
from agents.continuing import Parent
from agents.jobs import Doubt, IntakeResult, MeasureResult, RowsForecast
from agents.kept import AS_IN
from agents.ledger import Purpose
from agents.offers import Taking
from agents.recipe import (
    CHANGES,
    Method,
    Recipe,
    RecipeChange,
    TargetModules,
    Tuning,
    with_candidates,
)
from agents.row_changes import PlannedRows, RowsChange, Wish
from agents.run_documents import Document
from agents.services import Services
from storage.models import Approval, Dataset, Plan, Run, Suggestion

ASKED = "as you asked"
SUGGESTED = "suggested by the debugger"
SINGLE_AGAIN = {("candidates", "None"), ("candidates", "none")}
"""What is no origin of a value: there are no candidates any more."""
ORIGINS = TypeAdapter(list[tuple[str, str, str]])


class Revert(BaseModel):
    """A person's wish that the next plan starts from the plan of an earlier try."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    iteration: int
    by: str
    """Name of the person."""

    @property
    def reason(self) -> str:
        """Return where the values of that plan come from, for people."""
        return f"{AS_IN}{self.iteration}, reverted by {self.by}"


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
    """What the debugger has said after the try before, for the first version of this one's plan and all later ones."""
    tried: Plan | None = None
    """The plan of the try before."""
    revert: Revert | None = None
    earlier: Plan | None = None
    """The plan of the try to go back to."""
    carried: RowsChange = field(default_factory=RowsChange)
    """What the try before this one has changed in the rows to learn from."""
    doubts: tuple[Doubt, ...] = ()
    """Rows that the last inspection found doubtful."""
    ahead: RowsForecast | None = None
    """What the last inspection expects of more rows."""
    made: Dataset | None = None
    """Made rows that the try before has learnt, or the one to go back to; None where it has none, or was better without."""
    documents: tuple[Document, ...] = ()
    """What rows may be made from beside the uploads."""

    @property
    def planned_rows(self) -> RowsChange:
        """What the plan that this one changes does to the rows."""
        return row_changes.change_of(None if self.before is None else self.before.rows)

    @property
    def is_first(self) -> bool:
        """Whether this is the first version of a try's plan."""
        return self.before is None or self.before.iteration < self.run.iteration

    @property
    def taking(self) -> Taking | None:
        """What the reply says about which of the debugger's changes the plan has."""
        words = self.answer.comment if self.answer is not None else None
        return offers.wished(words, self.suggestions) if words and not self.is_first else None

    @property
    def taken(self) -> frozenset[int]:
        """Numbers of the debugger's changes that the plan is to have."""
        return self.taking.numbers if self.taking else offers.taken(self.suggestions)

    @property
    def about_made(self) -> made_wishes.Said | None:
        """What the reply says about rows that a program makes."""
        return made_wishes.read(self._said, self.data.labels) if self._said else None

    @property
    def words(self) -> str:
        """The reply, without what it says about the debugger's changes and about made rows."""
        return self._said if self.about_made is None else self.about_made.rest

    @property
    def _said(self) -> str:
        if self.taking is not None:
            return self.taking.rest
        return (self.answer.comment or "") if self.answer is not None else ""

    @property
    def about_rows(self) -> Wish | None:
        """What the reply says about rows."""
        if not self.words:
            return None
        return row_changes.wished(self.words, self.doubts, self.carried, self._rows_taken)

    @property
    def rows(self) -> RowsChange:
        """What is to be changed in the rows to learn from, by the debugger's suggestions or the reply."""
        wish = self.about_rows
        return self._rows_taken if wish is None else wish.change

    @property
    def _rows_taken(self) -> RowsChange:
        if not self.is_first:
            return offers.rows(self.suggestions, self.taken, self.planned_rows, self.carried)
        suggested = [
            RowsChange.model_validate(s.change)
            for s in self.suggestions
            if s.taken and row_changes.is_of_rows(s.change)
        ]
        return suggested[0] if suggested else self.planned_rows


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
    rows: PlannedRows | None = None
    """What is changed in the rows to learn from."""
    made: dict[str, Any] = field(default_factory=dict)
    """What is said about made rows: `generation` of the plan, and `made_rows` of the run where that changes."""


def start(known: Known, model: str) -> Recipe:
    """Return the recipe that a plan begins with: the method that fits the data, or the one that was asked for."""
    wishes = CHANGES.validate_python(known.run.wishes)
    return methods.first(known.data, model, known.run.method, wishes)


def asked(plan: Plan) -> frozenset[str]:
    """Return the fields of a plan's recipe that a person has set, there or in the try that it takes up again."""
    why_of = ORIGINS.validate_python(plan.why)
    return frozenset(name for name, _, why in why_of if why == ASKED or why.startswith(AS_IN))


def to_measure(start: Recipe, known: Known, replied: Mapping[str, Any]) -> Recipe:
    """Return a recipe with the limit of a row's tokens that a person has set, in the last reply (`replied`) or before.

    One that cannot be is left out: it is told when the draft is made.
    """
    values: Mapping[str, Any]
    if known.earlier is not None:
        values = {methods.LENGTH: known.earlier.recipe[methods.LENGTH]}
    elif known.before is not None:
        fields = asked(known.before) & {methods.LENGTH}
        values = {field: known.before.recipe[field] for field in fields}
    else:
        values = {wish.field: wish.value for wish in CHANGES.validate_python(known.run.wishes)}
    values = {**values, **replied}
    try:
        return Recipe.model_validate(
            start.model_dump()
            | {methods.LENGTH: values.get(methods.LENGTH, start.max_length_tokens)}
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
    if known.revert is not None and known.earlier is not None:
        return _back_to(known.revert, known.earlier, before, measured)
    parent = continuing.parent_of(known.run)
    changes, reasons, notes = _offered(known, before)
    asked_words = None
    if known.answer is not None and known.answer.comment:
        asked_words = known.answer.comment
        if known.words:
            wished, more = await _understood(services, known, before, known.words)
            fields = {change.field for change in wished}
            changes = [*(c for c in changes if c.field not in fields), *wished]
            reasons |= dict.fromkeys(fields, ASKED)
            notes += more
    changes, stays = continuing.possible(parent, with_candidates(changes, before))
    begun = before
    refused: list[str] = []
    if parent is None:
        begun, changes, refused = full_tuning.possible(before, changes, measured)
    fields = {change.field for change in changes}
    kept_shape = _shape(parent)
    usual = SUGGESTED if asked_words is None else ASKED
    new = [(c.field, str(c.value), reasons.get(c.field, usual)) for c in changes] + kept_shape
    new = [entry for entry in new if entry[:2] not in SINGLE_AGAIN]
    named = fields | {entry[0] for entry in new} | set(continuing.SHAPE if parent else ())
    named |= {"tuning"} if refused else set()
    earlier = [o for o in ORIGINS.validate_python(known.before.why) if o[0] not in named]
    if before.method is not Method.SFT:
        after = _shaped(methods.wished(begun, changes), parent)
        after, origins = _rate_follows(known, measured, after, new + earlier)
        shown = planning.difference(before, after)
        said = [*notes, *stays, *refused, *full_tuning.differences(after, measured, fields)]
        return Draft(after, origins, shown, said, asked_words)
    decided = [o for o in earlier if _is_decided(o[2])]
    # what came from a rule is derived anew, because it may rest on what has changed: the number of rows, say
    held: dict[str, Any] = {name: getattr(begun, name) for name, _value, _reason in decided}
    held = {"backend": before.backend} | held
    held |= {c.field: c.value for c in changes} | (parent.shape if parent else {})
    after, origins = hyperparameters.derive(
        model, known.data, measured, before.checkpoint_mode, held
    )
    shown = planning.difference(before, after)
    said = [*notes, *stays, *refused, *full_tuning.differences(after, measured, fields)]
    return Draft(after, new + decided + origins, shown, said, asked_words)


def _offered(known: Known, before: Recipe) -> tuple[list[RecipeChange], dict[str, str], list[str]]:
    """Return what the debugger's changes come to in this version of the plan: changes, where they come from, and notes."""
    taking = known.taking
    if taking is None and not known.is_first:
        return [], {}, []
    if taking is None or known.tried is None:
        new = [
            change
            for s in known.suggestions
            if s.taken and (change := offers.of_recipe(s)) is not None
        ]
        return new, {str(change.field): SUGGESTED for change in new}, []
    tried = Recipe.model_validate(known.tried.recipe)
    new, back, notes = offers.recipe_changes(known.suggestions, taking.numbers, before, tried)
    reasons = {str(change.field): SUGGESTED for change in new}
    reasons |= {str(change.field): f"{AS_IN}{known.tried.iteration}" for change in back}
    return [*new, *back], reasons, [*taking.notes, *notes]


def _back_to(revert: Revert, earlier: Plan, before: Recipe, measured: MeasureResult) -> Draft:
    """Return the plan of an earlier try once more, with what is different against the last one."""
    after = Recipe.model_validate(earlier.recipe)
    shown = planning.difference(before, after)
    changed = {name for name, _before, _after in shown}
    kept = [o for o in ORIGINS.validate_python(earlier.why) if o[0] not in changed]
    new = [(name, value, revert.reason) for name, _before, value in shown]
    notes = [
        f"This is the plan of try {revert.iteration} again: reverted by {revert.by}. Trained as it stands it gives the same "
        "adapter; reply with what should be different.",
        *full_tuning.differences(after, measured),
    ]
    return Draft(after, [*new, *kept], shown, notes)


def _is_decided(why: str) -> bool:
    """Tell whether a value was chosen, by a person or the debugger, and does not follow from a rule."""
    return why in {ASKED, SUGGESTED} or why.startswith(AS_IN)


def _first(services: Services, known: Known, model: str, measured: MeasureResult) -> Draft:
    """Derive what the rules suggest around a person's wishes, and turn it into what the method needs."""
    parent = continuing.parent_of(known.run)
    begun = start(known, model)
    if parent is not None:
        continuing.check_method(parent, begun.method)
    wanted = with_candidates(CHANGES.validate_python(known.run.wishes), begun)
    wishes, _stays = continuing.possible(parent, wanted)
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
    recipe, origins = _rate_follows(
        known,
        measured,
        methods.wished(recipe, wishes),
        asked + [o for o in origins if o[0] not in said],
    )
    full_tuning.check(recipe, measured)
    notes = full_tuning.differences(recipe, measured, {wish.field for wish in wishes})
    return Draft(recipe, origins, notes=notes)


async def _understood(
    services: Services, known: Known, before: Recipe, comment: str
) -> tuple[list[RecipeChange], list[str]]:
    """Return what a reply asks for, and notes about what it does not."""
    wish = known.about_rows
    words = continuing.without_name(comment if wish is None else wish.rest)
    about_rows = [] if wish is None else list(wish.notes)
    about_weights: list[str] = []
    if len(known.uploads) > 1 and weights.named(words):
        about_weights = draft_notes.about_weights(known.run, known.uploads, words)
        words = weights.without_names(words)
    if (
        not words
    ):  # all that it says has been done: files are weighed, or the run goes on from another one
        return [], [*about_rows, *about_weights]
    models = sorted(services.settings.models.catalogue)
    llm = services.llm_for(work.number(known.run), Purpose.REPLIES)
    understood = await feedback.understand(words, before, models, llm)
    settings = services.settings
    changes, notes = backends.possible(understood.changes, settings.training)
    changes, refused = metric_plugins.possible(changes, settings.evaluation)
    said = [*about_rows, *notes, *refused, *understood.notes, *about_weights]
    said += draft_notes.about_repairs(known.run, known.data, words)
    return changes, said


def _rate_follows(
    known: Known, measured: MeasureResult, recipe: Recipe, origins: list[hyperparameters.Origin]
) -> tuple[Recipe, list[hyperparameters.Origin]]:
    """Let a method's own learning rate follow from what has changed in the recipe, unless somebody has set it."""
    decided = any(field == "learning_rate" and _is_decided(why) for field, _value, why in origins)
    if decided or recipe.method is Method.SFT:
        return recipe, origins
    rate, why = methods.own_rate(recipe, known.data, measured)
    new = ("learning_rate", f"{rate:g}", why)
    told = [new if origin[0] == "learning_rate" else origin for origin in origins]
    return recipe.model_copy(update={"learning_rate": rate}), told


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
