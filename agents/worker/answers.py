"""Let a model answer prompts: greedy, left-padded, in wide batches of about equal length."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

BATCH_ITEMS = 32
BATCH_TOKENS = 16_384
"""Room of a batch: prompts and answers together, padding included."""


@dataclass(frozen=True)
class Exam:
    """What base and tuned model are asked, in the same words and under the same rules."""

    prompts: list[list[int]]
    ends: list[int]
    """Tokens that end an answer, the padding first."""
    max_new_tokens: int


@dataclass(frozen=True)
class Answer:
    """What a model said to one prompt."""

    text: str
    tokens: int
    """Generated ones, the end included."""


class _Pulse(StoppingCriteria):  # type: ignore[misc]  # transformers ships no types
    """Beats with every token and stops nothing: long answers in a wide batch take minutes."""

    def __init__(self, beat: Callable[[], None]) -> None:
        self.beat = beat

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:  # noqa: ARG002  # theirs
        self.beat()
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


def answer(
    model: Any, tokenizer: Any, exam: Exam, beat: Callable[[], None]
) -> Iterator[dict[int, Answer]]:
    """Yield the answers of one batch after another, by index of the prompt. `beat` is called with every token."""
    # The model's own settings may sample or punish repetition; as defaults they would slip into ours.
    model.generation_config = GenerationConfig(
        do_sample=False,
        max_new_tokens=exam.max_new_tokens,
        eos_token_id=exam.ends,
        pad_token_id=exam.ends[0],
    )
    model.eval()
    for batch in batches(exam):
        width = max(len(exam.prompts[i]) for i in batch)
        padding = [width - len(exam.prompts[i]) for i in batch]
        tokens = [
            [exam.ends[0]] * pad + exam.prompts[i] for i, pad in zip(batch, padding, strict=True)
        ]
        mask = [[0] * pad + [1] * (width - pad) for pad in padding]
        with torch.inference_mode():
            output = model.generate(
                input_ids=torch.tensor(tokens, device=model.device),
                attention_mask=torch.tensor(mask, device=model.device),
                stopping_criteria=StoppingCriteriaList([_Pulse(beat)]),
            )
        said = (_until_end(row, exam.ends) for row in output[:, width:].tolist())
        yield {
            i: Answer(tokenizer.decode(row, skip_special_tokens=True).strip(), len(row))
            for i, row in zip(batch, said, strict=True)
        }


def batches(exam: Exam) -> Iterator[list[int]]:
    """Yield the prompts' indices in batches, longest first: if memory runs out, then at once."""
    batch: list[int] = []
    for i in sorted(range(len(exam.prompts)), key=lambda i: -len(exam.prompts[i])):
        longest = len(exam.prompts[batch[0] if batch else i]) + exam.max_new_tokens
        if batch and (len(batch) == BATCH_ITEMS or (len(batch) + 1) * longest > BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _until_end(tokens: list[int], ends: list[int]) -> list[int]:
    stop = next((i for i, token in enumerate(tokens) if token in ends), len(tokens) - 1)
    return tokens[: stop + 1]
