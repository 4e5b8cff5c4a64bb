"""A git server on this machine that asks for an account: dulwich's own, behind a check of name and token."""

import base64
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from dulwich.repo import Repo
from dulwich.server import DictBackend
from dulwich.web import make_wsgi_chain


@dataclass
class GitServer:
    """What it let in, and what it saw."""

    url: str
    username: str = "git"
    token: str = "canary-token"
    broken: int = 0
    """Requests that are answered with 503 before it works."""
    open: bool = False
    """Lets anybody in."""
    redirect_to: str | None = None
    seen: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and account of every request."""


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def git_server(folder: Path) -> Iterator[GitServer]:
    """Serve the bare repositories of a folder until the block is left."""
    opened = ExitStack()
    served = {
        f"/{path.name}": opened.enter_context(closing(Repo(str(path))))
        for path in folder.glob("*.git")
    }
    inner = make_wsgi_chain(DictBackend(served))

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        account = environ.get("HTTP_AUTHORIZATION")
        server.seen.append((environ["PATH_INFO"], account))
        if server.redirect_to is not None:
            place = f"{server.redirect_to}{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
            start_response("302 Found", [("Location", place)])
            return [b""]
        if server.broken > 0:
            server.broken -= 1
            start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
            return [b"busy with canary-token"]
        wanted = base64.b64encode(f"{server.username}:{server.token}".encode()).decode()
        if not server.open and account != f"Basic {wanted}":
            start_response("401 Unauthorized", [("WWW-Authenticate", 'Basic realm="git"')])
            return [b"no"]
        return inner(environ, start_response)

    with opened, make_server("127.0.0.1", 0, app, handler_class=_Quiet) as http:
        server = GitServer(f"http://127.0.0.1:{http.server_port}")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
