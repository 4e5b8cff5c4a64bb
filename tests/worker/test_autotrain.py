"""Trainings by AutoTrain: by the fake one, and by a real one where AUTOTRAIN_VENV names its environment."""

# ruff: noqa: PLC0415  # importing transformers takes seconds, which only these tests should pay

import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from safetensors.numpy import load_file

from agents import autotrain
from agents.jobs import (
    EvaluateResult,
    JobOutcome,
    JobResult,
    StopMode,
    TrainResult,
    read_progress,
    read_result,
    request_stop,
)
from agents.launchers.local import LocalLauncher
from agents.recipe import Method, Recipe
from agents.worker.autotrain.inputs import older_config
from agents.worker.autotrain.output import Output, for_the_log
from agents.worker.rows import Row, encode
from configs.schema import Backend, LauncherSettings
from tests import fake_autotrain
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import (
    RECIPE,
    colours,
    evaluate_spec,
    method_recipe,
    method_spec,
    open_job,
    write_rows,
)

pytestmark = pytest.mark.torch

REAL = os.environ.get("AUTOTRAIN_VENV", "")
needs_real = pytest.mark.skipif(not REAL, reason="AUTOTRAIN_VENV names no AutoTrain")
END = 1
PATIENCE_S = 300.0


@pytest.fixture(params=["fake", pytest.param("real", marks=needs_real)])
def venv(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return fake_autotrain.build(tmp_path / "venv") if request.param == "fake" else Path(REAL)


def a_training(
    tiny: Path, root: Path, venv: Path | None, method: Method = Method.SFT, **changes: Any
) -> Path:
    """Open the job of a training by AutoTrain."""
    recipe = method_recipe(method, backend=Backend.AUTOTRAIN, **changes.pop("recipe", {}))
    told = {"recipe": recipe, "autotrain_venv": str(venv) if venv else None} | changes
    return open_job(root / "job", method_spec(tiny, root, method, **told))


def trained(result: JobResult | None) -> TrainResult:
    assert result is not None
    assert isinstance(result.payload, TrainResult), result
    return result.payload


def until(what: Callable[[], bool], timeout_s: float = PATIENCE_S) -> bool:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.05)
    return False


def started(job: Path) -> list[psutil.Process]:
    """Return the processes that work in a job's folder for AutoTrain."""
    work = str(job / "autotrain")
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == work and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.mark.parametrize("method", [Method.SFT, Method.DPO, Method.ORPO])
def test_its_adapter_is_one_of_ours(
    worker: ForkServer, tiny: Path, tmp_path: Path, venv: Path, method: Method
) -> None:
    job = a_training(tiny, tmp_path, venv, method)

    result = worker.run(job)

    payload = trained(result)
    files = sorted(path.name for path in (job / "artifacts").rglob("*") if path.is_file())
    config = json.loads((job / "artifacts/adapter/adapter_config.json").read_bytes())
    weights = load_file(job / "artifacts/adapter/adapter_model.safetensors")
    told = [line for line in read_progress(job) if line.stage == "training" and line.loss]
    assert result.outcome is JobOutcome.SUCCEEDED
    assert files == ["adapter_config.json", "adapter_model.safetensors"]
    assert config["base_model_name_or_path"] == "tiny"
    assert (config["r"], config["lora_alpha"]) == (RECIPE.lora_r, RECIPE.lora_alpha)
    assert len(weights) == 2 * 2 * 7
    assert all(".lora_" in name for name in weights)
    assert [line.step for line in told] == list(range(1, payload.steps_done + 1))
    assert all(line.grad_norm and line.learning_rate and line.steps for line in told)
    assert payload.steps_done == payload.steps_planned == payload.best_step > 2
    assert payload.losses[-1][1] < payload.losses[0][1]
    assert [step for step, _ in payload.dev_losses] == [0, payload.steps_done]
    assert all(math.isfinite(loss) for _, loss in payload.dev_losses)
    assert payload.tokens_seen > 0
    assert payload.peak_memory_bytes > 2**20
    assert payload.versions["autotrain-advanced"]
    assert sorted(path.name for path in (job / "autotrain").iterdir() if path.is_dir()) == []


def test_it_is_evaluated_like_any_other(
    worker: ForkServer, tiny: Path, tmp_path: Path, venv: Path
) -> None:
    job = a_training(tiny, tmp_path, venv)
    worker.run(job)
    test = write_rows(tmp_path / "test.jsonl", colours(24))
    spec = evaluate_spec(tiny, tmp_path, job / "artifacts/adapter", test)

    result = worker.run(open_job(tmp_path / "judge", spec))

    assert result is not None
    assert isinstance(result.payload, EvaluateResult), result
    assert result.payload.items == 24


