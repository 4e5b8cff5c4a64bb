"""Find the back end that looks documents up for a prompt."""

import importlib

from agents.workflow.model import Rag
from agents.workflow.outside import ModelError, Models
from agents.workflow.reach import Reach

MODULE = "agents.workflow.rag"


async def context_for(rag: Rag, prompt: str, models: Models, reach: Reach) -> str:
    """Return a prompt with what was found for it.

    Raises: ModelError: this installation looks nothing up, or there is no model for embeddings.
    """
    try:
        module = importlib.import_module(MODULE)
    except ModuleNotFoundError as error:
        if error.name != MODULE:
            raise
        raise ModelError("this installation cannot look documents up: `rag` is not there") from None
    found: str = await module.context_for(rag, prompt, models, reach)
    return found
