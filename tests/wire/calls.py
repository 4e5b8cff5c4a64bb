"""One REST request on its way through the server: what handlers get, and what they may answer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from tests.wire.errors import ApiError, invalid_form
from tests.wire.model import Json, World


@dataclass(frozen=True)
class Upload:
    """One file of a multipart body; `index` is the N of its part `files[N]`."""

    index: int
    filename: str
    data: bytes


@dataclass
class Call:
    """A parsed request."""

    world: World
    method: str
    template: str
    path: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None
    uploads: list[Upload] = field(default_factory=list)
    multipart: bool = False

    def id(self, name: str) -> int:
        """A snowflake of the path."""
        return int(self.params[f"{name}_id"])

    @property
    def json(self) -> Json:
        """The body as an object; {} where none was sent."""
        return self.body if isinstance(self.body, dict) else {}

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A query parameter.

        Raises: ApiError: 50035 outside `least`..`most`.
        """
        text = self.query.get(name, str(default))
        if not text.isdigit() or not least <= int(text) <= most:
            sentence = f"int value should be between {least} and {most}."
            raise invalid_form({name: ("NUMBER_TYPE_RANGE", sentence)})
        return int(text)

    def snowflake(self, name: str) -> int | None:
        """A snowflake of the query, or None."""
        return int(self.query[name]) if name in self.query else None


@dataclass(frozen=True)
class Reply:
    """An answer with a status of its own; a bare object means 200, None means 204."""

    status: int
    body: Any = None


Handler = Callable[[Call], Any]


@dataclass(frozen=True)
class Route:
    """A REST operation. `template` is spelled as in Discord's API description."""

    method: str
    template: str
    handler: Handler
    authorized: bool = True


@dataclass(frozen=True)
class Request:
    """One line of the server's log."""

    at_s: float
    """Monotonic, as `time.monotonic()`."""
    method: str
    path: str
    template: str
    query: str
    status: int
    """0 when the connection was reset before the whole answer was out."""
    code: int
    """Discord's error code, 0 for none."""
    body: Any
    files: tuple[tuple[str, int], ...]
    """(name, size in bytes) of each uploaded file."""
    latency_s: float
    faults: tuple[str, ...]

    def __str__(self) -> str:
        struck = f" faults={','.join(self.faults)}" if self.faults else ""
        code = f" code={self.code}" if self.code else ""
        body = "" if self.body is None else " " + json.dumps(self.body, ensure_ascii=False)[:160]
        return f"{self.method} {self.path} -> {self.status}{code}{struck}{body}"


async def read_body(request: web.Request, call: Call) -> None:
    """Fill in the JSON body and the files.

    Raises: ApiError: 50109 for a body that is no JSON.
    """
    if request.content_type.startswith("multipart/"):
        call.multipart = True
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            _take_part(call, part.name or "", part.filename, bytes(await part.read()))
    elif request.can_read_body:
        call.body = _parse(await request.read())


def _take_part(call: Call, name: str, filename: str | None, data: bytes) -> None:
    if name == "payload_json":
        call.body = _parse(data)
    elif name.startswith("files[") and name.endswith("]") and filename:
        call.uploads.append(Upload(int(name[6:-1]), filename, data))
    else:
        call.world.violation(f"{call.method} {call.path}: unexpected multipart part {name!r}")


def _parse(data: bytes) -> Any:
    if not data:
        return None
    try:
        return json.loads(data)
    except ValueError:
        raise ApiError(50109) from None
