"""The one way out: pages, and questions to the search service that settings name. docs/knowledge.md says what holds it.

Nothing here follows what a page says: a page is asked for by code, once, and only a redirect leads further.
"""

import asyncio
import hashlib
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network

from agents.knowledge import bodies, network, robots, urls
from agents.knowledge.addresses import Address, Network, may_connect
from agents.knowledge.network import Outside, Request
from agents.knowledge.pace import Pace
from agents.knowledge.refusals import FetchRefused
from agents.knowledge.urls import Target
from configs.schema import HOME_NETWORKS, KnowledgeSettings

MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
PAGES = frozenset({"text/html", "application/xhtml+xml", "text/plain", "text/markdown"})
ROBOTS_S = 10.0
MAX_REPLY_BYTES = 2 * 2**20
"""Of a service."""
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)


@dataclass(frozen=True)
class Sent:
    """A request that left the house."""

    at: datetime
    method: str
    url: str
    addresses: tuple[str, ...]
    """That the host had, all of them checked."""


@dataclass(frozen=True)
class Fetched:
    """A page, as it came."""

    url: str
    """Where it lies, after redirects."""
    content_type: str
    charset: str | None
    """As the server says."""
    content: bytes
    sha256: str
    fetched_at: datetime


@dataclass(frozen=True)
class Question:
    """A request to a service. All of it comes from settings and code, and nothing from a page."""

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None
    accept: frozenset[str] = frozenset({"application/json"})
    """Content types of a reply that is taken."""
    at_home: bool = False
    """Whether settings say where it is, so that it may be on this machine and without encryption."""


@dataclass(frozen=True)
class Reply:
    """What a service replied."""

    status: int
    content_type: str
    content: bytes


@dataclass(frozen=True)
class _Came:
    status: int
    headers: bodies.Headers
    body: bytes


