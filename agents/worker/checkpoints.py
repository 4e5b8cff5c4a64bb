"""Checkpoints that can be trusted: a folder counts when its manifest, written last, matches every file in it.

    checkpoints/checkpoint-30/   adapter, optimizer, random state, trainer state     written by the trainer
                MANIFEST.json    sizes, sha256, step, loss on the dev rows           LAST: temporary name, fsync, rename
                damaged.txt      a sentence for each one that was finished and no longer matched

Whatever does not verify is deleted before anything is read from it: a kill while saving, a full disk, a flipped bit.
Nothing beside the manifests says which checkpoint is best, so nothing can disagree with them.
"""

import hashlib
import json
import math
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from agents.jobs import LossSpike, TrainSpec, write_atomically
from agents.worker.digests import sha256_of

MANIFEST = "MANIFEST.json"
DAMAGED = "damaged.txt"
ADAPTER_FILES = ("adapter_model.safetensors", "adapter_config.json")
NEWEST_KEPT = 2
"""One to resume from, and one in case it turns out to be damaged. The best one is kept beside them."""


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileFacts(_Facts):
    """What a file must be to count."""

    size_bytes: int
    sha256: str


class Origin(_Facts):
    """What a training rests on; the same for all of its checkpoints."""

    training_sha256: str
    """Of model, data, recipe and the adapter that it started from: a checkpoint of another training is none of ours."""
    steps: int
    base_sha256: str
    base_hub_id: str | None
    template_sha256: str | None = None
    """Of the chat template; None in checkpoints of older versions."""
    versions: dict[str, str]
    rows_left_out: tuple[int, ...] = ()
    """Numbers of the first rows that were too long to learn anything from."""


class Standing(_Facts):
    """How far a training had come."""

    step: int
    dev_loss: float | None
    """None where the dev rows were not looked at."""
    tokens: int
    train_s: float
    """Seconds spent in optimizer steps, over all attempts."""
    peak_memory_bytes: int
    spikes: tuple[LossSpike, ...] = ()


class Manifest(_Facts):
    """`MANIFEST.json`."""

    origin: Origin
    standing: Standing
    files: dict[str, FileFacts]
    sha256: str = ""
    """Of all the above."""

    def signed(self) -> "Manifest":
        """Return the manifest with its own digest filled in."""
        bare = self.model_copy(update={"sha256": ""}).model_dump_json()
        return self.model_copy(update={"sha256": hashlib.sha256(bare.encode()).hexdigest()})


@dataclass(frozen=True)
class Checkpoint:
    """A folder whose manifest matched its files."""

    folder: Path
    manifest: Manifest

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return self.manifest.standing.step

    @property
    def dev_loss(self) -> float:
        """Loss on the dev rows; infinite where unknown, so that such a checkpoint is never the best."""
        loss = self.manifest.standing.dev_loss
        return math.inf if loss is None else loss

    def history(self) -> list[dict[str, Any]]:
        """Return what the trainer logged up to here."""
        state = json.loads((self.folder / "trainer_state.json").read_bytes())
        logged: list[dict[str, Any]] = state["log_history"]
        return logged


def training_sha256(spec: TrainSpec) -> str:
    """Return what tells one training from another; thread counts and folders do not matter."""
    # one of several candidates is the training that it would be alone
    recipe = spec.recipe.model_dump_json(exclude={"candidates"})
    parts = [spec.model.source, spec.train.sha256, spec.dev.sha256, recipe]
    if spec.parent is not None:
        parts.append(spec.parent.adapter_sha256)
    if spec.steps is not None:
        parts.append(f"{spec.steps} steps")
    if spec.reward_scale is not None:
        parts.append(spec.reward_scale.model_dump_json())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def folder_of(checkpoints_dir: Path, step: int) -> Path:
    """Return where the trainer saves a step."""
    return checkpoints_dir / f"checkpoint-{step}"


