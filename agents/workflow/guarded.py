"""Models that fail in words: what may come right is tried again, what takes too long ends, a reply that was cut off is none.

Each back end brings a `Server`, which knows what its errors mean; all else is the same for every one of them.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import ConfigDict, Field
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from agents.workflow.outside import ModelError

TEXTS_AT_ONCE = 64
"""That are sent in one request for embeddings."""
WORKFLOWS = "workflows"
T = TypeVar("T")
Again = Callable[[RetryCallState], Awaitable[None]]


class Mishap(ModelError):
    """A model error, and whether it may come right."""

    def __init__(self, sentence: str, *, again: bool = False, after_s: float | None = None) -> None:
        super().__init__(sentence)
        self.again = again
        self.after_s = after_s
        """How long the server wants to be left alone; None where it did not say."""


@dataclass(frozen=True)
class Patience:
    """How long a call may take, and how often it is made."""

    timeout_s: float = 300.0
    """Of one call, with its further tries."""
    silence_s: float = 120.0
    """That a server may send nothing."""
    tries: int = 3
    first_wait_s: float = 0.5
    """Before the second try, at most; doubled before each further one, and each time drawn by lot."""
    section: str = WORKFLOWS
    """Of the settings, for sentences that name one."""


class Server(Protocol):
    """What only a back end knows of itself."""

    @property
    def title(self) -> str:
        """What people are told that it is."""

    async def explained(self, error: Exception, model: str) -> ModelError | None:
        """Say what an error of the client means for a person; None for one that is a fault of ours."""

    def whole(self, info: Mapping[str, Any]) -> bool:
        """Tell whether a reply with this information came to its end."""

    def stopping_at(self, options: Mapping[str, Any], stop: Sequence[str]) -> dict[str, Any]:
        """Return the options of a call that ends at one of these texts."""

    def of_schema(self, options: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of a call that is replied to with JSON of a schema."""


class GuardedChat(BaseChatModel):
    """A chat model of some back end. All that goes wrong is a `ModelError`."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    inner: BaseChatModel
    name: str
    """Of the model, as the server calls it."""
    server: Any
    """A `Server`."""
    patience: Patience
    options: dict[str, Any] = Field(default_factory=dict)
    """Given to the inner model with each call."""
    again: Again | None = None
    """Is told before each further try; langchain tells nobody of those of a stream."""

    @property
    def _llm_type(self) -> str:
        return "guarded"

    def structured(self, schema: Mapping[str, Any]) -> Runnable[Any, Any]:
        """Return the model bound to reply with JSON of a schema."""
        return self.bind(**self.server.of_schema(self.options, schema))

    def bind_tools(self, tools: Sequence[Any], **more: Any) -> Runnable[Any, Any]:
        """Return the model with tools that it may call."""
        bound: Any = self.inner.bind_tools(tools, **more)
        return self.bind(**bound.kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002  # tokens are told to asynchronous callers
        **kwargs: Any,
    ) -> ChatResult:
        return waited_for(self._agenerate(messages, stop, None, **kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        options = self._options(stop, kwargs)

        async def once() -> ChatResult:
            result = await self.inner._agenerate(messages, run_manager=run_manager, **options)
            self._check_end(result.generations[0].generation_info or {})
            return result

        return await persistently(once, self.server, self.name, self.patience, self.again)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        """Stream a reply. Once its beginning is out, nothing is tried again: a person may have seen it."""
        ends_at_s = asyncio.get_running_loop().time() + self.patience.timeout_s
        options = self._options(stop, kwargs)

        async def begun() -> tuple[Any, ChatGenerationChunk]:
            stream: Any = self.inner._astream(messages, run_manager=run_manager, **options)
            try:
                return stream, await anext(stream)
            except StopAsyncIteration:
                raise Mishap(
                    f"{capital(self.server.title)} sent no reply at all.", again=True
                ) from None

        stream, first = await persistently(begun, self.server, self.name, self.patience, self.again)
        info: dict[str, Any] = dict(first.generation_info or {})
        async with aclosing(stream):
            yield first
            while True:
                try:
                    async with asyncio.timeout_at(ends_at_s):
                        chunk = await anext(stream)
                except StopAsyncIteration:
                    break
                except Exception as error:
                    if type(error) is TimeoutError:  # ours; a server's own is of a kind of its own
                        raise too_slow(self.server, self.patience) from error
                    raise await explained(error, self.server, self.name) from error
                info |= chunk.generation_info or {}
                yield chunk
        self._check_end(info)

    def _options(self, stop: Sequence[str] | None, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        options = {**self.options, **kwargs}
        return self.server.stopping_at(options, stop) if stop else options

    def _check_end(self, info: Mapping[str, Any]) -> None:
        if not self.server.whole(info):
            raise Mishap(
                f"The reply of {self.server.title} was cut off before its end. Try again; if it happens often, the "
                "server's log says why.",
                again=True,
            )


def structured(chat: BaseChatModel, schema: Mapping[str, Any]) -> Runnable[Any, Any]:
    """Return a chat model that one of our back ends gave out, bound to reply with JSON of a schema."""
    return cast(GuardedChat, chat).structured(schema)


class GuardedEmbeddings(Embeddings):
    """A model that makes embeddings. All that goes wrong is a `ModelError`."""

    def __init__(self, inner: Embeddings, name: str, server: Server, patience: Patience) -> None:
        self.inner = inner
        self.name = name
        """Of the model, as the server calls it."""
        self._server = server
        self._patience = patience

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector for each text."""
        vectors: list[list[float]] = []
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            some = texts[start : start + TEXTS_AT_ONCE]

            async def once(some: list[str] = some) -> list[list[float]]:
                return await self.inner.aembed_documents(some)

            found = await persistently(once, self._server, self.name, self._patience)
            if len(found) != len(some):
                raise Mishap(
                    f"{capital(self._server.title)} made {len(found)} embeddings of {len(some)} texts."
                )
            vectors += found
        if any(not _usable(vector, vectors[0]) for vector in vectors):
            raise Mishap(
                f"{capital(self._server.title)} made embeddings that are no vectors of one length; is “{self.name}” an "
                "embedding model?"
            )
        return vectors

    async def aembed_query(self, text: str) -> list[float]:
        """Return the vector of a text."""
        return (await self.aembed_documents([text]))[0]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector for each text."""
        return waited_for(self.aembed_documents(texts))

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a text."""
        return waited_for(self.aembed_query(text))


