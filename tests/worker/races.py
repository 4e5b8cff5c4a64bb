"""Races of three candidates on a tiny model, for tests.

Twelve steps that look at the dev rows at 4, 8 and 12: two of three go on after step 4, one after step 8.
"""

from pathlib import Path
from typing import Any

from agents.jobs import JobResult, TrainResult
from agents.recipe import Recipe
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import RECIPE, open_job, train_spec

ALL_STEPS = 3 * 4 + 2 * 4 + 4
"""Of three candidates."""
RATES = (2e-3, 2e-2, 5e-4)
"""The second one learns most."""
BEST = 2


def among(recipe: Recipe = RECIPE, field: str = "learning_rate", *values: float) -> Recipe:
    """Return a recipe with candidates."""
    first, *_others = values = values or RATES
    chosen = {"candidates": {"field": field, "values": values}, field: first}
    return Recipe.model_validate(recipe.model_dump() | chosen)


def trained(result: JobResult | None) -> TrainResult:
    """Return what a training has left."""
    assert result is not None
    assert isinstance(result.payload, TrainResult), result
    return result.payload


def without_clock(payload: TrainResult) -> dict[str, Any]:
    """Return what does not depend on how long things took, or where they went on."""
    told = payload.model_dump(
        exclude={"train_s", "tokens_per_s", "peak_memory_bytes", "resumed_from_step"}
    )
    told["candidates"] = [
        {k: v for k, v in c.items() if k != "train_s"} for c in told["candidates"]
    ]
    return told


def run_whole(worker: ForkServer, tiny: Path, root: Path) -> tuple[Path, TrainResult]:
    """Return the job folder of a race that nothing happens to, and its result."""
    job = open_job(root / "job", train_spec(tiny, root, recipe=among()))
    return job, trained(worker.run(job))
