"""Pack an adapter for the world: PEFT's own files, a model card and a lock file, in one zip with stable bytes."""

import io
import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.continuing import Parent
from agents.jobs import EvaluateResult, TrainResult, Verdict
from agents.recipe import Method, Recipe
from agents.services import Services
from storage.models import Run

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold: the same content gives the same bytes."""

DEQUANTISED = (
    "\nThey are 4-bit weights that were turned back into 32-bit ones: on the original weights of the same model the "
    "adapter works, but its figures were not measured there."
)

VERDICTS = {
    Verdict.BETTER: "better than its base",
    Verdict.WORSE: "worse than its base",
    Verdict.CANNOT_TELL: "not shown to differ from its base",
}


@dataclass(frozen=True)
class Parcel:
    """What goes into a delivery, read from rows."""

    run: Run
    recipe: Recipe
    trained: TrainResult
    evaluated: EvaluateResult
    adapter_job_id: str
    data_sha256: dict[str, str]
    rows: dict[str, int]
    dequantised: bool
    """The base weights came with a Python package, as 4-bit ones."""
    parent: Parent | None = None
    """The adapter of an earlier run that the training started from."""


@dataclass(frozen=True)
class Packed:
    """A zip in the file store."""

    name: str
    sha256: str
    size_bytes: int
    folder: str
    """Name of the folder inside the zip."""
    base: str
    """What to load the adapter on: a model hub's id or the catalogue name."""


def pack(services: Services, parcel: Parcel) -> Packed:
    """Write the zip into the file store. Packing the same parcel again gives the same file.

    Raises: FileNotFoundError: the adapter is not where the training left it. ValueError: it is not as it left it.
    """
    folder = services.job_folder(parcel.adapter_job_id) / (parcel.trained.adapter_dir or "")
    name = name_of(parcel.run, parcel.recipe)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file, data in _files(folder, parcel).items():
            entry = zipfile.ZipInfo(f"{name}/{file}", date_time=EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    stored = services.files.put(content.getvalue())
    return Packed(
        name=f"{name}.zip",
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        folder=name,
        base=parcel.trained.base_hub_id or parcel.recipe.model,
    )


def name_of(run: Run, recipe: Recipe) -> str:
    """Return what a tuned model is called: in file names, and where it is served."""
    return f"{_slug(recipe.model)}-run{run.id}-i{run.iteration}"


def snippet(base: str, folder: str, *, scores: bool = False) -> str:
    """Return the two lines that load an adapter with stock PEFT; `scores` tells that it is a reward model."""
    name = json.dumps(base)
    load = f"AutoModelForCausalLM.from_pretrained({name})"
    if scores:
        load = f"AutoModelForSequenceClassification.from_pretrained({name}, num_labels=1)"
    return (
        f"model = transformers.{load}\n"
        f"model = peft.PeftModel.from_pretrained(model, {json.dumps(folder)})"
    )


def lock(parcel: Parcel) -> dict[str, Any]:
    """Return what is needed to make the same adapter again; nothing about people."""
    return {
        "format": 1,
        "run": parcel.run.id,
        "iteration": parcel.run.iteration,
        "recipe": parcel.recipe.model_dump(mode="json"),
        "data_sha256": parcel.data_sha256,
        "rows": parcel.rows,
        **_parent_facts(parcel.parent),
        "base_sha256": parcel.trained.base_sha256,
        "base_hub_id": parcel.trained.base_hub_id,
        "adapter_sha256": parcel.trained.adapter_sha256,
        "best_step": parcel.trained.best_step,
        "steps_done": parcel.trained.steps_done,
        "versions": parcel.trained.versions,
    }


def _parent_facts(parent: Parent | None) -> dict[str, Any]:
    if parent is None:
        return {}
    facts = {
        "run": parent.run,
        "iteration": parent.iteration,
        "adapter_sha256": parent.adapter_sha256,
    }
    return {"continued_from": facts}


def model_card(parcel: Parcel) -> str:
    """Return the README of an adapter: what it is, what was measured, how to run it."""
    trained, result = parcel.trained, parcel.evaluated
    base = trained.base_hub_id or parcel.recipe.model
    primary = result.primary
    scores = parcel.recipe.method is Method.REWARD
    rows = "\n".join(
        f"| {c.metric.value} | {c.base:.3f} | {c.tuned:.3f} | {c.gain:+.3f} [{c.low:+.3f}, {c.high:+.3f}] |"
        for c in result.comparisons
    )
    return f"""---
base_model: {base}
library_name: peft
pipeline_tag: {"text-classification" if scores else "text-generation"}
tags: [lora, {parcel.recipe.method.value}, tunewright]
---

# Adapter for {base}

A LoRA adapter, tuned with Tunewright on {parcel.rows.get("train", 0):,} rows for this task:

> {_one_line(parcel.run.goal)}

## Is it better?

By the rule it is **{VERDICTS[result.verdict]}**: {primary.metric.value} went from {primary.base:.3f} to \
{primary.tuned:.3f}, a gain of {primary.gain:+.3f} (95 % interval {primary.low:+.3f} to {primary.high:+.3f}, p = \
{result.adjusted_p_value:.2g}) on {result.items} test rows that were never trained on. The test set was opened \
{result.openings} time{"s" if result.openings > 1 else ""}.

| metric | base | tuned | gain [95 % interval] |
|---|---|---|---|
{rows}

## How to run it

```python
import peft, transformers
{snippet(base, ".", scores=scores)}
```

## How it was made

Method {parcel.recipe.method.value}, LoRA rank {parcel.recipe.lora_r}, alpha {parcel.recipe.lora_alpha}, learning rate {parcel.recipe.learning_rate:g}, batch \
{parcel.recipe.batch_size}, {trained.steps_done} of {trained.steps_planned} steps; the adapter of step \
{trained.best_step} had the lowest dev loss and is this one. `run.lock.json` has data hashes, seeds and versions.
{_started_from(parcel)}The base weights it was trained on have SHA-256 `{trained.base_sha256}`.{DEQUANTISED if parcel.dequantised else ""}

## Limits

Measured on {result.items} rows of one data set with greedy answers. Nothing is said about other tasks, languages or
safety; general abilities may have suffered.
"""


def _started_from(parcel: Parcel) -> str:
    """Say where the adapter started, and how it compares with that; nothing where it is the first."""
    parent, against = parcel.parent, parcel.evaluated.against_parent
    if parent is None:
        return ""
    text = (
        f"It was trained further from the adapter of run {parent.run}, try {parent.iteration} "
        f"(SHA-256 `{parent.adapter_sha256}`), which it replaces: load one of the two.\n"
    )
    if against is not None:
        text += (
            f"Against that adapter, on the same test rows: {against.metric.value} {against.parent:.3f} to {against.tuned:.3f}, "
            f"{against.gain:+.3f} (95 % interval {against.low:+.3f} to {against.high:+.3f}).\n"
        )
    return text


def _files(folder: Path, parcel: Parcel) -> dict[str, bytes]:
    files = {name: (folder / name).read_bytes() for name in ADAPTER_FILES}
    files["README.md"] = model_card(parcel).encode()
    files["run.lock.json"] = json.dumps(lock(parcel), indent=1, sort_keys=True).encode()
    return files


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.casefold()).strip("-.") or "adapter"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500].replace("<", "&lt;")
