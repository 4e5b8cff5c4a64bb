"""What a run of a workflow needs from the world, each as a protocol: models, people, and how much may be spent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable

from agents.workflow.model import State

REPLY_CAP = "num_predict"
"""The parameter for how long a reply may be, by Ollama's name; -1 and -2 are its words for no limit."""


class ModelError(Exception):
    """A model gave no usable reply: unknown, unreachable, too slow, cut off. `str()` is for a person."""


class NoToolsHere(ModelError):
    """The model takes no tools. Raised by a call that offers some; where the workflow asked for none, it goes on without."""


class Models(Protocol):
    """Where models come from: Ollama, a server that speaks OpenAI's API, this machine, or a script."""

    def chat(self, name: str, parameters: Mapping[str, Any]) -> BaseChatModel:
        """Return a chat model.

        Args:
            name: As the workflow says it, such as `gemma3:4b`; a model map may say what that is here.
            parameters: By Ollama's names: `temperature`, `seed`, `num_predict`, `top_p` …

        Raises: ModelError: there is none of that name.
        """

    def structured(self, chat: BaseChatModel, schema: Mapping[str, Any]) -> Runnable[Any, Any]:
        """Return the model bound to reply with JSON of a schema; it still replies with a message."""

    def embeddings(self, name: str | None) -> Embeddings:
        """Return a model that makes embeddings; None is the configured one.

        Raises: ModelError: there is none.
        """


class SameModels:
    """Models that come from others as they are: what changes something of them has only to say what."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def chat(self, name: str, parameters: Mapping[str, Any]) -> BaseChatModel:
        """Return the model. Raises: ModelError: there is none of that name."""
        return self._models.chat(name, parameters)

    def structured(self, chat: BaseChatModel, schema: Mapping[str, Any]) -> Runnable[Any, Any]:
        """Return the model bound to a schema."""
        return self._models.structured(chat, schema)

    def embeddings(self, name: str | None) -> Embeddings:
        """Return the model. Raises: ModelError: there is none."""
        return self._models.embeddings(name)


class PersonLeft(Exception):
    """The person will not answer. The run stops there, and can be gone on with. `str()` says why, for a person."""


class Person(Protocol):
    """Who answers the input states: somebody at a terminal, a list of answers, or a persona."""

    async def answer(self, state: State, question: str) -> str:
        """Return what is answered; an empty text takes the default of the state.

        Raises: PersonLeft: nothing will be.
        """


class Room(Protocol):
    """What is left of a budget that a run shares with others, people that a model plays among them."""

    @property
    def seconds_left(self) -> float | None:
        """Return how long it lasts; None without a limit."""

    def for_reply(self, prompt_tokens: int) -> int | None:
        """Return how many tokens a reply may have whose prompt has at most so many; None without a limit.

        Raises: LimitReached: there is no room for such a call.
        """


@dataclass(frozen=True)
class Limits:
    """Where a run ends that does not end by itself."""

    max_steps: int = 50
    """States entered."""
    max_calls: int = 200
    """Of a model, routing included."""
    max_tokens: int | None = None
    """Of prompts and replies together."""
    max_seconds: float | None = None
    shared: Room | None = field(default=None, compare=False)
    """Is asked before each call, beside the limits of the run itself."""
