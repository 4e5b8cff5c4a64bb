"""The arithmetic behind explanations, against slower ways to the same numbers."""

import time
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from agents.worker import explain_answer, moved_weights
from agents.worker.errors import WorkerError
from agents.worker.rows import Row
from agents.worker.why import attribution, influence
from agents.worker.why.case import Case

pytestmark = [
    pytest.mark.torch,
    # PEFT still asks by the old name
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
]
BLANK = 0


@dataclass(frozen=True)
class Formula(Case):
    """A case whose height is a formula over the one number that each token is embedded as."""

    steepness: float = 1.0

    def height(self, prompts: Tensor) -> Tensor:
        """Tokens 1 and 2 count together, more steeply the larger `steepness` is."""
        self.beat()
        return torch.tanh(self.steepness * (prompts[:, 0, 0] + 0.5 * prompts[:, 1, 0] - 0.7))


def formula(steepness: float) -> Formula:
    table = torch.nn.Embedding(4, 1)
    with torch.no_grad():
        table.weight.copy_(torch.tensor([[0.0], [1.0], [1.0], [1.0]]))
    model = SimpleNamespace(get_input_embeddings=lambda: table, device=torch.device("cpu"))
    return Formula(
        model=model,
        prompt=[1, 2, 3, 3, 3],
        answer=[1],
        right=None,
        blank=BLANK,
        fixed=frozenset({4}),
        beat=lambda: None,
        steepness=steepness,
    )


def test_parts_are_those_of_the_formula_and_marks_have_none() -> None:
    found = attribution.attribute(formula(0.01), time.monotonic() + 60, seed=0)

    assert found is not None
    whole = found.checked.whole
    assert found.of_token == pytest.approx([whole * 2 / 3, whole / 3, 0, 0, 0], rel=1e-2, abs=1e-6)
    assert found.checked.is_trustworthy


def test_steps_are_doubled_until_the_parts_add_up() -> None:
    found = attribution.attribute(formula(60.0), time.monotonic() + 60, seed=0)

    assert found is not None
    assert found.checked.steps > attribution.FIRST_STEPS
    assert found.checked.is_complete
    assert abs(sum(found.of_token) - found.checked.whole) <= 0.05 * found.checked.whole


def test_where_time_ends_before_they_do_nobody_is_told_to_trust_them() -> None:
    found = attribution.attribute(formula(60.0), time.monotonic(), seed=0)

    assert found is not None
    assert found.checked.steps == attribution.FEWEST_STEPS
    assert found.checked.error > 0.05
    assert not found.checked.is_complete
    assert not found.checked.is_trustworthy


def test_a_prompt_without_words_of_its_own_is_not_weighed() -> None:
    silent = replace(formula(1.0), fixed=frozenset(range(5)))

    assert attribution.attribute(silent, time.monotonic(), seed=0) is None


def test_influence_is_that_of_the_closed_form() -> None:
    torch.manual_seed(0)
    rows, asked = torch.randn(6, 5, dtype=torch.double), torch.randn(5, dtype=torch.double)
    damping = 0.1 * rows.pow(2).mean()
    inverse = torch.zeros(5, 5, dtype=torch.double)
    for row in rows:
        inverse += (torch.eye(5) - torch.outer(row, row) / (damping + row @ row)) / damping / 6

    found = influence.datainf(asked, rows, 5)

    assert found is not None
    torch.testing.assert_close(found, rows @ inverse @ asked)
    assert influence.datainf(asked, torch.zeros(3, 5), 5) is None


def test_ranks_are_averaged_whatever_the_size_of_a_layer() -> None:
    layers = torch.tensor([[3.0, 2.0, 1.0], [300.0, 100.0, 200.0]])

    assert influence.ranks(layers) == [1.0, -0.5, -0.5]
    assert list(influence.middle(range(12))) == [3, 4, 5, 6, 7, 8]
    assert list(influence.middle(range(3))) == [0, 1, 2]


def adapted() -> Any:
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
    )
    lora = LoraConfig(r=4, lora_alpha=12, target_modules="all-linear", init_lora_weights=False)
    return get_peft_model(LlamaForCausalLM(config), lora)


def test_layers_have_the_size_of_the_product_itself() -> None:
    model = adapted()
    moved, weights = [0.0] * 3, [0.0] * 3
    for name, module in model.named_modules():
        if name.endswith("_proj"):
            layer = int(name.split(".layers.")[1].split(".")[0])
            down, up = (part["default"].weight.detach() for part in (module.lora_A, module.lora_B))
            moved[layer] += float((3 * up @ down).pow(2).sum())
            weights[layer] += float(module.base_layer.weight.pow(2).sum())

    found = moved_weights.by_layer(model)

    assert list(found) == [0, 1, 2]
    for layer, size in found.items():
        assert size == pytest.approx((moved[layer] / weights[layer]) ** 0.5, rel=1e-4)


def test_sketches_of_gradients_have_their_products(monkeypatch: pytest.MonkeyPatch) -> None:
    model = adapted().eval()
    whole = influence._Gradients(model)
    texts = [torch.randint(50, (1, 12)) for _ in range(8)]

    def gradients(by: Any) -> Tensor:
        losses = (model(input_ids=text, labels=text).loss for text in texts)
        return torch.stack([by.of(loss)[1] for loss in losses])

    exact = gradients(whole)
    monkeypatch.setattr(influence, "SKETCH", 800)
    sketched = gradients(influence._Gradients(model))

    assert exact.shape[1] == whole.lengths[1] > 800
    assert sketched.shape[1] == 800
    largest = float((exact @ exact.T).abs().max())
    assert float((exact @ exact.T - sketched @ sketched.T).abs().max()) < 0.15 * largest


def test_gradients_leave_the_model_as_it_was() -> None:
    model = adapted()
    for weight in model.parameters():
        weight.requires_grad_(False)

    influence._Gradients(model).rest()

    assert not any(weight.requires_grad for weight in model.parameters())


def test_a_prompt_that_would_take_too_long_is_refused() -> None:
    class Wordy:
        chat_template = None

        def __call__(self, text: str, **_options: Any) -> dict[str, list[int]]:
            return {"input_ids": [1] * len(text)}

    base: Any = SimpleNamespace(context_tokens=4096, tokenizer=Wordy())
    spec: Any = SimpleNamespace(recipe=SimpleNamespace(max_new_tokens=8))

    with pytest.raises(WorkerError, match=r"has 2,\d\d\d tokens; up to 1,024") as refused:
        explain_answer._prompt(base, Row("x" * 2000, "y", 7), spec)

    assert refused.value.for_person
