"""Rows that a program makes, as a plan has them: which and why, who makes them, what leaves the house for it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict

from agents import generation_need, offers
from agents.drafts import Known
from agents.generation_need import Supply
from agents.jobs import GenerationTerms, RowsBackend, RowShape, Strategy
from agents.made_wishes import NOTHING, MadeRowsWish
from agents.planning import Estimate
from agents.recipe import Method, Recipe
from agents.row_changes import PlannedRows
from agents.run_documents import Document
from agents.services import Services
from configs.schema import Backend, GenerationSettings

MADE = "made rows"
BY_RULES = (Strategy.PERTURB, Strategy.RECOMBINE)
BY_MODEL = (Strategy.VARY, Strategy.PERSONA, Strategy.EVOLVE)
FROM_FACTS = (Strategy.FROM_FACTS, Strategy.CITED)
RULES_ROW_S, MODEL_ROW_S, SIFTED_ROW_S = 0.02, 3.0, 0.05
"""Seconds a row takes, roughly: made by rules, by a language model (further tries included), looked at."""
UNUSED_DOCUMENTS = (
    "Your documents are not used: reply “use the documents” to have rows made from them."
)
BEGIN_S = 30.0
"""Seconds that programs take to start and to load what they look with."""


class PlannedGeneration(BaseModel):
    """What a plan says about made rows: the column `Plan.generation`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    wish: MadeRowsWish = NOTHING
    """What it comes from; a reply is added to it."""
    terms: GenerationTerms | None = None
    """What is made; None: nothing new."""
    why: tuple[str, ...] = ()
    llm: str | None = None
    """The language model that is sent rows to learn from; no other one is asked. None: nobody is."""
    most_calls: int = 0
    documents: tuple[Document, ...] = ()
    search: tuple[str, ...] = ()
    """What is looked for on the web."""
    queries: tuple[tuple[str, str], ...] = ()
    """(database, SQL)."""
    again: int | None = None
    """Try whose made rows are learnt again."""
    again_rows: int = 0
    expected_s: float = 0.0
    """To make new ones and to look at them."""

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return self.terms is not None or self.again is not None

    @property
    def rows(self) -> int:
        """Made rows that are learnt, as far as planned."""
        new = round(self.terms.rows * self.terms.weight) if self.terms else 0
        return new + self.again_rows


@dataclass(frozen=True)
class Made:
    """What came of planning made rows."""

    planned: PlannedGeneration | None = None
    notes: tuple[str, ...] = ()
    kept: MadeRowsWish | None = None
    """What holds for the tries to come, where the reply says so."""

    @property
    def as_rows(self) -> dict[str, Any]:
        """What is kept of it: a column of the plan, and one of the run where that changes."""
        planned = None if self.planned is None else self.planned.model_dump(mode="json")
        kept = {} if self.kept is None else {"made_rows": self.kept.model_dump(mode="json")}
        return {"generation": planned, **kept}


def of_plan(generation: dict[str, Any] | None) -> PlannedGeneration | None:
    """Return what a plan's column says."""
    return None if generation is None else PlannedGeneration.model_validate(generation)


async def make(services: Services, known: Known, rows: PlannedRows | None, method: Method) -> Made:
    """Return which rows are made, and what a person must know about it."""
    said = known.about_made
    notes = () if said is None else said.notes
    wish = _wish(services.settings.generation, known)
    again = _again(known)
    if wish.off:
        return Made(None, (*notes, "No made rows are used."), kept=wish)
    why_not = _impossible(known, method)
    if why_not is not None:
        told = (*notes, why_not) if wish and not _only_offered(known, wish) else notes
        return Made(None, told)
    if not wish and _given(known) and known.is_first:
        notes = (*notes, UNUSED_DOCUMENTS)
    if not wish and again is None:
        return Made(None, notes)
    supply = await asyncio.to_thread(_supply, services, known, rows, again)
    planned, more = _planned(services, known, wish, supply)
    if again is not None:
        planned = (planned or PlannedGeneration(wish=wish)).model_copy(
            update={"again": again[0], "again_rows": again[1]}
        )
    return Made(planned, (*notes, *more))


def fitting(made: Made, recipe: Recipe) -> Made:
    """Return the same, without new rows where a recipe cannot be trained with and without them side by side."""
    planned = made.planned
    if planned is None or planned.terms is None:
        return made
    if recipe.backend is Backend.AUTOTRAIN:
        why = (
            "AutoTrain cannot compare a training with made rows with one without, so none are made."
        )
    elif recipe.candidates is not None:
        why = (
            "Several candidates are tried, so no rows are made: one change at a time tells what helped. Reply “no candidates” "
            "to have them made instead."
        )
    else:
        return made
    # what was wanted stays: a later reply may make it possible
    without = planned.model_copy(update={"terms": None, "why": ()})
    return Made(without, (*made.notes, why), made.kept)


def with_it(estimate: Estimate, planned: PlannedGeneration | None) -> Estimate:
    """Return an estimate that counts made rows as rows already with the time that they take beside that."""
    if planned is None or planned.terms is None:
        return estimate
    return replace(estimate, make_s=planned.expected_s, without_s=estimate.train_s)


def difference(known: Known, planned: PlannedGeneration | None) -> list[tuple[str, str, str]]:
    """Return how made rows differ from those of the plan before, as a line of the plan's changes."""
    before = of_plan(known.before.generation) if known.before is not None else None
    if known.before is None:
        return []
    old, new = (0 if one is None else one.rows for one in (before, planned))
    return [(MADE, f"{old:,}", f"{new:,}")] if old != new else []


