"""Where the models of a workflow come from, for every command that runs one."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from agents.services import UserError
from agents.workflow.backends import models_from
from agents.workflow.outside import ModelError, Models
from agents.workflow.scripted import ScriptedModels
from configs.schema import Settings


@contextmanager
def models_for(
    settings: Settings, script: Path | None = None, ollama_url: str | None = None
) -> Iterator[Models]:
    """Give the models that are configured or asked for, and end what was started for them.

    Args:
        settings: Those of this Tunewright.
        script: Take replies from this file instead.
        ollama_url: Use Ollama at this address, whatever is configured.

    Raises: UserError: there is no such script.
    """
    try:
        models: Models = (
            models_from(settings, ollama_url)
            if script is None
            else ScriptedModels.from_file(script)
        )
    except ModelError as error:
        raise UserError(str(error)) from error
    if isinstance(models, AbstractContextManager):
        with models:
            yield models
    else:
        yield models
