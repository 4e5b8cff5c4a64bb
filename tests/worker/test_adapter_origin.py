"""What an adapter says of its base."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agents.jobs import TrainResult, read_result
from tests.worker.tiny_model import RECIPE, open_job, train_spec

pytestmark = pytest.mark.torch


def test_an_adapter_of_a_hub_s_model_names_the_commit_of_its_base(
    tiny: Path, tmp_path: Path
) -> None:
    cached, commit = tmp_path / "home/hub/models--owner--tiny", "a" * 40
    shutil.copytree(tiny, cached / "snapshots" / commit)
    (cached / "refs").mkdir()
    (cached / "refs/main").write_text(commit)
    spec = train_spec(tiny, tmp_path, recipe=RECIPE.model_copy(update={"max_steps": 1}))
    ref = spec.model.model_copy(update={"source": "hub:owner/tiny"})
    job = open_job(tmp_path / "job", spec.model_copy(update={"model": ref}))

    subprocess.run(
        [sys.executable, "-m", "agents.worker", str(job)],
        env={**os.environ, "HF_HOME": str(tmp_path / "home")},
        check=True,
    )

    result = read_result(job)
    assert isinstance(result.payload, TrainResult)
    assert result.payload.base_hub_id == "owner/tiny"
    config = json.loads((job / "artifacts/adapter/adapter_config.json").read_bytes())
    assert (config["base_model_name_or_path"], config["revision"]) == ("owner/tiny", commit)
