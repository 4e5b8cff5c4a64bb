"""Kill the bot while the Hub carries out one of its requests, start it again, and look what the Hub and people see."""

import asyncio
import os
import signal
import sys

import pytest

from storage import publications
from storage.database import Database, sqlite_url
from storage.models import PublicationOutcome
from tests.fakes import LogSurface
from tests.flows.publish_once import REPO
from tests.wire.hub import FakeHub

REQUESTS = [
    "GET /api/whoami-v2",
    "GET /api/models/anna/codes",  # looked at for the question
    "GET /api/models/anna/codes",  # looked at before pushing
    "POST /api/repos/create",
    "GET /api/models/anna/codes",
    "POST /api/validate-yaml",
    "POST /api/models/anna/codes/preupload/main",
    "POST /anna/codes.git/info/lfs/objects/batch",
    "PUT /objects/",
    "POST /api/models/anna/codes/commit/main",
]
EVERY = [(number, when) for number in range(1, len(REQUESTS) + 1) for when in ("before", "after")]
SAMPLE = [(4, "after"), (9, "after"), (10, "before"), (10, "after")]
"""The repository is made; the weights are there; the commit is on its way; it is made, and nobody has heard of it."""


async def bot(folder, hub, kill_at=None):
    """Run the bot to its end, or to the moment at which the Hub kills it; return its exit code."""
    words = ("-m", "tests.flows.publish_once", str(folder), hub.endpoint)
    child = await asyncio.create_subprocess_exec(sys.executable, *words)

    def watch(number, when):
        if (number, when) == kill_at:
            os.kill(child.pid, signal.SIGKILL)

    hub.watch = watch
    return await child.wait()


async def check(folder, kill_at):
    async with FakeHub() as hub:
        killed = await bot(folder, hub, kill_at)
        assert killed == -signal.SIGKILL
        restarted = await bot(folder, hub)

        assert restarted == 0
        assert hub.writes == 1
        assert hub.repos[REPO].files["adapter_model.safetensors"] == b"weights of run1-i1-train-a1"
    db = Database(sqlite_url(folder / "data" / "tunewright.sqlite"))
    try:
        (wish,) = db.read_now(publications.of_run, 1)
    finally:
        db.close()
    assert wish.outcome is PublicationOutcome.PUBLISHED
    assert wish.commit_sha == hub.repos[REPO].head
    titles = [message["title"] for message in LogSurface(folder / "chat.log").messages()]
    assert titles.count("Publish privately?") == titles.count("Published") == 1
    assert not any((folder / "data" / "outbox").iterdir())


async def test_these_are_the_requests_of_a_bot_that_nobody_kills(tmp_path):
    async with FakeHub() as hub:
        assert await bot(tmp_path, hub) == 0

        shown = [request.partition("/objects/")[0] for request in hub.seen]
        assert shown == [request.partition("/objects/")[0] for request in REQUESTS]


@pytest.mark.parametrize("kill_at", SAMPLE, ids=str)
async def test_a_kill_while_publishing_costs_nothing_and_doubles_nothing(tmp_path, kill_at):
    await check(tmp_path, kill_at)


@pytest.mark.crash
@pytest.mark.parametrize("kill_at", [at for at in EVERY if at not in SAMPLE], ids=str)
async def test_a_kill_at_any_request_costs_nothing_and_doubles_nothing(tmp_path, kill_at):
    await check(tmp_path, kill_at)
