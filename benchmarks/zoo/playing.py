"""One situation from its upload to the evidence: intake, measurement, training and evaluation by the worker's own code."""

import csv
import hashlib
import io
import json
import random
import tempfile
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agents.diagnosis import Evidence, Try
from agents.jobs import (
    EvaluateResult,
    EvaluateSpec,
    FileRef,
    IntakeResult,
    IntakeSpec,
    JobSpec,
    MeasureResult,
    MeasureSpec,
    ModelRef,
    Spec,
    TrainResult,
    TrainSpec,
    write_spec,
)
from agents.recipe import Recipe
from benchmarks.zoo.situations import RECIPE, Situation
from configs.schema import IntakeSettings

TASK = "Say what is to be done with this message"
PARTS: dict[str, type[BaseModel]] = {
    "data": IntakeResult,
    "measured": MeasureResult,
    "trained": TrainResult,
    "evaluated": EvaluateResult,
}


def play(situation: Situation, seed: int, base: ModelRef, recipe: dict[str, Any]) -> Evidence:
    """Plant a fault, carry the work out to its end or to where it breaks off, and return what is known then.

    `recipe` is what the base model wants otherwise than `RECIPE` has it.
    Raises: WorkerError: a step refuses the rows; the worker's message is the diagnosis then.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data = _read(situation, seed, root)
        recipe = RECIPE | situation.recipe | recipe | {"seed": seed}
        chosen = Recipe(model="zoo", primary_metric=data.suggested_metric, **recipe)
        model = _other(base, situation.trained_on, root)
        with situation.worker():
            measured = _work(root, "measure", _measure_spec(root, data, model, chosen))
            trained = _work(root, "train", _train_spec(root, data, model, chosen))
            others = tuple(
                _again(root, data, model, chosen.model_copy(update={"seed": chosen.seed + number}))
                for number in range(1, situation.other_seeds + 1)
            )
        known: dict[str, Any] = {"measured": measured.payload, "trained": trained.payload}
        if trained.error is None:
            asked = _other(model, situation.asked_as, root)
            spec = _evaluate_spec(root, data, asked, chosen)
            known["evaluated"] = _work(root, "evaluate", spec).payload
        return Evidence(
            recipe=chosen,
            train_rows=data.train_rows,
            error_code=trained.error.code if trained.error else None,
            data=data,
            others=others,
            **known,
        )


def _again(root: Path, data: IntakeResult, model: ModelRef, recipe: Recipe) -> Try:
    name = f"train-{recipe.seed}"
    spec = _train_spec(root, data, model, recipe)
    spec = spec.model_copy(update={"checkpoints_dir": str(root / f"checkpoints-{recipe.seed}")})
    trained = _work(root, name, spec).payload
    return Try(recipe, min(loss for _step, loss in trained.dev_losses[1:]))


def to_json(evidence: Evidence) -> str:
    """Return evidence as text."""
    known = {field.name: getattr(evidence, field.name) for field in fields(evidence)}
    plain = {
        name: part.model_dump(mode="json") if hasattr(part, "model_dump") else part
        for name, part in known.items()
    }
    plain["others"] = [[t.recipe.model_dump(mode="json"), t.best_dev_loss] for t in evidence.others]
    return json.dumps(plain)


def from_json(text: str) -> Evidence:
    """Return evidence from its text."""
    plain = json.loads(text)
    parts = {
        name: kind.model_validate(plain[name])
        for name, kind in PARTS.items()
        if plain[name] is not None
    }
    recipe = Recipe.model_validate(plain["recipe"])
    others = tuple(Try(Recipe.model_validate(old), loss) for old, loss in plain["others"])
    return Evidence(**plain | parts | {"recipe": recipe, "others": others})


def upload(situation: Situation, seed: int) -> bytes:
    """Return the file that a person would bring."""
    chance = random.Random(seed * 1000 + zlib.crc32(situation.name.encode()) % 1000)
    text = io.StringIO()
    csv.writer(text).writerows([situation.header, *situation.rows(chance)])
    return text.getvalue().encode()


def _read(situation: Situation, seed: int, root: Path) -> IntakeResult:
    from agents.worker.read_dataset import read_upload

    content = upload(situation, seed)
    folder = root / "intake"
    folder.mkdir()
    (folder / "upload").write_bytes(content)
    limits = IntakeSettings()
    spec = IntakeSpec(
        upload=FileRef(
            path=str(folder / "upload"),
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            name="rows.csv",
        ),
        task=TASK,
        seed=seed,
        max_unpacked_bytes=limits.max_upload_bytes,
        **limits.model_dump(exclude={"max_upload_bytes"}),
    )
    return read_upload(folder, spec)


def _work(root: Path, name: str, spec: Spec) -> Any:
    """Do a job in this process, the way a worker does; whatever a job explains is in its result."""
    from agents.worker.__main__ import PROGRAM

    folder = root / name
    folder.mkdir()
    write_spec(folder, JobSpec(job_id=name, spec=spec))
    result = PROGRAM.do(folder)
    if result.error is not None and result.error.code != "non_finite_loss":
        raise RuntimeError(f"{name}: {result.error.code}: {result.error.message}")
    return result


def _other(model: ModelRef, change: Any, root: Path) -> ModelRef:
    if change is None:
        return model
    folder = change(Path(model.source.removeprefix("folder:")), root)
    return model.model_copy(update={"source": f"folder:{folder}"})


def _file(root: Path, ref: FileRef) -> FileRef:
    return ref.model_copy(update={"path": str(root / "intake" / ref.path)})


def _measure_spec(root: Path, data: IntakeResult, model: ModelRef, recipe: Recipe) -> MeasureSpec:
    return MeasureSpec(model=model, train=_file(root, data.train), recipe=recipe, threads=1)


def _train_spec(root: Path, data: IntakeResult, model: ModelRef, recipe: Recipe) -> TrainSpec:
    return TrainSpec(
        model=model,
        train=_file(root, data.train),
        dev=_file(root, data.dev),
        recipe=recipe,
        save_steps=20,
        checkpoint_fraction=0.5,
        hold_at_checkpoint=False,
        checkpoints_dir=str(root / "checkpoints"),
        threads=1,
    )


def _evaluate_spec(root: Path, data: IntakeResult, model: ModelRef, recipe: Recipe) -> EvaluateSpec:
    return EvaluateSpec(
        model=model,
        adapter_dir=str(root / "train" / "artifacts" / "adapter"),
        test=_file(root, data.test),
        recipe=recipe,
        swap_rows=_file(root, data.dev),
        task=TASK,
        threads=1,
    )
