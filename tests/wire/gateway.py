"""Gateway v10: sessions that outlive their connection, events fitted to intents, and its ways to fail.

A session keeps its last events, so that RESUME can replay them. `lose_sessions` throws sessions away:
what happens until the next IDENTIFY then reaches nobody, as with Discord.
"""

import asyncio
import json
import random
import secrets
import time
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import zstandard
from aiohttp import WSMsgType, web

from tests.wire import intents, message_json, render
from tests.wire.model import Event, Json, World
from tests.wire.routes_app import app_flags, gateway_url

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, RESUME = 0, 1, 2, 3, 6
RECONNECT, REQUEST_MEMBERS, INVALID_SESSION, HELLO, ACK = 7, 8, 9, 10, 11

REPLAY_EVENTS = 5000
SESSIONS_KEPT = 20
SENDS_PER_MINUTE = 120
CLOSE_WAIT_S = 1.0


@dataclass
class Session:
    """One IDENTIFY: what it wants to hear, how far it is, and the connection it has at the moment."""

    id: str
    intents: int
    seq: int = 0
    sent: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=REPLAY_EVENTS))
    """(sequence number, frame) of the last events, as they were sent."""
    connection: "Connection | None" = None
    resumes: int = 0


def _plain(text: str) -> str | bytes:
    return text


def _zlib_stream() -> Callable[[str], str | bytes]:
    packer = zlib.compressobj()
    return lambda text: packer.compress(text.encode()) + packer.flush(zlib.Z_SYNC_FLUSH)


def _zstd_stream() -> Callable[[str], str | bytes]:
    packer = zstandard.ZstdCompressor().compressobj()
    block = zstandard.COMPRESSOBJ_FLUSH_BLOCK
    return lambda text: packer.compress(text.encode()) + packer.flush(block)


_PACKERS = {"zlib-stream": _zlib_stream, "zstd-stream": _zstd_stream}


class Connection:
    """One websocket. Frames go out in order through a queue, so that dispatching never waits."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.socket = socket
        self.compress = request.query.get("compress", "")
        self.session: Session | None = None
        self.received: deque[float] = deque()
        self._request = request
        self._pack = _PACKERS[self.compress]() if self.compress in _PACKERS else _plain
        self._queue: asyncio.Queue[str | int | None] = asyncio.Queue()

    def send(self, frame: Json) -> None:
        self.send_text(json.dumps(frame))

    def send_text(self, text: str) -> None:
        self._queue.put_nowait(text)

    def close(self, code: int) -> None:
        """Close with a code, after what is queued was sent."""
        self._queue.put_nowait(code)

    def reset(self) -> None:
        """Reset the TCP connection: no close frame, nothing more is sent."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def pump(self) -> None:
        """Send what is queued until the connection ends."""
        while not self.socket.closed:
            item = await self._queue.get()
            if item is None:
                return
            if isinstance(item, int):
                await self.socket.close(code=item)
                return
            try:
                await self._send_packed(self._pack(item))
            except ConnectionError:
                return

    async def _send_packed(self, packed: str | bytes) -> None:
        if isinstance(packed, str):
            await self.socket.send_str(packed)
        else:
            await self.socket.send_bytes(packed)

    def stop(self) -> None:
        self._queue.put_nowait(None)


