"""Optimizer steps of supervised fine-tuning on a CPU: a batch in parts, two at a time, each on cores of its own.

Small matrices leave half of two cores idle when both work on each; they do not when each has a part to itself. The
gradients of the parts are added in the order of the parts, whichever is ready first, so that an adapter depends neither
on chance nor, with one core per part, on how many there are.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from peft import PeftModel
from torch import Tensor

from agents.recipe import PARTS_AT_A_TIME, Recipe, is_lean
from agents.worker import lean_layers, shared_beginning
from agents.worker.answer_loss import answer_loss
from agents.worker.base_model import LoadedBase
from agents.worker.cores import shared_out
from agents.worker.rows import IGNORED
from agents.worker.shared_beginning import ATTENTION, SideBySide, side_by_side, through

Result = TypeVar("Result")
Seen = tuple[float, int]
"""Log-probability of a row's answer, and the tokens of it."""
Part = tuple[float, tuple[Tensor, ...], list[Seen]]
"""A loss, the gradient of each trained weight, and what the model thought of each row."""


class LeanSteps:
    """For an SFTTrainer whose batches come whole: computes loss and gradient in parts of few rows."""

    model: Any
    processing_class: Any
    rows_at_once: int
    """Rows that go through the model at any one time."""
    told: Callable[[list[Seen]], None] | None = None
    """Gets what the model thought of each row of a batch, in their order, before it learnt from them."""

    def training_step(
        self, model: Any, inputs: dict[str, Tensor], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Leave the gradient of a batch on the trained weights and return its loss."""
        model.train()
        trained = [weight for weight in model.parameters() if weight.requires_grad]

        def learn(batch: SideBySide) -> Part:
            likely: list[Tensor] = []
            loss = self.compute_loss(
                model, {"lean": batch, "told": likely}, num_items_in_batch=num_items_in_batch
            )
            return float(loss.detach()), torch.autograd.grad(loss, trained), _seen(batch, likely)

        total = 0.0
        seen: dict[int, Seen] = {}
        for part, (loss, gradients, rows) in self._each_part(learn, inputs):
            total += loss
            seen |= dict(zip(part, rows, strict=True))
            for weight, gradient in zip(trained, gradients, strict=True):
                weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)
        if self.told is not None:
            self.told([seen[row] for row in sorted(seen)])
        return torch.tensor(total)

    def compute_loss(self, model: Any, inputs: dict[str, Any], *_args: Any, **kwargs: Any) -> Any:
        """Return the loss of rows that stand side by side; of padded ones, which are dev rows, the mean over their answers."""
        if "lean" not in inputs:
            return self._dev_loss(model, inputs)
        return _loss(model, inputs["lean"], inputs["told"]) / kwargs["num_items_in_batch"]

    def _dev_loss(self, model: Any, inputs: dict[str, Tensor]) -> Tensor:
        def look(batch: SideBySide) -> tuple[float, int]:
            with torch.no_grad():  # which each thread has of its own
                return float(_loss(model, batch)), int((batch.targets != IGNORED).sum())

        found = [seen for _part, seen in self._each_part(look, inputs)]
        losses, counts = zip(*found, strict=True)
        return torch.tensor(sum(losses) / sum(counts))

    def _each_part(
        self, work: Callable[[SideBySide], Result], inputs: dict[str, Tensor]
    ) -> Iterator[tuple[list[int], Result]]:
        """Yield each part of a padded batch, by the places of its rows, with what `work` makes of it; in their order."""
        parts, batches = _laid_out(*_rows(inputs), self.rows_at_once)
        with shared_out(PARTS_AT_A_TIME if self.rows_at_once > 1 else 1) as run:
            yield from zip(parts, run(work, batches), strict=True)


def suits(base: LoadedBase, recipe: Recipe) -> bool:
    """Tell whether steps can be lean: on a CPU, without dropout, with an architecture that is known."""
    config = base.model.config
    return (
        is_lean(recipe, base.device)
        and shared_beginning.suits(base.model)
        and config.attention_dropout == 0
        and base.model.get_output_embeddings().bias is None
    )


def prepare(model: PeftModel) -> None:
    """Let a model with its adapter compute the lean way."""
    lean_layers.slim(model)
    model.get_base_model().set_attn_implementation(ATTENTION)


def parts_of(lengths: Sequence[int], rows_at_once: int) -> list[list[int]]:
    """Divide rows into parts that take about equally long, few enough rows in each that `PARTS_AT_A_TIME` may run together."""
    most = max(1, rows_at_once // PARTS_AT_A_TIME)
    count = math.ceil(len(lengths) / most)
    if count < len(lengths):
        count += count % PARTS_AT_A_TIME
    parts: list[list[int]] = [[] for _ in range(count)]
    for row in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        free = [part for part in parts if len(part) < most]
        min(free, key=lambda part: sum(lengths[i] for i in part)).append(row)
    return parts


def shared_tokens(
    rows: Sequence[Sequence[int]], labels: Sequence[Sequence[int]], rows_at_once: int
) -> int:
    """Return how many first tokens go through the model once, for all rows of a part; of several parts, the fewest."""
    return min(batch.layout.shared for batch in _laid_out(rows, labels, rows_at_once)[1])


def _laid_out(
    rows: Sequence[Sequence[int]], labels: Sequence[Sequence[int]], rows_at_once: int
) -> tuple[list[list[int]], list[SideBySide]]:
    """Return rows divided into parts, and those of each part side by side."""
    parts = parts_of([len(row) for row in rows], rows_at_once)
    return parts, [
        side_by_side([rows[i] for i in part], [labels[i] for i in part]) for part in parts
    ]


def _rows(inputs: dict[str, Tensor]) -> tuple[list[list[int]], list[list[int]]]:
    """Return token ids and labels of padded rows without the padding."""
    lengths = inputs["attention_mask"].sum(-1).tolist()
    ids, labels = (
        [row[:length] for row, length in zip(inputs[name].tolist(), lengths, strict=True)]
        for name in ("input_ids", "labels")
    )
    return ids, labels


def _seen(batch: SideBySide, likely: list[Tensor]) -> list[Seen]:
    """Return the log-probability of each row's answer from those of all targets."""
    rows = torch.split(torch.cat(likely), list(batch.answer_tokens))
    return [(float(row.sum()), len(row)) for row in rows]


def _loss(model: PeftModel, batch: SideBySide, told: list[Tensor] | None = None) -> Tensor:
    language_model = model.get_base_model()
    hidden = through(language_model, batch.input_ids, batch.position_ids, layout=batch.layout)[0]
    learnt = batch.targets != IGNORED
    head = language_model.get_output_embeddings().weight
    return answer_loss(hidden[learnt], head, batch.targets[learnt], told)
