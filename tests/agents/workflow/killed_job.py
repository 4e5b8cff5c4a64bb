"""Does the jobs of a round over and over, killed at each thing they keep, and gone on with: python -m … FOLDER.

Killed before a line, in the middle of it, or after it, in turns.

Prints what came of each: a program of its own, because it forks, which a process with threads must not.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from agents.jobs import (
    Approve,
    Contender,
    JobSpec,
    Left,
    ProposeResult,
    ProposeSpec,
    ReadWorkflowSpec,
    WorkflowFile,
    WorkflowTerms,
    read_result,
    write_spec,
)
from agents.jobs.workflows import CaseRef, ClaimSpec, MeasureRoundSpec
from agents.workflow.__main__ import PROGRAM
from agents.workflow.scripted import ScriptedModels
from agents.workflow.workplace import models_ref
from configs.schema import Settings, WorkflowSettings
from tests import loop_case
from tests.dying import die_at

PARTS = ("shown", "sealed")
HOW = ("after", "torn", "before")
TERMS = WorkflowTerms(
    model="small",
    analysis_model="analyst",
    rounds=1,
    repeats=1,
    proposals=2,
    approve=Approve.AUTO,
    max_calls=500,
)
SMALL = """\
name: Small
default_model: small
start_state: sort
states:
  sort: {type: prompt, prompt: "Reply with one word, payment or login: my card was charged.", save_as: topic, next: thank}
  thank: {type: prompt, prompt: "Say thanks for telling us of {{topic}}.", save_as: thanks, next: end}
"""
DRAFTING: dict[str, Any] = {
    "model": "analyst",
    "reply": json.dumps(
        {
            "scenarios": [
                {
                    "name": "sorts",
                    "assertions": [
                        {"type": "equals", "target": "topic", "value": "payment"},
                        {"type": "equals", "target": "topic", "value": "Payment"},
                    ],
                }
            ]
        }
    ),
}
"""What is thought of holds in part, and the rest becomes a wish."""
REAL_DONE = ScriptedModels.done


def arm(folder: Path, kill_at: int, how: str) -> None:
    """Have this process die at one of the things it keeps, and note what is paid for."""
    log = (folder / "paid.log").open("ab", buffering=0)
    die_at(folder, kill_at, how)

    def done(
        self: ScriptedModels, asked: dict[str, Any], prompt_tokens: int, reply_tokens: int
    ) -> None:
        log.write(json.dumps(asked["last"]).encode() + b"\n")
        REAL_DONE(self, asked, prompt_tokens, reply_tokens)

    ScriptedModels.done = done  # type: ignore[method-assign]


def process(folder: Path, kill_at: int, how: str) -> int:
    """Do the job in a process of its own, and return how that ended."""
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        arm(folder, kill_at, how)
        os._exit(PROGRAM.main([str(folder)]))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def through(folder: Path, spec: Any, kill_at: int, how: str) -> dict[str, Any]:
    """Return what came of one job that was killed once, and gone on with."""
    folder.mkdir()
    (folder / "paid.log").touch()
    told = spec.model_copy(update={"journal_dir": str(folder / "paid")})
    write_spec(folder, JobSpec(job_id=folder.name, spec=told))
    codes = [process(folder, kill_at, how)]
    kept = int((folder / "kept").read_text())
    if kill_at:
        codes.append(process(folder, 0, how))
    result = read_result(folder)
    assert result is not None
    assert result.payload is not None, result.error
    paid = [json.loads(line) for line in (folder / "paid.log").read_text().splitlines()]
    return {
        "payload": timeless(result.payload.model_dump(mode="json")),
        "spent": result.payload.model_dump()["spent"],
        "paid": paid,
        "codes": codes,
        "kept": kept,
        "how": how,
    }


def timeless(plain: Any) -> Any:
    """Return plain data without what the clock decides, and without what was spent."""
    if isinstance(plain, dict):
        left_out = {"seconds", "p50_s", "p95_s", "spent"}
        return {key: timeless(value) for key, value in plain.items() if key not in left_out}
    return [timeless(one) for one in plain] if isinstance(plain, list) else plain


def specs(base: Path) -> dict[str, Any]:
    """Return the jobs of one round: what fails, what is better, what may be claimed."""
    files = loop_case.write(base / "files", len(PARTS))
    settings = Settings(
        data_dir=base / "data",
        workflows=WorkflowSettings(back_end="script", script=files / "script.json"),
    )
    common: dict[str, Any] = {
        "models": models_ref(settings, None),
        "journal_dir": "",
        "left": Left(calls=400),
        "terms": TERMS,
        "tests": loop_case.ref(files / "sorter.test.yaml"),
        "tests_path": str(files / "sorter.test.yaml"),
        "cases": tuple(
            CaseRef.model_validate({"name": f"case {number}", "part": part})
            for number, part in enumerate(PARTS, 1)
        ),
    }
    place = str(files / "sorter.yaml")
    given = WorkflowFile(text=loop_case.ref(files / "sorter.yaml"), path=place, own_files=True)
    propose = ProposeSpec(**common, workflow=given, round=1)
    through(base / "first", propose, 0, "after")
    told = read_result(base / "first")
    assert told is not None
    proposed = told.payload
    assert isinstance(proposed, ProposeResult)
    best = proposed.proposals[0]
    text = best.text.model_copy(update={"path": str(base / "first" / best.text.path)})
    contender = Contender(proposed=best.model_copy(update={"text": text}))
    measure = MeasureRoundSpec(
        **common,
        workflow=given,
        round=1,
        standing=proposed.standing,
        contenders=(contender,),
    )
    claim = ClaimSpec(**common, given=given, left_over=given.model_copy(update={"text": text}))
    return {"propose": propose, "measure": measure, "claim": claim}


def reading(base: Path) -> ReadWorkflowSpec:
    """Return the job that has tests made, for a workflow that needs few of them."""
    told = json.dumps({"rules": [DRAFTING], "default": "payment"})
    files = base / "small"
    files.mkdir()
    (files / "script.json").write_text(told)
    (files / "small.yaml").write_text(SMALL)
    settings = Settings(
        data_dir=base / "data",
        workflows=WorkflowSettings(back_end="script", script=files / "script.json"),
    )
    return ReadWorkflowSpec(
        models=models_ref(settings, None),
        journal_dir="",
        left=Left(calls=400),
        workflow=WorkflowFile(
            text=loop_case.ref(files / "small.yaml"),
            path=str(files / "small.yaml"),
            own_files=True,
        ),
        terms=TERMS,
    )


def main() -> None:
    base = Path(sys.argv[1])
    importlib.import_module("scipy.stats")  # once, and not in each process
    found = {}
    for name, spec in {**specs(base), "read": reading(base)}.items():
        whole = through(base / f"{name}-whole", spec, 0, "after")
        killed = [
            through(base / f"{name}-{number}", spec, number, HOW[number % len(HOW)])
            for number in range(1, whole["kept"] + 1)
        ]
        found[name] = {"whole": whole, "killed": killed}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
