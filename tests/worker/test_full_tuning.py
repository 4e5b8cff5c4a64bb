"""Full fine-tuning on a tiny model: an adapter of whole layers that resumes, goes on, loads and merges like any other."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from agents.jobs import (
    EarlierAdapter,
    EvaluateResult,
    ExportFormat,
    ExportResult,
    ExportSpec,
    JobOutcome,
    JobResult,
    TrainResult,
    read_result,
)
from agents.recipe import Method, Recipe
from agents.worker.digests import sha256_of
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import (
    STEPS,
    colours,
    evaluate_spec,
    method_recipe,
    method_spec,
    model_ref,
    open_job,
    write_rows,
)

# ruff: noqa: PLC0415  # torch is imported where a test needs it

pytestmark = [
    pytest.mark.torch,
    # PEFT still asks by the old name
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
]

KILLED = -9
FULL: dict[str, object] = {"tuning": "full", "lora_dropout": 0.0, "learning_rate": 2e-3}


def trained(result: JobResult | None) -> TrainResult:
    assert result is not None
    assert isinstance(result.payload, TrainResult), result
    return result.payload


@pytest.mark.parametrize("method", Method)
def test_a_killed_full_training_ends_with_the_same_weights(
    worker: ForkServer, tiny: Path, tmp_path: Path, method: Method
) -> None:
    recipe = method_recipe(method, **FULL)
    whole = method_spec(tiny, tmp_path / "w", method, recipe=recipe)
    spec = method_spec(tiny, tmp_path / "k", method, recipe=recipe)

    expected = trained(worker.run(open_job(tmp_path / "w/job", whole)))
    killed = worker.status(open_job(tmp_path / "k/first", spec), kill_at_step=7)
    resumed = trained(worker.run(open_job(tmp_path / "k/second", spec)))

    assert killed == KILLED
    assert (expected.steps_done, resumed.resumed_from_step) == (STEPS, 4)
    assert expected.dev_losses[-1][1] < expected.dev_losses[0][1]
    assert resumed.adapter_sha256 == expected.adapter_sha256
    assert resumed.losses == expected.losses


@pytest.fixture(scope="module")
def first(worker: ForkServer, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job folder of a full training to say "yes"."""
    root = tmp_path_factory.mktemp("first")
    recipe = method_recipe(Method.SFT, **FULL)
    job = open_job(root / "job", method_spec(tiny, root, Method.SFT, recipe=recipe))
    assert worker.status(job) == 0
    return job


def as_parent(job: Path) -> EarlierAdapter:
    folder = job / "artifacts/adapter"
    return EarlierAdapter(
        run=12,
        adapter_dir=str(folder),
        adapter_sha256=sha256_of(folder / "adapter_model.safetensors"),
        base_sha256=trained(read_result(job)).base_sha256,
    )


def logits(model: Any) -> Any:
    import torch

    with torch.no_grad():
        return model.eval()(input_ids=torch.arange(2, 40)[None]).logits


def test_stock_peft_loads_it_switches_it_off_and_merges_it(tiny: Path, first: Path) -> None:
    import torch
    from peft import PeftModel
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    plain: Any = AutoModelForCausalLM.from_pretrained(tiny)
    folder = first / "artifacts/adapter"
    weights = load_file(folder / "adapter_model.safetensors")
    by_hand: Any = AutoModelForCausalLM.from_pretrained(tiny)
    by_hand.load_state_dict(
        {name.removeprefix("base_model.model."): tensor for name, tensor in weights.items()},
        strict=False,
    )

    tuned = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny), folder)

    with tuned.disable_adapter():
        assert torch.equal(logits(tuned), logits(plain))
    assert torch.equal(logits(tuned), logits(by_hand))
    assert not torch.allclose(logits(tuned), logits(plain))
    assert torch.equal(logits(tuned.merge_and_unload()), logits(by_hand))


