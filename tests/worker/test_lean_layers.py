"""Gradients that are written by hand, against numerical ones and against what PEFT and transformers compute."""

import random
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM

from agents.recipe import PARTS_AT_A_TIME
from agents.worker import lean_layers, lean_steps
from agents.worker.answer_loss import POSITIONS_AT_ONCE, answer_loss
from agents.worker.rows import IGNORED
from agents.worker.shared_beginning import side_by_side

pytestmark = [
    pytest.mark.torch,
    # PEFT still asks by the old name
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
]

LAYERS = 2
VOCABULARY = 50


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def test_the_gradients_of_layers_are_the_numerical_ones() -> None:
    x, weight = numbers(2, 5, 6), torch.rand(6, dtype=torch.float64)
    base = torch.randn(7, 6, dtype=torch.float64)
    adapter = numbers(2, 6), numbers(7, 2)

    assert torch.autograd.gradcheck(lean_layers._norm, (x, weight, 1e-5))
    assert torch.autograd.gradcheck(lean_layers._gate, (numbers(3, 4), numbers(3, 4)))
    assert torch.autograd.gradcheck(lean_layers._adapt, (x, base, *adapter, 1.5))


def test_the_loss_of_answers_is_their_cross_entropy_however_many_there_are() -> None:
    count = 2 * POSITIONS_AT_ONCE + 3
    hidden, head = numbers(count, 6), torch.randn(9, 6, dtype=torch.float64)
    targets = torch.randint(9, (count,))

    ours, theirs = (
        answer_loss(hidden, head, targets) / 7,
        cross_entropy(hidden @ head.t(), targets, reduction="sum") / 7,
    )

    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(loss, hidden)[0] for loss in (ours, theirs)))


def model(**adapter: Any) -> Any:
    torch.manual_seed(3)
    base = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=LAYERS,
            num_attention_heads=4,
            num_key_value_heads=2,
            initializer_range=0.3,
            tie_word_embeddings=True,
        )
    )
    shape = {"r": 4, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    tuned = get_peft_model(base, LoraConfig(**(shape | adapter)))
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    return tuned.train()


def gradients(tuned: Any, loss: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, [p for p in tuned.parameters() if p.requires_grad]))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(0, 6), st.booleans())
@example(5430, 1, 0, False)
def test_rows_side_by_side_have_the_loss_and_gradient_of_padded_rows(
    seed: int, count: int, beginning: int, all_learnt: bool
) -> None:
    chance = random.Random(seed)
    shared = [chance.randrange(VOCABULARY) for _ in range(beginning)]
    rows = [
        [*shared, *(chance.randrange(VOCABULARY) for _ in range(chance.randint(2, 8)))]
        for _ in range(count)
    ]
    silent = [0 if all_learnt else chance.randint(0, len(row) - 1) for row in rows]
    labels = [[IGNORED] * n + row[n:] for row, n in zip(rows, silent, strict=True)]
    width = max(len(row) for row in rows)
    plain, lean = model(), model()
    lean_steps.prepare(lean)

    batch = side_by_side(rows, labels)
    ours = lean_steps._loss(lean, batch)
    logits = plain(
        input_ids=torch.tensor([row + [0] * (width - len(row)) for row in rows]),
        attention_mask=torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows]),
    ).logits
    wanted = torch.tensor([row + [IGNORED] * (width - len(row)) for row in labels])
    theirs = cross_entropy(logits[:, :-1].flatten(0, 1), wanted[:, 1:].flatten(), reduction="sum")

    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    # of their length: single numbers that almost cancel out carry the rounding of all others
    found, expected = (
        torch.cat([part.flatten() for part in gradients(*pair)])
        for pair in ((lean, ours), (plain, theirs))
    )
    assert (found - expected).norm() < 1e-4 * expected.norm()


@pytest.mark.parametrize("part", [["q_proj", "k_proj", "v_proj", "o_proj"], ["up_proj"]])
def test_an_adapter_on_some_layers_only_has_the_loss_and_gradient_of_peft_s(
    part: list[str],
) -> None:
    plain, lean = model(target_modules=part), model(target_modules=part)
    lean_steps.prepare(lean)
    row = [3, 1, 4, 1, 5, 9, 2, 6]

    ours = lean_steps._loss(lean, side_by_side([row], [row]))
    logits = plain(input_ids=torch.tensor([row])).logits
    theirs = cross_entropy(logits[0, :-1], torch.tensor(row[1:]), reduction="sum")

    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    pairs = zip(gradients(lean, ours), gradients(plain, theirs), strict=True)
    compared = [torch.testing.assert_close(*pair, rtol=1e-3, atol=1e-4) for pair in pairs]
    assert len(compared) == 2 * LAYERS * len(part)


def test_what_rows_begin_with_stands_there_once_unless_it_is_learnt() -> None:
    rows = [[7, 8, 9, 1], [7, 8, 9, 2, 3]]

    apart = side_by_side(rows, [[*rows[0]], [*rows[1]]])
    together = side_by_side(rows, [[IGNORED] * 3 + [1], [IGNORED] * 3 + [2, 3]])

    assert apart.layout.shared == 0
    assert together.layout.shared == 2
    assert together.input_ids.tolist() == [[7, 8, 9, 1, 9, 2, 3]]
    assert together.position_ids.tolist() == [[0, 1, 2, 3, 2, 3, 4]]
    assert together.targets.tolist() == [IGNORED, IGNORED, 1, IGNORED, 2, 3, IGNORED]


def test_layers_that_are_not_plain_are_left_to_peft() -> None:
    norms_and_gates = 2 * LAYERS + 1 + LAYERS
    plain, dropped, dora = model(), model(lora_dropout=0.1), model(use_dora=True)

    assert lean_layers.slim(plain) == norms_and_gates + 7 * LAYERS
    assert lean_layers.slim(dropped) == norms_and_gates
    assert lean_layers.slim(dora) == norms_and_gates


def test_an_adapter_that_is_switched_off_or_merged_has_no_effect_twice() -> None:
    slim, peft = model(), model()
    lean_layers.slim(slim)
    ids = torch.arange(12)[None]

    with slim.disable_adapter(), peft.disable_adapter():
        off = [tuned(input_ids=ids).logits for tuned in (slim, peft)]
    on = [tuned(input_ids=ids).logits for tuned in (slim, peft)]
    slim.merge_adapter()
    merged = slim(input_ids=ids).logits

    torch.testing.assert_close(*off)
    torch.testing.assert_close(*on)
    torch.testing.assert_close(merged, on[1], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(off[0], on[0])


@given(st.lists(st.integers(1, 900), min_size=1, max_size=70), st.integers(1, 16))
def test_parts_hold_every_row_once_and_no_more_than_may_run_together(
    lengths: list[int], rows_at_once: int
) -> None:
    parts = lean_steps.parts_of(lengths, rows_at_once)

    most = max(1, rows_at_once // PARTS_AT_A_TIME)
    assert sorted(row for part in parts for row in part) == list(range(len(lengths)))
    assert all(1 <= len(part) <= most for part in parts)
    assert parts == lean_steps.parts_of(lengths, rows_at_once)


def test_parts_take_about_equally_long() -> None:
    parts = lean_steps.parts_of([90, 80, 40, 40, 30, 30, 20, 10], 8)

    assert [sum([90, 80, 40, 40, 30, 30, 20, 10][i] for i in part) for part in parts] == [170, 170]