async def persistently(
    once: Callable[[], Awaitable[T]],
    server: Server,
    model: str,
    patience: Patience,
    again: Again | None = None,
) -> T:
    """Return what a call returns, made again where that may help; `again` is told before each further try.

    Raises: ModelError: in the end it failed. What `again` raises.
    """

    async def tried() -> T:
        try:
            return await once()
        except Exception as error:
            raise await explained(error, server, model) from error

    retrying = AsyncRetrying(
        retry=retry_if_exception(lambda error: isinstance(error, Mishap) and error.again),
        stop=stop_after_attempt(patience.tries) | stop_before_delay(patience.timeout_s),
        wait=_wait(patience.first_wait_s),
        before_sleep=again,
        reraise=True,
    )
    try:
        async with asyncio.timeout(patience.timeout_s):
            return await retrying(tried)
    except TimeoutError as error:
        raise too_slow(server, patience) from error


async def explained(error: Exception, server: Server, model: str) -> Exception:
    """Return an error in words for a person; one that is a fault of ours as it is."""
    if isinstance(error, ModelError):
        return error
    return await server.explained(error, model) or error


def too_slow(server: Server, patience: Patience) -> Mishap:
    """Say that a call took longer than it may."""
    return Mishap(
        f"{capital(server.title)} did not finish its reply within {patience.timeout_s:g} s. Ask for a shorter one (num_predict), "
        f"take a smaller model, or raise {patience.section}.timeout_s."
    )


def silent(server: Server, patience: Patience) -> Mishap:
    """Say that a server sent nothing for longer than it may."""
    return Mishap(
        f"{capital(server.title)} sent nothing for {patience.silence_s:g} s. The model may still be loading, or be too large for "
        "that machine; raise workflows.silence_s, or take a smaller one."
    )


def unknown_model(
    server: Server,
    model: str,
    known: Sequence[str],
    advice: str = "",
    section: str = WORKFLOWS,
) -> Mishap:
    """Say that a server has no such model, and which it has."""
    listed = ", ".join(known[:20]) + (" …" if len(known) > 20 else "")
    has = f"It has: {listed}." if known else "It has none."
    mapping = f"set {section}.model to another one."
    if section == WORKFLOWS:
        mapping = "say in workflows.model_map which one stands for it."
    return Mishap(
        f"{capital(server.title)} has no model “{model}”. {has} "
        + (f"{advice}, or {mapping}" if advice else capital(mapping))
    )


def capital(text: str) -> str:
    """Return a text as it begins a sentence."""
    return text[:1].upper() + text[1:]


def in_a_line(text: str) -> str:
    """Return what a server said, short enough for a sentence."""
    return " ".join(text.split())[:300]


def waited_for(work: Coroutine[Any, Any, T]) -> T:
    """Wait for a coroutine where there may be a loop already, which it must not block on itself."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def _usable(vector: Sequence[float], first: Sequence[float]) -> bool:
    return len(vector) == len(first) > 0 and all(map(math.isfinite, vector))


def _wait(first_wait_s: float) -> Callable[[RetryCallState], float]:
    by_lot = wait_random_exponential(multiplier=first_wait_s, max=30.0)

    def wait_s(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked_s = error.after_s if isinstance(error, Mishap) else None
        return by_lot(state) + (asked_s or 0.0)

    return wait_s


def retry_after_s(header: str | None) -> float | None:
    """Return how long a server asks to wait, by its header `Retry-After`; None where it says nothing, or a date: by lot, then."""
    try:
        return max(0.0, float(header or ""))
    except ValueError:
        return None
