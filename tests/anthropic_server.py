"""A strict stand-in for Anthropic's API: messages and models, and how they go wrong. It refuses what the API does not know."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiohttp import web

from tests.ollama_server import Rule, fitting, last_words

# fmt: off
MESSAGES = frozenset({
    "model", "messages", "max_tokens", "metadata", "output_config", "service_tier", "stop_sequences", "stream", "system",
    "temperature", "thinking", "tool_choice", "tools", "top_k", "top_p",
})
# fmt: on
UNKNOWN_IN_SCHEMAS = frozenset(
    {
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "maxItems",
        "discriminator",
    }
)
"""The API holds replies to no lengths, and refuses a schema that asks for that."""


class Way(StrEnum):
    """How a reply goes wrong."""

    DROPPED = "the connection is closed in the middle"
    NO_END = "a reply that does not say why it ended"
    BROKEN_JSON = "what comes is no JSON"
    PAGE = "a page for people comes instead"
    SILENT = "nothing comes"
    LIMITED = "429"
    OVERLOADED = "529"
    TROUBLE = "500"
    LOCKED = "401"


KINDS = {
    Way.LIMITED: "rate_limit_error",
    Way.OVERLOADED: "overloaded_error",
    Way.TROUBLE: "api_error",
    Way.LOCKED: "authentication_error",
}


@dataclass
class FakeAnthropic:
    """What the server has, what it says, and what it was asked."""

    rule: Rule = lambda request: f"You said: {last_words(request)}"
    models: tuple[str, ...] = ("claude-opus-4-6", "claude-haiku-4-5")
    ways: list[Way] = field(default_factory=list)
    retry_after: str = "0"
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/messages", self._messages)
        return app

    async def _models(self, request: web.Request) -> web.Response:
        data = [
            {"type": "model", "id": name, "display_name": name.title(), "created_at": NOW}
            for name in self.models
        ]
        page = {"first_id": self.models[0], "last_id": self.models[-1], "has_more": False}
        return web.json_response({"data": data, **page})

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        self.keys.append(request.headers.get("x-api-key"))
        way = self.ways.pop(0) if self.ways else None
        failed = self._failed(way) or self._refused(request, body)
        if failed is not None:
            return failed
        if way is Way.SILENT:
            await self.over.wait()
        if way is Way.DROPPED:
            return await _half(request)
        said, why = _within(self._said(body), body)
        reply = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [{"type": "text", "text": said}],
            "stop_reason": None if way is Way.NO_END else why,
            "stop_sequence": None,
            "usage": {"input_tokens": 7, "output_tokens": len(said.split(" "))},
        }
        return web.json_response(reply)

    def _failed(self, way: Way | None) -> web.Response | None:
        if way in KINDS:
            headers = {"retry-after": self.retry_after}
            return _error(int(way.value), KINDS[way], "sorry", headers)
        if way is Way.PAGE:
            return web.Response(text="<html>Welcome</html>", content_type="text/html")
        if way is Way.BROKEN_JSON:
            return web.Response(body=b'{"id": ', content_type="application/json")
        return None

    def _refused(self, request: web.Request, body: dict[str, Any]) -> web.Response | None:
        if request.headers.get("anthropic-version") is None:
            return _invalid("anthropic-version: header is required")
        if strays := body.keys() - MESSAGES:
            return _invalid(f"{', '.join(sorted(strays))}: Extra inputs are not permitted")
        if not isinstance(body.get("max_tokens"), int):
            return _invalid("max_tokens: Field required")
        if any(message["role"] not in {"user", "assistant"} for message in body["messages"]):
            return _invalid("messages: Unexpected role")
        if body["model"] not in self.models:
            return _error(404, "not_found_error", f"model: {body['model']}")
        known = set(_keywords(_schema(body)))
        if unknown := known & UNKNOWN_IN_SCHEMAS:
            return _invalid(f"output_config.format.schema: {', '.join(sorted(unknown))}")
        return None

    def _said(self, body: dict[str, Any]) -> str:
        said = str(self.rule(body))
        schema = _schema(body)
        return fitting(said, schema) if schema else said


def _schema(body: Mapping[str, Any]) -> dict[str, Any]:
    wanted = (body.get("output_config") or {}).get("format") or {}
    return dict(wanted["schema"]) if wanted.get("type") == "json_schema" else {}


def _keywords(schema: Any) -> list[str]:
    """Return the words of a schema, not the names of what it describes."""
    if isinstance(schema, list):
        return [word for one in schema for word in _keywords(one)]
    if not isinstance(schema, dict):
        return []
    found = list(schema)
    for word, inner in schema.items():
        named = word in {"properties", "$defs"}
        for one in inner.values() if named else [inner]:
            found += _keywords(one)
    return found


def _within(said: str, body: Mapping[str, Any]) -> tuple[str, str]:
    words = said.split(" ")
    if len(words) > body["max_tokens"]:
        return " ".join(words[: body["max_tokens"]]), "max_tokens"
    return said, "end_turn"


async def _half(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"id": "msg_1", "conte')
    assert request.transport is not None
    request.transport.close()
    return response


def _invalid(message: str) -> web.Response:
    return _error(400, "invalid_request_error", message)


def _error(
    status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    told = {"type": "error", "error": {"type": kind, "message": message}}
    return web.Response(
        text=json.dumps(told), status=status, headers=headers, content_type="application/json"
    )


NOW = "2026-02-04T00:00:00Z"
