"""What a training did for the adapter that was kept, where it has done more than that."""

from pathlib import Path

import pytest

from agents import kept
from agents.jobs import TrainResult
from storage.models import Job
from tests.worker.tiny_model import STEPS, train_spec


@pytest.mark.parametrize("learnt_made", [True, False, None])
def test_of_a_training_with_and_without_made_rows_it_is_the_side_that_was_kept(
    tmp_path: Path, learnt_made: bool | None
) -> None:
    spec = train_spec(tmp_path, tmp_path)
    tried = spec.model_copy(update={"without": spec.dev})
    result = TrainResult(
        steps_done=STEPS,
        steps_planned=STEPS,
        best_step=STEPS,
        losses=(),
        dev_losses=(),
        tokens_seen=0,
        train_s=0,
        tokens_per_s=0,
        peak_memory_bytes=0,
        versions={},
        base_sha256="",
        learnt_made=learnt_made,
    )
    job = Job(
        id="run1-i1-train-a1",
        run_id=1,
        owner="somebody",
        iteration=1,
        kind="train",
        attempt=1,
        spec=tried.model_dump(mode="json"),
        payload=result.model_dump(mode="json"),
    )

    found = kept.training_of(job)

    sides = {True: tried.with_made(), False: tried.without_made(STEPS), None: tried}
    assert found == sides[learnt_made]
    job.payload = None
    assert kept.training_of(job) == tried