def shown(planned: PlannedGeneration | None) -> dict[str, Any]:
    """Return what the card says about made rows, and what an approval is bound to."""
    return {} if not planned else {"generation": planned.model_dump(mode="json")}


def _wish(settings: GenerationSettings, known: Known) -> MadeRowsWish:
    """Return all that is wanted now: what was said at the start, what the debugger proposes, what the last replies say."""
    if known.revert is not None:
        return NOTHING
    told = MadeRowsWish.model_validate(known.run.made_rows or {})
    if known.is_first:
        wish = told
        if known.run.iteration > 1:
            wish = offers.made_rows(known.suggestions, known.taken)
        elif not told and not told.off and settings.propose:
            wish = MadeRowsWish(auto=True)
    else:
        before = of_plan(known.before.generation) if known.before is not None else None
        wish = NOTHING if before is None else before.wish
        if known.taking is not None:
            wish = offers.made_rows_taken(known.suggestions, known.taken, wish)
    return wish if known.about_made is None else known.about_made.wish.after(wish)


def _only_offered(known: Known, wish: MadeRowsWish) -> bool:
    """Tell whether nobody has asked for rows: the settings let plans propose some."""
    return wish == MadeRowsWish(auto=True) and not known.run.made_rows and known.about_made is None


def _again(known: Known) -> tuple[int, int] | None:
    """Return the try whose made rows are learnt again, and how many these are."""
    if not known.is_first and known.revert is None and known.before is not None:
        before = of_plan(known.before.generation)
        return None if before is None or before.again is None else (before.again, before.again_rows)
    if known.made is None or not known.made.rows:
        return None
    return int(known.made.role.partition(".")[2]), known.made.rows


def _impossible(known: Known, method: Method) -> str | None:
    if known.data.shape is not RowShape.PROMPT_COMPLETION or method is not Method.SFT:
        return "I make rows for prompts with answers that are learnt from directly (sft), so none are made here."
    return None


def _supply(
    services: Services, known: Known, rows: PlannedRows | None, again: tuple[int, int] | None
) -> Supply:
    sha256 = known.files["train"].sha256 if rows is None else rows.train.sha256
    raw = services.files.path(sha256).read_bytes()
    if again is not None and known.made is not None:
        raw += b"\n" + services.files.path(known.made.sha256).read_bytes()
    return generation_need.count(raw, known.data)


def _planned(
    services: Services, known: Known, wish: MadeRowsWish, supply: Supply
) -> tuple[PlannedGeneration | None, list[str]]:
    if not wish:
        return None, []
    settings = services.settings.generation
    found = generation_need.wanted(wish, supply, known.ahead)
    if not found.strata:
        quiet = _only_offered(known, wish)
        looked = "I looked whether rows are missing and found no sign of it, so none are made. Say how many you want for all that: “make 100 more rows”."
        return None, [] if quiet else [looked]
    strata, bound = generation_need.bounded(
        found.strata, supply, settings.most_share, settings.max_rows
    )
    notes = [bound] if bound else []
    if not strata:
        return None, notes
    backend, llm, missing = _backend(services)
    with_facts, about_facts = _with_facts(known, wish, backend)
    notes += [note for note in (missing, about_facts) if note is not None]
    rows = generation_need.total(strata)
    row_s = RULES_ROW_S if llm is None else MODEL_ROW_S
    return PlannedGeneration(
        wish=wish,
        terms=GenerationTerms(
            backend=backend,
            strategies=_strategies(backend, supply, with_facts=with_facts),
            strata=strata,
            weight=settings.weight,
            most_share=settings.most_share,
            with_facts=with_facts,
            seed=known.run.iteration,
        ),
        why=found.why,
        llm=llm,
        most_calls=0 if llm is None else settings.max_calls,
        documents=known.documents if with_facts else (),
        expected_s=BEGIN_S + rows * (row_s + SIFTED_ROW_S),
    ), notes


def _backend(services: Services) -> tuple[RowsBackend, str | None, str | None]:
    """Return who makes rows, the language model that is asked, and what a person is told where it is not the one that is set up."""
    backend = RowsBackend(services.settings.generation.backend)
    if backend is RowsBackend.RULES:
        return backend, None, None
    if services.llm is None:
        missing = "No language model is configured, so rows are made by rules."
        wanted = backend is RowsBackend.CURATOR
        return RowsBackend.RULES, None, missing if wanted else None
    return backend, services.llm.name, None


def _with_facts(known: Known, wish: MadeRowsWish, backend: RowsBackend) -> tuple[bool, str | None]:
    """Tell whether documents are used, and what a person is told where they are not in spite of a wish for it."""
    if wish.with_facts is False or not (wish.with_facts or known.documents):
        return False, None
    if not known.documents:
        return False, "There are no documents in this run, so rows are made from your rows alone."
    if backend is RowsBackend.RULES:
        return (
            False,
            "Documents are not used: only a language model makes rows from them, and none is asked here.",
        )
    return True, None


def _strategies(backend: RowsBackend, supply: Supply, *, with_facts: bool) -> Sequence[Strategy]:
    if backend is RowsBackend.RULES:
        return BY_RULES
    found = [*BY_MODEL, Strategy.FROM_LABEL] if supply.by_label else [*BY_MODEL]
    return tuple([*found, *FROM_FACTS] if with_facts else found)


def _given(known: Known) -> bool:
    """Tell whether documents came with the run: who sent one wants to know what becomes of it."""
    return any(not document.of_library for document in known.documents)
