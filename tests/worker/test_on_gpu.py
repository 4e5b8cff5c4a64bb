"""What a training does otherwise on a GPU. Tests marked `gpu` need one; they were written without, and never run."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MambaConfig

from agents.jobs import JobOutcome, MeasureResult, TrainResult
from agents.recipe import Method, Quantisation, Recipe
from agents.worker import base_model, on_gpu
from agents.worker.base_model import FLASH, LoadedBase
from agents.worker.lessons import Lessons
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import RECIPE, measure_spec, method_spec, open_job

pytestmark = pytest.mark.torch

NO_LESSONS = Lessons([], [], [], 1)


def a_base(device: str) -> LoadedBase:
    widths = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    folder: Any = None
    model = LlamaForCausalLM(LlamaConfig(num_hidden_layers=1, vocab_size=8, **widths))
    return LoadedBase(folder, model, None, device)


def test_padding_is_left_out_where_flash_attention_keeps_rows_apart() -> None:
    base = a_base("cpu")
    assert not on_gpu.flashes(base)

    base.model.config._attn_implementation = FLASH

    assert on_gpu.flashes(base)


def test_flash_attention_is_for_half_precision_on_a_gpu() -> None:
    assert not base_model.flash_attention(torch.float32)
    if not torch.cuda.is_available():
        assert not base_model.flash_attention(torch.bfloat16)


def test_a_cpu_keeps_activations_and_an_unknown_architecture_on_a_gpu_does_not() -> None:
    unknown = a_base("cuda")
    unknown.model.config = MambaConfig()

    assert on_gpu.keeps_activations(a_base("cpu"), RECIPE, NO_LESSONS)
    assert not on_gpu.keeps_activations(unknown, RECIPE, NO_LESSONS)


gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@gpu
@pytest.mark.gpu
@pytest.mark.parametrize("method", [Method.SFT, Method.DPO, Method.GRPO])
def test_methods_train_on_a_gpu(
    worker: ForkServer, tiny: Path, tmp_path: Path, method: Method
) -> None:
    result = worker.run(open_job(tmp_path / "job", method_spec(tiny, tmp_path / "data", method)))

    assert result.outcome is JobOutcome.SUCCEEDED, result
    assert isinstance(result.payload, TrainResult)
    assert min(loss for _, loss in result.payload.dev_losses) < result.payload.dev_losses[0][1]


@gpu
@pytest.mark.gpu
@pytest.mark.parametrize("quantisation", Quantisation)
def test_a_gpu_is_measured(
    worker: ForkServer, tiny: Path, tmp_path: Path, quantisation: Quantisation
) -> None:
    train = method_spec(tiny, tmp_path / "data", Method.SFT).train
    recipe = Recipe.model_validate(RECIPE.model_dump() | {"quantisation": quantisation})

    result = worker.run(open_job(tmp_path / "job", measure_spec(tiny, train, recipe)))

    assert isinstance(result.payload, MeasureResult)
    assert result.payload.device == "cuda"
    assert result.payload.memory_bytes == torch.cuda.mem_get_info()[1]
    assert result.payload.longest_peak_bytes is not None
