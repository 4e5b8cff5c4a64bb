"""A strict stand-in for an Ollama server, written from its docs/api.md: it refuses what Ollama would silently pass over.

`FakeOllama` replies by a rule. `ways` says how the next requests go wrong, one each; after them all is well.
"""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import jsonschema
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.ollama_rules import (
    CHAT,
    EMBED,
    GENERATE,
    Refused,
    check_images,
    check_message,
    check_options,
    only,
)

DIMENSIONS = 64


class Way(StrEnum):
    """How a reply is sent, or goes wrong."""

    CUT_OBJECTS = "every JSON object is cut in two network chunks"
    CUT_CHARACTERS = "each byte is a network chunk of its own"
    NO_DONE = "the stream ends without the last line"
    DROPPED = "the connection is closed in the middle"
    BROKEN_JSON = "a line is no JSON"
    SILENT = "nothing comes after the headers"
    HANGS = "nothing comes after the first token"
    SLOW_START = "the first token takes its time"
    ERROR_LINE = "a line of the stream is an error"
    TROUBLE = "500"
    BUSY = "503"
    LIMITED = "429"


BROKEN_LINES = {
    Way.BROKEN_JSON: b'{"model": "gemma3:4b", "message": \n',
    Way.ERROR_LINE: b'{"error": "an error was encountered while running the model"}\n',
}


@dataclass(frozen=True)
class Call:
    """A tool that the model calls instead of saying something."""

    name: str
    arguments: dict[str, Any]


Said = str | Call
Rule = Callable[[dict[str, Any]], Said]


