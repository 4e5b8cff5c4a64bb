"""Races of candidates that are killed, paused, held, damaged: they end as one that nobody disturbed. A sample runs by default."""

import shutil
from pathlib import Path

import pytest

from agents.jobs import JobOutcome, StopMode, TrainResult, read_progress
from tests.worker.forkserver import ForkServer
from tests.worker.races import ALL_STEPS, BEST, among, run_whole, trained, without_clock
from tests.worker.tiny_model import open_job, train_spec

pytestmark = pytest.mark.torch

KILLED = -9


@pytest.fixture(scope="module")
def whole(
    worker: ForkServer, tiny: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TrainResult]:
    """The job folder of a race that nothing happened to, and its result."""
    return run_whole(worker, tiny, tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("step", [3, 4, 8])
def test_a_race_killed_when_a_candidate_is_at_a_step_ends_as_if_nothing_had_happened(
    worker: ForkServer, tiny: Path, tmp_path: Path, whole: tuple[Path, TrainResult], step: int
) -> None:
    spec = train_spec(tiny, tmp_path, recipe=among())

    status = worker.status(open_job(tmp_path / "first", spec), kill_at_step=step)
    again = trained(worker.run(open_job(tmp_path / "second", spec)))

    assert status == KILLED
    assert without_clock(again) == without_clock(whole[1])


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_a_race_killed_after_any_number_of_steps_ends_as_if_nothing_had_happened(
    worker: ForkServer, tiny: Path, tmp_path: Path, whole: tuple[Path, TrainResult]
) -> None:
    for nth in range(1, ALL_STEPS + 1):
        root = tmp_path / str(nth)
        spec = train_spec(tiny, root, recipe=among())
        status = worker.status(open_job(root / "first", spec), kill_at_nth_step=nth)
        again = trained(worker.run(open_job(root / "second", spec)))
        assert status == KILLED
        assert without_clock(again) == without_clock(whole[1])
        shutil.rmtree(root)


@pytest.mark.crash
def test_a_race_killed_at_every_step_it_gets_to_still_ends_the_same(
    worker: ForkServer, tiny: Path, tmp_path: Path, whole: tuple[Path, TrainResult]
) -> None:
    spec = train_spec(tiny, tmp_path, recipe=among(), save_steps=1)
    kills = 0

    while worker.status(open_job(tmp_path / f"job{kills}", spec), kill_at_nth_step=2) == KILLED:
        kills += 1

    expected = train_spec(tiny, tmp_path / "whole", recipe=among(), save_steps=1)
    undisturbed = trained(worker.run(open_job(tmp_path / "whole" / "job", expected)))
    again = trained(worker.run(open_job(tmp_path / "last", spec)))
    assert kills > 10
    looks: dict[str, object] = {"targets": None, "update_size": None, "probe": None}
    assert without_clock(again) | looks == without_clock(undisturbed) | looks
    assert whole[1].chosen_candidate == again.chosen_candidate


@pytest.mark.parametrize("step", [4, 7])
def test_a_paused_race_goes_on_to_the_same_adapter(
    worker: ForkServer, tiny: Path, tmp_path: Path, whole: tuple[Path, TrainResult], step: int
) -> None:
    spec = train_spec(tiny, tmp_path, recipe=among())

    stop = [step, StopMode.PAUSE]
    paused = worker.run(open_job(tmp_path / "first", spec), stop_at_step=stop)
    again = trained(worker.run(open_job(tmp_path / "second", spec)))

    assert paused is not None
    assert paused.outcome is JobOutcome.PAUSED
    assert trained(paused).chosen_candidate is None
    assert trained(paused).adapter_dir is None
    assert again.adapter_sha256 == whole[1].adapter_sha256
    assert [c.out_at_step for c in again.candidates] == [8, None, 4]


def test_a_damaged_checkpoint_of_a_candidate_that_is_out_changes_nothing_but_is_told(
    worker: ForkServer, tiny: Path, tmp_path: Path, whole: tuple[Path, TrainResult]
) -> None:
    shutil.copytree(whole[0].parent / "checkpoints", tmp_path / "checkpoints")
    (tmp_path / "checkpoints/candidate-3/checkpoint-4/optimizer.pt").write_bytes(b"")
    spec = train_spec(tiny, tmp_path, recipe=among())

    again = trained(worker.run(open_job(tmp_path / "job", spec)))

    assert again.adapter_sha256 == whole[1].adapter_sha256
    assert again.candidates[2].dev_losses == whole[1].candidates[2].dev_losses
    assert len(again.damaged) == 1
    assert again.damaged[0].startswith("Candidate 3: The checkpoint of step 4 was damaged")


def test_a_race_that_lost_its_result_trains_nothing_again(
    worker: ForkServer, tiny: Path, tmp_path: Path, whole: tuple[Path, TrainResult]
) -> None:
    shutil.copytree(whole[0].parent / "checkpoints", tmp_path / "checkpoints")
    spec = train_spec(tiny, tmp_path, recipe=among())

    again = trained(worker.run(open_job(tmp_path / "job", spec)))

    looks: dict[str, object] = {"targets": None, "update_size": None, "probe": None}
    assert without_clock(again) == without_clock(whole[1]) | looks
    assert not [line for line in read_progress(tmp_path / "job") if line.loss is not None]


def test_a_held_race_asks_at_half_of_all_steps_and_goes_on_or_is_finished(
    worker: ForkServer, tiny: Path, tmp_path: Path, whole: tuple[Path, TrainResult]
) -> None:
    spec = train_spec(tiny, tmp_path, recipe=among(), hold_at_checkpoint=True)
    held = worker.run(open_job(tmp_path / "held", spec))
    shutil.copytree(tmp_path / "checkpoints", tmp_path / "same")

    resumed = spec.model_copy(update={"hold_at_checkpoint": False})
    on = trained(worker.run(open_job(tmp_path / "on", resumed)))
    finish = {"finish_now": True, "checkpoints_dir": str(tmp_path / "same")}
    ended = worker.run(open_job(tmp_path / "ended", spec.model_copy(update=finish)))

    assert held is not None
    assert (held.outcome, trained(held).reason) == (JobOutcome.PAUSED, "checkpoint_gate")
    assert [c.steps_done for c in trained(held).candidates] == [4, 4, 4]
    assert on.adapter_sha256 == whole[1].adapter_sha256
    assert ended is not None
    assert ended.outcome is JobOutcome.STOPPED
    assert trained(ended).chosen_candidate == BEST
    assert trained(ended).steps_done == 4
