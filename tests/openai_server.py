"""A strict stand-in for an OpenAI-compatible server: chat completions, embeddings and models, and how they go wrong."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiohttp import web

from tests.ollama_server import Call, Rule, Said, fitting, last_words, vector

# fmt: off
CHAT = frozenset({
    "model", "messages", "stream", "stream_options", "temperature", "top_p", "seed", "stop", "max_tokens",
    "max_completion_tokens", "presence_penalty", "frequency_penalty", "response_format", "tools", "tool_choice", "n", "top_k",
    "min_p", "typical_p", "repeat_penalty", "repeat_last_n", "mirostat", "mirostat_eta", "mirostat_tau",
})
# fmt: on
EMBEDDINGS = frozenset({"model", "input", "encoding_format", "dimensions"})


class Way(StrEnum):
    """How a reply goes wrong."""

    NO_END = "the stream ends without a reason and without [DONE]"
    DROPPED = "the connection is closed in the middle"
    BROKEN_JSON = "what comes is no JSON"
    PAGE = "a page for people comes instead"
    SILENT = "nothing comes after the headers"
    HANGS = "nothing comes after the first token"
    BUSY = "429"
    NO_MONEY = "429, for good"
    TROUBLE = "500"
    AWAY = "503"
    LOCKED = "401"


@dataclass
class FakeOpenAI:
    """What the server has, what it says, and what it was asked."""

    rule: Rule = lambda request: f"You said: {last_words(request)}"
    models: tuple[str, ...] = ("gemma3:4b", "all-minilm")
    ways: list[Way] = field(default_factory=list)
    retry_after: str = "0"
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/embeddings", self._embeddings)
        return app

    async def _models(self, request: web.Request) -> web.Response:
        data = [
            {"id": name, "object": "model", "created": 1, "owned_by": "us"} for name in self.models
        ]
        return web.json_response({"object": "list", "data": data})

    async def _embeddings(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        refused = self._refused(body, EMBEDDINGS)
        if refused is not None:
            return refused
        if not all(isinstance(text, str) for text in body["input"]):
            return _error(400, "input must be strings")
        data = [
            {"object": "embedding", "index": place, "embedding": vector(text)}
            for place, text in enumerate(body["input"])
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return web.json_response(
            {"object": "list", "data": data, "model": body["model"], "usage": usage}
        )

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        self.keys.append(request.headers.get("Authorization"))
        refused = self._refused(body, CHAT)
        way = self.ways.pop(0) if self.ways else None
        failed = self._failed(way)
        if failed is not None:
            return failed
        if refused is not None:
            return refused
        said, why = _within(self._said(body), body)
        if body.get("stream"):
            return await self._streamed(request, body, said, why, way)
        if way is Way.SILENT:
            await self.over.wait()
        if way is Way.DROPPED:
            assert request.transport is not None
            request.transport.close()
        whole = {"index": 0, "message": _message(said), "finish_reason": why, "logprobs": None}
        return web.json_response(
            _envelope(body, "chat.completion", [whole]) | {"usage": _usage(said)}
        )

    async def _streamed(
        self, request: web.Request, body: dict[str, Any], said: Said, why: str, way: Way | None
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if way is Way.SILENT:
            await self.over.wait()
        for number, delta in enumerate(_deltas(said)):
            if number == 1 and way is Way.HANGS:
                await self.over.wait()
            if number == 1 and way is Way.DROPPED:
                await response.write(b'data: {"id": ')
                assert request.transport is not None
                request.transport.close()
                return response
            choice = {"index": 0, "delta": delta, "finish_reason": None}
            await response.write(_event(_envelope(body, "chat.completion.chunk", [choice])))
        if way is not Way.NO_END:
            ended = {"index": 0, "delta": {}, "finish_reason": why}
            await response.write(_event(_envelope(body, "chat.completion.chunk", [ended])))
            if body.get("stream_options", {}).get("include_usage"):
                last = _envelope(body, "chat.completion.chunk", []) | {"usage": _usage(said)}
                await response.write(_event(last))
            await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    def _failed(self, way: Way | None) -> web.Response | None:
        match way:
            case Way.BUSY | Way.TROUBLE | Way.AWAY | Way.LOCKED:
                return _error(int(way.value), "sorry", headers={"Retry-After": self.retry_after})
            case Way.NO_MONEY:
                return _error(429, "You exceeded your current quota", code="insufficient_quota")
            case Way.PAGE:
                return web.Response(text="<html>Welcome</html>", content_type="text/html")
            case Way.BROKEN_JSON:
                return web.Response(body=b'{"id": ', content_type="application/json")
        return None

    def _refused(self, body: dict[str, Any], known: frozenset[str]) -> web.Response | None:
        if strays := body.keys() - known:
            return _error(400, f"Unrecognized request arguments: {', '.join(sorted(strays))}")
        if body["model"] not in self.models:
            message = f"The model `{body['model']}` does not exist"
            return _error(404, message, code="model_not_found")
        temperature = body.get("temperature", 1)
        if isinstance(temperature, bool) or not isinstance(temperature, int | float):
            return _error(400, "temperature must be a number")
        return None

    def _said(self, body: dict[str, Any]) -> Said:
        said = self.rule(body)
        wanted = body.get("response_format") or {}
        if wanted.get("type") == "json_schema" and isinstance(said, str):
            return fitting(said, wanted["json_schema"]["schema"])
        return said


def _within(said: Said, body: Mapping[str, Any]) -> tuple[Said, str]:
    if isinstance(said, Call):
        return said, "tool_calls"
    for stop in body.get("stop") or ():
        said = said.partition(stop)[0]
    most = body.get("max_tokens") or body.get("max_completion_tokens")
    words = said.split(" ")
    if most and len(words) > most:
        return " ".join(words[:most]), "length"
    return said, "stop"


def _message(said: Said) -> dict[str, Any]:
    if isinstance(said, Call):
        return {"role": "assistant", "content": None, "tool_calls": [_call(said)]}
    return {"role": "assistant", "content": said}


def _deltas(said: Said) -> list[dict[str, Any]]:
    if isinstance(said, Call):
        return [{"role": "assistant", "tool_calls": [_call(said) | {"index": 0}]}]
    words = said.split(" ")
    return [
        {"role": "assistant", "content": words[0]},
        *({"content": f" {word}"} for word in words[1:]),
    ]


def _call(said: Call) -> dict[str, Any]:
    function = {"name": said.name, "arguments": json.dumps(said.arguments)}
    return {"id": "call_1", "type": "function", "function": function}


def _usage(said: Said) -> dict[str, int]:
    reply = len(said.split(" ")) if isinstance(said, str) else 1
    return {"prompt_tokens": 7, "completion_tokens": reply, "total_tokens": 7 + reply}


def _envelope(body: Mapping[str, Any], kind: str, choices: list[Any]) -> dict[str, Any]:
    return {
        "id": "chat-1",
        "object": kind,
        "created": 1,
        "model": body["model"],
        "choices": choices,
    }


def _event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _error(
    status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return web.json_response({"error": error}, status=status, headers=headers)
