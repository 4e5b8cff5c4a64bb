"""A bot with everything of ours in it, in simcord's Discord: one server, one channel, a few people."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import simcord

from bot.app import App, open_app
from bot.commands import Start
from bot.discord.client import TunewrightClient
from bot.discord.people import person_id_of
from bot.surface import Person
from configs.schema import DiscordSettings, ModelSettings, Settings
from storage import approvals, runs
from storage.models import Run
from tests.fakes import SetClock, StubLauncher

SIMCORDS_CLOCK = SetClock(datetime(2026, 1, 1, tzinfo=UTC))
"""Simcord's ids begin then; which messages are new is judged by ids."""

MODELS = dict.fromkeys(("smollm2-135m-instruct", "qwen3-0.6b", "gemma3-270m"), "folder:/nowhere")


@dataclass
class Scene:
    env: simcord.Env
    app: App
    client: TunewrightClient
    launcher: StubLauncher
    guild: simcord.GuildHandle
    channel: simcord.ChannelHandle
    ada: simcord.MemberActor
    ben: simcord.MemberActor

    async def run(self, *, owner: simcord.MemberActor | None = None, goal: str = "Classify") -> int:
        """Start a run of a person, as if from this channel."""
        member = owner or self.ada
        run = await self.app.commands.start(
            Start(
                key=f"test:{goal}:{member.id}",
                person=Person(person_id_of(member.id), member.name),
                guild=str(self.guild.id),
                home=f"discord:{self.channel.id}",
                goal=goal,
                file=self.app.services.files.put(b"text,label\n"),
                file_name="tickets.csv",
            )
        )
        assert run.id is not None
        return run.id

    async def on(self, rounds: int = 12) -> None:
        """Let jobs, runs and messages go on until they wait for somebody."""
        for _ in range(rounds):
            await self.app.driver.settle()
            await self.app.dispatcher.look()
            await self.app.driver.settle()
            await self.app.pump()

    async def open_questions(self) -> list[int]:
        """Return the numbers of the questions that wait."""
        found = await self.app.services.db.read(approvals.all_open)
        return [approval.id for approval in found if approval.id is not None]

    async def restart(self) -> None:
        """Connect anew, as after a crash of the connection."""
        self.client = TunewrightClient(self.app, message_content=True)
        await self.env.restart_bot(self.client)
        await self.env.settle()

    async def row(self, run_id: int) -> Run:
        return await self.app.services.db.read(runs.get, run_id)


@asynccontextmanager
async def discord_scene(data_dir: Path) -> AsyncIterator[Scene]:
    launcher = StubLauncher()
    settings = Settings(
        data_dir=data_dir,
        discord=DiscordSettings(edit_interval_s=0),
        models=ModelSettings(catalogue=MODELS),
    )
    async with open_app(settings, launcher=launcher, clock=SIMCORDS_CLOCK) as app:
        client = TunewrightClient(app, message_content=True)
        # not simcord.run: a fixture's end runs in another context than its beginning
        env = simcord.Env(client)
        await env.start()
        try:
            guild = env.create_guild()
            channel = guild.create_text_channel("general")
            ada, ben = (guild.add_member(env.create_user(name)) for name in ("ada", "ben"))
            await env.settle()
            yield Scene(env, app, client, launcher, guild, channel, ada, ben)
        finally:
            await env.shutdown()
        env.raise_errors()
