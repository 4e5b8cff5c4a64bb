"""An adapter written in other formats by the worker itself: merged with the tiny model, GGUF with the embedded one."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from agents.jobs import (
    ExportFormat,
    ExportResult,
    ExportSpec,
    JobOutcome,
    JobResult,
    ModelRef,
    read_result,
)
from agents.worker.__main__ import PROGRAM
from configs.schema import EMBEDDED_MODEL, ModelSettings
from tests.worker.tiny_model import build_model, colours, model_ref, open_job, write_rows

# ruff: noqa: PLC0415  # torch is imported where a test needs it

pytestmark = [
    pytest.mark.torch,
    pytest.mark.timeout(1800),
    # PEFT 0.21 asks transformers 5.23 by a name that it calls old
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]

NAME = "tuned-run1-i1"


def write_adapter(base: Path, folder: Path, scale: float) -> None:
    """Save a LoRA adapter that changes what the base says, as if it had been trained."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    model: Any = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=scale)
    model.save_pretrained(folder)


def spec_for(
    model: ModelRef, adapter: Path, wanted: ExportFormat, rows: Path, prompts: int = 4
) -> ExportSpec:
    return ExportSpec(
        model=model,
        adapter_dir=str(adapter),
        format=wanted,
        name=NAME,
        prompts=write_rows(rows, colours(prompts)),
        max_new_tokens=12,
        threads=1,
    )


def result_of(outcome: JobResult) -> ExportResult:
    assert outcome.outcome is JobOutcome.SUCCEEDED, outcome.error
    assert isinstance(outcome.payload, ExportResult)
    return outcome.payload


def test_a_merged_model_loads_without_peft_and_says_how_to_run_it(tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base, adapter = tmp_path / "tiny", tmp_path / "adapter"
    build_model(base)
    write_adapter(base, adapter, scale=0.5)
    spec = spec_for(model_ref(base), adapter, ExportFormat.MERGED, tmp_path / "dev.jsonl")

    result = result_of(PROGRAM.do(open_job(tmp_path / "job", spec)))

    assert result.parity.passed
    packed = tmp_path / "job" / result.files[0].path
    zipfile.ZipFile(packed).extractall(tmp_path / "out")
    assert f"vllm serve ./{NAME}" in (tmp_path / "out" / NAME / "README.md").read_text()
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out" / NAME)
    plain = AutoModelForCausalLM.from_pretrained(base)
    weights = "model.layers.0.mlp.up_proj.weight"
    assert not merged.state_dict()[weights].float().equal(plain.state_dict()[weights])
    assert AutoTokenizer.from_pretrained(tmp_path / "out" / NAME).chat_template
    assert [path.name for path in (tmp_path / "job" / "artifacts").iterdir()] == [packed.name]


@pytest.mark.parametrize(
    ("folder", "told"), [("none", "adapter is gone"), ("adapter", "not the one that was trained")]
)
def test_an_adapter_that_is_gone_or_exchanged_is_named(tmp_path, folder, told):
    build_model(tmp_path / "tiny")
    write_adapter(tmp_path / "tiny", tmp_path / "adapter", scale=0.5)
    spec = spec_for(
        model_ref(tmp_path / "tiny"), tmp_path / folder, ExportFormat.MERGED, tmp_path / "d.jsonl"
    ).model_copy(update={"adapter_sha256": "f" * 64})

    outcome = PROGRAM.do(open_job(tmp_path / "job", spec))

    assert outcome.outcome is JobOutcome.FAILED
    assert told in outcome.error.message


def test_a_tokenizer_that_llama_cpp_does_not_know_is_explained(tmp_path):
    build_model(tmp_path / "tiny")
    write_adapter(tmp_path / "tiny", tmp_path / "adapter", scale=0.5)
    spec = spec_for(
        model_ref(tmp_path / "tiny"), tmp_path / "adapter", ExportFormat.GGUF, tmp_path / "d.jsonl"
    )

    outcome = PROGRAM.do(open_job(tmp_path / "job", spec))

    assert outcome.error.code == "cannot_convert"
    assert "“merged” works" in outcome.error.message
    assert "NotImplementedError" in (tmp_path / "job" / "log.txt").read_text()


@pytest.mark.slow
def test_the_embedded_model_answers_in_llama_cpp_as_with_peft_and_a_broken_template_is_caught(
    tmp_path,
):
    from agents.jobs.reporting import Reporter
    from agents.worker import base_model, llama_cpp
    from agents.worker.parity import Transformer, compare
    from agents.worker.rows import Row, stop_ids

    source = ModelSettings().catalogue[EMBEDDED_MODEL]
    model = ModelRef(name=EMBEDDED_MODEL, source=source, cache_dir=str(tmp_path / "models"))
    (tmp_path / "scratch").mkdir()
    base = base_model.resolve(model, Reporter(tmp_path / "scratch"))
    write_adapter(base.path, tmp_path / "adapter", scale=0.01)

    for wanted in (ExportFormat.GGUF, ExportFormat.GGUF_ADAPTER):
        job = tmp_path / wanted.value
        spec = spec_for(model, tmp_path / "adapter", wanted, tmp_path / "dev.jsonl")
        open_job(job, spec)
        subprocess.run([sys.executable, "-m", "agents.worker", str(job)], check=True)
        result = result_of(read_result(job))
        assert result.parity.passed
        assert result.parity.same >= 3

    zipfile.ZipFile(tmp_path / "gguf" / "artifacts" / f"{NAME}-gguf.zip").extractall(tmp_path)
    broken = tmp_path / "broken.gguf"
    template = json.dumps("{% for m in messages %}{{ m['content'] }}{% endfor %}")[1:-1]
    subprocess.run(
        [
            *(sys.executable, "-m", "gguf.scripts.gguf_new_metadata", "--force"),
            *("--chat-template", template),
            *(str(tmp_path / NAME / f"{NAME}.gguf"), str(broken)),
        ],
        check=True,
    )
    loaded = base_model.load(base)
    reference = Transformer(
        loaded.model, loaded.tokenizer, tuple(stop_ids(loaded.tokenizer, loaded.model))
    )
    with llama_cpp.engine(broken, None, 1) as engine:
        parity = compare(reference, engine, [Row("colour of thing 1", "red", 2)], 8, lambda: None)
    assert "chat template makes another prompt" in parity.cause
