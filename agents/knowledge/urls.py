"""Addresses of the web, read once and strictly: what was checked is what is connected to."""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import idna

from agents.knowledge.addresses import Address
from agents.knowledge.refusals import FetchRefused

MAX_CHARS = 2000
DEFAULT_PORTS = {"http": 80, "https": 443}
_IN_PATHS = "/%:@!$&'()*+,;=~-._"
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})


@dataclass(frozen=True)
class Target:
    """Where a request goes."""

    scheme: str
    host: str
    """A name in ASCII, without a dot at its end; or an address, without brackets."""
    port: int
    path: str
    """With what is asked; nothing of a fragment."""
    address: Address | None
    """Where the host is an address and not a name."""

    @property
    def authority(self) -> str:
        """Host and port, as they are sent."""
        host = f"[{self.host}]" if isinstance(self.address, IPv6Address) else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Where it goes, without the path."""
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        """The whole address."""
        return self.origin + self.path


def read(url: str, schemes: Collection[str], ports: Collection[int] | None) -> Target:
    """Read an address.

    Args:
        url: As somebody wrote it.
        schemes: Of `http` and `https`.
        ports: That may be connected to; None: any.

    Raises: FetchRefused: it is none, or none that may be asked.
    """
    parts, port = _parts(url)
    if parts.scheme not in schemes:
        raise FetchRefused("scheme", f"Only {' and '.join(schemes)} addresses may be asked.")
    if "@" in parts.netloc:
        raise FetchRefused("url", "The address holds a user name; leave it out.")
    if port is None:
        port = DEFAULT_PORTS[parts.scheme]
    if ports is not None and port not in ports:
        numbers = ", ".join(map(str, ports))
        raise FetchRefused("port", f"Port {port} may not be asked; allowed are {numbers}.")
    host, address = _host(parts.netloc, parts.hostname or "")
    path = quote(parts.path or "/", safe=_IN_PATHS)
    if parts.query:
        path += "?" + quote(parts.query, safe=_IN_PATHS + "?[]")
    return Target(parts.scheme, host, port, path, address)


def joined(target: Target, location: str) -> str:
    """Return the address that a redirect leads to, not yet read."""
    try:
        return urljoin(target.url, location)
    except ValueError:
        raise _no_address() from None


def _parts(url: str) -> tuple[SplitResult, int | None]:
    if len(url) > MAX_CHARS:
        raise FetchRefused(
            "url", f"The address is too long: at most {MAX_CHARS} characters are taken."
        )
    if "\\" in url or any(unicodedata.category(c) in _HIDDEN for c in url):
        raise FetchRefused("url", "The address holds spaces or characters that cannot be seen.")
    try:
        parts = urlsplit(url)
        return parts, parts.port
    except ValueError:
        raise _no_address() from None


def _host(netloc: str, written: str) -> tuple[str, Address | None]:
    if netloc.startswith("["):
        try:
            address = IPv6Address(written)
        except AddressValueError:
            raise _no_address() from None
        if address.scope_id is not None:
            raise _no_address()
        return address.compressed, address
    name = _ascii(written).removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _no_address()
    if not _NUMBER.fullmatch(labels[-1]):
        return name, None
    # what ends in a number is an address to whoever resolves it: octal, hex, short and in one number too
    try:
        return name, IPv4Address(name)
    except AddressValueError:
        raise FetchRefused(
            "url", "The host is a number in an unusual form; write a name instead."
        ) from None


def _ascii(host: str) -> str:
    if host.isascii():
        return host.lower()
    try:
        return idna.encode(host, uts46=True).decode("ascii").lower()
    except idna.IDNAError:
        raise _no_address() from None


def _no_address() -> FetchRefused:
    return FetchRefused("url", "That is no address of the web, such as https://example.org/page.")
