"""Who is asked for rows, by the terms of a plan."""

from collections.abc import Callable
from pathlib import Path

from agents import llm
from agents.generation import curator, curator_venv
from agents.generation.asks import Caller
from agents.generation.llm_caller import LLMCaller
from agents.jobs import GenerateSpec, RowsBackend
from agents.workflow.purse import Purse

TEMPERATURE = 0.8
"""So that rows are unlike each other; what is right about them is looked at afterwards."""

OpenCaller = Callable[[GenerateSpec, Purse, Callable[[], None]], Caller | None]


def open_caller(spec: GenerateSpec, purse: Purse, beat: Callable[[], None]) -> Caller | None:
    """Return who is asked; None where nobody is.

    Raises: NotInstalled: curator, or the extra of the provider, is not there. ModelError: the model is not.
    """
    if spec.terms.backend is RowsBackend.RULES or spec.llm is None:
        return None
    settings = llm.settings_told(spec.llm)
    if settings.llm.kind == "none":
        return None
    if spec.terms.backend is RowsBackend.CURATOR:
        program = curator_venv.find(Path(spec.curator_venv) if spec.curator_venv else None)
        folder = Path(spec.journal_dir) / "curator"
        return curator.CuratorCaller(program, settings.llm, folder, purse, spec.at_once, beat)
    chat = llm.chat_model(settings, temperature=TEMPERATURE)
    parameters = {"temperature": TEMPERATURE, "num_predict": settings.llm.max_reply_tokens}
    return LLMCaller(chat, settings.llm.model, purse, spec.at_once, parameters)
