"""Makes rows over and over, killed at each thing that is kept, and gone on with: python -m … FOLDER.

Killed before a line, in the middle of it, or after it, in turns. Prints what came of each: a program of its own, because it
forks, which a process with threads must not.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from agents.generation import generate_job
from agents.generation.llm_caller import LLMCaller
from agents.jobs import JobSpec, Left, Strategy, Stratum, read_result, write_spec
from agents.jobs.program import Program
from tests.agents.generation.job import FACTS, labelled, spec, terms
from tests.dying import die_at
from tests.generators import POOL, Asked, Capable, Row, chat_of

HOW = ("after", "torn", "before")


class Clumsy(Capable):
    """Capable, but now and then its first reply is no rows."""

    def rows(self, asked: Asked) -> list[Row]:
        if "cannot be used" not in asked.text and asked.chance.random() < 0.3:
            return []
        return super().rows(asked)


def do(folder: Path) -> int:
    """Do the job with a generator that notes what is paid for."""
    log = (folder / "paid.log").open("ab", buffering=0)
    chat = chat_of(Clumsy(POOL), lambda text: log.write(json.dumps(text).encode() + b"\n"))

    class Module:
        @staticmethod
        def run(where: Path, told: Any) -> Any:
            def opening(given: Any, purse: Any, _beat: Any) -> LLMCaller:
                return LLMCaller(chat, "generator", purse, given.at_once)

            return generate_job.run(where, told, opening)

    sys.modules["killed_module"] = Module  # type: ignore[assignment]
    return Program("killed", {"generate": "killed_module"}).main([str(folder)])  # type: ignore[dict-item]


def process(folder: Path, kill_at: int, how: str) -> int:
    """Do the job in a process of its own, and return how that ended."""
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        die_at(folder, kill_at, how)
        os._exit(do(folder))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def through(folder: Path, at_once: int, kill_at: int, how: str) -> dict[str, Any]:
    """Return what came of a job that was killed once, and gone on with."""
    strata = (Stratum(label="card_arrival", rows=14), Stratum(label="pin_blocked", rows=8))
    ways = (Strategy.VARY, Strategy.PERSONA, Strategy.FROM_FACTS, Strategy.PERTURB)
    wanted = terms(*ways, strata=strata)
    told = spec(folder, wanted, labelled(), facts=FACTS, at_once=at_once, left=Left(calls=90))
    write_spec(folder, JobSpec(job_id=folder.name, spec=told))
    codes = [process(folder, kill_at, how)]
    kept = int((folder / "kept").read_text())
    if kill_at:
        codes.append(process(folder, 0, how))
    result = read_result(folder)
    assert result is not None
    assert result.payload is not None, result.error
    payload = result.payload.model_dump(mode="json")
    drafts = (folder / payload["drafts"]["path"]).read_text().splitlines()
    paid = [json.loads(line) for line in (folder / "paid.log").read_text().splitlines()]
    return {
        "drafts": [timeless(json.loads(line)) for line in drafts],
        "counted": {name: payload[name] for name in ("rows", "by_strategy", "unusable", "notes")},
        "spent": payload["spent"],
        "paid": paid,
        "codes": codes,
        "kept": kept,
        "how": how,
    }


def timeless(draft: dict[str, Any]) -> dict[str, Any]:
    """Return a draft without what the clock decides."""
    del draft["made"]["made_at"]
    return draft


def main() -> None:
    base, at_once = Path(sys.argv[1]), int(sys.argv[2])
    whole = through(base / "whole", at_once, 0, "after")
    killed = [
        through(base / str(number), at_once, number, HOW[number % len(HOW)])
        for number in range(1, whole["kept"] + 1)
    ]
    sys.stdout.write(json.dumps({"whole": whole, "killed": killed}))


if __name__ == "__main__":
    main()