class Gateway:
    """All sessions and connections of one server, and the switches of its fault modes."""

    def __init__(self, world: World, token: str, seed: int = 0) -> None:
        self.world = world
        self.token = token
        self.heartbeat_interval_ms = 41250
        self.answers_heartbeats = True
        self.accepts_connections = True
        self.resumes = True
        """Whether RESUME succeeds; otherwise it is answered with op 9 d=false."""
        self.duplicates = False
        """Send every event twice."""
        self.shuffle = 0
        """Events may overtake one another by up to this many places."""
        self.shuffle_wait_s = 0.05
        self.sessions: dict[str, Session] = {}
        self.connections: set[Connection] = set()
        self.identifies: list[Json] = []
        """The body of every IDENTIFY, without the token."""
        self.close_codes: list[int | None] = []
        """How each connection ended: the client's code, None when the server or the network ended it."""
        self.dispatched: list[Event] = []
        self._rng = random.Random(seed)
        self._held: list[Event] = []
        self._flush_due: asyncio.TimerHandle | None = None
        self._handlers: dict[int | None, Callable[[Connection, Json], None]] = {
            HEARTBEAT: self._heartbeat,
            IDENTIFY: self._identify,
            RESUME: self._resume,
            PRESENCE: lambda connection, data: None,
            REQUEST_MEMBERS: self._request_members,
        }
        world.listeners.append(self.dispatch)

    # --- events out

    def dispatch(self, event: Event) -> None:
        """Give an event to every session that asked for its kind."""
        for _ in range(2 if self.duplicates else 1):
            if self.shuffle:
                self._hold(event)
            else:
                self._deliver(event)

    def _hold(self, event: Event) -> None:
        self._held.append(event)
        if len(self._held) > self.shuffle:
            self.flush()
        elif self._flush_due is None:
            loop = asyncio.get_running_loop()
            self._flush_due = loop.call_later(self.shuffle_wait_s, self.flush)

    def flush(self) -> None:
        """Send the events held back for shuffling, in random order."""
        if self._flush_due is not None:
            self._flush_due.cancel()
            self._flush_due = None
        held, self._held = self._held, []
        self._rng.shuffle(held)
        for event in held:
            self._deliver(event)

    def _deliver(self, event: Event) -> None:
        self.dispatched.append(event)
        for session in list(self.sessions.values()):
            if not event.intent or event.intent & session.intents:
                self._send_event(session, event.name, self._fitted(session, event))

    def _fitted(self, session: Session, event: Event) -> Json:
        if event.message is None or session.intents & intents.MESSAGE_CONTENT:
            return event.data
        return message_json.hidden(event.data, self.world, event.message)

    def _send_event(self, session: Session, name: str, data: Json) -> None:
        session.seq += 1
        text = json.dumps({"op": DISPATCH, "s": session.seq, "t": name, "d": data})
        session.sent.append((session.seq, text))
        if session.connection is not None:
            session.connection.send_text(text)

    # --- ways to fail

    @property
    def connected(self) -> bool:
        """Whether some client has a live session."""
        return any(session.connection for session in self.sessions.values())

    def reconnect(self) -> None:
        """Op 7: ask every client to come back and RESUME."""
        self._everywhere({"op": RECONNECT, "d": None})

    def invalidate(self, *, resumable: bool) -> None:
        """Op 9; not resumable also throws the sessions away."""
        self._everywhere({"op": INVALID_SESSION, "d": resumable})
        if not resumable:
            self.lose_sessions()

    def close(self, code: int) -> None:
        """Close every connection with a code; 4007 and 4009 also end the sessions."""
        if code in (4007, 4009):
            self.lose_sessions()
        for connection in list(self.connections):
            connection.close(code)

    def reset(self) -> None:
        """Drop every connection without a goodbye."""
        for connection in list(self.connections):
            connection.reset()

    def lose_sessions(self) -> None:
        """Forget all sessions: the next RESUME is answered with op 9 d=false."""
        for session in self.sessions.values():
            if session.connection is not None:
                session.connection.session = None
        self.sessions.clear()

    def ask_heartbeat(self) -> None:
        """Op 1 from the server: wants a heartbeat at once."""
        self._everywhere({"op": HEARTBEAT, "d": None})

    def _everywhere(self, frame: Json) -> None:
        for connection in list(self.connections):
            connection.send(frame)

    # --- connections in

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if not self.accepts_connections:
            return web.Response(status=503)
        socket = web.WebSocketResponse(max_msg_size=16 * 1024, timeout=CLOSE_WAIT_S)
        await socket.prepare(request)
        connection = Connection(socket, request)
        self.connections.add(connection)
        pump = asyncio.create_task(connection.pump())
        connection.send({"op": HELLO, "d": {"heartbeat_interval": self.heartbeat_interval_ms}})
        code: int | None = None
        try:
            code = await self._listen(connection)
        finally:
            self._part(connection, code)
            connection.stop()
            await pump
        return socket

    async def _listen(self, connection: Connection) -> int | None:
        """Take frames until the end; the client's close code, None when it is not the one who closed."""
        while True:
            message = await connection.socket.receive()
            if message.type is WSMsgType.TEXT:
                self._receive(connection, json.loads(message.data))
            elif message.type is WSMsgType.CLOSE:
                return int(message.data)
            elif message.type is not WSMsgType.BINARY:
                return None

    def _part(self, connection: Connection, code: int | None) -> None:
        self.connections.discard(connection)
        self.close_codes.append(code)
        session = connection.session
        if session is not None and session.connection is connection:
            session.connection = None
            # A client that closes with 1000 or 1001 ends its session.
            if code in (1000, 1001):
                self.sessions.pop(session.id, None)
        self.world.touch()

    def _receive(self, connection: Connection, frame: Json) -> None:
        now_s = time.monotonic()
        connection.received.append(now_s)
        while connection.received[0] < now_s - 60:
            connection.received.popleft()
        if len(connection.received) > SENDS_PER_MINUTE:
            self.world.violation("gateway: more than 120 commands in a minute")
            connection.close(4008)
            return
        handler = self._handlers.get(frame.get("op"))
        if handler is None:
            self.world.violation(f"gateway: unexpected op {frame.get('op')}")
            connection.close(4001)
            return
        handler(connection, frame.get("d") or {})
        self.world.touch()

    def _heartbeat(self, connection: Connection, data: Json) -> None:
        if self.answers_heartbeats:
            connection.send({"op": ACK})

    def _identify(self, connection: Connection, data: Json) -> None:
        self.identifies.append({key: value for key, value in data.items() if key != "token"})
        self.world.identifies_left -= 1
        wanted = int(data.get("intents", 0))
        refusal = self._refusal(connection, data, wanted)
        if refusal:
            connection.close(refusal)
            return
        session = Session(secrets.token_hex(16), wanted, connection=connection)
        connection.session = session
        self.sessions[session.id] = session
        self._forget_old()
        self._send_event(session, "READY", self._ready(session))
        for guild in self.world.guilds.values():
            if guild.available and self.world.bot_id in guild.members and wanted & intents.GUILDS:
                body = render.guild_create(self.world, guild, bool(wanted & intents.GUILD_MEMBERS))
                self._send_event(session, "GUILD_CREATE", body)

    def _refusal(self, connection: Connection, data: Json, wanted: int) -> int | None:
        """The close code for an IDENTIFY that Discord would not take."""
        if connection.session is not None:
            return 4005
        if data.get("token") != self.token:
            return 4004
        if wanted & ~intents.KNOWN:
            return 4013
        if wanted & intents.PRIVILEGED & ~self.world.privileged_intents:
            return 4014
        return None

    def _ready(self, session: Session) -> Json:
        world = self.world
        guilds = [g for g in world.guilds.values() if world.bot_id in g.members]
        return {
            "v": 10,
            "user": render.own_user(world),
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "resume_gateway_url": gateway_url(world),
            "application": {"id": str(world.application_id), "flags": app_flags(world)},
            "shard": [0, 1],
        }

    def _forget_old(self) -> None:
        idle = [key for key, session in self.sessions.items() if session.connection is None]
        for key in idle[:-SESSIONS_KEPT]:
            del self.sessions[key]

    def _resume(self, connection: Connection, data: Json) -> None:
        if data.get("token") != self.token:
            connection.close(4004)
            return
        session = self.sessions.get(data.get("session_id", ""))
        seq = data.get("seq") or 0
        if session is None or not self.resumes or seq > session.seq or self._too_old(session, seq):
            if session is not None:
                del self.sessions[session.id]
            connection.send({"op": INVALID_SESSION, "d": False})
            return
        session.connection, connection.session = connection, session
        session.resumes += 1
        for number, text in session.sent:
            if number > seq:
                connection.send_text(text)
        self._send_event(session, "RESUMED", {})

    def _too_old(self, session: Session, seq: int) -> bool:
        return bool(session.sent) and session.sent[0][0] > seq + 1

    def _request_members(self, connection: Connection, data: Json) -> None:
        guild = self.world.guilds.get(int(data.get("guild_id") or 0))
        if guild is None or connection.session is None:
            return
        wanted = [int(key) for key in data.get("user_ids") or []]
        query = (data.get("query") or "").lower()
        found = [
            member
            for key, member in guild.members.items()
            if (key in wanted if wanted else self.world.users[key].name.lower().startswith(query))
        ]
        body: Json = {
            "guild_id": str(guild.id),
            "members": [
                render.member(self.world, member) for member in found[: data.get("limit") or None]
            ],
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": [str(key) for key in wanted if key not in guild.members],
        }
        if "nonce" in data:
            body["nonce"] = data["nonce"]
        self._send_event(connection.session, "GUILD_MEMBERS_CHUNK", body)
