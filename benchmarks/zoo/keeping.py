"""Evidence that is kept: under a name that says what it depends on, so that other rules ask it anew and nothing older."""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.zoo.playing import TASK, upload
from benchmarks.zoo.situations import RECIPE, Situation
from configs.schema import IntakeSettings

ROOT = Path(__file__).parents[2]
SOURCES = (
    "agents/jobs",
    "agents/worker",
    "agents/counts.py",
    "agents/recipe.py",
    "benchmarks/zoo/base.py",
    "benchmarks/zoo/faults.py",
    "benchmarks/zoo/language.py",
    "benchmarks/zoo/playing.py",
)
"""What reads, trains and evaluates, and what the base model is made of. Rules and scores are not among it."""
PACKAGES = ("torch", "transformers", "trl", "peft")
KEY_CHARS = 12


def name(situation: Situation, seed: int, recipe: dict[str, Any], *, real: bool) -> str:
    """Return the file's name for the evidence of a situation. `recipe` is what the base model wants otherwise."""
    planted = [
        situation.header,
        situation.other_seeds,
        *map(_named, (situation.worker, situation.trained_on, situation.asked_as)),
    ]
    facts = [
        hashlib.sha256(upload(situation, seed)).hexdigest(),
        RECIPE | situation.recipe | recipe,
        planted,
        TASK,
        IntakeSettings().model_dump(mode="json"),
        program(),
    ]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:KEY_CHARS]
    return f"{'real-' if real else ''}{situation.name}-{seed}-{key}.json"


@cache
def program() -> str:
    """Return a digest of the sources and packages that evidence depends on."""
    digest = hashlib.sha256()
    for source in SOURCES:
        path = ROOT / source
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    digest.update(" ".join(map(version, PACKAGES)).encode())
    return digest.hexdigest()


def _named(fault: Callable[..., Any] | None) -> str | None:
    return None if fault is None else fault.__qualname__
