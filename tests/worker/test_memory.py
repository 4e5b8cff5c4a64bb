"""The memory formula against what a training really holds, in processes of their own."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agents import memory
from agents.jobs import MeasureResult, read_result
from agents.launchers.local import LocalLauncher
from agents.recipe import Recipe
from configs.schema import LauncherSettings
from tests.worker.tiny_model import measure_spec, open_job, write_rows

pytestmark = [pytest.mark.torch, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
WIDTHS = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "intermediate_size",
    "vocab_size",
)
MODELS = {
    "5 M": (256, 6, 4, 2, 512, 4096),
    "30 M": (512, 10, 8, 2, 1024, 16_384),
    "135 M": (576, 30, 9, 3, 1536, 49_152),
}
KINDS: dict[str, dict[str, object]] = {
    "lean": {},
    "lean, common beginnings": {},
    "by TRL": {"lora_dropout": 0.1},
    "attention": {"target_modules": "attention"},
    "full": {"tuning": "full"},
}
BUILD = "import json, sys; from pathlib import Path; from tests.worker.tiny_model import build_model; build_model(Path(sys.argv[1]), **json.loads(sys.argv[2]))"


def python(*words: str) -> None:
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True, timeout=1200)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("how", KINDS)
@pytest.mark.parametrize("size", MODELS)
def test_the_formula_is_within_a_tenth_of_the_measured_peak(
    size: str, how: str, tmp_path: Path
) -> None:
    widths = dict(zip(WIDTHS, MODELS[size], strict=True)) | {"max_position_embeddings": 1024}
    python("-c", BUILD, str(tmp_path / "model"), json.dumps(widths))
    shape = "{a}{i}{b}" if how == "lean, common beginnings" else "{i}{a}{b}"
    prompts = [shape.format(i=i, a="a" * 150, b="b" * 49) for i in range(6)]
    rows = write_rows(tmp_path / "train.jsonl", [(prompt, "b" * 20) for prompt in prompts])
    recipe = Recipe.model_validate(
        {"model": "tiny", "batch_size": 4, "max_new_tokens": 4, **KINDS[how]}
    )
    spec = measure_spec(tmp_path / "model", rows, recipe).model_copy(update={"threads": 2})
    job = open_job(tmp_path / "job", spec)

    launcher = LocalLauncher(LauncherSettings())  # its allocator settings count
    handle = launcher.start(job)
    while launcher.alive(job, handle):
        time.sleep(0.2)

    result = read_result(job)
    assert result is not None
    found = result.payload
    assert isinstance(found, MeasureResult)
    assert found.architecture is not None
    assert found.longest_peak_bytes is not None
    step = memory.Step(
        found.architecture,
        recipe,
        row_tokens=found.longest_row_tokens,
        answer_tokens=found.completion_tokens_max,
        mean_tokens=found.longest_mean_tokens,
        shared_tokens=found.shared_tokens,
    )
    expected = memory.training_bytes(step, found.process_bytes)
    told = size, how, found.longest_row_tokens, expected, found.longest_peak_bytes
    print(*told, found.process_bytes)  # noqa: T201  # the figures of docs/planning.md
    assert expected == pytest.approx(found.longest_peak_bytes, rel=0.1)
