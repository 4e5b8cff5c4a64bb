"""The embedded model from its package: converted once, trained, evaluated. Minutes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agents.jobs import (
    EvaluateResult,
    EvaluateSpec,
    JobOutcome,
    MeasureResult,
    MeasureSpec,
    ModelRef,
    Spec,
    TrainResult,
    TrainSpec,
    read_progress,
    read_result,
)
from agents.recipe import Recipe
from configs.schema import EMBEDDED_MODEL, ModelSettings
from tests.worker.tiny_model import open_job, write_rows

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
CITIES = {"Oslo": "Norway", "Rome": "Italy", "Paris": "France", "Lima": "Peru", "Cairo": "Egypt"}
RECIPE = Recipe(
    model=EMBEDDED_MODEL, max_steps=15, batch_size=8, learning_rate=1e-3, max_new_tokens=8
)


def records(prefix: str, count: int) -> list[tuple[str, str]]:
    """Return pairs that no untrained model answers in this form."""
    cities = sorted(CITIES)
    return [
        (f"{prefix} {i}: city {cities[i % 5]}", f"#{i % 10}/{CITIES[cities[i % 5]].upper()}")
        for i in range(count)
    ]


def start(*jobs: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-m", "agents.worker", str(job)], cwd=ROOT)
        for job in jobs
    ]
    assert [process.wait() for process in processes] == [0] * len(jobs)


def test_the_embedded_model_is_converted_once_trained_and_measurably_better(tmp_path: Path) -> None:
    model = ModelRef(
        name=EMBEDDED_MODEL,
        source=ModelSettings().catalogue[EMBEDDED_MODEL],
        cache_dir=str(tmp_path / "models"),
    )
    train = write_rows(tmp_path / "train.jsonl", records("train", 200))
    dev = write_rows(tmp_path / "dev.jsonl", records("dev", 10))
    test = write_rows(tmp_path / "test.jsonl", records("test", 30))

    def job(name: str, spec: Spec) -> Path:
        return open_job(tmp_path / name, spec)

    # Two processes at once find no converted model: one converts, the other waits for it.
    twins = [
        job(f"measure-{n}", MeasureSpec(model=model, train=train, recipe=RECIPE)) for n in (1, 2)
    ]
    start(*twins)
    training = job(
        "train",
        TrainSpec(
            model=model,
            train=train,
            dev=dev,
            recipe=RECIPE,
            save_steps=10,
            checkpoint_fraction=0.5,
            hold_at_checkpoint=False,
            checkpoints_dir="checkpoints",
        ),
    )
    start(training)
    adapter = training / "artifacts/adapter"
    evaluation = job(
        "evaluate", EvaluateSpec(model=model, adapter_dir=str(adapter), test=test, recipe=RECIPE)
    )
    start(evaluation)

    told = [line.stage for twin in twins for line in read_progress(twin)]
    assert told.count("converting the model, once for this machine") == 1
    measured = read_result(twins[0])
    assert measured is not None
    assert isinstance(measured.payload, MeasureResult)
    assert measured.payload.parameters == 134_515_008
    trained = read_result(training)
    assert trained is not None
    assert trained.outcome is JobOutcome.SUCCEEDED
    assert isinstance(trained.payload, TrainResult)
    assert trained.payload.base_hub_id == "HuggingFaceTB/SmolLM2-135M-Instruct"
    config = json.loads((adapter / "adapter_config.json").read_bytes())
    assert config["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert str(tmp_path) not in json.dumps(config)
    evaluated = read_result(evaluation)
    assert evaluated is not None
    assert isinstance(evaluated.payload, EvaluateResult)
    assert evaluated.payload.primary.base == 0
    assert evaluated.payload.primary.tuned > 0.2

    said = both_ways(model, adapter, [prompt for prompt, _ in records("test", 30)])
    assert len({tuple(ids) for ids in said["ours"]}) > 5
    assert said["ours"] == said["theirs"]


def both_ways(model: ModelRef, adapter: Path, prompts: list[str]) -> dict[str, list[list[int]]]:
    """Return answers of the worker and of plain `generate` with the adapter attached."""
    from agents.jobs.reporting import Reporter  # noqa: PLC0415
    from agents.worker import base_model  # noqa: PLC0415
    from agents.worker.answers import Exam  # noqa: PLC0415
    from agents.worker.rows import prompt_ids, stop_ids  # noqa: PLC0415
    from agents.worker.tuned_model import with_adapter  # noqa: PLC0415
    from tests.worker.test_answers import by_generate, by_us  # noqa: PLC0415

    base = base_model.load(base_model.resolve(model, Reporter(adapter)))
    asked = [prompt_ids(base.tokenizer, prompt) for prompt in prompts]
    exam = Exam(asked, stop_ids(base.tokenizer, base.model), RECIPE.max_new_tokens)
    tuned = with_adapter(base.model, adapter).eval()
    theirs = by_generate(tuned, exam)
    return {"theirs": theirs, "ours": by_us(tuned.merge_and_unload(), exam)}