def test_all_layers_are_handed_over_and_no_table_of_the_vocabulary(first: Path) -> None:
    from safetensors.torch import load_file

    folder = first / "artifacts/adapter"
    config = json.loads((folder / "adapter_config.json").read_bytes())
    weights = load_file(folder / "adapter_model.safetensors")

    assert sorted(path.name for path in folder.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert len(weights) == len(config["modules_to_save"]) == 2 * (7 + 2) + 1
    assert not any("embed" in name or "lm_head" in name for name in weights)
    assert {str(tensor.dtype) for tensor in weights.values()} == {"torch.float32"}


def test_base_and_tuned_answer_and_only_the_tuned_one_has_learnt(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    recipe = method_recipe(Method.SFT, **FULL, epochs=4.0)
    spec = method_spec(tiny, tmp_path / "t", Method.SFT, recipe=recipe)
    job = open_job(tmp_path / "t/job", spec)
    assert worker.status(job) == 0
    test = write_rows(tmp_path / "t.jsonl", [(f"is it {p}?", "yes") for p, _ in colours(24)])
    asked = evaluate_spec(tiny, tmp_path, job / "artifacts/adapter", test, recipe=recipe)

    found = worker.run(open_job(tmp_path / "e", asked))

    assert found is not None
    assert isinstance(found.payload, EvaluateResult), found
    assert found.payload.primary.base == 0
    assert found.payload.primary.tuned > 0.9


@pytest.mark.parametrize("method", [Method.SFT, Method.DPO, Method.KTO])
def test_a_training_goes_on_from_whole_layers_to_the_same_bits(
    worker: ForkServer, tiny: Path, first: Path, tmp_path: Path, method: Method
) -> None:
    recipe = method_recipe(method, **FULL)
    parent = as_parent(first)
    whole = method_spec(tiny, tmp_path / "w", method, recipe=recipe, parent=parent)
    spec = method_spec(tiny, tmp_path / "k", method, recipe=recipe, parent=parent)

    expected = trained(worker.run(open_job(tmp_path / "w/job", whole)))
    killed = worker.status(open_job(tmp_path / "k/first", spec), kill_at_step=7)
    resumed = trained(worker.run(open_job(tmp_path / "k/second", spec)))

    assert killed == KILLED
    assert resumed.resumed_from_step == 4
    assert resumed.adapter_sha256 == expected.adapter_sha256
    before = trained(read_result(first))
    start = {
        Method.SFT: dict(before.dev_losses)[before.best_step],
        # the reference is the earlier model: nothing is preferred yet
        Method.DPO: math.log(2),
        Method.KTO: 0.5,
    }
    assert expected.dev_losses[0][1] == pytest.approx(start[method], rel=1e-3)


@pytest.mark.parametrize("shape", [{"lora_dropout": 0.0}, {"target_modules": "attention"}])
def test_low_rank_weights_do_not_go_on_from_whole_layers_nor_the_other_way_round(
    worker: ForkServer, tiny: Path, first: Path, tmp_path: Path, shape: dict[str, object]
) -> None:
    low = method_recipe(Method.SFT, **shape)
    job = open_job(tmp_path / "l/job", method_spec(tiny, tmp_path / "l", Method.SFT, recipe=low))
    assert worker.status(job) == 0
    full = method_recipe(Method.SFT, **FULL)
    cases: list[tuple[Recipe, Path]] = [(low, first), (full, job)]
    if shape == {"target_modules": "attention"}:
        cases.append((method_recipe(Method.SFT), job))

    for number, (recipe, parent) in enumerate(cases):
        root = tmp_path / str(number)
        spec = method_spec(tiny, root, Method.SFT, recipe=recipe, parent=as_parent(parent))
        refused = worker.run(open_job(root / "job", spec))

        assert refused is not None
        assert refused.outcome is JobOutcome.FAILED
        assert refused.error is not None
        assert "another shape" in refused.error.message


def test_an_export_of_whole_layers_answers_the_same_and_says_nothing_of_adapters_in_vllm(
    worker: ForkServer, tiny: Path, first: Path, tmp_path: Path
) -> None:
    import zipfile

    spec = ExportSpec(
        model=model_ref(tiny),
        adapter_dir=str(first / "artifacts/adapter"),
        format=ExportFormat.MERGED,
        tuning=trained_recipe(first).tuning,
        name="tuned",
        prompts=write_rows(tmp_path / "dev.jsonl", colours(4)),
        max_new_tokens=8,
        threads=1,
    )

    found = worker.run(open_job(tmp_path / "x", spec))

    assert found is not None
    assert isinstance(found.payload, ExportResult), found
    assert found.payload.parity.passed
    with zipfile.ZipFile(tmp_path / "x" / found.payload.files[0].path) as archive:
        readme = archive.read("tuned/README.md").decode()
    assert "vllm serve ./tuned" in readme
    assert "enable-lora" not in readme


def trained_recipe(job: Path) -> Recipe:
    spec = json.loads((job / "spec.json").read_bytes())["spec"]
    return Recipe.model_validate(spec["recipe"])
