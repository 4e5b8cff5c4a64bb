"""For whoever waits longer for a reply than one question may take: ask again, and leave a back end alone as long as it wants."""

from collections.abc import Callable

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
)

from agents.llm.errors import LLMError

OVER = 1.1
"""How many times its own deadline a question may take before it is given up from outside."""


def insisting(
    timeout_s: float, tries: int, may_pass: Callable[[BaseException], bool]
) -> AsyncRetrying:
    """Return what calls something again that asks a language model, as long as its error may pass."""
    first_s = timeout_s / 60
    usual = wait_exponential_jitter(multiplier=first_s, max=timeout_s / 2, jitter=first_s)

    def wait_s(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked_s = error.after_s if isinstance(error, LLMError) else None
        return usual(state) + min(asked_s or 0.0, timeout_s)

    return AsyncRetrying(
        retry=retry_if_exception(may_pass),
        stop=stop_after_attempt(tries),
        wait=wait_s,
        reraise=True,
    )


def may_pass(error: BaseException) -> bool:
    """Tell whether asking again may help."""
    return isinstance(error, TimeoutError) or (isinstance(error, LLMError) and error.again)
