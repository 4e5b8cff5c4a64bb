"""Answers in wide batches: the words of transformers' plain `generate`, whatever stands beside a row."""

import random
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM

from agents import memory
from agents.worker import answers, lean_answers, likelihood, on_gpu, shared_beginning
from agents.worker.answers import Answer, Exam, answer, rows_that_fit
from agents.worker.lean_attention import Beginning, Held
from agents.worker.shaped_rows import Said
from configs.registry import architecture_of

pytestmark = [
    pytest.mark.torch,
    # PEFT still asks by the old name
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
]

VOCABULARY = 40
KINDS = ("llama", "mistral", "qwen2", "qwen3")
TOKENIZER = SimpleNamespace(decode=lambda ids, skip_special_tokens: " ".join(map(str, ids)))
"""Shows tokens as numbers."""


def model(kind: str = "llama", *, seed: int = 3, **widths: Any) -> Any:
    """Return a model with an adapter on it that says many different things."""
    shape = {
        "vocab_size": VOCABULARY,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 4,
        "max_position_embeddings": 512,
        "initializer_range": 0.6,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": None,
    }
    if kind == "mistral":
        shape["sliding_window"] = None
    torch.manual_seed(seed)
    base = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **(shape | widths)))
    tuned = get_peft_model(
        base, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(weight, std=0.3)
    return tuned.eval()


def prompts(seed: int, count: int, beginning: int, longest: int = 9) -> list[list[int]]:
    chance = random.Random(seed)
    shared = [chance.randrange(2, VOCABULARY) for _ in range(beginning)]
    return [
        [*shared, *(chance.randrange(2, VOCABULARY) for _ in range(chance.randint(1, longest)))]
        for _ in range(count)
    ]


def by_generate(asked: Any, exam: Exam) -> list[list[int]]:
    """Answer prompts one by one, the adapter attached."""
    said = []
    for prompt in exam.prompts:
        ids = torch.tensor([prompt])
        with torch.no_grad():
            out = asked.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=exam.max_new_tokens,
                eos_token_id=exam.ends or None,
                pad_token_id=0,
            )
        said.append(out[0, len(prompt) :].tolist())
    return said


def by_us(asked: Any, exam: Exam) -> list[list[int]]:
    found: dict[int, Answer] = {}
    for some in answer(asked, TOKENIZER, exam, lambda: None):
        assert not found.keys() & some.keys()
        found |= some
    assert sorted(found) == list(range(len(exam.prompts)))
    return [list(found[i].ids) for i in range(len(found))]


@pytest.mark.parametrize("merges", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_plain_generate_with_the_adapter_attached(
    kind: str, merges: bool
) -> None:
    tuned = model(kind)
    exam = Exam(prompts(1, 12, 5), [1, 7, 11, 13], 20)
    theirs = by_generate(tuned, exam)
    attention = tuned.config._attn_implementation

    ours = by_us(tuned.merge_and_unload() if merges else tuned, exam)

    assert shared_beginning.suits(tuned)
    assert ours == theirs
    assert len({tuple(ids) for ids in ours}) > 6
    assert len({len(ids) for ids in ours}) > 1
    assert tuned.config._attn_implementation == attention


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(0, 7), st.integers(1, 4))
def test_answers_depend_neither_on_the_company_nor_on_the_beginning(
    seed: int, count: int, beginning: int, ends: int
) -> None:
    tuned = model(seed=seed)
    exam = Exam(prompts(seed, count, beginning), list(range(1, 1 + ends)), 12)

    assert by_us(tuned, exam) == by_generate(tuned, exam)


def test_long_answers_get_more_room_on_the_way() -> None:
    exam = Exam(prompts(5, 6, 3), [], 2 * lean_answers.GROWTH_TOKENS + 5)
    tuned = model()

    ours = by_us(tuned, exam)

    assert ours == by_generate(tuned, exam)
    assert {len(ids) for ids in ours} == {exam.max_new_tokens}


def test_prompts_that_are_alike_are_answered_alike() -> None:
    exam = Exam([[5, 6, 7]] * 5, [1], 6)
    tuned = model()

    assert by_us(tuned, exam) == by_generate(tuned, exam)


def test_prompts_are_read_in_parts_and_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    exam = Exam(prompts(8, 20, 4), [1, 2, 3], 10)
    tuned = model()
    whole = by_us(tuned, exam)

    monkeypatch.setattr(lean_answers, "PART_TOKENS", 16)
    monkeypatch.setattr(answers, "BATCH_ITEMS", 7)

    assert by_us(tuned, exam) == whole


def test_half_precision_stays_half_precision() -> None:
    tuned = model().merge_and_unload().to(torch.bfloat16)
    exam = Exam(prompts(2, 8, 4), [1], 8)

    said = by_us(tuned, exam)

    assert [len(ids) for ids in said] == [len(ids) for ids in by_generate(tuned, exam)]
    assert tuned.dtype is torch.bfloat16


def tokens_read(asked: Any) -> list[int]:
    """Return a list that grows by the number of tokens of each look at the model."""
    counts: list[int] = []
    asked.get_input_embeddings().register_forward_hook(
        lambda _module, inputs, _out: counts.append(inputs[0].numel())
    )
    return counts


