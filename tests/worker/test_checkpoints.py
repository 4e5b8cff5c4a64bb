"""A checkpoint counts when its manifest matches every file, and only then."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.worker.checkpoints import (
    Checkpoint,
    Origin,
    Standing,
    best_of,
    damages,
    export_adapter,
    folder_of,
    prune,
    seal,
    verified,
)

ORIGIN = Origin(
    training_sha256="t", steps=100, base_sha256="b", base_hub_id=None, versions={"torch": "2"}
)
FILES = {
    "adapter_model.safetensors": b"weights" * 9,
    "adapter_config.json": b"{}",
    "optimizer.pt": b"moments" * 9,
    "trainer_state.json": b'{"log_history": []}',
}


def save(folder: Path, step: int, dev_loss: float | None = 1.0) -> Checkpoint:
    target = folder_of(folder, step)
    target.mkdir(parents=True)
    for name, content in FILES.items():
        (target / name).write_bytes(content + b" " * step)
    standing = Standing(step=step, dev_loss=dev_loss, tokens=0, train_s=0, peak_memory_bytes=0)
    return seal(target, ORIGIN, standing)


def steps(checkpoints: list[Checkpoint]) -> list[int]:
    return [checkpoint.step for checkpoint in checkpoints]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_sealed_checkpoints_are_found_oldest_first(tmp_path: Path) -> None:
    for step in (10, 100, 20):
        save(tmp_path, step)

    assert steps(verified(tmp_path, "t")) == [10, 20, 100]


def test_no_folder_at_all_is_no_checkpoint(tmp_path: Path) -> None:
    assert verified(tmp_path / "none", "t") == []


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(
    name=st.sampled_from([*FILES, "MANIFEST.json"]),
    where=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
    cut=st.booleans(),
)
def test_one_wrong_bit_or_a_missing_end_deletes_the_checkpoint(
    tmp_path_factory: pytest.TempPathFactory, name: str, where: float, bit: int, cut: bool
) -> None:
    folder = tmp_path_factory.mktemp("checkpoints")
    save(folder, 10)
    save(folder, 20)
    damaged = folder_of(folder, 20) / name
    raw = bytearray(damaged.read_bytes())
    at = int(where * len(raw))
    if cut:
        del raw[at:]
    else:
        raw[at] ^= 1 << bit
    damaged.write_bytes(raw)

    found = verified(folder, "t")

    assert steps(found) == [10]
    assert names(folder) == ["checkpoint-10", "damaged.txt"]
    (told,) = damages(folder)
    assert told.startswith("The checkpoint of step 20 was damaged and was not used: ")
    assert name in told


def test_a_file_that_the_manifest_does_not_know_spoils_the_checkpoint(tmp_path: Path) -> None:
    saved = save(tmp_path, 10)
    (saved.folder / "optimizer.bin").write_bytes(b"planted")

    assert verified(tmp_path, "t") == []
    assert "optimizer.bin" in damages(tmp_path)[0]


@pytest.mark.parametrize("name", [*FILES, "MANIFEST.json"])
def test_a_missing_file_is_damage_but_a_save_that_was_cut_off_is_not(
    tmp_path: Path, name: str
) -> None:
    save(tmp_path, 10)
    (save(tmp_path, 20).folder / name).unlink()

    assert steps(verified(tmp_path, "t")) == [10]
    assert steps(verified(tmp_path, "t")) == [10]
    expected = f"The checkpoint of step 20 was damaged and was not used: {name} is missing."
    assert damages(tmp_path) == (() if name == "MANIFEST.json" else (expected,))


def test_a_manifest_that_was_edited_does_not_count(tmp_path: Path) -> None:
    path = save(tmp_path, 10).folder / "MANIFEST.json"
    path.write_text(path.read_text().replace('"dev_loss": 1.0', '"dev_loss": 0.1'))

    assert '"dev_loss": 0.1' in path.read_text()
    assert verified(tmp_path, "t") == []


def test_a_checkpoint_of_another_training_is_deleted(tmp_path: Path) -> None:
    saved = save(tmp_path, 10)

    assert verified(tmp_path, "another") == []
    assert not saved.folder.exists()
    assert damages(tmp_path) == ()


def test_the_best_has_the_lowest_dev_loss_and_unknown_is_never_best(tmp_path: Path) -> None:
    saved = [
        save(tmp_path, step, loss) for step, loss in ((10, None), (20, 0.5), (30, 0.5), (40, 0.7))
    ]

    assert best_of(saved) is saved[1]
    assert best_of(saved[:1]) is saved[0]
    assert best_of([]) is None


def test_the_best_and_the_newest_two_are_kept(tmp_path: Path) -> None:
    saved: list[Checkpoint] = []
    for step, loss in ((10, 0.9), (20, 0.5), (30, 0.7), (40, None), (50, 0.8), (60, 0.9)):
        saved = prune([*saved, save(tmp_path, step, loss)])

    assert steps(saved) == [20, 50, 60]
    assert names(tmp_path) == ["checkpoint-20", "checkpoint-50", "checkpoint-60"]


def test_an_adapter_is_exported_without_anything_else_and_twice_is_harmless(tmp_path: Path) -> None:
    saved = save(tmp_path / "checkpoints", 10)

    first = export_adapter(saved, tmp_path / "artifacts")
    second = export_adapter(saved, tmp_path / "artifacts")

    assert first == second == saved.manifest.files["adapter_model.safetensors"].sha256
    assert names(tmp_path / "artifacts") == ["adapter"]
    assert names(tmp_path / "artifacts/adapter") == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


def test_an_adapter_that_changed_under_our_hands_is_not_exported(tmp_path: Path) -> None:
    saved = save(tmp_path / "checkpoints", 10)
    (saved.folder / "adapter_model.safetensors").write_bytes(b"other")

    with pytest.raises(OSError, match="changed while it was copied"):
        export_adapter(saved, tmp_path / "artifacts")

    assert not (tmp_path / "artifacts/adapter").exists()
