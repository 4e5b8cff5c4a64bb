"""What of the configuration decides what comes of a run, to be kept with it: no secret, and no place on this machine."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from configs.schema import Settings

SECTIONS = (
    "approvals",
    "budgets",
    "generation",
    "intake",
    "launcher",
    "limits",
    "planning",
    "training",
)
"""Kept as a whole, but for paths and secrets. What is not named here is not kept."""


def in_force(settings: Settings) -> dict[str, Any]:
    """Return it as plain data."""
    kept = {name: _plain(getattr(settings, name)) for name in SECTIONS}
    # of a model of this machine without the folder of its adapter
    kept["llm"] = {"kind": settings.llm.kind, "model": settings.llm.model.partition("+")[0]}
    kept["models"] = {"default": settings.models.default}
    return kept


def _plain(section: BaseModel) -> dict[str, Any]:
    as_json = section.model_dump(mode="json")
    plain: dict[str, Any] = {}
    for name, value in section:
        if isinstance(value, BaseModel):
            plain[name] = _plain(value)
        elif not isinstance(value, Path | SecretStr):
            plain[name] = as_json[name]
    return plain
