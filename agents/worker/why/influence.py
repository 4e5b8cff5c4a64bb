"""Which training rows pushed a model towards an answer: DataInf on the gradients of its adapter.

Per layer the inverse Hessian is taken in closed form (Kwon 2024, arXiv 2310.00902), over the rows that were looked at. What
layers say is not averaged, for their sizes differ: rows are ranked in each, and the ranks of the middle layers are averaged,
which tell more than the first or the last ones (arXiv 2511.04715). Long gradients are kept as sketches of fixed length, whose
products are those of the gradients up to a small error without a bias (Charikar 2002).
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from agents.worker.lessons import Lesson
from agents.worker.moved_weights import layer_of
from agents.worker.rows import IGNORED
from agents.worker.why.case import MOST_PROMPT_TOKENS, Case

SKETCH = 4096
"""Numbers that are kept of a layer's gradient."""
MOST_ROWS = 500
"""Looked at, at most, whatever the time."""
DAMPING = 0.1
"""λ of DataInf, as a share of the mean square of a layer's gradients."""
MOST_LAYERS_FOR_ALL = 4
"""With so few, each is a middle one."""


@dataclass(frozen=True)
class Scores:
    """What came of it."""

    looked_at: list[int]
    """Places of rows in the order given."""
    score: list[float]
    """Mean rank, from -1 to 1."""
    agrees: list[float]
    """Share of the layers in which the row pushed towards the answer."""
    layers: int


def score(
    case: Case, lessons: Sequence[Lesson], order: Sequence[int], deadline_s: float
) -> Scores | None:
    """Score the rows in an order until `deadline_s` (monotonic); None where there was no time for two."""
    gradients = _Gradients(case.model)
    try:
        asked = gradients.of(-case.height(case.embedded(case.prompt)).sum())
        seen: list[int] = []
        kept: dict[int, list[Tensor]] = defaultdict(list)
        for place in order[:MOST_ROWS]:
            if len(seen) >= 2 and time.monotonic() > deadline_s:
                break
            loss = _loss(case.model, lessons[place])
            if loss is None:
                continue
            for layer, sketch in gradients.of(loss).items():
                kept[layer].append(sketch)
            seen.append(place)
            case.beat()
    finally:
        gradients.rest()
    if len(seen) < 2:
        return None
    signed = [
        datainf(asked[layer], torch.stack(kept[layer]), gradients.lengths[layer])
        for layer in middle(sorted(kept))
    ]
    by_layer = torch.stack(
        [values for values in signed if values is not None] or [torch.zeros(len(seen))]
    )
    return Scores(
        seen, ranks(by_layer), (by_layer > 0).double().mean(dim=0).tolist(), len(by_layer)
    )


def datainf(asked: Tensor, rows: Tensor, length: int) -> Tensor | None:
    """Return by how much learning from each row lowered the asked loss, up to a factor; None where nothing has a gradient.

    `length` is that of the gradients themselves, of which these may be sketches.
    """
    squares = rows.pow(2).sum(dim=1)
    damping = float(DAMPING * squares.mean() / length)
    if not damping > 0:
        return None
    along = rows @ asked
    together = (along / (damping + squares)) @ (rows @ rows.T) / len(rows)
    return (along - together) / damping


def ranks(by_layer: Tensor) -> list[float]:
    """Return the mean rank of each row over layers, from -1 (least in all) to 1 (most in all)."""
    places = by_layer.argsort(dim=1).argsort(dim=1).double().mean(dim=0)
    found: list[float] = (2 * places / (by_layer.shape[1] - 1) - 1).tolist()
    return found


def middle(layers: Sequence[int]) -> Sequence[int]:
    """Return the middle half of layers; of a few all."""
    count = len(layers)
    return layers if count <= MOST_LAYERS_FOR_ALL else layers[count // 4 : count - count // 4]


def _loss(model: Any, lesson: Lesson) -> Tensor | None:
    """Return the mean loss of a row's answer; None where it begins too late to be looked at."""
    ids = lesson.columns["input_ids"][:MOST_PROMPT_TOKENS]
    labels = lesson.columns["labels"][:MOST_PROMPT_TOKENS]
    learnt = [place for place, label in enumerate(labels) if label != IGNORED and place > 0]
    if not learnt:
        return None
    first = learnt[0]
    logits = model(
        input_ids=torch.tensor([ids], device=model.device),
        use_cache=False,
        logits_to_keep=len(ids) - first + 1,
    ).logits[0, :-1]
    targets = torch.tensor(labels[first:], device=logits.device)
    return torch.nn.functional.cross_entropy(logits.float(), targets, ignore_index=IGNORED)


class _Gradients:
    """Takes gradients of the adapter alone, layer by layer; leaves the model as it found it."""

    def __init__(self, model: Any) -> None:
        self.weights: dict[int, list[Tensor]] = defaultdict(list)
        for name, weight in model.named_parameters():
            layer = layer_of(name)
            if "lora_" in name and layer is not None:
                self.weights[layer].append(weight.requires_grad_())
        self.lengths = {
            layer: sum(weight.numel() for weight in weights)
            for layer, weights in self.weights.items()
        }
        self._places: dict[int, tuple[Tensor, Tensor]] = {}

    def of(self, loss: Tensor) -> dict[int, Tensor]:
        """Return the gradient of a loss by layer, as a sketch where it is long."""
        flat = [weight for weights in self.weights.values() for weight in weights]
        # an expert that no token went to has no gradient
        found = iter(torch.autograd.grad(loss, flat, allow_unused=True, materialize_grads=True))
        return {
            layer: self._sketched(torch.cat([next(found).flatten() for _ in weights]).float())
            for layer, weights in self.weights.items()
        }

    def rest(self) -> None:
        """Have no gradients taken any more."""
        for weights in self.weights.values():
            for weight in weights:
                weight.requires_grad_(False)

    def _sketched(self, gradient: Tensor) -> Tensor:
        length = len(gradient)
        if length <= SKETCH:
            return gradient.cpu()
        if length not in self._places:
            chance = torch.Generator().manual_seed(length)
            places = torch.randint(SKETCH, (length,), generator=chance)
            signs = torch.randint(2, (length,), generator=chance).float() * 2 - 1
            self._places[length] = places.to(gradient.device), signs.to(gradient.device)
        places, signs = self._places[length]
        empty = torch.zeros(SKETCH, device=gradient.device)
        return empty.index_add_(0, places, gradient * signs).cpu()
