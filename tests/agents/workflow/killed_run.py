"""Runs a workflow over and over, killed at each thing it keeps, and gone on with: python -m … FOLDER before|torn|after.

Prints what came of each: a program of its own, because it forks, which a process with threads must not.
"""

import asyncio
import json
import os
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from agents.workflow import journal as journals
from agents.workflow.journal import Journal, open_journal
from agents.workflow.load import load
from agents.workflow.reach import Reach
from agents.workflow.run import run
from agents.workflow.scripted import Script, ScriptedModels
from agents.workflow.world import World
from tests.agents.workflow.worlds import FakeTools, ListedPerson

WORKFLOW = """
name: T
start_state: ask
variables: {topic: tides}
mcp_servers: {calc: {command: calc}}
skills: {group: {directory: skills}}
rag: {kb: {directory: ., model: all-minilm}}
states:
  ask: {type: input, prompt: Who?, save_as: who, next: pick}
  pick:
    type: choice
    prompt: How?
    choices: [{label: short, value: s, next: write}, {label: long, value: l, next: write}]
  write: {type: prompt, prompt: "Write for {{who}}", use_rag: kb, save_as: text, next: sum}
  sum: {type: prompt, prompt: Add, mcp_servers: [calc], skills: [], save_as: sum, next: fails}
  fails: {type: prompt, prompt: This breaks, skills: [], on_error: again}
  again: {type: prompt, prompt: Same every time, skills: [], next: gate}
  gate:
    type: decision
    next_options: [{state: mark, description: once more}, {state: decide, description: enough}]
  mark: {type: prompt, prompt: Mark it, skills: [], save_as: marked, next: again}
  decide:
    type: decision
    next_options: [{state: last, description: a}, {state: end, description: b}]
  last: {type: prompt, prompt: "The end of {{text}} and {{sum}}", skills: []}
"""
SCRIPT = {
    "rules": [
        {"purpose": "skills", "reply": {"skills": ["group.kind"]}},
        {"state": "sum", "tool_calls": [{"name": "add", "args": {"a": 1}}], "reply": "three"},
        {"state": "fails", "error": "it broke"},
        {"state": "gate", "prompt": "marked: yes[^$]*names no option", "reply": {"choice": 2}},
        {"state": "gate", "prompt": "marked: yes", "reply": "neither of them"},
        {"state": "gate", "reply": {"choice": 1}},
        {"state": "mark", "reply": "yes"},
        {"state": "write", "reply": "a tide came in"},
    ]
}


class Log:
    """What was paid for, on disk before anybody can be killed."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def paid(self, what: str) -> None:
        self._file.write(json.dumps(what).encode() + b"\n")


class KillingJournal(Journal):
    """Kills its process at one of the things it keeps."""

    kill_at = 0
    how = "after"
    kept = 0

    def keep(self, where: str, asked: object, value: Any) -> None:
        self.kept += 1
        if self.kept != self.kill_at:
            super().keep(where, asked, value)
            return
        if self.how == "after":
            super().keep(where, asked, value)
        elif self.how == "torn":
            line = journals._sealed(json.dumps({"key": "k", "value": value}))
            self.file.write(line[: len(line) // 2])
            self.file.flush()
        os.kill(os.getpid(), signal.SIGKILL)


async def one(folder: Path, kill_at: int, how: str) -> dict[str, Any]:
    log = Log(folder / "paid.log")
    real = open_journal(folder / "journal.jsonl")
    journal = KillingJournal(real.entries, real.file)
    journal.kill_at, journal.how = kill_at, how
    models = ScriptedModels(Script.model_validate(SCRIPT), log.paid)
    workflow = load(folder.parent / "w.yaml", Reach(cwd=None)).workflow

    class Person(ListedPerson):
        async def answer(self, state: Any, question: str) -> str:
            log.paid(f"person: {state.name}")
            return await super().answer(state, question)

    class Tools(FakeTools):
        async def use(self, tool: Any, arguments: Any) -> Any:
            log.paid(f"tool: {tool.name}")
            return await super().use(tool, arguments)

    async def retrieve(rag: Any, prompt: str, models: Any, reach: Any) -> str:
        log.paid("rag")
        return f"{prompt} (with tides)"

    person = Person({"ask": ["Ada"], "pick": ["2"]})
    world = World(
        models, person, Reach(cwd=None), Tools(add=3), retrieve, journal=journal, listen=_hear
    )
    outcome = await run(workflow, world)
    timeless = replace(
        outcome, visits=tuple(replace(visit, seconds=0.0) for visit in outcome.visits)
    )
    journal.close()
    return {"outcome": asdict(timeless), "kept": journal.kept}


def _hear(event: Any) -> None:
    pass


def process(folder: Path, kill_at: int, how: str) -> int:
    """Run in a process of its own, and return how that ended."""
    pid = os.fork()
    if pid == 0:
        result = asyncio.run(one(folder, kill_at, how))
        (folder / "result.json").write_text(json.dumps(result, default=str))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def through(base: Path, name: str, kill_at: int, how: str) -> dict[str, Any]:
    """Return what came of one run that was killed once, and gone on with."""
    folder = base / name
    folder.mkdir()
    (folder / "paid.log").touch()
    codes = [process(folder, kill_at, how)]
    if kill_at:
        codes.append(process(folder, 0, how))
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    paid = [json.loads(line) for line in (folder / "paid.log").read_text().splitlines()]
    return {**result, "paid": paid, "codes": codes}


def main() -> None:
    base, how = Path(sys.argv[1]), sys.argv[2]
    (base / "skills" / "kind").mkdir(parents=True)
    (base / "skills" / "kind" / "SKILLS.md").write_text("Be kind.")
    (base / "w.yaml").write_text(WORKFLOW)
    whole = through(base, "whole", 0, how)
    killed = [through(base, f"killed-{n}", n, how) for n in range(1, whole["kept"] + 1)]
    sys.stdout.write(json.dumps({"whole": whole, "killed": killed}))


if __name__ == "__main__":
    main()