def test_a_common_beginning_is_read_once_and_rows_that_ended_are_not_asked_on() -> None:
    tuned = model()
    exam = Exam(prompts(4, 16, 30), [1, 2, 3, 4, 5, 6], 14)
    counts = tokens_read(tuned)

    said = by_us(tuned, exam)

    lengths = [len(ids) for ids in said]
    assert len(set(lengths)) > 4
    own = [prompt[30:] for prompt in exam.prompts]
    beginning, read, *steps = counts
    assert beginning == 30
    assert read <= sum(map(len, own))
    # the last token of an answer comes out without going in
    assert steps == [sum(length > n for length in lengths) for n in range(1, max(lengths))]


class Small(nn.Module):
    """A head that has no memory for more than a few rows."""

    def __init__(self, head: nn.Module, most: int) -> None:
        super().__init__()
        self.head, self.most = head, most
        self.seen: list[int] = []

    def forward(self, hidden: Tensor) -> Any:
        self.seen.append(len(hidden))
        if len(hidden) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.head(hidden)


def test_a_batch_that_memory_has_no_room_for_is_halved() -> None:
    tuned = model().merge_and_unload()
    exam = Exam(prompts(6, 16, 3), [1, 2, 3], 8)
    theirs = by_generate(tuned, exam)
    tuned.lm_head = head = Small(tuned.lm_head, 5)

    assert by_us(tuned, exam) == theirs
    assert head.seen[:3] == [16, 8, 4]
    assert max(head.seen[2:]) == 4


def test_a_single_row_without_room_is_an_error() -> None:
    tuned = model().merge_and_unload()
    tuned.lm_head = Small(tuned.lm_head, 0)

    with pytest.raises(torch.OutOfMemoryError):
        by_us(tuned, Exam(prompts(6, 3, 3), [1], 8))


@pytest.mark.parametrize("window", [None, 8])
def test_batches_are_as_wide_as_memory_allows(
    window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = model("mistral", sliding_window=window).merge_and_unload()
    exam = Exam(prompts(6, 3, 3), [1], 100)
    widths = []

    for free in (10**12, 6 * 10**6, 5 * 10**6, 10**6, 0):
        monkeypatch.setattr(on_gpu, "free_bytes", lambda _device, free=free: free)
        widths.append(rows_that_fit(asked, exam, 100))

    assert widths[0] == answers.BATCH_ITEMS
    assert widths[-1] == 1
    assert widths == sorted(widths, reverse=True)
    assert len(set(widths)) > 2


def test_a_row_holds_as_much_as_the_formula_says() -> None:
    asked = model().merge_and_unload()
    widths = architecture_of(asked.config.to_dict())
    assert widths is not None
    held = Held(Beginning(), 3, 50)
    for layer in range(2):
        key = torch.zeros(3, 2, 50, 4)
        held.put(layer, 0, key, key)

    keys_and_values = sum(part.nbytes for part in (*held.keys, *held.values))

    logits = 8 * VOCABULARY
    assert 3 * memory.answer_bytes(widths, 50, 4) == keys_and_values + 3 * logits


def test_other_architectures_are_asked_by_generate() -> None:
    torch.manual_seed(1)
    config = AutoConfig.for_model(
        "gpt2", vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=2, initializer_range=0.5
    )
    asked = AutoModelForCausalLM.from_config(config).eval()
    exam = Exam(prompts(9, 9, 4), [1, 2, 3], 10)

    assert not shared_beginning.suits(asked)
    assert by_us(asked, exam) == by_generate(asked, exam)


def test_a_beat_comes_with_every_token() -> None:
    beats: list[float] = []
    exam = Exam(prompts(9, 9, 4), [], 10)

    for _ in answer(model(), TOKENIZER, exam, lambda: beats.append(time.monotonic())):
        pass

    # with the beginning and the one part of the prompts, too
    assert len(beats) == 12


def texts(seed: int, count: int) -> list[Said]:
    answered = prompts(seed + 1, count, 0)
    return [
        Said(prompt, said, len(prompt) + len(said))
        for prompt, said in zip(prompts(seed, count, 4), answered, strict=True)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_side_by_side_an_answer_is_as_likely_as_alone(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned, shown = model(kind), texts(3, 21)
    monkeypatch.setattr(likelihood, "POSITIONS_AT_ONCE", 7)

    ours = likelihood.mean_log_probs(tuned, 0, shown, lambda: None)

    assert ours == pytest.approx(alone(tuned, shown), abs=1e-5)
    assert len({round(value, 3) for value in ours}) > 10


def alone(asked: Any, shown: Sequence[Said]) -> list[float]:
    found = []
    for text in shown:
        with torch.no_grad():
            logits = asked(input_ids=torch.tensor([text.prompt + text.answer])).logits[0]
        likely = logits.log_softmax(-1)[len(text.prompt) - 1 : -1]
        found.append(float(likely.gather(1, torch.tensor(text.answer)[:, None]).mean()))
    return found


def test_answers_without_a_prompt_are_scored_too() -> None:
    tuned = model()
    shown = [Said([], [5, 6, 7], 3), *texts(3, 4)]

    found = likelihood.mean_log_probs(tuned, 0, shown, lambda: None)

    assert found[1:] == pytest.approx(alone(tuned, shown[1:]), abs=1e-5)
