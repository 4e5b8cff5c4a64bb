"""Each surface with what a contract test needs beside it: to see what is shown, to delete it, to close a place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bot.discord.surface import DiscordSurface
from bot.surface import NUMBERS, Surface
from tests.fakes import LogSurface
from tests.wire.dpy import Bot, default_intents, running
from tests.wire.model import Message
from tests.wire.server import WireServer


@dataclass(frozen=True)
class Shown:
    """A message as it looks now."""

    id: str
    title: str
    asks: bool
    numbers: int = 0
    """Edits that can be taken or dropped there."""


class Stage(Protocol):
    home: str

    @property
    def surface(self) -> Surface: ...
    def shown(self, place: str) -> list[Shown]: ...
    def delete(self, message_id: str) -> None: ...
    def close(self, place: str) -> None: ...
    def answers(self) -> list[str]: ...
    def request(self, file: bytes | None) -> dict[str, Any]:
        """A request of a person with a file; None for a file that is gone by now."""


class LogStage:
    def __init__(self, folder: Path) -> None:
        self.surface = LogSurface(folder / "chat.jsonl")
        self.home = "log:home"

    def shown(self, place: str) -> list[Shown]:
        here = [m for m in self.surface.messages() if m["place"] == place]
        asks = [m["question"] is not None or m["ballot"] is not None for m in here]
        return [
            Shown(m["id"], m["title"], a, len(m["taken"])) for m, a in zip(here, asks, strict=True)
        ]

    def delete(self, message_id: str) -> None:
        self.surface.delete(message_id)

    def close(self, place: str) -> None:
        self.surface.close_place(place)

    def answers(self) -> list[str]:
        return self.surface.answers()

    def request(self, file: bytes | None) -> dict[str, Any]:
        if file is not None:
            self.surface.files["data.csv"] = file
        return {"file": "data.csv" if file is not None else "gone.csv"}


class DiscordStage:
    def __init__(self, server: WireServer, bot: Bot) -> None:
        self.server = server
        self.surface = DiscordSurface(bot, edit_interval_s=0.0)
        self.home = f"discord:{server.general.id}"

    def shown(self, place: str) -> list[Shown]:
        channel = self.server.world.channels[int(place.removeprefix("discord:"))]
        own = [m for m in self.server.messages(channel) if m.author_id == self.server.world.bot_id]
        cards = [m for m in own if m.embeds]
        return [
            Shown(
                str(m.id),
                m.embeds[0].get("title", ""),
                bool(m.components),
                len(set(NUMBERS) & set(m.reactions)),
            )
            for m in cards
        ]

    def delete(self, message_id: str) -> None:
        self._message(message_id).deleted = True

    def close(self, place: str) -> None:
        number = int(place.removeprefix("discord:"))
        self.server.delete_channel(self.server.world.channels[number])

    def answers(self) -> list[str]:
        own = [
            m
            for m in self.server.messages(self.server.general)
            if m.author_id == self.server.world.bot_id and not m.embeds
        ]
        return [m.content for m in own]

    def request(self, file: bytes | None) -> dict[str, Any]:
        ada = self.server.person("ada")
        content = b"gone" if file is None else file
        said = ada._post(self.server.general, "train", [("data.csv", content)])
        if file is None:
            said.deleted = True
            del self.server.world.attachments[said.attachments[0].id]
        link = self.server.world.base_url
        attached = said.attachments[0]
        return {
            "id": said.id,
            "user_id": ada.id,
            "channel_id": self.server.general.id,
            "message_id": said.id,
            "attachment_id": attached.id,
            "size_bytes": attached.size,
            "url": f"{link}/attachments/{said.channel_id}/{attached.id}/data.csv",
        }

    def _message(self, message_id: str) -> Message:
        found = self.server.world.find_message(int(message_id))
        assert found is not None
        return found


@asynccontextmanager
async def log_stage(folder: Path) -> AsyncIterator[Stage]:
    yield LogStage(folder)


@asynccontextmanager
async def discord_stage(folder: Path) -> AsyncIterator[Stage]:
    async with WireServer() as server, running(server, Bot(default_intents())) as bot:
        yield DiscordStage(server, bot)
        assert server.violations == []


STAGES = {"log": log_stage, "discord": discord_stage}
