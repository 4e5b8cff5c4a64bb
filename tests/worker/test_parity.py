"""Exports that answer as the adapter does pass; each way of being another model is caught and named."""

import copy
from pathlib import Path
from typing import Any

import pytest

from agents.worker.rows import Row
from tests.worker.tiny_model import CHAT_TEMPLATE, build_model, colours

pytestmark = pytest.mark.torch

ROWS = [Row(prompt, answer, number) for number, (prompt, answer) in enumerate(colours(4), start=2)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("parity") / "tiny"
    build_model(path)
    return path


def speaker(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415

    from agents.worker.parity import Transformer  # noqa: PLC0415
    from agents.worker.rows import stop_ids  # noqa: PLC0415

    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return Transformer(model.eval(), tokenizer, tuple(stop_ids(tokenizer, model)))


def compared(reference: Any, export: Any) -> Any:
    from agents.worker.parity import compare  # noqa: PLC0415

    return compare(reference, export, ROWS, 8, lambda: None)


def test_the_same_model_passes(folder):
    parity = compared(speaker(folder), speaker(folder))

    assert parity.passed
    assert (parity.prompts, parity.same) == (4, 4)


def test_rounding_to_16_bits_passes(folder):
    rounded = speaker(folder)
    rounded.model.half().float()

    assert compared(speaker(folder), rounded).passed


@pytest.mark.parametrize(
    "template",
    [
        CHAT_TEMPLATE.replace("<|im_start|>assistant\n", "<|im_start|>assistant"),
        CHAT_TEMPLATE.replace("<|im_end|>\n", "<|im_end|>"),
        "{% for m in messages %}{{ m['content'] }}{% endfor %}",
    ],
)
def test_a_broken_template_is_caught_and_named(folder, template):
    export = speaker(folder)
    export.tokenizer.chat_template = template

    parity = compared(speaker(folder), export)

    assert not parity.passed
    assert "chat template makes another prompt of row 2" in parity.cause


def test_other_weights_are_caught_with_both_answers(folder):
    export = speaker(folder)
    export.model.model.layers[0].mlp.down_proj.weight.data.mul_(-3)

    parity = compared(speaker(folder), export)

    assert not parity.passed
    assert "the adapter prefers its own answer clearly" in parity.cause


def test_an_export_that_does_not_know_the_end_is_caught(folder):
    from dataclasses import replace  # noqa: PLC0415

    export = replace(speaker(folder), stops=(5,))

    assert "token that ends an answer" in compared(speaker(folder), export).cause


def test_an_answer_that_parts_at_a_near_tie_is_excused(folder):
    reference = speaker(folder)
    export = copy.deepcopy(reference)
    asked = reference.asked(ROWS[0])
    first = reference.answer(asked, 8)[0]
    import torch  # noqa: PLC0415

    with torch.inference_mode():
        logits = reference.model(torch.tensor([asked])).logits[0, -1]
    second = int(logits.topk(2).indices[1])
    gap = float(logits[first] - logits[second])

    from agents.worker import parity as parity_module  # noqa: PLC0415

    assert reference.preference(asked, first, second) == pytest.approx(gap)
    assert parity_module.gap_nats(reference, asked, [first], [second]) == pytest.approx(gap)
    assert parity_module.gap_nats(export, asked, [first, 7], [first]) == pytest.approx(
        reference.preference([*asked, first], 7, reference.stops[0])
    )
