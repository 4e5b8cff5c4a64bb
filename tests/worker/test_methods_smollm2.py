"""Each method on the embedded model: its own metric moves the right way on rows it never saw. Minutes each."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.jobs import EvaluateResult, EvaluateSpec, ModelRef, TrainResult, TrainSpec, read_result
from agents.recipe import OF_METHOD, Method, Recipe
from configs.schema import EMBEDDED_MODEL, ModelSettings
from tests.worker.tiny_model import open_job, write_records

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(3600)]

ROOT = Path(__file__).parents[2]
THINGS = ("apple", "river", "hammer", "violin", "cloud", "pepper", "bridge", "candle")


def prompt(i: int) -> str:
    return f"Question {i}: what is a {THINGS[i % len(THINGS)]}?"


def polite(i: int) -> str:
    return f"Gladly! A {THINGS[i % len(THINGS)]} is a thing that you may know well."


def rude(i: int) -> str:
    return f"Look it up yourself. Everybody knows what a {THINGS[i % len(THINGS)]} is."


def pair(i: int) -> dict[str, object]:
    # The base finds each rude answer likelier (by about 20 nats), so polite ones have to be learnt.
    return {"prompt": prompt(i), "chosen": polite(i), "rejected": rude(i)}


def vote(i: int) -> dict[str, object]:
    return {"prompt": prompt(i), "completion": (rude, polite)[i % 2](i), "label": not i % 2}


def task(i: int) -> dict[str, object]:
    return {"prompt": prompt(i), "reference": None}


CASES: dict[Method, tuple[Callable[[int], dict[str, object]], dict[str, object]]] = {
    Method.DPO: (pair, {"learning_rate": 1e-4}),
    Method.KTO: (vote, {"learning_rate": 2e-4}),
    Method.ORPO: (pair, {"learning_rate": 3e-4}),
    Method.CPO: (pair, {"learning_rate": 1e-4}),
    Method.REWARD: (pair, {"learning_rate": 1e-4}),
    Method.GRPO: (
        task,
        {"learning_rate": 1e-4, "rewards": [{"kind": "length", "max_words": 8}], "beta": 0.0},
    ),
    Method.RLOO: (
        task,
        {"learning_rate": 1e-4, "rewards": [{"kind": "length", "max_words": 8}], "beta": 0.0},
    ),
}


def start(job: Path) -> None:
    subprocess.run([sys.executable, "-m", "agents.worker", str(job)], cwd=ROOT, check=True)


@pytest.mark.parametrize("method", CASES)
def test_the_metric_of_a_method_moves_the_right_way(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, method: Method
) -> None:
    make, values = CASES[method]
    shared = tmp_path_factory.getbasetemp() / "models"
    model = ModelRef(
        name=EMBEDDED_MODEL,
        source=ModelSettings().catalogue[EMBEDDED_MODEL],
        cache_dir=str(shared),
    )
    recipe = Recipe.model_validate(
        {
            "model": EMBEDDED_MODEL,
            "method": method,
            "primary_metric": OF_METHOD[method],
            "batch_size": 4,
            "max_steps": 16,
            "max_new_tokens": 24,
            "warmup_fraction": 0,
        }
        | values
    )
    train, dev, test = (
        write_records(tmp_path / f"{name}.jsonl", [make(i) for i in span])
        for name, span in (
            ("train", range(64)),
            ("dev", range(100, 106)),
            ("test", range(200, 224)),
        )
    )
    training = open_job(
        tmp_path / "train",
        TrainSpec(
            model=model,
            train=train,
            dev=dev,
            recipe=recipe,
            save_steps=8,
            checkpoint_fraction=0.5,
            hold_at_checkpoint=False,
            checkpoints_dir="checkpoints",
        ),
    )
    adapter = str(training / "artifacts/adapter")
    evaluation = open_job(
        tmp_path / "evaluate",
        EvaluateSpec(model=model, adapter_dir=adapter, test=test, recipe=recipe),
    )

    start(training)
    start(evaluation)

    trained = read_result(training)
    assert trained is not None
    assert isinstance(trained.payload, TrainResult), trained
    assert min(loss for _, loss in trained.payload.dev_losses) < trained.payload.dev_losses[0][1]
    evaluated = read_result(evaluation)
    assert evaluated is not None
    assert isinstance(evaluated.payload, EvaluateResult), evaluated
    assert evaluated.payload.primary.gain > 0.1
