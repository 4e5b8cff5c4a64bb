"""The files that a worker would have left, written in a moment: what `tests.fakes.StubLauncher` does the jobs with."""

import hashlib
import json
from pathlib import Path

from agents import jobs
from agents.jobs import (
    Answered,
    FileRef,
    IntakeResult,
    JobOutcome,
    Progress,
    Reading,
    RewardScale,
    TrainResult,
    TrainSpec,
)
from agents.recipe import Method
from tests.facts import a_race, a_training, an_intake
from tests.stub_made_rows import MadePlay, a_trial


def train(folder: Path, spec: TrainSpec, made: MadePlay) -> tuple[JobOutcome, TrainResult]:
    if spec.hold_at_checkpoint:
        return JobOutcome.PAUSED, trained(folder, steps=5, reason="checkpoint_gate", keep=False)
    for step in (1, 2, 10):
        line = Progress(stage="training", step=step, steps=10, loss=1 / step, eta_s=10.0 - step)
        jobs.append_progress(folder, line)
    outcome = JobOutcome.STOPPED if spec.finish_now else JobOutcome.SUCCEEDED
    done = trained(folder, steps=10, reason=None, keep=True)
    if spec.without is not None:
        trial = {"trial": a_trial(made.helped), "learnt_made": made.helped}
        done = done.model_copy(update=trial)
    if (several := spec.recipe.candidates) is not None:
        done = done.model_copy(update={"candidates": a_race(several)})
    if spec.recipe.method is Method.REWARD:
        done = done.model_copy(update={"reward_scale": RewardScale(centre=0.5, margin=2.0)})
    return outcome, done


def read(
    folder: Path, readings: tuple[Reading, ...], counts: dict[str, int], answers: tuple[str, ...]
) -> IntakeResult:
    refs = {}
    for role, count in counts.items():
        path = folder / "artifacts" / f"{role}.jsonl"
        path.parent.mkdir(exist_ok=True)
        lines = [
            json.dumps({"prompt": f"{role} {n}", "completion": answers[n % len(answers)], "row": n})
            for n in range(count)
        ]
        path.write_text("\n".join(lines))
        refs[role] = _ref(folder, path)
    labels = tuple(dict.fromkeys(answers))
    rows = {f"{role}_rows": count for role, count in counts.items()}
    return an_intake(
        readings=readings, labels=labels, distinct_completions=len(labels), **rows, **refs
    )


def answered(folder: Path, *, changed: bool) -> FileRef:
    path = folder / "artifacts" / "known_answers.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"key": "0" * 64, "ids": [1], "job": folder.name}))
    ref = _ref(folder, path)
    if changed:
        path.write_text("")
    return ref


def sheet(folder: Path, said: tuple[Answered, ...]) -> FileRef:
    path = folder / "artifacts" / "answers.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(answer.model_dump_json() + "\n" for answer in said))
    return _ref(folder, path)


def trained(folder: Path, *, steps: int, reason: str | None, keep: bool) -> TrainResult:
    adapter_sha256 = None
    if keep:
        adapter = folder / "artifacts" / "adapter"
        adapter.mkdir(parents=True, exist_ok=True)
        (adapter / "adapter_config.json").write_text('{"peft_type": "LORA"}')
        (adapter / "adapter_model.safetensors").write_bytes(b"weights of " + folder.name.encode())
        adapter_sha256 = sha256_of(adapter / "adapter_model.safetensors")
    return a_training(
        reason=reason,
        steps_done=steps,
        best_step=steps,
        adapter_dir="artifacts/adapter" if keep else None,
        adapter_sha256=adapter_sha256,
    )


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _ref(folder: Path, path: Path) -> FileRef:
    return FileRef(
        path=str(path.relative_to(folder)), sha256=sha256_of(path), size_bytes=path.stat().st_size
    )
