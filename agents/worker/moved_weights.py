"""How far a training moved the weights: ‖ΔW‖ ÷ ‖W‖ of a LoRA, without ever forming ΔW."""

import re
from collections import defaultdict
from statistics import median
from typing import Any

from peft import PeftModel
from peft.tuners.lora.layer import Linear as LoraLinear

_NUMBER = re.compile(r"(?:^|\.)(\d+)\.")


def update_size(model: PeftModel) -> float | None:
    """Return the median over the adapted matrices of ‖ΔW‖ ÷ ‖W‖, or None where none is a plain LoRA of real weights."""
    sizes = [moved / weight for moved, weight in _norms(model).values()]
    return median(sizes) if sizes else None


def by_layer(model: PeftModel) -> dict[int, float]:
    """Return ‖ΔW‖ ÷ ‖W‖ by layer, from 0, over the adapted matrices of each together."""
    squares: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for name, norms in _norms(model).items():
        layer = layer_of(name)
        if layer is not None:
            for place, norm in enumerate(norms):
                squares[layer][place] += norm**2
    return {layer: (a / b) ** 0.5 for layer, (a, b) in sorted(squares.items())}


def layer_of(name: str) -> int | None:
    """Return the number of the layer that a module or a weight of this name is in; None for what is in none."""
    found = _NUMBER.search(name)
    return int(found[1]) if found else None


def _norms(model: PeftModel) -> dict[str, tuple[float, float]]:
    """Return ‖ΔW‖ and ‖W‖ of each adapted matrix."""
    found = ((name, _moved(module)) for name, module in model.named_modules())
    return {name: norms for name, norms in found if norms is not None}


def _moved(module: Any) -> tuple[float, float] | None:
    if not isinstance(module, LoraLinear) or module.lora_variant:
        return None
    base = module.base_layer.weight
    if not base.is_floating_point():  # quantised
        return None
    (name,) = module.active_adapters
    down, up = (part[name].weight.detach().float() for part in (module.lora_A, module.lora_B))
    # ‖BA‖² is the trace of (BᵀB)(AAᵀ): the product itself, as large as the layer, is never formed
    moved = ((up.T @ up) * (down @ down.T)).sum().clamp(min=0).sqrt() * module.scaling[name]
    return float(moved), float(base.detach().float().norm())
