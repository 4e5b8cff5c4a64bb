"""What a person is shown of made rows before any is learnt, and what their answer is bound to."""

from typing import Any

from agents import made_rows
from agents.jobs import MADE_ROWS, Source
from agents.made_jobs import Batch
from agents.made_review import Review
from agents.made_rows import Row
from agents.planned_generation import PlannedGeneration
from storage.files import StoredFile

FROM_OUTSIDE = frozenset({"page", "database"})
"""Kinds of sources that the people of the run have not given themselves: somebody has to look at what is made from them."""
EXAMPLES = 2
"""Of each sieve."""
MOST_ASKED = 20


def readable(rows: list[Row]) -> bytes:
    """Return all rows of a batch for people: a line each, with its number."""
    return made_rows.joined(
        {
            "number": made_rows.number_of(row),
            "prompt": row.get("prompt"),
            "completion": row.get("completion"),
            "strategy": row["made"]["strategy"],
            "seeds": row["made"].get("seeds", []),
            "facts": row["made"].get("facts", []),
        }
        for row in rows
    )


def shown(
    planned: PlannedGeneration,
    batch: Batch,
    review: Review,
    left: list[Row],
    shift: int,
    file: StoredFile,
) -> dict[str, Any]:
    """Return it. `left` are the rows that are not struck; `shift` lies between a draft's number and what people know it by."""
    terms = planned.terms
    assert terms is not None
    there = {made_rows.number_of(row) for row in left}
    sample = [
        one.model_dump(mode="json") | {"number": one.row - MADE_ROWS + shift}
        for one in batch.sifted.sample
    ]
    sources = _sources(batch, left)
    return {
        "batch": review.batch,
        "wanted": terms.rows,
        "drafts": batch.made.rows,
        "rows": len(left),
        "numbers": sorted(there),
        "sample": [one for one in sample if one["number"] in there],
        "strata": _strata(batch, left),
        "sifted": [
            {
                "sieve": one.sieve.value,
                "rows": one.rows,
                "examples": [
                    {"number": row - MADE_ROWS + shift, "excerpt": excerpt, "why": why}
                    for row, excerpt, why in one.examples[:EXAMPLES]
                ],
            }
            for one in batch.sifted.sifted
            if one.rows
        ],
        "distinct_2": [batch.sifted.distinct_2, batch.sifted.distinct_2_train],
        "spread": [batch.sifted.spread, batch.sifted.spread_train],
        "backend": terms.backend.value,
        "model": batch.made.model,
        "unusable": batch.made.unusable,
        "sources": [source.model_dump(mode="json") for source in sources],
        "requests": list(batch.gathered.requests[:MOST_ASKED]) if batch.gathered else [],
        "refused": list(batch.gathered.refused[:MOST_ASKED]) if batch.gathered else [],
        "queries": [list(query) for query in planned.queries],
        "notes": list(batch.notes),
        "struck": [struck.model_dump(mode="json") for struck in review.struck],
        "words": list(review.notes),
        "later": list(review.later),
        "rows_sha256": file.sha256,
        "size_bytes": file.size_bytes,
    }


def needs_person(batch: Batch) -> bool:
    """Tell whether something was read that no person of the run has given."""
    found = batch.gathered
    return found is not None and any(source.kind in FROM_OUTSIDE for source in found.sources)


def _sources(batch: Batch, rows: list[Row]) -> tuple[Source, ...]:
    return made_rows.sources_of(rows, made_rows.lines_of(batch.facts))


def _strata(batch: Batch, left: list[Row]) -> list[list[Any]]:
    """Count the rows that are left by what they were counted by when they were sifted: answers, or strategies."""
    known = {name for name, _rows in batch.sifted.strata}
    by_answer = made_rows.by_number(map(made_rows.answer_of, left))
    if {name for name, _rows in by_answer} <= known:
        return [list(one) for one in by_answer]
    return [list(one) for one in made_rows.by_number(row["made"]["strategy"] for row in left)]
