"""Does the job of a folder through curator: python -m tests.agents.generation.do_job FOLDER VENV."""

import sys
from collections.abc import Callable
from pathlib import Path

from agents.generation import curator_venv, generate_job
from agents.generation.curator import CuratorCaller
from agents.jobs import GenerateSpec, JobResult
from agents.jobs.program import Program
from agents.workflow.purse import Purse
from configs.schema import LLMSettings


def opening(spec: GenerateSpec, purse: Purse, beat: Callable[[], None]) -> CuratorCaller:
    program = curator_venv.find(Path(sys.argv[2]))
    assert spec.llm is not None
    settings = LLMSettings.model_validate(spec.llm["llm"])
    folder = Path(spec.journal_dir) / "curator"
    return CuratorCaller(program, settings, folder, purse, spec.at_once, beat)


def run(folder: Path, spec: GenerateSpec) -> JobResult:
    return generate_job.run(folder, spec, opening)


if __name__ == "__main__":
    program = Program("do_job", {"generate": "__main__"})  # type: ignore[dict-item]
    sys.exit(program.main(sys.argv[1:2]))
