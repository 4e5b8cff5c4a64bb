"""What sites let programs fetch: robots.txt, by RFC 9309."""

from dataclasses import dataclass

from agents.knowledge.refusals import FetchRefused
from agents.knowledge.urls import Target

AGENT = "Tunewright"
"""The name that a robots.txt may address."""
MAX_BYTES = 500 * 1024
"""That are read of one; RFC 9309 asks for as much at least."""
MAX_DELAY_S = 30.0
"""A site that wants more between two requests is not asked at all."""


@dataclass(frozen=True)
class RobotsFile:
    """What came back where a site's robots.txt should be."""

    status: int
    text: str


@dataclass(frozen=True)
class Manners:
    """How a site wants to be asked for one page."""

    allowed: bool
    delay_s: float


def manners(found: RobotsFile, target: Target) -> Manners:
    """Read a robots.txt.

    Without one (4xx) everything may be fetched; where the server is in trouble (5xx and all else), nothing.
    Raises: FetchRefused: the package that reads them is not installed.
    """
    if 400 <= found.status < 500:
        return Manners(True, 0.0)
    if found.status != 200:
        return Manners(False, 0.0)
    try:
        from protego import Protego  # with the extra only
    except ImportError:
        raise FetchRefused(
            "robots",
            "Fetching pages needs the extra “knowledge”: pip install 'tunewright[knowledge]'.",
        ) from None
    rules = Protego.parse(found.text)
    delay_s = rules.crawl_delay(AGENT) or 0.0
    return Manners(rules.can_fetch(target.url, AGENT), delay_s)
