"""Workflows written for a test."""

from pathlib import Path
from textwrap import dedent

from agents.workflow.load import Loaded, load
from agents.workflow.problems import Problem, WorkflowError
from agents.workflow.reach import Reach

EXAMPLES = Path(__file__).parents[4] / "shared" / "agentmech" / "examples"
"""The original's, where they are at hand; its readers start in the folder above."""
HEAD = "name: Test\nstart_state: ask\n"


def write(folder: Path, text: str, name: str = "w.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")
    return path


def loaded(folder: Path, text: str, *, within: Path | None = None) -> Loaded:
    return load(write(folder, text), Reach(within=within, cwd=None), name="w.yaml")


def problems(folder: Path, text: str, *, within: Path | None = None) -> list[Problem]:
    """Return what is wrong, or odd, in the order of the lines."""
    try:
        found = loaded(folder, text, within=within).warnings
    except WorkflowError as error:
        found = error.problems
    return sorted(found, key=lambda problem: problem.line)


def said(folder: Path, text: str, *, within: Path | None = None) -> list[str]:
    return [f"{p.code}@{p.line}" for p in problems(folder, text, within=within)]
