"""Connections to the outside: to an address that was checked, under the name that was asked for.

The only module here that opens one. What a page could abuse in a client is not switched off but missing: this level of
the client knows no redirects, cookies, passwords or proxies, and decompresses nothing.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import httpcore2

from agents.knowledge.addresses import Address
from agents.knowledge.refusals import FetchRefused
from agents.knowledge.urls import Target

MAX_ADDRESSES = 4
"""Of one host that are tried."""
CONNECT_S = 10.0
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Takes a name and a port; returns its addresses as texts. Raises OSError: it has none."""


async def resolved(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of a name."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


@dataclass(frozen=True)
class Outside:
    """How the internet is reached. Tests bring their own; no setting can."""

    resolve: Resolver = resolved
    network: httpcore2.AsyncNetworkBackend = field(default_factory=httpcore2.AnyIOBackend)
    trust: ssl.SSLContext = field(default_factory=httpcore2.default_ssl_context)


@dataclass(frozen=True)
class Request:
    """What is sent."""

    target: Target
    addresses: tuple[Address, ...]
    """Checked ones; a connection goes to one of these and nowhere else."""
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None


@asynccontextmanager
async def exchanged(
    outside: Outside, request: Request, timeout_s: float
) -> AsyncIterator[httpcore2.Response]:
    """Send a request on a connection of its own and give what comes back, its body not yet read.

    Raises: FetchRefused: there is no connection, or it broke; also out of reading the body.
    """
    target = request.target
    headers = [("Host", target.authority), ("Connection", "close"), *request.headers]
    timeouts = {
        "connect": min(CONNECT_S, timeout_s),
        "read": timeout_s,
        "write": timeout_s,
        "pool": timeout_s,
    }
    pool = httpcore2.AsyncConnectionPool(
        ssl_context=outside.trust,
        max_connections=1,
        max_keepalive_connections=0,
        http1=True,
        http2=False,
        retries=0,
        network_backend=_Checked(request, outside.network),
    )
    url = httpcore2.URL(
        scheme=target.scheme, host=target.host, port=target.port, target=target.path
    )
    extensions = {"timeout": timeouts}
    with _in_words(target.host):
        async with (
            pool,
            pool.stream(
                request.method,
                url,
                headers=headers,
                content=request.content,
                extensions=extensions,
            ) as response,
        ):
            yield response


class _Checked(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that were checked; resolves nothing."""

    def __init__(self, request: Request, network: httpcore2.AsyncNetworkBackend) -> None:
        self._request = request
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the client's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        if (host, port) != (self._request.target.host, self._request.target.port):
            raise AssertionError("the client connects to another host than it was told")
        failed: Exception = httpcore2.ConnectError("no address")
        for address in self._request.addresses[:MAX_ADDRESSES]:
            try:
                return await self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
        raise failed


@contextmanager
def _in_words(host: str) -> Iterator[None]:
    try:
        yield
    except httpcore2.TimeoutException as error:
        raise FetchRefused("time", f"{host} took too long to answer. Try again later.") from error
    except httpcore2.ConnectError as error:
        if isinstance(error.__context__, ssl.SSLError):
            raise FetchRefused(
                "certificate",
                f"{host} has no certificate that can be trusted, or breaks off where connections are made secure.",
            ) from error
        raise FetchRefused("network", f"{host} cannot be reached. Try again later.") from error
    except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
        raise FetchRefused(
            "network", f"{host} broke off, or answered in no form of the web. Try again later."
        ) from error
