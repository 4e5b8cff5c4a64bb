"""Trainings of thirty steps killed at any step and at any write: the adapter is that of a training nobody killed.

A sample runs by default, every step and every write with the marker `crash`. Supervised fine-tuning and DPO stand for those
without and with a reference model; tests/worker/test_methods.py kills each method once.
"""

import shutil
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from agents.jobs import JobResult, StopMode, TrainResult, TrainSpec
from agents.recipe import Method
from agents.worker.checkpoints import damages
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import method_recipe, method_spec, open_job

pytestmark = pytest.mark.torch

KILLED, TOO_LARGE = -9, -25
STEPS, SAVE_STEPS = 30, 4
SAVED = 24
"""A step with a checkpoint, not far from the end: what follows is quick to repeat."""
FILES = (
    "README.md",
    "adapter_config.json",
    "adapter_model.safetensors",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "trainer_state.json",
    "MANIFEST.json",
)
DAMAGES = ("bit", "cut", "empty", "gone")


@dataclass(frozen=True)
class Case:
    """A method, and a training by it that nothing happened to."""

    worker: ForkServer
    model: Path
    method: Method
    whole: TrainResult
    root: Path
    """Of the whole training."""
    saved: Path
    """Checkpoints of a training that was paused at `SAVED`."""

    def spec(self, root: Path) -> TrainSpec:
        return long_spec(self.model, root, self.method)

    def check_goes_on(self, root: Path, resumed_from: set[int | None]) -> TrainResult:
        """Resume, and see that it ends as the whole training did."""
        payload = trained(self.worker.run(open_job(root / "second", self.spec(root))))
        assert payload.resumed_from_step in resumed_from
        assert payload.adapter_sha256 == self.whole.adapter_sha256
        assert payload.losses == self.whole.losses
        assert payload.dev_losses == self.whole.dev_losses
        assert all(
            (folder / "MANIFEST.json").exists()
            for folder in (root / "checkpoints").glob("checkpoint-*")
        )
        return payload


def long_spec(model: Path, root: Path, method: Method) -> TrainSpec:
    recipe = method_recipe(method, epochs=3.0, max_steps=STEPS)
    return method_spec(model, root, method, recipe=recipe, save_steps=SAVE_STEPS)


def trained(result: JobResult | None) -> TrainResult:
    assert result is not None
    assert isinstance(result.payload, TrainResult), result
    return result.payload


