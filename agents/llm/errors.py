"""What can go wrong when a language model is asked.

LLMError                there is no usable reply; the caller has a way without it
├── UnreadableReply     it replied, but not in the asked type
├── OutOfRoom           it was not asked: what a run may use of it is used up
└── BackEndPaused       it was not asked: it has failed too often in a row
NotInstalled            the extra of the configured provider is missing
"""

from collections.abc import Iterator


class LLMError(Exception):
    """The model did not give a usable reply: unreachable, too slow, or not of the asked type."""

    def __init__(
        self, sentence: str = "", *, again: bool = True, after_s: float | None = None
    ) -> None:
        super().__init__(sentence)
        self.again = again
        """Whether it may come right by itself."""
        self.after_s = after_s
        """How long whoever was asked wants to be left alone; None where that is not known."""


class UnreadableReply(LLMError):
    """The model replied, but not in the asked type."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, again=False)


class OutOfRoom(LLMError):
    """What is left of a run's allowance has no room for another question."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, again=False)


class BackEndPaused(LLMError):
    """The back end has failed too often in a row and is left alone for a while."""


class NotInstalled(Exception):
    """The extra of the configured provider is missing."""


def what_failed(error: LLMError | TimeoutError) -> str:
    """Name what went wrong in a word: a provider's own sentence may quote what it was sent, or a part of a key."""
    chain = list(causes(error))
    others = (one for one in chain if not type(one).__module__.startswith("agents."))
    return type(next(others, chain[-1])).__name__


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it came from, each once: one may have been raised from itself."""
    seen = list[BaseException]()
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        seen.append(cause)
        yield cause
        cause = cause.__cause__
