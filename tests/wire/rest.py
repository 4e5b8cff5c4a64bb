"""REST v10 on aiohttp: the way every request takes, from the fault script to the log.

Order: faults "before" → authorization → rate limit → Discord's schema → the handler → faults "after" → log.
"""

import asyncio
import functools
import json
import re
import time
import traceback
from typing import Any

from aiohttp import web

from tests.wire import cdn
from tests.wire.calls import Call, Reply, Request, Route, read_body
from tests.wire.errors import ApiError, unauthorized
from tests.wire.faults import Fault, Faults
from tests.wire.model import DISCORD_EPOCH_MS, World
from tests.wire.ratelimits import MESSAGE, RateLimits, Refusal
from tests.wire.schema import Description

API = "/api/v10"
MAX_BODY_BYTES = 512 * 1024 * 1024
_OLD_S = 3600


class Dropped(Exception):
    """The connection was reset; nobody gets an answer."""


class Rest:
    """All routes of one server. `log` holds every request, `own_mistakes` our crashes and deviations."""

    def __init__(self, world: World, token: str, seed: int = 0) -> None:
        self.world = world
        self.token = token
        self.faults = Faults(seed)
        self.rate_limits = RateLimits()
        self.description = Description()
        self.check_answers = False
        """Judge our own answers by Discord's response schemas as well: slower, for contract tests."""
        self.own_mistakes: list[str] = []
        self.log: list[Request] = []

    def mount(self, app: web.Application, routes: list[Route]) -> None:
        for route in routes:
            path = API + re.sub(r"\{(\w+_id)\}", r"{\1:\\d+}", route.template)
            app.router.add_route(route.method, path, functools.partial(self._serve, route))
        download = Route("GET", "/attachments", _unknown, authorized=False)
        for kind in ("attachments", "ephemeral-attachments"):
            path = rf"/{kind}/{{channel_id:\d+}}/{{file_id:\d+}}/{{filename}}"
            app.router.add_get(path, functools.partial(self._serve, download))
        unknown = Route("*", "unknown", _unknown, authorized=False)
        app.router.add_route("*", API + "/{tail:.*}", functools.partial(self._serve, unknown))

    async def _serve(self, route: Route, request: web.Request) -> web.StreamResponse:
        started_s = time.monotonic()
        path = request.path.removeprefix(API)
        call = Call(
            self.world,
            request.method,
            route.template,
            path,
            request.match_info,
            dict(request.query),
        )
        struck = self.faults.due(request.method, path)
        answer: web.Response | None = None
        try:
            answer = await self._answer(route, request, call, struck)
            return await self._deliver(request, answer, struck)
        except Dropped:
            answer = None
            return web.Response()
        except Exception:
            self.own_mistakes.append(f"{call.method} {call.path}: {traceback.format_exc()}")
            raise
        finally:
            self._write_log(call, answer, struck, started_s)

    async def _answer(
        self, route: Route, request: web.Request, call: Call, struck: list[Fault]
    ) -> web.Response:
        try:
            await read_body(request, call)
            answer = await self._strike(request, struck, "before")
            answer = answer or await self._work(route, request, call)
        except ApiError as error:
            answer = _json(error.status, error.body())
        return await self._strike(request, struck, "after") or answer

    async def _work(self, route: Route, request: web.Request, call: Call) -> web.Response:
        if route.authorized and request.headers.get("Authorization") != f"Bot {self.token}":
            raise unauthorized()
        if route.template == "/attachments":
            return await cdn.serve(self.world, request)
        headers, refusal = self._rate_limit(call)
        if refusal is not None:
            return _json(429, refusal.body(), headers | refusal.headers())
        problem = self.description.request_problem(
            call.method, call.template, call.body, call.multipart
        )
        if problem:
            self.world.violation(f"{call.method} {call.path}: {problem}")
        result = _handle(route, call, problem)
        reply = (
            result if isinstance(result, Reply) else Reply(204 if result is None else 200, result)
        )
        self._check_own(call, reply)
        return _json(reply.status, reply.body, headers)

    def _rate_limit(self, call: Call) -> tuple[dict[str, str], Refusal | None]:
        old = False
        if (call.method, call.template) == ("PATCH", MESSAGE):
            made_s = ((call.id("message") >> 22) + DISCORD_EPOCH_MS) / 1000
            old = self.world.now_s() - made_s > _OLD_S
        major = call.params.get("channel_id") or call.params.get("guild_id") or ""
        return self.rate_limits.take(call.method, call.template, major, old_edit=old)

    def _check_own(self, call: Call, reply: Reply) -> None:
        if not self.check_answers:
            return
        problem = self.description.response_problem(
            call.method, call.template, reply.status, reply.body
        )
        if problem:
            self.own_mistakes.append(f"{call.method} {call.path} -> {reply.status}: {problem}")

    async def _strike(
        self, request: web.Request, struck: list[Fault], when: str
    ) -> web.Response | None:
        for fault in (f for f in struck if f.when == when):
            if fault.kind == "delay":
                await asyncio.sleep(fault.seconds)
            elif fault.kind == "drop":
                _reset(request)
            elif fault.kind == "status":
                return _json(
                    fault.status, {"message": f"{fault.status}: scripted fault", "code": 0}
                )
            elif fault.kind == "rate_limit":
                refusal = Refusal(fault.seconds, fault.scope, via=fault.via)
                return _json(429, refusal.body(), refusal.headers())
        return None

    async def _deliver(
        self, request: web.Request, answer: web.Response, struck: list[Fault]
    ) -> web.StreamResponse:
        body = answer.body if isinstance(answer.body, bytes) else b""
        for fault in struck:
            if fault.kind == "truncate":
                return web.Response(
                    status=answer.status,
                    body=body[: fault.keep_bytes],
                    headers={"Content-Type": answer.headers["Content-Type"]},
                )
            if fault.kind == "cut":
                half = web.StreamResponse(status=answer.status, headers=answer.headers)
                half.content_length = len(body)
                await half.prepare(request)
                await half.write(body[: len(body) // 2])
                _reset(request)
        return answer

    def _write_log(
        self, call: Call, answer: web.Response | None, struck: list[Fault], started_s: float
    ) -> None:
        code = 0
        if (
            answer is not None
            and answer.status >= 400
            and answer.content_type == "application/json"
        ):
            code = json.loads(answer.text or "{}").get("code", 0)
        entry = Request(
            at_s=started_s,
            method=call.method,
            path=call.path,
            template=call.template,
            query="&".join(f"{key}={value}" for key, value in call.query.items()),
            status=answer.status if answer is not None else 0,
            code=code,
            body=call.body,
            files=tuple((upload.filename, len(upload.data)) for upload in call.uploads),
            latency_s=time.monotonic() - started_s,
            faults=tuple(fault.kind for fault in struck),
        )
        self.log.append(entry)
        self.world.touch()


def _handle(route: Route, call: Call, problem: str | None) -> Any:
    """Run the handler; a body that breaks Discord's schema and then the handler is a bad form."""
    try:
        return route.handler(call)
    except (AttributeError, KeyError, TypeError, ValueError):
        if problem is None:
            raise
        raise ApiError(50035) from None


def _unknown(call: Call) -> Any:
    call.world.violation(f"unknown route: {call.method} {call.path}")
    raise ApiError(0)


def _reset(request: web.Request) -> None:
    """Reset the connection at once.

    Raises: Dropped: always.
    """
    if request.transport is not None:
        request.transport.abort()
    raise Dropped


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    if body is None:
        return web.Response(status=status, headers={"Content-Type": "text/html", **(headers or {})})
    # discord.py compares the header with exactly "application/json"; a charset would make it a text.
    headers = {"Content-Type": "application/json", **(headers or {})}
    return web.Response(status=status, body=json.dumps(body).encode(), headers=headers)
