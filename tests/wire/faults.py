"""The fault script: which requests fail, how, and how often it happened.

    fault = server.faults.fail("POST", r"/channels/\\d+/messages", status=502, when="after", times=2)
    ...
    assert fault.hits == 2

The regex matches the whole path, without `/api/v10` and without the query; downloads start with `/attachments/` or `/ephemeral-attachments/`.
"""

import random
import re
from dataclasses import dataclass
from typing import Any, Literal

When = Literal["before", "after"]
Kind = Literal["status", "rate_limit", "drop", "cut", "truncate", "delay"]


@dataclass
class Fault:
    """One line of the script. It counts matching requests and strikes from the `nth` on, `times` times.

    With a `probability` it strikes at random, and without end unless `times` is given.
    """

    kind: Kind
    method: str
    path: re.Pattern[str]
    when: When = "before"
    nth: int = 1
    times: int | None = 1
    probability: float | None = None
    status: int = 500
    seconds: float = 0.0
    scope: str = "user"
    via: bool = True
    keep_bytes: int = 0
    seen: int = 0
    """Requests that matched."""
    hits: int = 0
    """Requests that were struck."""

    def matches(self, method: str, path: str) -> bool:
        return self.method in ("*", method) and self.path.fullmatch(path) is not None

    def strikes(self, rng: random.Random) -> bool:
        self.seen += 1
        if self.times is not None and self.hits >= self.times:
            return False
        due = self.seen >= self.nth
        if self.probability is not None:
            due = due and rng.random() < self.probability
        self.hits += due
        return due


class Faults:
    """All lines of the script; `clear` heals everything."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = random.Random(seed)
        self.script: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        self.script.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        self.script.remove(fault)

    def clear(self) -> None:
        self.script.clear()

    def due(self, method: str, path: str) -> list[Fault]:
        """The faults that strike this request, in script order. Every matching line counts it."""
        return [f for f in self.script if f.matches(method, path) and f.strikes(self.rng)]

    def fail(
        self,
        method: str,
        path: str,
        *,
        status: int = 500,
        when: When = "before",
        **how: Any,
    ) -> Fault:
        """Answer with a 5xx (or any status), before or after the work was done.

        Keywords of every fault: `nth` (the first request struck, default 1), `times` (default 1;
        None = for ever; default None where a probability is given), `probability`.
        """
        return self._add("status", method, path, how, status=status, when=when)

    def rate_limit(
        self,
        method: str,
        path: str,
        *,
        retry_after_s: float,
        scope: Literal["user", "global", "shared"] = "user",
        via: bool = True,
        **how: Any,
    ) -> Fault:
        """Answer 429; without `via` it looks like Cloudflare's ban."""
        return self._add(
            "rate_limit", method, path, how, seconds=retry_after_s, scope=scope, via=via
        )

    def drop(self, method: str, path: str, *, when: When = "before", **how: Any) -> Fault:
        """Reset the connection instead of answering."""
        return self._add("drop", method, path, how, when=when)

    def cut(self, method: str, path: str, **how: Any) -> Fault:
        """Do the work, send half of the answer, reset the connection."""
        return self._add("cut", method, path, how, when="after")

    def truncate(self, method: str, path: str, *, keep_bytes: int, **how: Any) -> Fault:
        """Send a shorter body that looks complete."""
        return self._add("truncate", method, path, how, keep_bytes=keep_bytes, when="after")

    def delay(
        self, method: str, path: str, *, seconds: float, when: When = "before", **how: Any
    ) -> Fault:
        """Wait, then go on as usual."""
        return self._add("delay", method, path, how, seconds=seconds, when=when)

    def _add(self, kind: Kind, method: str, path: str, how: dict[str, Any], **rest: Any) -> Fault:
        how.setdefault("times", None if "probability" in how else 1)
        return self.add(Fault(kind, method.upper(), re.compile(path), **how, **rest))
