"""Adapters that are put on a model: what is wrong with one, and what is not."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from agents.worker import tuned_model

pytestmark = pytest.mark.torch


def test_memory_that_runs_out_is_not_taken_for_a_damaged_adapter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_memory(_path: Path) -> dict[str, Any]:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(tuned_model, "load_file", no_memory)
    nobody: Any = None

    with pytest.raises(RuntimeError, match="allocate"):
        tuned_model.fill(nobody, tmp_path / "adapter_model.safetensors")


def test_a_file_that_is_cut_off_is_a_misfit(tmp_path: Path) -> None:
    weights = tmp_path / "adapter_model.safetensors"
    save_file({"a": torch.ones(64)}, weights)
    weights.write_bytes(weights.read_bytes()[:-8])
    nobody: Any = None

    with pytest.raises(tuned_model.Misfit, match="damaged"):
        tuned_model.fill(nobody, weights)
