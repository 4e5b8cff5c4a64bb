"""Which model to tune, and whether to tune at all: on tiny models, some of them taught the task beforehand."""

import subprocess
import sys
from pathlib import Path

import pytest

from agents.jobs import (
    Baseline,
    JobOutcome,
    MeasureResult,
    ModelRef,
    SelectResult,
    SelectSpec,
    read_progress,
)
from agents.recipe import Metric
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import (
    RECIPE,
    colours,
    measure_spec,
    model_ref,
    open_job,
    write_rows,
)

pytestmark = pytest.mark.torch

ROOT = Path(__file__).parents[2]
TEACH = """
import sys
from pathlib import Path
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from agents.worker.rows import Row, encode
from tests.worker.tiny_model import build_model, colours

for folder, layers, steps in zip(sys.argv[1::3], sys.argv[2::3], sys.argv[3::3]):
    torch.manual_seed(0)
    build_model(Path(folder), num_hidden_layers=int(layers), max_position_embeddings=2048)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    rows = [encode(tokenizer, Row(p, c, i), [1]) for i, (p, c) in enumerate(colours(24, "red"))]
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(int(steps)):
        row = rows[step % len(rows)]
        ids, labels = torch.tensor([row.input_ids]), torch.tensor([row.labels])
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four models: two that know the answer, a small and a large one, and two that do not."""
    root = tmp_path_factory.mktemp("models")
    words = [
        word
        for name, layers, steps in (
            ("taught-small", 1, 60),
            ("taught-large", 4, 60),
            ("raw-small", 1, 0),
            ("raw-large", 4, 0),
        )
        for word in (str(root / name), str(layers), str(steps))
    ]
    subprocess.run([sys.executable, "-c", TEACH, *words], cwd=ROOT, check=True, timeout=300)
    return root


def ref(models: Path, name: str) -> ModelRef:
    return model_ref(models / name).model_copy(update={"name": name})


def select_spec(root: Path, candidates: tuple[ModelRef, ...], **changes: object) -> SelectSpec:
    root.mkdir(parents=True, exist_ok=True)
    spec = SelectSpec(
        candidates=candidates,
        train=write_rows(root / "train.jsonl", colours(20, "red")),
        dev=write_rows(root / "dev.jsonl", colours(16, "red")),
        task="Say the colour.",
        labels=("red",),
        metric=Metric.EXACT_MATCH,
        max_new_tokens=8,
        max_rows=16,
        budget_s=60.0,
        threads=1,
    )
    return SelectSpec.model_validate(spec.model_dump() | changes)


def selected(worker: ForkServer, job: Path) -> SelectResult:
    result = worker.run(job)
    assert result is not None
    assert result.outcome is JobOutcome.SUCCEEDED, result.error
    assert isinstance(result.payload, SelectResult)
    return result.payload


def test_a_model_that_knows_the_task_wins_and_others_leave_early(
    worker: ForkServer, models: Path, tmp_path: Path
) -> None:
    names = ("raw-small", "raw-large", "taught-large")
    spec = select_spec(tmp_path, tuple(ref(models, name) for name in names))

    found = selected(worker, open_job(tmp_path / "job", spec))

    by_name = {candidate.name: candidate for candidate in found.candidates}
    assert found.chosen == "taught-large"
    assert by_name["taught-large"].bits_per_byte < 0.5
    assert by_name["raw-small"].bits_per_byte > 1
    assert "bits per byte behind taught-large" in by_name["raw-small"].out
    assert by_name["raw-small"].rows < 16


def test_of_two_that_are_as_good_the_smaller_one_is_taken(
    worker: ForkServer, models: Path, tmp_path: Path
) -> None:
    twin = ref(models, "raw-large").model_copy(update={"name": "twin"})
    spec = select_spec(tmp_path, (ref(models, "raw-large"), twin))

    found = selected(worker, open_job(tmp_path / "job", spec))

    first, second = found.candidates
    assert first.bits_per_byte == second.bits_per_byte
    assert first.out is None
    assert second.out is None
    assert (first.rows, second.rows) == (16, 16)
    assert isinstance(first.prompted, Baseline)


