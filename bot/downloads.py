"""Adapters behind links: signed, expiring, resumable, served to browsers, curl and wget alike.

A token names a content by hash, so a link can only ever give the bytes it was made for. Who has the link has the file:
links go to the thread of the run and work for a limited time.
"""

import hashlib
import os
import re
import secrets
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import ETAG_ANY
from itsdangerous import BadSignature, URLSafeSerializer

from agents.services import Clock
from configs.schema import DownloadSettings
from storage.files import FileStore

KEY_BYTES = 32
SALT = "tunewright.downloads.v1"
GONE = "This link has expired. Type /finetune download (or `tunewright download RUN` in a terminal) for a new one.\n"
UNKNOWN = "There is nothing behind this link.\n"
GOODBYE_S = 2.0
"""How long running transfers may hold up the end; a client resumes them with a range."""
NAME_CHARS = 120
SHA256 = web.RequestKey("sha256", str)
"""Content that a request turned out to ask for."""

PRIVATE = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class CannotListen(Exception):
    """The configured address cannot be bound."""


class DamagedKey(Exception):
    """The file with the signing key holds no key."""


class Expired(Exception):
    """The link was good once."""


class Unknown(Exception):
    """The link was never good."""


@dataclass(frozen=True)
class Target:
    """What a link leads to."""

    path: Path
    sha256: str
    name: str


@dataclass
class Links:
    """Makes and opens links."""

    settings: DownloadSettings
    key: bytes
    files: FileStore
    _port: int | None = field(default=None)

    def use_port(self, port: int) -> None:
        """Tell on which port the server listens, where the settings left it open."""
        self._port = port

    def link(self, sha256: str, name: str, run_id: int, now: datetime) -> str:
        """Return a link to a kept file, good from `now` for the configured time."""
        until = int((now + timedelta(hours=self.settings.expires_after_h)).timestamp())
        token = self._signer().dumps([sha256, name, run_id, until])
        return f"{self.root()}/d/{token}/{quote(clean_name(name), safe='')}"

    def open(self, token: str, now: datetime) -> Target:
        """Return what a token leads to.

        Raises: Expired, Unknown.
        """
        signer = self._signer()
        try:
            sha256, name, _run_id, until = payload = signer.loads(token)
        except (BadSignature, UnicodeError) as error:
            raise Unknown from error
        # Base64 has several spellings of the same signature; only the one that was handed out is good.
        if signer.dumps(payload) != token:
            raise Unknown
        if now.timestamp() >= until:
            raise Expired
        path = self.files.path(sha256)
        if not path.is_file():
            raise Unknown
        return Target(path, sha256, name)

    def root(self) -> str:
        """Return the configured root of links; a request's Host header has no say in it."""
        if self.settings.public_url:
            return self.settings.public_url
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"http://{host}:{self._port or self.settings.port}"

    def _signer(self) -> URLSafeSerializer:
        return URLSafeSerializer(
            self.key,
            salt=SALT,
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )


def load_key(data_dir: Path) -> bytes:
    """Return the signing key of this installation; make it where there is none, whole or not at all.

    Raises: DamagedKey.
    """
    path = data_dir / "secret.key"
    if not path.exists():
        _make_key(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise DamagedKey(
            f"{path} is damaged. Delete it: a new key is made, and only links given out so far stop working."
        )
    return key


def _make_key(path: Path) -> None:
    handle, temporary = tempfile.mkstemp(prefix=".secret-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(KEY_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):  # somebody else was faster, and theirs is whole
            os.link(temporary, path)
    finally:
        Path(temporary).unlink()


@dataclass
class Server:
    """A listening web server."""

    runner: web.AppRunner
    port: int

    async def close(self) -> None:
        """Stop listening; running transfers end."""
        await self.runner.cleanup()


async def serve(app: web.Application, settings: DownloadSettings) -> Server:
    """Listen on the configured address.

    Raises: CannotListen: the address is in use or not ours.
    """
    # A log of paths would be a log of tokens.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=GOODBYE_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
    except OSError as error:
        await runner.cleanup()
        raise CannotListen(
            f"The download server cannot listen on {settings.host}:{settings.port} ({error.strerror}). "
            "Stop what uses that port, or set downloads.port (TUNEWRIGHT__DOWNLOADS__PORT; 0 takes a free one)."
        ) from error
    address = runner.addresses[0]
    return Server(runner, int(address[1]))


def application(links: Links, clock: Clock) -> web.Application:
    """Return the web application: `/d/TOKEN`, `/d/TOKEN/NAME` (for `curl -O`) and `/healthz`."""

    async def give(request: web.Request) -> web.StreamResponse:
        try:
            target = links.open(request.match_info["token"], clock.now())
        except Expired:
            return web.Response(status=410, text=GONE, headers=PRIVATE)
        except Unknown:
            return web.Response(status=404, text=UNKNOWN, headers=PRIVATE)
        request[SHA256] = target.sha256
        tags = {tag.value for tag in request.if_none_match or ()}
        if tags & {target.sha256, ETAG_ANY}:
            return web.Response(status=304, headers=PRIVATE)
        return _Content(target.path, headers=PRIVATE | saving_headers(target.name))

    async def health(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    app = web.Application()
    app.on_response_prepare.append(_tag_by_content)
    app.router.add_get("/d/{token}", give)
    app.router.add_get("/d/{token}/{name}", give)
    app.router.add_get("/healthz", health)
    return app


class _Content(web.FileResponse):
    """A file that is known by its hash, where aiohttp goes by time and size."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the file, or the range that was asked for, if that is a range of this content."""
        wanted = request.headers.get("Range", "")
        condition = request.headers.get("If-Range", request[SHA256])
        same_content = condition.strip('"') == request[SHA256]
        headers = {"Range": wanted} if wanted.isascii() and wanted and same_content else {}
        return await super().prepare(request.clone(headers=headers))


async def _tag_by_content(request: web.Request, response: web.StreamResponse) -> None:
    if SHA256 in request and response.status in {200, 206, 304}:
        response.headers["ETag"] = f'"{request[SHA256]}"'
        response.headers.popall("Last-Modified", None)


def clean_name(name: str) -> str:
    """Return a name that is safe as a last path segment everywhere, whatever it is made from."""
    plain = "".join(
        char if char.isprintable() and char not in r'\/:*?"<>|' else "_" for char in name
    )
    return plain.strip(" .")[:NAME_CHARS] or "file"


def saving_headers(name: str) -> dict[str, str]:
    """Return headers that make a browser save and never show a file (RFC 6266, with a fallback in ASCII)."""
    clean = clean_name(name)
    fallback = re.sub(r"[^A-Za-z0-9._-]", "_", clean)
    exact = quote(clean, safe="")
    return {
        "Content-Disposition": f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{exact}",
        "Content-Type": "application/zip" if clean.endswith(".zip") else "application/octet-stream",
    }
