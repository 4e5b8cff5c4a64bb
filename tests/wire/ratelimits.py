"""Discord's rate limits as buckets, off until a test switches them on.

The numbers are those bots observe (design notes, section 3); Discord publishes none and tells them
only by headers. Time is monotonic: moving the server's clock resets nothing.
"""

import time
from dataclasses import dataclass

from tests.wire.model import Json

MESSAGES = "/channels/{channel_id}/messages"
MESSAGE = "/channels/{channel_id}/messages/{message_id}"
OWN_REACTION = "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/@me"

_BUCKETS = {
    ("POST", MESSAGES): (5, 5.0),
    ("PATCH", MESSAGE): (5, 5.0),
    ("DELETE", MESSAGE): (5, 1.0),
    ("PUT", OWN_REACTION): (1, 0.25),
}
_OLD_EDITS = (3, 6.0)
_GLOBAL = (50, 1.0)


@dataclass(frozen=True)
class Refusal:
    """A 429."""

    retry_after_s: float
    scope: str = "user"
    code: int = 0
    via: bool = True

    def body(self) -> Json:
        body: Json = {
            "message": "You are being rate limited.",
            "retry_after": round(self.retry_after_s, 3),
            "global": self.scope == "global",
        }
        if self.code:
            body |= {
                "message": "Maximum number of edits to messages older than 1 hour reached.",
                "code": self.code,
            }
        return body

    def headers(self) -> dict[str, str]:
        headers = {"Retry-After": str(int(self.retry_after_s) + 1), "X-RateLimit-Scope": self.scope}
        if self.scope == "global":
            headers["X-RateLimit-Global"] = "true"
        if self.via:
            # Without it discord.py takes the answer for a ban by Cloudflare.
            headers["Via"] = "1.1 google"
        return headers


@dataclass
class _Window:
    limit: int
    period_s: float
    opened_s: float
    used: int = 0

    def left_s(self, now_s: float) -> float:
        if now_s >= self.opened_s + self.period_s:
            self.opened_s, self.used = now_s, 0
        return self.opened_s + self.period_s - now_s


class RateLimits:
    """Counts requests per bucket and major parameter; `enabled` decides whether anybody is refused."""

    def __init__(self) -> None:
        self.enabled = False
        self._windows: dict[tuple[str, ...], _Window] = {}

    def take(
        self, method: str, template: str, major: str, *, old_edit: bool = False
    ) -> tuple[dict[str, str], Refusal | None]:
        """Account for one request.

        Args:
            major: the channel the bucket belongs to.
            old_edit: it edits a message older than an hour (30046).

        Returns: the headers of a normal answer, and the refusal where the bucket is empty.
        """
        if not self.enabled:
            return {}, None
        now_s = time.monotonic()
        if not template.startswith(("/interactions", "/webhooks")):
            left_s = self._use(("global",), _GLOBAL, now_s)
            if left_s is not None:
                return {}, Refusal(left_s, "global")
        if old_edit:
            left_s = self._use(("old", major), _OLD_EDITS, now_s)
            if left_s is not None:
                return {}, Refusal(left_s, code=30046)
        shape = _BUCKETS.get((method, template))
        if shape is None:
            return {}, None
        key = (method, template, major)
        left_s = self._use(key, shape, now_s)
        return self._headers(key, now_s), None if left_s is None else Refusal(left_s)

    def _use(self, key: tuple[str, ...], shape: tuple[int, float], now_s: float) -> float | None:
        """Use one of a window's requests; the seconds until it opens again where none is left."""
        window = self._windows.setdefault(key, _Window(*shape, now_s))
        left_s = window.left_s(now_s)
        if window.used >= window.limit:
            return left_s
        window.used += 1
        return None

    def _headers(self, key: tuple[str, ...], now_s: float) -> dict[str, str]:
        window = self._windows[key]
        left_s = window.left_s(now_s)
        return {
            "X-RateLimit-Limit": str(window.limit),
            "X-RateLimit-Remaining": str(window.limit - window.used),
            "X-RateLimit-Reset": f"{time.time() + left_s:.3f}",
            "X-RateLimit-Reset-After": f"{left_s:.3f}",
            "X-RateLimit-Bucket": f"{abs(hash(key[:2])):x}"[:12],
        }