def seal(folder: Path, origin: Origin, standing: Standing) -> Checkpoint:
    """Write the manifest of a saved folder: from now on it counts."""
    files = {path.name: _facts(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}
    manifest = Manifest(origin=origin, standing=standing, files=files).signed()
    write_atomically(folder / MANIFEST, manifest.model_dump_json(indent=1).encode())
    return Checkpoint(folder, manifest)


def verified(checkpoints_dir: Path, training: str) -> list[Checkpoint]:
    """Return the checkpoints of a training that verify, oldest first, and delete all others.

    What was whole once and is not any more is noted first; a save that was cut off is not damage.
    """
    good: list[Checkpoint] = []
    for folder in checkpoints_dir.glob("checkpoint-*"):
        found = _verify(folder)
        if isinstance(found, Manifest) and found.origin.training_sha256 == training:
            good.append(Checkpoint(folder, found))
            continue
        if isinstance(found, str):
            _note(checkpoints_dir, folder, found)
        _delete(folder)
    return sorted(good, key=lambda checkpoint: checkpoint.step)


def damages(checkpoints_dir: Path) -> tuple[str, ...]:
    """Return a sentence for each checkpoint that was found damaged, in any attempt."""
    try:
        return tuple((checkpoints_dir / DAMAGED).read_text().splitlines())
    except FileNotFoundError:
        return ()


def best_of(checkpoints: Iterable[Checkpoint]) -> Checkpoint | None:
    """Return the checkpoint with the lowest dev loss, the earlier one of equals; None if there is no checkpoint."""
    return min(
        checkpoints, key=lambda checkpoint: (checkpoint.dev_loss, checkpoint.step), default=None
    )


def prune(checkpoints: list[Checkpoint]) -> list[Checkpoint]:
    """Delete all but the newest two and the best one; return what is left, oldest first."""
    best = best_of(checkpoints)
    kept = [c for c in checkpoints if c is best or c in checkpoints[-NEWEST_KEPT:]]
    for checkpoint in checkpoints:
        if checkpoint not in kept:
            _delete(checkpoint.folder)
    return kept


def export_adapter(checkpoint: Checkpoint, artifacts: Path) -> str:
    """Copy a checkpoint's adapter to `artifacts/adapter`, whole or not at all, and return the sha256 of its weights.

    Raises: OSError: the copy is not what the manifest says, or the disk is full.
    """
    target, half = artifacts / "adapter", artifacts / ".adapter.tmp"
    for leftover in (target, half):
        shutil.rmtree(leftover, ignore_errors=True)
    half.mkdir(parents=True)
    for name in ADAPTER_FILES:
        shutil.copyfile(checkpoint.folder / name, half / name)
        if _facts(half / name) != checkpoint.manifest.files[name]:
            raise OSError(f"{name} of step {checkpoint.step} changed while it was copied")
    half.rename(target)
    return checkpoint.manifest.files[ADAPTER_FILES[0]].sha256


def _verify(folder: Path) -> Manifest | str | None:
    """Return the manifest of a whole checkpoint, what is wrong with a damaged one, or None if it was never finished."""
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
        found = {path.name: _facts(path) for path in folder.iterdir() if path.name != MANIFEST}
    except FileNotFoundError:
        return None
    except ValidationError:
        return f"{MANIFEST} cannot be read"
    except OSError as error:
        return f"it cannot be read ({type(error).__name__})"
    if manifest != manifest.signed():
        return f"{MANIFEST} is not as it was saved"
    wrong = sorted(
        name for name in {*found, *manifest.files} if found.get(name) != manifest.files.get(name)
    )
    if not wrong:
        return manifest
    return f"{wrong[0]} is " + ("not as it was saved" if wrong[0] in found else "missing")


def _note(checkpoints_dir: Path, folder: Path, what: str) -> None:
    step = folder.name.rpartition("-")[2]
    line = f"The checkpoint of step {step} was damaged and was not used: {what}."
    known = damages(checkpoints_dir)
    if line not in known:
        write_atomically(checkpoints_dir / DAMAGED, "\n".join([*known, line]).encode())


def _delete(folder: Path) -> None:
    # The manifest goes first: a kill half-way leaves a folder that does not count.
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder)


def _facts(path: Path) -> FileFacts:
    return FileFacts(size_bytes=path.stat().st_size, sha256=sha256_of(path))
