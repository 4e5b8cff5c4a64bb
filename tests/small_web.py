"""A web on this machine: sites that answer byte by byte as a test wants, names that resolve as it says, and all that was asked."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Self

import httpcore2
import trustme

from agents.knowledge.network import Outside

PUBLIC = "93.184.216.34"
"""An address that anybody could be reached at; connections to it are led to this machine."""
OTHER = "2606:2800:220:1:248:1893:25c8:1946"


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    host: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    secure: bool = False

    @property
    def url(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.host}{self.path}"


Write = Callable[[bytes], Awaitable[None]]
Site = bytes | Callable[[Asked, Write], Awaitable[None]]
"""What lies at an address: a whole response, or somebody who writes one."""


def response(
    body: str | bytes,
    content_type: str = "text/html; charset=utf-8",
    status: str = "200 OK",
    **headers: str,
) -> bytes:
    """Return the bytes of a response; `content_encoding` becomes `Content-Encoding`."""
    content = body.encode() if isinstance(body, str) else body
    more = "".join(f"{key.replace('_', '-')}: {value}\r\n" for key, value in headers.items())
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(content)}\r\n{more}\r\n"
    )
    return head.encode("latin-1") + content


def redirect(location: str, status: str = "302 Found") -> bytes:
    return f"HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


NOTHING = response("not here", "text/plain", "404 Not Found")


@cache
def _authority() -> trustme.CA:
    return trustme.CA()


@dataclass
class SmallWeb:
    """Sites by address (`http://a.example/page`) and names by host; a list of lists gives another answer each time."""

    sites: dict[str, Site] = field(default_factory=dict)
    names: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    dialled: list[tuple[str, int]] = field(default_factory=list)
    server_names: list[str | None] = field(default_factory=list)
    certified: tuple[str, ...] = ("a.example", "b.example", "secure.example", PUBLIC)
    dead: frozenset[str] = frozenset()
    """Addresses at which nobody answers."""

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        self.trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _authority().configure_trust(self.trust)
        self._ports = {
            False: await self._listening(None),
            True: await self._listening(self._certified()),
        }
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    @property
    def outside(self) -> Outside:
        """The internet, as a fetcher is to see it."""
        return Outside(self._resolve, _Network(self), self.trust)

    @property
    def urls(self) -> list[str]:
        """What was asked, without what sites say of programs."""
        return [asked.url for asked in self.asked if asked.path != "/robots.txt"]

    def put(self, pages: Mapping[str, Site]) -> None:
        self.sites |= pages

    async def _resolve(self, host: str, port: int) -> list[str]:
        self.looked_up.append(host)
        answers = self.names.get(host)
        if answers is None:
            if not any(f"//{host}/" in url or f"//{host}:" in url for url in self.sites):
                raise OSError(-2, "Name or service not known")
            return [PUBLIC]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def dial(self, address: str, port: int, timeout_s: float | None) -> Any:
        self.dialled.append((address, port))
        if address in self.dead:
            raise httpcore2.ConnectError("nobody there")
        to = self._ports[port == 443]
        return await httpcore2.AnyIOBackend().connect_tcp("127.0.0.1", to, timeout_s)

    def _certified(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _authority().issue_cert(*self.certified).configure_cert(context)
        context.sni_callback = lambda _, name, __: self.server_names.append(name)
        return context

    async def _listening(self, tls: ssl.SSLContext | None) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await self._serve(reader, writer, secure=tls is not None)
            except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                pass  # a client that has seen enough
            finally:
                writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        self._stack.push_async_callback(server.wait_closed)
        self._stack.callback(server.close)
        return int(server.sockets[0].getsockname()[1])

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, secure: bool
    ) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
        method, path, _ = head[0].split(" ")
        headers = {
            key.lower(): value.strip()
            for key, _, value in (line.partition(":") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        asked = Asked(method, headers["host"], path, headers, body, secure)
        self.asked.append(asked)
        site = self.sites.get(asked.url, self.sites.get(asked.url.partition("?")[0], NOTHING))

        async def write(content: bytes) -> None:
            writer.write(content)
            await writer.drain()
            await asyncio.sleep(0)  # a full buffer is not the only reason to let others run

        if callable(site):
            await site(asked, write)
        else:
            await write(site)


class _Network(httpcore2.AsyncNetworkBackend):
    def __init__(self, web: SmallWeb) -> None:
        self._web = web

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the client's interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Any:
        return await self._web.dial(host, port, timeout)
