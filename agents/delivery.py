"""Pack an adapter for the world: PEFT's own files, a model card and a lock file, in one zip with stable bytes."""

import hashlib
import json
import re
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sqlmodel import Session

from agents import continuing, kept, model_card, weights, work
from agents.continuing import Parent
from agents.jobs import EvaluateResult, JobKind, TrainResult
from agents.made_rows import MadeRows
from agents.model_card import Parcel
from agents.recipe import Recipe
from agents.services import Services, UserError
from configs import registry
from storage import datasets, jobs, runs
from storage.models import Run

WEIGHTS = "adapter_model.safetensors"
ADAPTER_FILES = ("adapter_config.json", WEIGHTS)
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold: the same content gives the same bytes."""
CHUNK_BYTES = 2**20


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


def read_parcel(session: Session, services: Services, run_id: int) -> Parcel:
    """Read what a delivery of a run's iteration is made from.

    Raises: UserError: the training left no adapter, or the catalogue does not know the base any more.
    """
    run = runs.get(session, run_id)
    plan_row = datasets.latest_plan(session, run_id, run.iteration)
    report = datasets.report_of(session, run_id, run.iteration)
    job = jobs.latest(session, run_id, JobKind.TRAIN, run.iteration)
    if plan_row is None or report is None or job is None:
        raise LookupError(f"run {run_id} has nothing to deliver in iteration {run.iteration}")
    trained = TrainResult.model_validate(work.payload(job))
    if trained.adapter_dir is None:
        raise UserError("The training left no adapter that could be handed over.")
    recipe = kept.recipe_of(plan_row, job)
    source = services.model_ref(recipe.model).source
    uploads = datasets.uploads(session, run_id)
    found = {
        "train": datasets.train_of(session, run_id, run.iteration),
        "made": datasets.made_of(session, run_id, run.iteration),
        "dev": datasets.find(session, run_id, "dev"),
        "test": datasets.find(session, run_id, "test"),
    }
    sets = {upload.role: upload for upload in uploads}
    sets |= {role: dataset for role, dataset in found.items() if dataset is not None}
    return Parcel(
        run=run,
        recipe=recipe,
        trained=trained,
        evaluated=EvaluateResult.model_validate(report.payload),
        adapter_job_id=job.id,
        data_sha256={role: dataset.sha256 for role, dataset in sets.items()},
        rows={role: dataset.rows for role, dataset in sets.items() if dataset.rows},
        dequantised=source.startswith("package:"),
        facts=registry.facts_of(recipe.model, source),
        parent=continuing.parent_of(run),
        weights={upload.role: weights.of(upload) for upload in uploads} if uploads[1:] else {},
        made=_made_rows(session, run, datasets.MADE),
        unused=_made_rows(session, run, datasets.UNUSED),
    )


def _made_rows(session: Session, run: Run, role: str) -> MadeRows | None:
    own = datasets.role_of_try(role, run.iteration)
    found = datasets.find(session, work.number(run), own)
    return None if found is None else MadeRows.model_validate(found.details)


def pack(services: Services, parcel: Parcel) -> Packed:
    """Write the zip into the file store. Packing the same parcel again gives the same file.

    Raises: FileNotFoundError: the adapter is not where the training left it. UserError: it is not as it left it.
    """
    folder = services.job_folder(parcel.adapter_job_id) / (parcel.trained.adapter_dir or "")
    name = name_of(parcel.run, parcel.recipe)
    with (folder / WEIGHTS).open("rb") as weights:
        digest = hashlib.file_digest(weights, "sha256").hexdigest()
    if digest != parcel.trained.adapter_sha256:
        raise UserError(
            "The adapter on this machine's disk is not the one that was trained and measured, so I do not hand it over. Whoever "
            "runs this bot should look at the disk; a new run trains it again."
        )
    stored = services.files.put_written(lambda stream: _zip(stream, name, folder, parcel))
    return Packed(
        name=f"{name}.zip",
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        folder=name,
        base=parcel.base,
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
        **({"weights": parcel.weights} if parcel.weights else {}),
        **_made_facts(parcel),
        **_parent_facts(parcel.parent),
        "base_sha256": parcel.trained.base_sha256,
        "base_hub_id": parcel.trained.base_hub_id,
        "adapter_sha256": parcel.trained.adapter_sha256,
        "best_step": parcel.trained.best_step,
        "steps_done": parcel.trained.steps_done,
        "versions": parcel.trained.versions,
    }


def _made_facts(parcel: Parcel) -> dict[str, Any]:
    """Return what made rows were learnt, without who has struck some and what databases were asked: it may be published."""
    if parcel.made is None:
        return {}
    known = parcel.made.model_dump(mode="json", exclude={"asked", "struck"})
    return {"made_rows": known | {"struck": [one.number for one in parcel.made.struck]}}


def _parent_facts(parent: Parent | None) -> dict[str, Any]:
    if parent is None:
        return {}
    facts = {
        "run": parent.run,
        "iteration": parent.iteration,
        "adapter_sha256": parent.adapter_sha256,
    }
    return {"continued_from": facts}


def card(parcel: Parcel, where: str = ".") -> str:
    """Return the README of an adapter that lies in a folder, or in a repository of a hub."""
    code = snippet(parcel.base, where, scores=parcel.scores)
    run_it = f"```python\nimport peft, transformers\n{code}\n```"
    return model_card.model_card(parcel, name_of(parcel.run, parcel.recipe), run_it)


def beside(parcel: Parcel) -> dict[str, bytes]:
    """Return what lies beside weights and card: the lock file, and the licence where the card refers to it."""
    files = {"run.lock.json": json.dumps(lock(parcel), indent=1, sort_keys=True).encode()}
    licence = model_card.licence_text(parcel)
    return files if licence is None else {model_card.LICENCE_FILE: licence.encode(), **files}


def _zip(stream: BinaryIO, name: str, folder: Path, parcel: Parcel) -> None:
    # The weights of a full fine-tuning are gigabytes: they go through in pieces.
    with zipfile.ZipFile(stream, "w") as archive:
        for file in ADAPTER_FILES:
            entry = _entry(f"{name}/{file}")
            entry.file_size = (folder / file).stat().st_size
            with (folder / file).open("rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target, CHUNK_BYTES)
        for file, content in {"README.md": card(parcel).encode(), **beside(parcel)}.items():
            archive.writestr(_entry(f"{name}/{file}"), content)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=EPOCH)
    entry.external_attr = 0o644 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.casefold()).strip("-.") or "adapter"