@pytest.mark.parametrize(
    ("mode", "outcome"),
    [(StopMode.CANCEL, JobOutcome.CANCELLED), (StopMode.PAUSE, JobOutcome.PAUSED)],
)
def test_a_stop_ends_it_and_all_that_it_started(  # fixtures
    worker: ForkServer, tiny: Path, tmp_path: Path, venv: Path, mode: StopMode, outcome: JobOutcome
) -> None:
    if venv != Path(REAL):
        (venv / "fault").write_text("hangs")
    job = a_training(tiny, tmp_path, venv)
    working = threading.Thread(target=worker.run, args=(job,))
    working.start()
    assert until(lambda: bool(started(job)))

    request_stop(job, mode)
    working.join(PATIENCE_S)

    result = read_result(job)
    assert result.outcome is outcome
    assert started(job) == []
    assert not (job / "artifacts/adapter").exists()
    if mode is StopMode.PAUSE:  # a new attempt is opened on what is told here
        assert (trained(result).reason, trained(result).adapter_dir) == ("requested", None)


def test_it_dies_with_a_worker_that_is_killed(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    job = a_training(tiny, tmp_path, fake_autotrain.build(tmp_path / "venv", "hangs"))
    working = threading.Thread(target=worker.run, args=(job,))
    working.start()
    assert until(lambda: any(line.step == 2 for line in read_progress(job)))
    assert len(started(job)) >= 2

    os.kill(int((job / "worker.lock").read_text()), signal.SIGKILL)
    working.join(PATIENCE_S)

    assert until(lambda: started(job) == [], 20.0)


def test_it_dies_with_a_worker_whose_whole_process_group_is_killed(
    tiny: Path, tmp_path: Path
) -> None:
    job = a_training(tiny, tmp_path, fake_autotrain.build(tmp_path / "venv", "hangs"))
    launcher = LocalLauncher(LauncherSettings())
    handle = launcher.start(job)
    assert until(lambda: any(line.step == 2 for line in read_progress(job)))
    assert len(started(job)) >= 2

    launcher.stop(job, handle)

    assert until(lambda: started(job) == [], 20.0)


@pytest.mark.parametrize(
    ("fault", "code", "says"),
    [
        ("fails", "autotrain", "the rows are too short"),
        ("memory", "out_of_memory", "micro_batch_size"),
        ("nan", "non_finite_loss", "at step 2: the gradient"),
        ("shape", "autotrain", "another shape"),
        ("base", "autotrain", "does not fit the base model"),
        ("silent", "out_of_time", "training.autotrain.silence_s"),
    ],
)
def test_what_goes_wrong_is_told_though_its_exit_code_is_0(  # fixtures
    worker: ForkServer, tiny: Path, tmp_path: Path, fault: str, code: str, says: str
) -> None:
    venv = fake_autotrain.build(tmp_path / "venv", fault)
    silence_s = 3.0 if fault == "silent" else 600.0
    job = a_training(tiny, tmp_path, venv, autotrain_silence_s=silence_s)

    result = worker.run(job)

    assert result.outcome is JobOutcome.FAILED
    assert (result.error.code, result.error.for_person) == (code, True)
    assert says in result.error.message
    assert not (job / "artifacts/adapter").exists()
    assert started(job) == []


def test_its_absence_is_explained(worker: ForkServer, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = worker.run(a_training(tiny, tmp_path, tmp_path / "empty"))

    assert (result.error.code, result.error.for_person) == ("not_installed", True)
    for part in ("pip install autotrain-advanced==", "conflict", "training.autotrain.venv", "trl"):
        assert part in result.error.message


def test_a_kind_of_model_that_is_newer_than_it_is_named(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    venv = fake_autotrain.build(tmp_path / "venv")
    (venv / "lib/python3.11/site-packages/transformers/models/llama").rename(tmp_path / "llama")

    result = worker.run(a_training(tiny, tmp_path, venv))

    assert result.error.code == "model_missing"
    assert "does not know models of the type llama" in result.error.message
    assert "4.48.0" in result.error.message


def test_it_is_offline_and_knows_nothing_of_ours(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    job = a_training(tiny, tmp_path, fake_autotrain.build(tmp_path / "venv"))

    worker.run(job)

    environ = json.loads((job / "autotrain/environ.json").read_text())
    assert environ["HF_HUB_OFFLINE"] == environ["HF_HUB_DISABLE_TELEMETRY"] == "1"
    assert environ["ALLOW_REMOTE_CODE"] == "false"
    assert environ["HOME"] == str(job / "autotrain")
    assert environ["HF_HOME"].startswith(str(job))
    assert environ["PATH"].startswith(str(tmp_path / "venv/bin"))
    assert {"HF_TOKEN", "PYTHONPATH", "VIRTUAL_ENV", "https_proxy", "HTTPS_PROXY"} & set(
        environ
    ) == set()
    text = (job / "autotrain/config.yml").read_text()
    assert "token" not in text.replace("_tokens", "")
    assert "push" not in text


def test_no_key_that_it_prints_is_kept(worker: ForkServer, tiny: Path, tmp_path: Path) -> None:
    job = a_training(tiny, tmp_path, fake_autotrain.build(tmp_path / "venv", "token"))

    worker.run(job)

    log = (job / "log.txt").read_text()
    assert fake_autotrain.TOKEN not in log
    assert "[HUGGING_FACE_TOKEN]" in log


def test_fewer_steps_are_fewer_steps(worker: ForkServer, tiny: Path, tmp_path: Path) -> None:
    venv = fake_autotrain.build(tmp_path / "venv")

    payload = trained(worker.run(a_training(tiny, tmp_path, venv, recipe={"max_steps": 3})))

    assert payload.steps_done == 3


@needs_real
def test_it_learns(worker: ForkServer, tiny: Path, tmp_path: Path) -> None:
    payload = trained(worker.run(a_training(tiny, tmp_path, Path(REAL), recipe={"epochs": 6.0})))

    (_, before), (_, after) = payload.dev_losses
    assert after < before / 2


def test_a_row_is_the_text_that_trl_learns(tiny: Path) -> None:
    from transformers import AutoTokenizer

    from agents.worker.autotrain.portion import whole_text

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    row = Row("what is it?", "a thing", 2)

    text = whole_text(tokenizer, row)

    assert tokenizer(text)["input_ids"] == encode(tokenizer, row, [END]).input_ids
    tokenizer.chat_template = None
    bare = whole_text(tokenizer, row)
    assert [*tokenizer(bare)["input_ids"], END] == encode(tokenizer, row, [END]).input_ids


def test_a_text_is_not_opened_or_closed_twice(tiny: Path) -> None:
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    from agents.worker.autotrain.portion import whole_text

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    opens = TemplateProcessing(single="<|im_start|> $A", special_tokens=[("<|im_start|>", 0)])
    tokenizer.backend_tokenizer.post_processor = opens
    tokenizer.chat_template = (
        "<|im_start|>{% for m in messages %}{{ m['content'] }} "
        "{% if m['role'] == 'assistant' %}<|im_end|>{% endif %}{% endfor %}"
    )

    assert whole_text(tokenizer, Row("in", "out", 2)) == "in out "


def test_a_configuration_of_transformers_5_is_told_to_4() -> None:
    newer = {
        "model_type": "llama",
        "dtype": "float32",
        "rope_parameters": {"rope_theta": 5e5, "rope_type": "llama3", "factor": 8.0},
    }

    older = older_config(newer)

    assert older == {
        "model_type": "llama",
        "torch_dtype": "float32",
        "rope_theta": 5e5,
        "rope_scaling": {"rope_type": "llama3", "factor": 8.0},
    }
    assert older_config(older) == older
    with pytest.raises(ValueError, match="rotary"):
        older_config({"rope_parameters": {"full_attention": {"rope_theta": 1e4}}})


def test_numbers_are_read_out_of_lines_that_a_progress_bar_runs_into() -> None:
    told = Output()
    line = (
        " 12%|█▎        | 1/8 [00:00<00:00,  7.31it/s]INFO     | 2026-11-22 08:22:24 | "
        "autotrain.trainers.common:on_log:367 - {'loss': 13.07, 'grad_norm': 6.8, 'learning_rate': 2e-05, 'epoch': 0.1}"
    )

    assert told.read(line)
    assert not told.read("                        {'loss': 13.07, 'grad_norm': 6.8, 'epoch': 0.12}")
    assert told.losses == [(1, 13.07)]
    assert told.latest["learning_rate"] == 2e-5
    assert told.broken is None
    assert told.read(line.replace("13.07", "nan"))
    assert told.broken == "the loss"
    assert len(for_the_log("x" * 10_000)) == 2000


def test_a_recipe_says_what_autotrain_is_not_used_for() -> None:
    for changes, says in (
        ({"method": "kto", "primary_metric": "vote_accuracy"}, "the method kto"),
        ({"use_dora": True}, "use_dora"),
        ({"quantisation": "4bit"}, "4-bit"),
    ):
        with pytest.raises(ValueError, match=says):
            Recipe.model_validate({"model": "m", "backend": "autotrain"} | changes)


def test_the_program_is_found_with_its_versions(tmp_path: Path) -> None:
    program = autotrain.find(fake_autotrain.build(tmp_path / "venv"))

    assert (program.version, program.versions["trl"]) == ("0.8.36", "0.13.0")
    assert program.knows("llama")
    assert not program.knows("llama9")
    with pytest.raises(autotrain.NotInstalled, match="not set"):
        autotrain.find(None)
