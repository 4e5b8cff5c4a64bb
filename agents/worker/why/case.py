"""What is explained: one prompt, the answer that was given and, where that is wrong, the right one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

import torch
from torch import Tensor

from agents.worker.rows import Row, asked_ids

MOST_PROMPT_TOKENS = 1024
"""Longer prompts are not explained: the time grows with the square of this."""
MOST_ANSWER_TOKENS = 64
"""Of an answer, the beginning is explained."""


@dataclass(frozen=True)
class Case:
    """An answer to be explained, and the model that gave it."""

    model: Any
    """With the adapter beside its weights, not merged into them."""
    prompt: list[int]
    answer: list[int]
    right: list[int] | None
    """The right answer, where what is explained is why the model did not say that; else None."""
    blank: int
    """Token that stands for one that was taken away (`blank_of`)."""
    fixed: frozenset[int]
    """Places of the prompt that stand there whatever is asked (`frame`); they are never taken away."""
    beat: Callable[[], None]

    def embedded(self, ids: Sequence[int]) -> Tensor:
        """Return the embeddings of tokens, one text."""
        table = self.model.get_input_embeddings()
        with torch.no_grad():
            found: Tensor = table(torch.tensor([list(ids)], device=self.model.device))
        return found.detach()

    @property
    def movable(self) -> list[int]:
        """Places of the prompt's tokens that can be taken away."""
        return [place for place in range(len(self.prompt)) if place not in self.fixed]

    def without(self, places: Sequence[int]) -> list[int]:
        """Return the prompt with blanks at some places."""
        gone = set(places)
        return [self.blank if i in gone else token for i, token in enumerate(self.prompt)]

    def height(self, prompts: Tensor) -> Tensor:
        """Return, for prompts as embeddings, the log-probability of the answer; less that of the right one, where there is one."""
        found = self._told(prompts, self.answer)
        return found if self.right is None else found - self._told(prompts, self.right)

    def heights(self, prompts: Sequence[list[int]]) -> Tensor:
        """Return the same for prompts of tokens, one at a time: memory has room for one."""
        with torch.no_grad():
            return torch.cat([self.height(self.embedded(prompt)) for prompt in prompts])

    def _told(self, prompts: Tensor, answer: Sequence[int]) -> Tensor:
        self.beat()
        before = self.embedded(answer[:-1]).to(prompts.dtype) if len(answer) > 1 else None
        whole = prompts
        if before is not None:
            whole = torch.cat([prompts, before.expand(len(prompts), -1, -1)], dim=1)
        logits = self.model(inputs_embeds=whole, use_cache=False, logits_to_keep=len(answer)).logits
        targets = torch.tensor([list(answer)], device=logits.device).expand(len(prompts), -1)
        chances = logits.float().log_softmax(-1).gather(2, targets[..., None])
        found: Tensor = chances.sum(dim=(1, 2))
        return found


def blank_of(tokenizer: Any, end: int) -> int:
    """Return the token of a line break, which says nothing; without one the token that ends a text.

    Between a word and the end of a text a model changes its mind more often on the way: parts add up later.
    """
    ids: list[int] = tokenizer("\n", add_special_tokens=False)["input_ids"]
    return ids[-1] if ids else end


def frame(tokenizer: Any, row: Row, prompt: Sequence[int]) -> frozenset[int]:
    """Return the places of a prompt's tokens that the same conversation has with nothing said in it, as marks of turns."""
    special = frozenset(tokenizer.all_special_ids)
    places = {place for place, token in enumerate(prompt) if token in special}
    if row.plain:
        return frozenset(places)
    silent = "" if isinstance(row.prompt, str) else [m | {"content": ""} for m in row.prompt]
    alike = SequenceMatcher(
        None, asked_ids(tokenizer, replace(row, prompt=silent)), prompt, autojunk=False
    )
    for block in alike.get_matching_blocks():
        places.update(range(block.b, block.b + block.size))
    return frozenset(places)