class Fetcher:
    """Fetches for one run, and counts what it sends."""

    def __init__(
        self,
        settings: KnowledgeSettings,
        outside: Outside | None = None,
        pace: Pace | None = None,
    ) -> None:
        """Make one.

        Args:
            settings: What may be reached, and how long and large it may be.
            outside: How the internet is reached; tests bring their own.
            pace: That it shares with others, so that they are polite together.
        """
        self._settings = settings
        self._outside = outside or Outside()
        self._pace = pace or Pace()
        self._allowed = tuple(ip_network(each) for each in settings.private_networks)
        self._robots: dict[str, robots.RobotsFile] = {}
        self._robots_turn = asyncio.Lock()
        contact = f" (+{settings.contact})" if settings.contact else ""
        self._agent = f"{robots.AGENT}{contact}"
        self.sent: list[Sent] = []
        """All that left the house, in order."""

    async def page(self, url: str, accept: Collection[str] = PAGES) -> Fetched:
        """Fetch a page.

        Args:
            url: Of the page.
            accept: Content types that are taken.

        Raises: FetchRefused: it may not be asked for, did not come, or is not what may come.
        """
        loop = asyncio.get_running_loop()
        left_s = self._settings.page_timeout_s
        target = self._read(url)
        for _ in range(MAX_REDIRECTS + 1):
            delay_s = await self._permitted(target)
            await self._pace.turn(target.host, max(self._settings.host_interval_s, delay_s))
            began_s = loop.time()
            came = await self._get(target, left_s, self._settings.max_page_bytes, accept)
            left_s -= loop.time() - began_s
            if came.status not in REDIRECTS:
                return self._page(target, came)
            target = self._led(target, came)
        raise FetchRefused("redirects", f"The page leads on more than {MAX_REDIRECTS} times.")

    async def ask(self, question: Question) -> Reply:
        """Ask a service. No redirect is followed: a key is for nobody else.

        Raises: FetchRefused: it cannot be asked, or its reply is not what may come.
        """
        schemes, ports = (("https", "http"), None) if question.at_home else (("https",), (443,))
        target = urls.read(question.url, schemes, ports)
        allowed = HOME_NETWORKS if question.at_home else ()
        await self._pace.turn(target.host, self._settings.host_interval_s)
        timeout_s = self._settings.page_timeout_s
        with _in_time(target.host):
            async with asyncio.timeout(timeout_s):
                request = Request(
                    target,
                    await self._checked(target, allowed),
                    question.method,
                    (*self._headers(question.accept), *question.headers),
                    question.content,
                )
                came = await self._exchange(request, timeout_s, MAX_REPLY_BYTES, question.accept)
        return Reply(came.status, _content_type(came.headers), came.body)

    async def _get(
        self, target: Target, timeout_s: float, max_bytes: int, accept: Collection[str] | None
    ) -> _Came:
        with _in_time(target.host):
            async with asyncio.timeout(timeout_s):
                addresses = await self._checked(target, self._allowed)
                request = Request(target, addresses, headers=self._headers(accept))
                return await self._exchange(request, timeout_s, max_bytes, accept)

    async def _exchange(
        self,
        request: Request,
        timeout_s: float,
        max_bytes: int,
        accept: Collection[str] | None,
    ) -> _Came:
        """Send a request and read what comes. A body is read of a success alone; `accept` None is a robots.txt."""
        if len(self.sent) >= self._settings.max_requests:
            raise FetchRefused(
                "requests",
                f"This run has sent {len(self.sent)} requests, which is as many as knowledge.max_requests allows.",
            )
        tried = tuple(map(str, request.addresses))
        self.sent.append(Sent(datetime.now(UTC), request.method, request.target.url, tried))
        async with network.exchanged(self._outside, request, timeout_s) as response:
            headers = response.headers
            if response.status != 200:
                return _Came(response.status, headers, b"")
            if accept is not None and _content_type(headers) not in accept:
                raise FetchRefused("type", "What lies there is no page of text.")
            stream = response.aiter_stream()
            body = await bodies.read(stream, headers, max_bytes, cut=accept is None)
            return _Came(response.status, headers, body)

    async def _checked(self, target: Target, allowed: Collection[Network]) -> tuple[Address, ...]:
        """Return the addresses of a host, of which each may be connected to: they are asked for once."""
        if target.address is not None:
            found: tuple[Address, ...] = (target.address,)
        else:
            try:
                written = await self._outside.resolve(target.host, target.port)
                found = tuple(ip_address(each) for each in written)
            except (OSError, ValueError):
                found = ()
        if not found:
            raise FetchRefused("name", f"There is no host {target.host}. Check the address.")
        if not all(may_connect(address, allowed) for address in found):
            raise FetchRefused(
                "address",
                f"{target.host} is not on the public internet. Pages of your own network are fetched where "
                "knowledge.private_networks names it.",
            )
        return found

    async def _permitted(self, target: Target) -> float:
        """Return the delay that a site asks for.

        Raises: FetchRefused: it does not want to be asked for this page, or cannot be asked what it wants.
        """
        if not self._settings.robots:
            return 0.0
        async with self._robots_turn:
            if target.origin not in self._robots:
                self._robots[target.origin] = await self._robots_file(target)
        found = robots.manners(self._robots[target.origin], target)
        if not found.allowed:
            raise FetchRefused(
                "robots", f"{target.host} does not want programs to fetch this page (robots.txt)."
            )
        if found.delay_s > robots.MAX_DELAY_S:
            raise FetchRefused(
                "robots",
                f"{target.host} wants {found.delay_s:.0f} seconds between two requests (robots.txt), which is too long.",
            )
        return found.delay_s

    async def _robots_file(self, target: Target) -> robots.RobotsFile:
        timeout_s = min(ROBOTS_S, self._settings.page_timeout_s)
        target = replace(target, path="/robots.txt")
        for _ in range(MAX_REDIRECTS + 1):
            await self._pace.turn(target.host, self._settings.host_interval_s)
            came = await self._get(target, timeout_s, robots.MAX_BYTES, None)
            if came.status not in REDIRECTS:
                return robots.RobotsFile(came.status, came.body.decode("utf-8", "replace"))
            target = self._led(target, came)
        return robots.RobotsFile(404, "")  # as RFC 9309 has it

    def _led(self, target: Target, came: _Came) -> Target:
        """Read where a redirect leads, as strictly as any address."""
        location = bodies.header(came.headers, "location")
        if not location:
            raise FetchRefused("redirects", "The page leads on, but does not say where.")
        led = self._read(urls.joined(target, location))
        if target.scheme == "https" and led.scheme == "http":
            raise FetchRefused(
                "redirects", "The page leads from an encrypted address to one that is not."
            )
        return led

    def _read(self, url: str) -> Target:
        return urls.read(url, self._settings.schemes, self._settings.ports)

    def _page(self, target: Target, came: _Came) -> Fetched:
        if came.status != 200:
            raise FetchRefused("status", f"{target.host} answers with status {came.status}.")
        declared = _CHARSET.search(bodies.header(came.headers, "content-type"))
        return Fetched(
            target.url,
            _content_type(came.headers),
            declared[1] if declared else None,
            came.body,
            hashlib.sha256(came.body).hexdigest(),
            datetime.now(UTC),
        )

    def _headers(self, accept: Collection[str] | None) -> tuple[tuple[str, str], ...]:
        return (
            ("User-Agent", self._agent),
            ("Accept", ", ".join(sorted(accept)) if accept else "text/plain"),
            ("Accept-Encoding", "gzip"),
        )


@contextmanager
def _in_time(host: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise FetchRefused("time", f"{host} took too long to answer. Try again later.") from error


def _content_type(headers: bodies.Headers) -> str:
    return bodies.header(headers, "content-type").partition(";")[0].strip().lower()
