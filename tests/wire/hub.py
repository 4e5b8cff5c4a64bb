"""A Hub of our own on loopback: accounts, repositories and commits as the real one has them, as far as pushing goes.

Held by tests/contracts/test_hubs.py, which the real Hub has to pass too. Written after what `huggingface_hub` sends and
reads; nothing here knows Tunewright.
"""

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from huggingface_hub import ModelCard
from huggingface_hub.errors import HfHubHTTPError

from tests.wire.loopback import serve

LARGE = (".safetensors", ".gguf", ".bin", ".zip")
LARGE_BYTES = 10 * 2**20
BODY_BYTES = 2**30
LICENCES = {"apache-2.0", "mit", "gemma", "llama3.1", "llama3.2", "other", "unknown"}
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Account:
    """Whose token it is."""

    name: str
    role: str = "write"
    orgs: tuple[str, ...] = ()


@dataclass
class Repo:
    """A model repository."""

    private: bool
    files: dict[str, bytes] = field(default_factory=lambda: {".gitattributes": b"* -text\n"})
    commits: list[str] = field(default_factory=lambda: ["0" * 40])

    @property
    def head(self) -> str:
        return self.commits[-1]

    def commit(self, changed: dict[str, bytes]) -> None:
        self.files |= changed
        digest = hashlib.sha1(self.head.encode(), usedforsecurity=False)
        for name in sorted(self.files):
            digest.update(name.encode() + hashlib.sha256(self.files[name]).digest())
        self.commits.append(digest.hexdigest())


@dataclass
class Fault:
    """What happens instead of an answer, or after it."""

    path: str
    status: int | None = None
    """None: the connection is cut."""
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False
    """The work is done before."""
    hangs: bool = False
    """There is no answer for a long time."""
    times: int = 1


