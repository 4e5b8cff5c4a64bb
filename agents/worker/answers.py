"""Let a model answer prompts: greedy, in batches of about equal length that are as wide as memory allows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from agents import memory
from agents.worker import held, lean_answers, on_gpu, shared_beginning
from agents.worker.errors import is_out_of_memory
from agents.worker.lean_answers import Asking, Speaker
from agents.worker.shaped_rows import Said
from configs.registry import architecture_of

BATCH_ITEMS = 64
"""Rows at once, at most."""
GENERATED_TOKENS = 16_384
"""Room of a batch of a model whose keys and values nobody can count: prompts and answers together, padding included."""
SHARE_OF_FREE = 0.5
"""Of the free memory that a batch may be expected to take; others work on this machine too."""
COPIES = 2.5
"""How often transformers' `generate` holds keys and values: it makes them longer by copying, a layer at a time, padded."""


@dataclass(frozen=True)
class Exam:
    """What base and tuned model are asked, in the same words and under the same rules."""

    prompts: list[list[int]]
    ends: list[int]
    """Tokens that end an answer, the padding first; none: all answers are as long as they may be."""
    max_new_tokens: int
    references: list[list[int]] | None = None
    """By prompt: tokens of the right answer, at most `max_new_tokens`, if one wants to know how likely the model finds it; else none."""

    def only(self, numbers: Sequence[int]) -> "Exam":
        """Return the exam with some of the prompts."""
        references = self.references
        return replace(
            self,
            prompts=[self.prompts[i] for i in numbers],
            references=None if references is None else [references[i] for i in numbers],
        )

    def telling(self, told: Sequence[Said]) -> "Exam":
        """Return the exam with the right answers, one per prompt, as far as they fit after it and into the room for an answer."""
        references = [
            right.answer
            if right.prompt == prompt and len(right.answer) <= self.max_new_tokens
            else []
            for right, prompt in zip(told, self.prompts, strict=True)
        ]
        return replace(self, references=references)


@dataclass(frozen=True)
class Answer:
    """What a model said to one prompt."""

    text: str
    ids: tuple[int, ...]
    """Generated tokens, the end included."""
    likely: float | None = field(default=None, compare=False)
    """Mean log-probability per token of the reference, where there is one and it was read along with the prompt."""

    @property
    def tokens(self) -> int:
        """How many were generated."""
        return len(self.ids)


def answer(
    model: Any, tokenizer: Any, exam: Exam, beat: Callable[[], None]
) -> Iterator[dict[int, Answer]]:
    """Yield answers as they end, by index of the prompt. `beat` is called with every token.

    The longest prompts come first: if memory runs out, then at once. A batch for which it does is asked again in halves.
    """
    model.eval()
    say, likely = _speech(model, exam, beat)
    waiting = sorted(range(len(exam.prompts)), key=lambda i: -len(exam.prompts[i]))
    most = BATCH_ITEMS
    while waiting:
        batch = waiting[: min(most, rows_that_fit(model, exam, len(exam.prompts[waiting[0]])))]
        answered: set[int] = set()
        try:
            for said in say(batch):
                answered |= said.keys()
                yield {i: heard(tokenizer, ids, likely.get(i)) for i, ids in said.items()}
        except (RuntimeError, MemoryError) as error:
            if len(batch) == 1 or not is_out_of_memory(error):
                raise
            most = len(batch) // 2
        if len(answered) < len(batch):
            held.give_back()
        waiting = [i for i in waiting if i not in answered]


def heard(tokenizer: Any, ids: Sequence[int], likely: float | None = None) -> Answer:
    """Return an answer by its tokens."""
    text = tokenizer.decode(list(ids), skip_special_tokens=True).strip()
    return Answer(text, tuple(ids), likely)


def rows_that_fit(model: Any, exam: Exam, prompt_tokens: int) -> int:
    """Return how many rows may be answered at once, the longest of them with so many tokens in its prompt."""
    tokens = prompt_tokens + exam.max_new_tokens
    widths = architecture_of(model.config.to_dict())
    if widths is None:
        return max(1, min(BATCH_ITEMS, GENERATED_TOKENS // tokens))
    free = SHARE_OF_FREE * on_gpu.free_bytes(model.device.type)
    size = model.dtype.itemsize
    if shared_beginning.suits(model):
        told = exam.references is not None
        read = max(lean_answers.PART_TOKENS, tokens if told else prompt_tokens)
        free -= memory.reading_bytes(widths, read, size)
        if told:
            scored = lean_answers.GROUPS * lean_answers.SCORED_AT_ONCE
            free -= scored * memory.answer_bytes(widths, 0, size)
        row = float(memory.answer_bytes(widths, tokens, size))
    else:  # which reads whole batches
        row = COPIES * memory.answer_bytes(widths, tokens, size)
        row += memory.reading_bytes(widths, prompt_tokens, size)
    return max(1, min(BATCH_ITEMS, int(free / row)))


Speech = Callable[[Sequence[int]], Iterator[dict[int, list[int]]]]
"""Yields the tokens of answers by number of the prompt, for a batch of such numbers."""


def _speech(model: Any, exam: Exam, beat: Callable[[], None]) -> tuple[Speech, Mapping[int, float]]:
    """Return how a model speaks, and where it is found how likely it finds a reference, by number of the prompt, once it was read."""
    if shared_beginning.suits(model):
        asking = Asking(frozenset(exam.ends), exam.max_new_tokens, beat, exam.references)
        speaker = Speaker(model, exam.prompts, asking)
        return speaker.say, speaker.likely
    return lambda numbers: _generate(model, exam, numbers, beat), {}


class _Pulse(StoppingCriteria):  # type: ignore[misc]  # transformers ships no types
    """Beats with every token and stops nothing: long answers in a wide batch take minutes."""

    def __init__(self, beat: Callable[[], None]) -> None:
        self.beat = beat

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:  # noqa: ARG002  # theirs
        self.beat()
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


def _generate(
    model: Any, exam: Exam, numbers: Sequence[int], beat: Callable[[], None]
) -> Iterator[dict[int, list[int]]]:
    """Answer by transformers' own `generate`, padded on the left: what any architecture can."""
    kept = model.generation_config
    padded_with = exam.ends[0] if exam.ends else 0
    # The model's own settings may sample or punish repetition; as defaults they would slip into ours.
    model.generation_config = GenerationConfig(
        do_sample=False,
        max_new_tokens=exam.max_new_tokens,
        eos_token_id=exam.ends or None,
        pad_token_id=padded_with,
    )
    prompts = [exam.prompts[i] for i in numbers]
    width = max(map(len, prompts))
    padding = [width - len(prompt) for prompt in prompts]
    tokens = [[padded_with] * pad + prompt for pad, prompt in zip(padding, prompts, strict=True)]
    mask = [[0] * pad + [1] * (width - pad) for pad in padding]
    try:
        with torch.inference_mode():
            output = model.generate(
                input_ids=torch.tensor(tokens, device=model.device),
                attention_mask=torch.tensor(mask, device=model.device),
                stopping_criteria=StoppingCriteriaList([_Pulse(beat)]),
            )
    finally:
        model.generation_config = kept
    said = (_until_end(row, exam.ends) for row in output[:, width:].tolist())
    yield dict(zip(numbers, said, strict=True))


def _until_end(tokens: list[int], ends: list[int]) -> list[int]:
    stop = next((i for i, token in enumerate(tokens) if token in ends), len(tokens) - 1)
    return tokens[: stop + 1]
