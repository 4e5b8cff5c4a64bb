"""What of a model is trained, and how the rest is held."""

from enum import StrEnum


class Quantisation(StrEnum):
    """How the frozen weights of the base are held while an adapter is trained."""

    NONE = "none"
    """As they are loaded: bf16 on a GPU that has it, else fp32."""
    FOUR_BIT = "4bit"
    """NF4 with double quantisation (QLoRA): a quarter of the memory, slower steps. Needs a GPU."""


class Tuning(StrEnum):
    """What of a model is trained."""

    LORA = "lora"
    """Two small matrices beside each linear layer."""
    FULL = "full"
    """Linear layers and norms themselves; the tables of the vocabulary stay as they are. For small models."""


class TargetModules(StrEnum):
    """Which linear layers LoRA adapts."""

    ALL_LINEAR = "all-linear"
    """All of them, except the one that scores the vocabulary."""
    ATTENTION = "attention"
    """The projections of the attention."""
    MLP = "mlp"
    """The layers of the MLP."""
