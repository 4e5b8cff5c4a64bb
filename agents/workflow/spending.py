"""What a run has used up, and whether it may use more."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from agents.workflow.outside import Limits
from agents.workflow.world import LimitReached

MIN_REPLY_TOKENS = 16
"""With less left, nothing is asked: no answer would fit."""
PER_PART_TOKENS = 32
"""For what a template puts around a message or a tool."""
IMAGE_TOKENS = 4096
"""More than vision models make of one."""
BYTES_PER_TOKEN = 4
"""Where a back end does not count: about that of English text."""


@dataclass(frozen=True)
class Needs:
    """What a call is made of, from which follows how many tokens its prompt can have."""

    prompt_bytes: int
    messages: int
    tools: int = 0
    images: int = 0

    @property
    def most_tokens(self) -> int:
        """Return what it has at most: a token is at least one byte of the text."""
        parts = self.messages + self.tools
        return self.prompt_bytes + parts * PER_PART_TOKENS + self.images * IMAGE_TOKENS


@dataclass
class Spending:
    """What has been used up so far; grows."""

    limits: Limits
    clock: Callable[[], float]
    calls: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0
    remembered_s: float = 0.0
    """Took an earlier process of the same run."""
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock()

    @property
    def seconds(self) -> float:
        """Return how long the run has taken."""
        return self.clock() - self.began + self.remembered_s

    @property
    def seconds_left(self) -> float | None:
        """Return how long it may still take; None without a limit."""
        own, shared = self.limits.max_seconds, self.limits.shared
        left = [
            None if own is None else own - self.seconds,
            None if shared is None else shared.seconds_left,
        ]
        return min((max(0.0, one) for one in left if one is not None), default=None)

    @property
    def too_long(self) -> str:
        """Return what is said of a run that may take no longer."""
        own = self.limits.max_seconds
        if own is None or self.seconds < own:
            return "the time that there is for this is used up"
        return f"the run has taken {own:g} s, and may not longer"

    def may_ask(self, needs: Needs) -> int | None:
        """Return how long a reply may be, in tokens, before a model is asked; None without a limit.

        Raises: LimitReached: it may not be asked.
        """
        if self.calls >= self.limits.max_calls:
            raise LimitReached(f"a model was asked {self.calls} times, and may not be more often")
        if self.seconds_left == 0:
            raise LimitReached(self.too_long)
        shared = self.limits.shared
        left = [
            self._own_reply(needs),
            None if shared is None else shared.for_reply(needs.most_tokens),
        ]
        return min((one for one in left if one is not None), default=None)

    def _own_reply(self, needs: Needs) -> int | None:
        if self.limits.max_tokens is None:
            return None
        used = self.prompt_tokens + self.reply_tokens
        left = self.limits.max_tokens - used - needs.most_tokens
        if left < MIN_REPLY_TOKENS:
            raise LimitReached(
                f"{used} of {self.limits.max_tokens} tokens are used, and the next prompt with its"
                f" reply might need more than the rest"
            )
        return left

    def add(self, prompt_tokens: int, reply_tokens: int) -> None:
        """Count a call."""
        self.calls += 1
        self.prompt_tokens += prompt_tokens
        self.reply_tokens += reply_tokens


def estimated_tokens(text_bytes: int) -> int:
    """Return about how many tokens a text has, for back ends that do not count."""
    return math.ceil(text_bytes / BYTES_PER_TOKEN)
