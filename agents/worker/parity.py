"""Does an export answer as the adapter does with PEFT? Prompts as tokens, ends, and greedy answers are compared.

Rounding to 16 bits moves logits a little, so an answer may part from PEFT's where two tokens were about equally likely.
That is told from a broken export by PEFT itself: at the token where they part, it must hold the other one for nearly as
likely. Whatever went on before that token was the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from agents.jobs import Parity, row_name
from agents.worker.rows import Row, asked_ids

NEAR_TIE_NATS = 0.1
"""Most by which PEFT may prefer its own token where an export of 16 bits chose another: a factor of 1.1 in probability."""
SHOWN_CHARS = 80


class Speaker(Protocol):
    """A tuned model in some engine."""

    def asked(self, row: Row) -> list[int]:
        """Return the tokens that this engine makes of a row's prompt, its template and special tokens included."""

    def ends(self) -> set[int]:
        """Return the tokens that end an answer there."""

    def answer(self, tokens: list[int], max_new_tokens: int) -> list[int]:
        """Return the greedy answer to tokens, without the token that ends it."""


@dataclass(frozen=True)
class Transformer:
    """A model in transformers: the reference, or an export of safetensors."""

    model: Any
    tokenizer: Any
    stops: tuple[int, ...]

    def asked(self, row: Row) -> list[int]:
        """Return the tokens of a prompt."""
        return asked_ids(self.tokenizer, row)

    def ends(self) -> set[int]:
        """Return the tokens that end an answer."""
        return set(self.stops)

    def answer(self, tokens: list[int], max_new_tokens: int) -> list[int]:
        """Return the greedy answer."""
        asked = torch.tensor([tokens], device=self.model.device)
        with torch.inference_mode():
            said = self.model.generate(
                input_ids=asked,
                attention_mask=torch.ones_like(asked),
                do_sample=False,
                max_new_tokens=max_new_tokens,
                eos_token_id=list(self.stops),
                pad_token_id=self.stops[0],
            )
        return _before_end(said[0, len(tokens) :].tolist(), self.stops)

    def preference(self, tokens: list[int], one: int, other: int) -> float:
        """Return by how many nats this model prefers one next token to another."""
        with torch.inference_mode():
            logits = self.model(torch.tensor([tokens], device=self.model.device)).logits[0, -1]
        return float(logits[one] - logits[other])


def compare(
    reference: Transformer,
    export: Speaker,
    rows: Sequence[Row],
    max_new_tokens: int,
    beat: Callable[[], None],
) -> Parity:
    """Put the rows' prompts to both and say whether the export is the same model."""
    same = near_ties = 0
    for row in rows:
        beat()
        asked, theirs = reference.asked(row), export.asked(row)
        if asked != theirs:
            return _failed(rows, same, near_ties, _other_prompt(reference, row, asked, theirs))
        if not export.ends() & reference.ends():
            return _failed(rows, same, near_ties, "It does not know the token that ends an answer.")
        here = reference.answer(asked, max_new_tokens)
        there = _before_end(export.answer(asked, max_new_tokens), reference.stops)
        if here == there:
            same += 1
            continue
        gap = gap_nats(reference, asked, here, there)
        if gap > NEAR_TIE_NATS:
            cause = _other_answer(reference, row, here, there, gap)
            return _failed(rows, same, near_ties, cause)
        near_ties += 1
    return Parity(prompts=len(rows), same=same, near_ties=near_ties)


def gap_nats(reference: Transformer, asked: list[int], here: list[int], there: list[int]) -> float:
    """Return by how much the reference prefers its own token where two answers, without their ends, part."""
    at = next(
        (i for i, (a, b) in enumerate(zip(here, there, strict=False)) if a != b),
        min(len(here), len(there)),
    )
    end = reference.stops[0]
    ours = here[at] if at < len(here) else end
    theirs = there[at] if at < len(there) else end
    return reference.preference([*asked, *here[:at]], ours, theirs)


def _before_end(tokens: list[int], stops: Sequence[int]) -> list[int]:
    end = next((i for i, token in enumerate(tokens) if token in stops), len(tokens))
    return tokens[:end]


def _failed(rows: Sequence[Row], same: int, near_ties: int, cause: str) -> Parity:
    return Parity(prompts=len(rows), same=same, near_ties=near_ties, cause=cause)


def _other_prompt(reference: Transformer, row: Row, asked: list[int], theirs: list[int]) -> str:
    at = next(
        (i for i, (a, b) in enumerate(zip(asked, theirs, strict=False)) if a != b),
        min(len(asked), len(theirs)),
    )
    here, there = (reference.tokenizer.decode(part[at : at + 8]) for part in (asked, theirs))
    return (
        f"Its chat template makes another prompt of {row_name(row.number)}: after {at} equal tokens it says {_shown(there)} "
        f"where the training said {_shown(here)}. It would answer questions that it was never taught."
    )


def _other_answer(
    reference: Transformer, row: Row, here: list[int], there: list[int], gap: float
) -> str:
    said, said_there = (reference.tokenizer.decode(part) for part in (here, there))
    return (
        f"It answers {row_name(row.number)} with {_shown(said_there)}, the adapter with {_shown(said)}, and the adapter prefers "
        f"its own answer clearly (by {gap:.2f} nats where they part)."
    )


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return f"“{line[:SHOWN_CHARS]}…”" if len(line) > SHOWN_CHARS else f"“{line}”"