class FakeHub:
    """Serves the Hub's API; `async with FakeHub() as hub`."""

    def __init__(self) -> None:
        self.accounts = {"hf_anna": Account("anna", orgs=("team",))}
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.seen: list[str] = []
        """`METHOD path` of every request."""
        self.headers: list[dict[str, str]] = []
        self.watch: Callable[[int, str], None] = lambda _number, _when: None
        """Called before and after each request is carried out."""
        self.endpoint = ""

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._around], client_max_size=BODY_BYTES)
        app.add_routes(
            [
                web.get("/api/whoami-v2", self._whoami),
                web.post("/api/validate-yaml", self._validate),
                web.post("/api/repos/create", self._create),
                web.delete("/api/repos/delete", self._delete),
                web.get("/api/models/{owner}/{name}", self._info),
                web.post("/api/models/{owner}/{name}/preupload/{revision}", self._preupload),
                web.post("/api/models/{owner}/{name}/commit/{revision}", self._commit),
                web.post("/{owner}/{name}.git/info/lfs/objects/batch", self._batch),
                web.put("/objects/{oid}", self._put),
            ]
        )
        self._runner, port = await serve(app)
        self.endpoint = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    @property
    def writes(self) -> int:
        """How many commits people have made, in all repositories."""
        return sum(len(repo.commits) - 1 for repo in self.repos.values())

    @web.middleware
    async def _around(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.seen.append(f"{request.method} {request.path}")
        self.headers.append(dict(request.headers))
        number = len(self.seen)
        self.watch(number, "before")
        fault = next((f for f in self.faults if f.times and f.path in request.path), None)
        if fault is not None:
            fault.times -= 1
            await asyncio.sleep(60 if fault.hangs else 0)
            if not fault.after:
                return self._broken(request, fault)
        try:
            response: web.StreamResponse = await handler(request)
        except Stop as stop:
            response = web.json_response(
                {"error": str(stop)}, status=stop.status, headers={"X-Error-Message": str(stop)}
            )
        self.watch(number, "after")
        return response if fault is None else self._broken(request, fault)

    def _broken(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault.status is not None:
            return web.json_response(
                {"error": "scripted"}, status=fault.status, headers=fault.headers
            )
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    def _account(self, request: web.Request) -> Account:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.accounts:
            raise Stop(401, "Invalid credentials in Authorization header")
        return self.accounts[token]

    def _repo(self, request: web.Request, *, write: bool) -> Repo:
        account, owner = self._account(request), request.match_info["owner"]
        repo = self.repos.get(f"{owner}/{request.match_info['name']}")
        mine = owner in {account.name, *account.orgs}
        if repo is None or (repo.private and not mine):
            raise Stop(404, "Repository not found")
        if write:
            self._check_write(account, owner)
        return repo

    def _check_write(self, account: Account, owner: str) -> None:
        if account.role == "read" or owner not in {account.name, *account.orgs}:
            raise Stop(403, "You don't have the rights to create a model under this namespace")

    async def _whoami(self, request: web.Request) -> web.Response:
        account = self._account(request)
        token = {"displayName": "test", "role": account.role}
        orgs = [{"name": name, "type": "org"} for name in account.orgs]
        body = {"type": "user", "name": account.name, "orgs": orgs}
        return web.json_response(body | {"auth": {"type": "access_token", "accessToken": token}})

    async def _validate(self, request: web.Request) -> web.Response:
        body = await request.json()
        errors = await asyncio.to_thread(card_errors, body["content"])
        answer = {"errors": [{"message": text} for text in errors], "warnings": []}
        return web.json_response(answer, status=400 if errors else 200)

    async def _create(self, request: web.Request) -> web.Response:
        account, body = self._account(request), await request.json()
        owner = body.get("organization") or account.name
        self._check_write(account, owner)
        repo = f"{owner}/{body['name']}"
        if repo in self.repos:
            raise Stop(409, "You already created this model repo")
        self.repos[repo] = Repo(private=body.get("visibility") == "private")
        return web.json_response({"url": f"{self.endpoint}/{repo}", "name": repo, "id": repo})

    async def _delete(self, request: web.Request) -> web.Response:
        account, body = self._account(request), await request.json()
        owner = body.get("organization") or account.name
        self._check_write(account, owner)
        if self.repos.pop(f"{owner}/{body['name']}", None) is None:
            raise Stop(404, "Repository not found")
        return web.json_response({})

    async def _info(self, request: web.Request) -> web.Response:
        repo = self._repo(request, write=False)
        name = f"{request.match_info['owner']}/{request.match_info['name']}"
        siblings = [described(name, content) for name, content in sorted(repo.files.items())]
        body = {"id": name, "modelId": name, "private": repo.private, "sha": repo.head}
        return web.json_response(body | {"siblings": siblings, "tags": []})

    async def _preupload(self, request: web.Request) -> web.Response:
        repo, body = self._repo(request, write=True), await request.json()
        answers = []
        for file in body["files"]:
            sample = base64.b64decode(file["sample"])
            large = is_large(file["path"], sample, file["size"])
            there = repo.files.get(file["path"])
            oid = None if there is None else (sha256(there) if large else git_hash(there))
            mode = "lfs" if large else "regular"
            answers.append(
                {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}
            )
        return web.json_response({"files": answers})

    async def _batch(self, request: web.Request) -> web.Response:
        self._repo(request, write=True)
        body = await request.json()
        objects = []
        for wanted in body["objects"]:
            found = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self.objects:
                href = f"{self.endpoint}/objects/{wanted['oid']}"
                found |= {"actions": {"upload": {"href": href}}}
            objects.append(found)
        return web.json_response({"transfer": "basic", "objects": objects})

    async def _put(self, request: web.Request) -> web.Response:
        content = await request.read()
        if sha256(content) != request.match_info["oid"]:
            raise Stop(400, "the content has another hash")
        self.objects[request.match_info["oid"]] = content
        return web.Response()

    async def _commit(self, request: web.Request) -> web.Response:
        repo = self._repo(request, write=True)
        lines = [json.loads(line) for line in (await request.text()).splitlines()]
        parent = lines[0]["value"].get("parentCommit")
        if parent is not None and parent != repo.head:
            raise Stop(412, "A commit has happened since. Please refresh and try again.")
        repo.commit(dict(self._added(line["key"], line["value"]) for line in lines[1:]))
        name = f"{request.match_info['owner']}/{request.match_info['name']}"
        url = f"{self.endpoint}/{name}/commit/{repo.head}"
        return web.json_response({"success": True, "commitOid": repo.head, "commitUrl": url})

    def _added(self, key: str, value: dict[str, Any]) -> tuple[str, bytes]:
        if key == "file":
            return value["path"], base64.b64decode(value["content"])
        if key == "lfsFile" and value["oid"] in self.objects:
            return value["path"], self.objects[value["oid"]]
        raise Stop(400, f"cannot commit {key}")


class Stop(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def card_errors(text: str) -> list[str]:
    """Name what the metadata of a card lack or have wrong, by the rules that the Hub publishes."""
    try:
        data: Any = ModelCard(text).data
    except (ValueError, HfHubHTTPError) as error:
        return [str(error)]
    errors = []
    if data.license is not None and data.license not in LICENCES:
        errors.append(f'"license" must be one of {sorted(LICENCES)}')
    if data.license == "other" and not data.license_name:
        errors.append('"license_name" is required when "license" is "other"')
    if data.base_model is not None and not HUB_ID.fullmatch(str(data.base_model)):
        errors.append('"base_model" is not a valid model id')
    relation = data.get("base_model_relation")
    if relation not in {None, "adapter", "finetune", "merge", "quantized"}:
        errors.append('"base_model_relation" must be one of adapter, finetune, merge, quantized')
    return errors


def described(name: str, content: bytes) -> dict[str, Any]:
    """Return a file as `blobs=true` lists it."""
    found: dict[str, Any] = {"rfilename": name, "size": len(content)}
    if is_large(name, content[:512], len(content)):
        oid = sha256(content)
        pointer = (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"
        )
        lfs = {"sha256": oid, "size": len(content), "pointerSize": len(pointer)}
        return found | {"blobId": git_hash(pointer.encode()), "lfs": lfs}
    return found | {"blobId": git_hash(content)}


def is_large(name: str, sample: bytes, size_bytes: int) -> bool:
    """Tell whether a file goes to the store for large files: by name, by size, or because it is no text."""
    return name.endswith(LARGE) or size_bytes > LARGE_BYTES or b"\0" in sample


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_hash(content: bytes) -> str:
    whole = b"blob %d\0" % len(content) + content
    return hashlib.sha1(whole, usedforsecurity=False).hexdigest()
