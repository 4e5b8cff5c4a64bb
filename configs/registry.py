"""What is known of base models before any is loaded: the files in `configs/models`, and `config.json` of local folders.

A fact that is not known is null, never guessed. The catalogue of the settings says which models may be used here; an
entry of the registry is found by the entry's source, not by its name.
"""

import json
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

REGISTRY_DIR = Path(__file__).with_name("models")
MAX_CONFIG_BYTES = 1 << 20
PositiveInt = Annotated[int, Field(ge=1)]


class _Facts(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=()
    )


class Architecture(_Facts):
    """The widths that decide how much memory a decoder needs."""

    hidden: PositiveInt
    """Width of the residual stream."""
    layers: PositiveInt
    query_width: PositiveInt
    """Attention heads times their width."""
    key_value_width: PositiveInt
    """Key/value heads times their width."""
    mlp_width: PositiveInt
    vocabulary: PositiveInt
    tied_embeddings: bool
    """Whether input and output share one table of the vocabulary."""

    @property
    def attention_weights(self) -> int:
        """Weights of the four projections of one layer."""
        return 2 * self.hidden * (self.query_width + self.key_value_width)

    @property
    def mlp_weights(self) -> int:
        """Weights of the three projections of one layer."""
        return 3 * self.hidden * self.mlp_width

    @property
    def embedding_weights(self) -> int:
        """Weights of the tables of the vocabulary."""
        return self.vocabulary * self.hidden * (1 if self.tied_embeddings else 2)

    @property
    def weights(self) -> int:
        """Weights in all; norms and biases, less than a thousandth, are left out."""
        return self.layers * (self.attention_weights + self.mlp_weights) + self.embedding_weights


class ModelFacts(_Facts):
    """One base model."""

    name: str
    hub_id: str | None
    """Name on a model hub."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None
    """Commit on the hub that these facts were read from; null where they were not tied to one."""
    package: str | None
    """Python package that brings the weights along."""
    parameters: PositiveInt
    architecture: Architecture
    context_tokens: PositiveInt
    """Longest text the model was made for."""
    licence: str | None
    """SPDX identifier, or LicenseRef-… for a licence of its own."""
    licence_name: str | None
    commercial_use: Literal["yes", "with_conditions", "no"] | None
    """What the licence says about it, in a word; read the licence before you rely on it."""
    gated: bool | None
    """Whether the hub asks for consent before it hands out the weights."""
    chat_template: bool | None
    """Whether the tokenizer comes with a chat template."""
    languages: tuple[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")], ...]
    """ISO 639 codes that its makers name; empty: they name none, or too many to list."""


class Family(_Facts):
    """One file of the registry."""

    schema_: Annotated[str, Field(alias="$schema")] = ""
    """Where the JSON Schema of this file is, for editors."""
    family: str
    models: tuple[ModelFacts, ...]


@cache
def registry() -> dict[str, ModelFacts]:
    """Return every shipped entry by its name."""
    families = [
        Family.model_validate_json(path.read_bytes())
        for path in sorted(REGISTRY_DIR.glob("*.json"))
    ]
    return {model.name: model for family in families for model in family.models}


def facts_of(name: str, source: str) -> ModelFacts | None:
    """Return what is known of an entry of the catalogue, or None where nothing is."""
    kind, _, where = source.partition(":")
    if kind == "folder":
        return _of_folder(name, Path(where).expanduser())
    key = "hub_id" if kind == "hub" else "package"
    return next((facts for facts in registry().values() if getattr(facts, key) == where), None)


def architecture_of(config: dict[str, Any]) -> Architecture | None:
    """Read the widths out of a model's `config.json`; None where it is no decoder that we know how to count."""
    inner = config.get("text_config")
    config = inner if isinstance(inner, dict) else config
    try:
        heads = int(config["num_attention_heads"])
        hidden = int(config["hidden_size"])
        head_width = int(config.get("head_dim") or hidden // heads)
        return Architecture(
            hidden=hidden,
            layers=int(config["num_hidden_layers"]),
            query_width=heads * head_width,
            key_value_width=int(config.get("num_key_value_heads") or heads) * head_width,
            mlp_width=int(config["intermediate_size"]),
            vocabulary=int(config["vocab_size"]),
            tied_embeddings=bool(config.get("tie_word_embeddings", True)),
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError, ValidationError):
        return None


def _of_folder(name: str, folder: Path) -> ModelFacts | None:
    config = _read_json(folder / "config.json")
    architecture = architecture_of(config)
    context = config.get("max_position_embeddings")
    if architecture is None or not isinstance(context, int) or context < 1:
        return None
    template = (folder / "chat_template.jinja").is_file() or bool(
        _read_json(folder / "tokenizer_config.json").get("chat_template")
    )
    return ModelFacts(
        name=name,
        hub_id=None,
        revision=None,
        package=None,
        parameters=architecture.weights,
        architecture=architecture,
        context_tokens=context,
        licence=None,
        licence_name=None,
        commercial_use=None,
        gated=False,
        chat_template=template,
        languages=(),
    )


def _read_json(path: Path) -> dict[str, Any]:
    """Return the object in a small file; an empty one where there is none: the worker says what is wrong with it."""
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            return {}
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
