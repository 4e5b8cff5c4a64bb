import asyncio
import json
import os
import sys
import time

import psutil
import pytest

from agents import hub
from agents.hub import SENTENCES, HubError, explain
from agents.hub_program import GOODBYE
from configs.schema import HubSettings
from tests.wire.hub import FakeHub, Fault


def programs():
    """Return the programs that run; one that has ended and was not waited for yet is none."""
    return [child for child in psutil.Process().children(recursive=True) if _is_program(child)]


def _is_program(child):
    try:
        return "agents.hub_program" in " ".join(child.cmdline())
    except (psutil.ZombieProcess, psutil.NoSuchProcess):
        return False


async def test_the_hub_is_reached_although_jobs_are_kept_offline():
    assert os.environ["HF_HUB_OFFLINE"] == "1"

    async with FakeHub() as fake:
        seen = await hub.look(HubSettings(token="hf_anna", endpoint=fake.endpoint), None)

    assert seen.account == "anna"


async def test_the_program_knows_nothing_of_the_bot_s_environment_but_the_way_to_the_hub():
    settings = HubSettings(token="hf_anna", endpoint="http://127.0.0.1:9")
    os.environ["DISCORD_TOKEN"] = "canary"
    try:
        told = hub._environment(settings)
    finally:
        del os.environ["DISCORD_TOKEN"]

    assert told["HF_ENDPOINT"] == "http://127.0.0.1:9"
    assert {"PATH", "HF_HUB_DISABLE_TELEMETRY"} <= set(told)
    assert {"canary", "hf_anna"} & set(told.values()) == set()


async def test_a_hub_that_does_not_answer_is_given_up_and_the_program_ended():
    async with FakeHub() as fake:
        fake.faults.append(Fault("whoami", hangs=True))
        settings = HubSettings(token="hf_anna", endpoint=fake.endpoint)

        with pytest.raises(HubError) as given_up:
            await hub._ask(settings, {"do": "look", "repo": None}, 5.0)

        assert given_up.value.code == "timeout"
        assert programs() == []


async def test_the_program_ends_at_once_when_the_bot_is_gone():
    async with FakeHub() as fake:
        fake.faults.append(Fault("whoami", hangs=True))
        begun = asyncio.Event()
        fake.watch = lambda _number, _when: begun.set()
        settings = HubSettings(token="hf_anna", endpoint=fake.endpoint)
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agents.hub_program"),
            stdin=asyncio.subprocess.PIPE,
            env=hub._environment(settings),
        )
        request = {"do": "look", "repo": None, "endpoint": fake.endpoint, "token": "hf_anna"}
        child.stdin.write(json.dumps(request).encode() + b"\n")
        await child.stdin.drain()
        async with asyncio.timeout(60):
            await begun.wait()
        gone = time.monotonic()

        child.stdin.close()

        assert await child.wait() == GOODBYE
        assert time.monotonic() - gone < 20


def test_every_sentence_can_be_said_and_names_no_placeholder():
    said = [
        explain(HubError("http", key) if isinstance(key, int) else HubError(key), "zoe/codes")
        for key in SENTENCES
    ]
    said.append(explain(HubError("http", 503), "zoe/codes"))

    assert len(set(said)) >= len(SENTENCES)
    assert [sentence for sentence in said if "{" in sentence] == []
    assert "answers 503" in said[-1]


def test_a_wait_is_said_in_minutes():
    assert "in 3 minutes" in explain(HubError("http", 429, 170), "a/b")
    assert "again later" in explain(HubError("http", 429), "a/b")