@dataclass
class FakeOllama:
    """What the server has, what it says, and what it was asked."""

    rule: Rule = lambda request: f"You said: {last_words(request)}"
    models: tuple[str, ...] = ("gemma3:4b", "all-minilm:latest")
    can: frozenset[str] = frozenset({"completion", "tools", "vision"})
    ways: list[Way] = field(default_factory=list)
    slow_s: float = 0.05
    asked: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of all POSTs, in order."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Ends what hangs."""

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_get("/", _running)
        app.router.add_get("/api/version", _version)
        app.router.add_get("/api/tags", self._tags)
        app.router.add_get("/api/ps", self._ps)
        for path, handler in (
            ("chat", self._chat),
            ("generate", self._generate),
            ("show", self._show),
            ("embed", self._embed),
            ("embeddings", self._embeddings),
        ):
            app.router.add_post(f"/api/{path}", self._refusing(handler))
        return app

    def _refusing(self, handler: Callable[[web.Request, dict[str, Any]], Any]) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                body = json.loads(await request.read())
            except ValueError as error:
                return web.json_response({"error": str(error)}, status=400)
            self.asked.append(body)
            try:
                return await handler(request, body)
            except Refused as refused:
                return web.json_response({"error": str(refused)}, status=refused.status)

        return handle

    async def _tags(self, request: web.Request) -> web.Response:
        return web.json_response({"models": [_listed(name) for name in self.models]})

    async def _ps(self, request: web.Request) -> web.Response:
        more = {"expires_at": NOW, "size_vram": 0}
        return web.json_response({"models": [_listed(self.models[0]) | more]})

    async def _show(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        only(body, frozenset({"model", "verbose"}))
        self._known(body)
        return web.json_response(
            {
                "modelfile": "",
                "parameters": "",
                "template": "{{ .Prompt }}",
                "details": _listed("x")["details"],
                "model_info": {"general.architecture": "gemma3"},
                "capabilities": sorted(self.can),
                "modified_at": NOW,
            }
        )

    async def _chat(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        only(body, CHAT)
        self._known(body)
        check_options(body.get("options"))
        if not isinstance(body.get("messages"), list):
            raise Refused("messages is required")
        for message in body["messages"]:
            check_message(message, self.can)
        if body.get("tools") and "tools" not in self.can:
            raise Refused(f"{body['model']} does not support tools")
        return await self._reply(request, body, _chat_part)

    async def _generate(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        only(body, GENERATE)
        self._known(body)
        check_options(body.get("options"))
        check_images(body.get("images"), self.can)
        return await self._reply(request, body, _generate_part)

    async def _reply(
        self, request: web.Request, body: dict[str, Any], part: Callable[..., dict[str, Any]]
    ) -> web.StreamResponse:
        way = self.ways.pop(0) if self.ways else None
        if way in {Way.TROUBLE, Way.BUSY, Way.LIMITED}:
            raise Refused("llama runner process has terminated", status=int(way.value))
        said, why = _within(self._said(body), body)
        pieces = [said] if isinstance(said, Call) else _tokens(said)
        parts = [part(body["model"], piece) for piece in pieces]
        last = part(body["model"], "") | _ending(why, _prompt_tokens(body), len(pieces))
        if body.get("stream", True) is False:
            return web.json_response(part(body["model"], said) | last_facts(last))
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        await self._sent(response, request, [*parts, last], way)
        return response

    async def _sent(
        self,
        response: web.StreamResponse,
        request: web.Request,
        parts: list[dict[str, Any]],
        way: Way | None,
    ) -> None:
        if way is Way.SLOW_START:
            await asyncio.sleep(self.slow_s)
        if way is Way.SILENT:
            await self.over.wait()
        for number, one in enumerate(parts[:-1] if way is Way.NO_DONE else parts):
            line = json.dumps(one, ensure_ascii=False).encode() + b"\n"
            if number == 1 and way is Way.HANGS:
                await self.over.wait()
            if number == 1 and way is Way.DROPPED:
                await response.write(line[:10])
                _close(request)
                return
            if number == 1 and way in BROKEN_LINES:
                line = BROKEN_LINES[way]
            for chunk in _chunks(line, way):
                await response.write(chunk)
        await response.write_eof()

    async def _embed(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        only(body, EMBED)
        self._known(body)
        check_options(body.get("options"))
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        return web.json_response(
            {
                "model": body["model"],
                "embeddings": [vector(text) for text in texts],
                "total_duration": 14143917,
                "load_duration": 1019500,
                "prompt_eval_count": sum(len(text.split()) for text in texts),
            }
        )

    async def _embeddings(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        only(body, frozenset({"model", "prompt", "options", "keep_alive"}))
        self._known(body)
        return web.json_response({"embedding": vector(body["prompt"])})

    def _known(self, body: dict[str, Any]) -> None:
        name = body.get("model")
        if not name:
            raise Refused("model is required")
        if not {name, f"{name}:latest"} & set(self.models):
            raise Refused(f"model '{name}' not found", status=404)

    def _said(self, body: dict[str, Any]) -> Said:
        said = self.rule(body)
        schema = body.get("format")
        if isinstance(schema, Mapping) and isinstance(said, str):
            return fitting(said, schema)
        return said


@asynccontextmanager
async def running(fake: Any) -> AsyncIterator[str]:
    """Run a fake on a free port of this machine and give its address."""
    server = TestServer(fake.app(), host="127.0.0.1")
    await server.start_server()
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        fake.over.set()
        await server.close()


NOW = "2025-11-14T12:00:00.123456789Z"


async def _running(request: web.Request) -> web.Response:
    return web.Response(text="Ollama is running")


async def _version(request: web.Request) -> web.Response:
    return web.json_response({"version": "0.12.11"})


def last_words(request: Mapping[str, Any]) -> str:
    """Return what was said last, or the prompt."""
    messages = request.get("messages")
    return str(messages[-1]["content"] if messages else request.get("prompt", ""))


def fitting(said: str, schema: Mapping[str, Any]) -> str:
    """Return a reply that fits its schema, as constrained decoding would have it: the rule's own, if it does."""
    try:
        jsonschema.validate(json.loads(said), dict(schema))
    except (ValueError, jsonschema.ValidationError):
        return json.dumps(_smallest(schema))
    return said


def vector(text: str) -> list[float]:
    """Count words by their hash: texts with the same words are near."""
    found = [0.0] * DIMENSIONS
    for word in text.lower().split():
        found[zlib.crc32(word.strip(".,?!").encode()) % DIMENSIONS] += 1.0
    length = sum(value * value for value in found) ** 0.5 or 1.0
    return [value / length for value in found]


def _smallest(schema: Mapping[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        named = schema.get("properties", {})
        return {name: _smallest(named[name]) for name in schema.get("required", named)}
    if kind == "array":
        return [_smallest(schema["items"])] * schema.get("minItems", 0)
    plain = {"string": "", "integer": 0, "number": 0.0, "boolean": False}
    return plain.get(str(kind))


def _listed(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "model": name,
        "modified_at": NOW,
        "size": 3338801804,
        "digest": "a2af6cc3eb7fa8be8504abaf9b04e88f17a119ec3f04a3addf55f92841195f5a",
        "details": {
            "parent_model": "",
            "format": "gguf",
            "family": "gemma3",
            "families": ["gemma3"],
            "parameter_size": "4.3B",
            "quantization_level": "Q4_K_M",
        },
    }


def _tokens(said: str) -> list[str]:
    """Cut a text as tokens would: a word with the blank before it."""
    words = said.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])]


def _within(said: Said, body: Mapping[str, Any]) -> tuple[Said, str]:
    """Return what is said up to a stop text and within `num_predict`, and why it ends."""
    options = body.get("options") or {}
    if isinstance(said, Call):
        return said, "stop"
    for stop in options.get("stop") or ():
        said = said.partition(stop)[0]
    most = options.get("num_predict") or -1
    tokens = _tokens(said)
    if 0 < most < len(tokens):
        return "".join(tokens[:most]), "length"
    return said, "stop"


def _prompt_tokens(body: Mapping[str, Any]) -> int:
    said = [str(message["content"]) for message in body.get("messages", ())]
    return sum(len(text.split()) for text in [*said, body.get("prompt", "")])


def _chat_part(model: str, piece: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": piece}
    if isinstance(piece, Call):
        function = {"name": piece.name, "arguments": piece.arguments}
        message = {"role": "assistant", "content": "", "tool_calls": [{"function": function}]}
    return {"model": model, "created_at": NOW, "message": message, "done": False}


def _generate_part(model: str, piece: Said) -> dict[str, Any]:
    return {"model": model, "created_at": NOW, "response": piece, "done": False}


def _ending(why: str, prompt_tokens: int, reply_tokens: int) -> dict[str, Any]:
    return {
        "done": True,
        "done_reason": why,
        "total_duration": 4883583458,
        "load_duration": 1334875,
        "prompt_eval_count": prompt_tokens,
        "prompt_eval_duration": 342546000,
        "eval_count": reply_tokens,
        "eval_duration": 4535599000,
    }


def last_facts(last: Mapping[str, Any]) -> dict[str, Any]:
    """Return what only a last line has."""
    return {key: value for key, value in last.items() if key not in {"message", "response"}}


def _close(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.close()


def _chunks(line: bytes, way: Way | None) -> list[bytes]:
    if way is Way.CUT_OBJECTS:
        return [line[: len(line) // 2], line[len(line) // 2 :]]
    if way is Way.CUT_CHARACTERS:
        return [line[i : i + 1] for i in range(len(line))]
    return [line]