@pytest.fixture(scope="module", params=[Method.SFT, Method.DPO])
def case(
    request: pytest.FixtureRequest,
    worker: ForkServer,
    tiny: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Case:
    method: Method = request.param
    root, paused = (tmp_path_factory.mktemp(f"{method}-{name}") for name in ("whole", "paused"))
    whole = trained(worker.run(open_job(root / "job", long_spec(tiny, root, method))))
    stop = [SAVED, StopMode.PAUSE]
    worker.run(open_job(paused / "job", long_spec(tiny, paused, method)), stop_at_step=stop)
    assert (whole.steps_done, whole.steps_planned) == (STEPS, STEPS)
    return Case(worker, tiny, method, whole, root, paused / "checkpoints")


def check_killed_at_step(case: Case, root: Path, step: int) -> None:
    job = open_job(root / "first", case.spec(root))
    assert case.worker.status(job, kill_at_step=step) == KILLED
    case.check_goes_on(root, {(step - 1) // SAVE_STEPS * SAVE_STEPS or None})


def check_killed_at_write(case: Case, root: Path, write: int) -> bool:
    """Kill before a write while saving from `SAVED` on; False when there are not so many."""
    spec = case.spec(root)
    shutil.copytree(case.saved, root / "checkpoints")
    job = open_job(root / "first", spec)
    status = case.worker.status(job, kill_at_write=[spec.checkpoints_dir, SAVED + 1, write])
    case.check_goes_on(root, {SAVED, SAVED + SAVE_STEPS, STEPS})
    assert status in {KILLED, 0}
    return status == KILLED


def check_killed_in_file(case: Case, root: Path, size_bytes: int) -> None:
    shutil.copytree(case.saved, root / "checkpoints")
    job = open_job(root / "first", case.spec(root))
    assert case.worker.status(job, kill_in_file=[SAVED + SAVE_STEPS, size_bytes]) == TOO_LARGE
    half = root / f"checkpoints/checkpoint-{SAVED + SAVE_STEPS}"
    assert max(path.stat().st_size for path in half.iterdir()) <= size_bytes
    assert not (half / "MANIFEST.json").exists()
    case.check_goes_on(root, {SAVED})


def check_damaged(case: Case, root: Path, name: str, damage: str) -> None:
    shutil.copytree(case.root / "checkpoints", root / "checkpoints")
    spoil(root / f"checkpoints/checkpoint-{STEPS}" / name, damage)

    payload = case.check_goes_on(root, {28})

    unfinished = (name, damage) == ("MANIFEST.json", "gone")
    told = [f"The checkpoint of step {STEPS} was damaged and was not used: {name} "]
    assert [line[: len(told[0])] for line in payload.damaged] == ([] if unfinished else told)
    assert payload.damaged == damages(root / "checkpoints")


def spoil(path: Path, damage: str) -> None:
    raw = path.read_bytes()
    half = len(raw) // 2
    path.unlink()
    if damage == "cut":
        path.write_bytes(raw[:half])
    if damage == "empty":
        path.write_bytes(b"")
    if damage == "bit":
        path.write_bytes(raw[:half] + bytes([raw[half] ^ 1]) + raw[half + 1 :])


@pytest.mark.parametrize("step", [1, 30])
def test_a_training_killed_at_a_step_ends_with_the_same_adapter(
    case: Case, tmp_path: Path, step: int
) -> None:
    check_killed_at_step(case, tmp_path, step)


def test_a_training_killed_while_saving_ends_with_the_same_adapter(
    case: Case, tmp_path: Path
) -> None:
    killed = [check_killed_at_write(case, tmp_path / str(n), n) for n in (2, 14)]

    assert killed == [True, True]


def test_a_training_killed_in_the_middle_of_a_file_ends_with_the_same_adapter(
    case: Case, tmp_path: Path
) -> None:
    check_killed_in_file(case, tmp_path, 20_000)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("adapter_model.safetensors", "bit"),
        ("optimizer.pt", "gone"),
        ("MANIFEST.json", "gone"),
    ],
)
def test_a_damaged_checkpoint_is_not_loaded_but_the_one_before_and_that_is_said(
    case: Case, tmp_path: Path, name: str, damage: str
) -> None:
    check_damaged(case, tmp_path, name, damage)


def test_where_every_checkpoint_is_damaged_the_training_begins_anew_and_says_so(
    case: Case, tmp_path: Path
) -> None:
    shutil.copytree(case.root / "checkpoints", tmp_path / "checkpoints")
    folders = list((tmp_path / "checkpoints").glob("checkpoint-*"))
    for folder in folders:
        spoil(folder / "optimizer.pt", "bit")

    payload = case.check_goes_on(tmp_path, {None})

    assert len(payload.damaged) == len(folders) >= 2


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_a_training_killed_at_every_step_ends_with_the_same_adapter(
    case: Case, tmp_path: Path
) -> None:
    for step in range(1, STEPS + 1):
        check_killed_at_step(case, tmp_path / str(step), step)
        shutil.rmtree(tmp_path / str(step))


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_a_training_killed_at_every_write_while_saving_ends_with_the_same_adapter(
    case: Case, tmp_path: Path
) -> None:
    for write in count(1):
        if not check_killed_at_write(case, tmp_path / str(write), write):
            break

    print(f"{case.method}: {write - 1} writes tried")  # noqa: T201  # the report
    assert write > 20


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_a_training_killed_in_any_file_ends_with_the_same_adapter(
    case: Case, tmp_path: Path
) -> None:
    newest = case.root / f"checkpoints/checkpoint-{STEPS}"
    sizes = sorted({path.stat().st_size for path in newest.iterdir()})
    within = [size_bytes // 2 for size_bytes in sizes] + [size_bytes - 1 for size_bytes in sizes]

    for size_bytes in within:
        check_killed_in_file(case, tmp_path / str(size_bytes), size_bytes)

    assert len(within) >= 12


@pytest.mark.crash
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("damage", DAMAGES)
def test_no_damage_to_any_file_of_a_checkpoint_goes_unnoticed(
    case: Case, tmp_path: Path, damage: str
) -> None:
    newest = case.root / f"checkpoints/checkpoint-{STEPS}"

    assert {path.name for path in newest.iterdir()} == set(FILES)
    for name in FILES:
        check_damaged(case, tmp_path / name, name, damage)
