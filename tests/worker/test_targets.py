"""Which layers are adapted or trained, asked of models of several families with their weights left out."""

from typing import Any

import pytest
import torch
from peft import get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from agents.memory import trained_weights
from agents.recipe import Recipe, TargetModules
from agents.worker import adapter_training, targets
from agents.worker.base_model import BaseFolder, LoadedBase
from agents.worker.errors import WorkerError
from configs.registry import architecture_of

pytestmark = [
    pytest.mark.torch,
    # PEFT still asks by the old name
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
]

WIDTHS = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
}
ATTENTION, MLP = {"q_proj", "k_proj", "v_proj", "o_proj"}, {"gate_proj", "up_proj", "down_proj"}
FAMILIES = {
    "llama": (ATTENTION, MLP),
    "mistral": (ATTENTION, MLP),
    "qwen2": (ATTENTION, MLP),
    "qwen3": (ATTENTION, MLP),
    "gemma2": (ATTENTION, MLP),
    "gemma3_text": (ATTENTION, MLP),
    "phi3": ({"qkv_proj", "o_proj"}, {"gate_up_proj", "down_proj"}),
    "gpt_neox": ({"query_key_value", "dense"}, {"dense_h_to_4h", "dense_4h_to_h"}),
}
"""Model types, and the last names of the linear layers in their parts."""


def model(kind: str) -> Any:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **WIDTHS))


def as_base(of: Any) -> LoadedBase:
    folder: Any = BaseFolder
    return LoadedBase(folder, of, None, "cpu")


def last_names(paths: str | list[str]) -> set[str]:
    assert isinstance(paths, list)
    return {path.rpartition(".")[2] for path in paths}


@pytest.mark.parametrize("kind", FAMILIES)
def test_attention_and_mlp_are_told_apart_in_every_family(kind: str) -> None:
    attention, mlp = FAMILIES[kind]
    of = model(kind)

    found = {part: targets.linear_layers(of, part) for part in targets.PARTS}

    assert last_names(found[TargetModules.ATTENTION]) == attention
    assert last_names(found[TargetModules.MLP]) == mlp
    counted = sum(len(names) for names in found.values())
    assert counted == WIDTHS["num_hidden_layers"] * (len(attention) + len(mlp))


@pytest.mark.parametrize(
    ("kind", "said"),
    [("opt", "fc1 is in neither"), ("mamba", "is in neither")],
)
def test_a_model_whose_parts_cannot_be_told_apart_is_refused_and_all_layers_are_not(
    kind: str, said: str
) -> None:
    of = model(kind)

    assert targets.linear_layers(of, TargetModules.ALL_LINEAR) == "all-linear"
    with pytest.raises(WorkerError, match=said) as caught:
        targets.linear_layers(of, TargetModules.ATTENTION)
    assert "Use target_modules=all-linear" in caught.value.message


@pytest.mark.parametrize("kind", FAMILIES)
def test_full_fine_tuning_trains_everything_but_the_tables_of_the_vocabulary(kind: str) -> None:
    of = model(kind)
    tables = {id(table.weight) for table in (of.get_input_embeddings(), of.get_output_embeddings())}
    expected = sum(p.numel() for p in of.parameters() if id(p) not in tables)

    tuned = get_peft_model(
        of, adapter_training.adapter(as_base(of), Recipe(model="m", tuning="full"))
    )

    trained = [p for p in tuned.parameters() if p.requires_grad]
    assert sum(p.numel() for p in trained) == expected
    assert not any("lora" in name for name, _ in tuned.named_parameters())


def test_weights_within_weights_are_refused() -> None:
    of = model("llama")
    of.model.layers[0].mlp.extra = torch.nn.Parameter(torch.ones(2))

    with pytest.raises(WorkerError, match=r"model\.layers\.0\.mlp has weights within weights"):
        targets.trained_whole(of)


@pytest.mark.parametrize("recipe", [{}, {"target_modules": "attention"}, {"target_modules": "mlp"}])
@pytest.mark.parametrize("kind", ["llama", "qwen3", "mistral"])
def test_the_memory_formula_counts_the_weights_that_peft_trains(
    kind: str, recipe: dict[str, str]
) -> None:
    of = model(kind)
    widths = architecture_of(of.config.to_dict())
    wanted = Recipe.model_validate({"model": "m", "lora_r": 4, **recipe})

    tuned = get_peft_model(of, adapter_training.adapter(as_base(of), wanted))

    assert widths is not None
    assert trained_weights(widths, wanted) == tuned.get_nb_trainable_parameters()[0]