def test_a_model_that_cannot_be_used_is_out_and_the_others_go_on(
    worker: ForkServer, models: Path, tmp_path: Path
) -> None:
    gone = ModelRef(name="gone", source=f"folder:{tmp_path}/gone", cache_dir=str(tmp_path))
    both = select_spec(tmp_path, (gone, ref(models, "raw-small")))
    none = select_spec(tmp_path / "none", (gone,))

    found = selected(worker, open_job(tmp_path / "job", both))
    failed = worker.run(open_job(tmp_path / "failed", none))

    assert found.chosen == "raw-small"
    assert "no config.json" in found.candidates[0].out
    assert failed.outcome is JobOutcome.FAILED
    assert failed.error.for_person


def test_the_smallest_within_one_standard_error_is_chosen(models: Path) -> None:
    code = """
from agents.jobs import ModelRef
from agents.worker.rows import Row
from agents.worker.select_model import _choose, _Runner, difference

def runner(name, parameters, bits):
    return _Runner(ModelRef(name=name, source="folder:x", cache_dir="x"), parameters, bits)

rows = [Row("p", "x" * 10, i) for i in range(4)]
best = runner("best", 300, [10.0, 20.0, 30.0, 40.0])
near = runner("near", 100, [9.0, 22.0, 29.0, 41.0])
far = runner("far", 50, [14.0, 24.0, 35.0, 44.0])
gap, error = difference(near.bits, best.bits, rows)
assert abs(gap - 0.025) < 1e-9 and gap < error, (gap, error)
assert _choose([best, near, far], rows)[0] is near
assert _choose([best, far], rows)[0] is best
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)


@pytest.mark.parametrize(("name", "low", "high"), [("taught-small", 0, 1), ("raw-small", 0, 0)])
def test_measuring_tries_the_base_with_examples_until_the_time_is_up(
    worker: ForkServer, models: Path, tmp_path: Path, name: str, low: float, high: float
) -> None:
    rows = write_rows(tmp_path / "train.jsonl", colours(12, "red"))
    dev = write_rows(tmp_path / "dev.jsonl", colours(24, "red"))
    spec = measure_spec(models / name, rows, RECIPE).model_copy(
        update={"dev": dev, "task": "Say the colour.", "baseline_rows": 10, "baseline_s": 60.0}
    )

    result = worker.run(open_job(tmp_path / "job", spec))
    hurried = worker.run(
        open_job(tmp_path / "hurried", spec.model_copy(update={"baseline_s": 1e-6}))
    )

    assert isinstance(result.payload, MeasureResult)
    found = result.payload.baseline
    assert found.items == 10
    assert 1 <= found.shots <= 6
    assert low <= found.score <= high
    assert found.low <= found.score <= found.high
    assert result.payload.longest_peak_bytes is not None
    assert result.payload.architecture.layers == 1
    assert hurried.payload.baseline is None


def test_steps_that_take_long_are_not_timed_again_and_show_signs_of_life(
    worker: ForkServer, models: Path, tmp_path: Path
) -> None:
    rows = write_rows(tmp_path / "train.jsonl", colours(12, "red"))
    spec = measure_spec(models / "raw-small", rows, RECIPE)
    usual = open_job(tmp_path / "usual", spec)
    worker.run(usual)
    slow = open_job(tmp_path / "slow", spec)

    code = """
import sys
from pathlib import Path
from agents.jobs import reporting
from agents.worker import __main__ as program, measure

measure.ENOUGH_S = 0.0
beats = []
reporting.beat = beats.append
assert program.PROGRAM.main([sys.argv[1]]) == 0
assert len(beats) > 10, beats
"""
    subprocess.run([sys.executable, "-c", code, str(slow)], cwd=ROOT, check=True, timeout=300)

    told = [
        [line.step for line in read_progress(job) if line.stage == "timing training steps"]
        for job in (usual, slow)
    ]
    assert told == [[0, 1, 2, 3, 1], [0, 1, 1]]
