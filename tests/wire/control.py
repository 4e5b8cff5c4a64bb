"""`/control` of a standalone server: lets a shell script act for people and read what stands there.

curl -s localhost:8765/control -d '{"as": "ada", "do": "slash", "command": "finetune start",
    "options": {"task": "..."}, "files": {"dataset": "/path/to/data.csv"}}'
curl -s localhost:8765/control/transcript?name=general
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.wire.errors import ApiError
from tests.wire.model import Channel, Json, Message

if TYPE_CHECKING:
    from tests.wire.people import Asked, Person
    from tests.wire.server import WireServer


def mount(app: web.Application, server: "WireServer") -> None:
    async def act(request: web.Request) -> web.Response:
        try:
            done = await _act(server, json.loads(await request.text()))
        except (AssertionError, ApiError, KeyError, LookupError, ValueError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return web.json_response(done)

    async def read(request: web.Request) -> web.Response:
        place = _place(server, request.query.get("name"))
        return web.Response(text=server.transcript(place) + "\n")

    async def report(request: web.Request) -> web.Response:
        log = [str(entry) for entry in server.log]
        return web.json_response({"violations": server.violations, "log": log})

    app.router.add_post("/control", act)
    app.router.add_get("/control/transcript", read)
    app.router.add_get("/control/report", report)


def _place(server: "WireServer", name: str | None) -> Channel:
    """A channel or thread by name or id; "general" by default.

    Raises: LookupError: naming those there are.
    """
    if name is None:
        return server.general
    for place in server.world.channels.values():
        if name in (place.name, str(place.id)):
            return place
    raise LookupError(
        f"no channel {name!r}; there are {[c.name for c in server.world.channels.values()]}"
    )


def _message(server: "WireServer", body: Json) -> Message:
    """A message by id, or the bot's newest one in the channel."""
    if "message" in body:
        found = server.world.find_message(int(body["message"]))
    else:
        found = server.newest(_place(server, body.get("in")))
    if found is None:
        raise LookupError("no such message")
    return found


def _files(body: Json) -> dict[str, tuple[str, bytes]]:
    listed = body.get("files") or {}
    return {key: (Path(path).name, Path(path).read_bytes()) for key, path in listed.items()}


async def _act(server: "WireServer", body: Json) -> Json:
    who, verb = server.person(body["as"]), body["do"]
    if verb in ("slash", "press", "menu"):
        asked = await _ask(server, who, verb, body)
        ack = await asked.ack()
        return {"ack": ack.type, "latency_s": round(ack.latency_s, 3), "modal": ack.modal}
    if verb in ("react", "unreact"):
        change = who.react if verb == "react" else who.unreact
        await change(_message(server, body), body["emoji"], burst=bool(body.get("burst")))
        return {}
    files: Any = list(_files(body).values())
    if verb == "reply":
        said = await who.reply(_message(server, body), body["text"], files=files)
    elif verb == "say":
        place, mention = _place(server, body.get("in")), bool(body.get("mention_bot"))
        said = await who.say(body.get("text", ""), place, files=files, mention_bot=mention)
    else:
        raise ValueError(f"cannot {verb!r}; can slash, press, menu, react, unreact, reply, say")
    return {"message": str(said.id)}


async def _ask(server: "WireServer", who: "Person", verb: str, body: Json) -> "Asked":
    if verb == "press":
        return await who.press(_message(server, body), body["button"])
    if verb == "menu":
        return await who.context_menu(body["command"], _message(server, body))
    options = {**(body.get("options") or {}), **_files(body)}
    return await who.slash(body["command"], _place(server, body.get("in")), **options)
