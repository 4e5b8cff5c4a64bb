"""The program itself, against servers of models that speak HTTP."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from agents import llm
from agents.jobs import JobSpec, Left, RowsBackend, Strategy, Stratum, read_result, write_spec
from agents.launchers.local import LocalLauncher
from bot.app import _launcher
from configs.schema import LLMSettings, Settings, WorkflowSettings
from tests import ollama_server, openai_server
from tests.agents.generation.job import FACTS, LABELS, spec, terms
from tests.contracts.model_servers import NO_LLAMA_CPP, Servers
from tests.generators import POOL, Capable, rule_of

ROOT = Path(__file__).resolve().parents[3]
KEY = "key-of-the-house-7k2"


def told(kind, url, model="generator"):
    base = f"{url}/v1" if kind == "openai" else url
    settings = LLMSettings(kind=kind, model=model, base_url=base, api_key=KEY, timeout_s=120)
    return llm.told(Settings(llm=settings))


async def done(folder, **more):
    """Start the program on a folder, and return how it ended."""
    words = [sys.executable, "-m", "agents.generation", str(folder)]
    environ = {**os.environ, "TUNEWRIGHT_LLM__API_KEY": KEY} | more
    with (folder / "log.txt").open("ab") as log:
        ended = await asyncio.to_thread(
            subprocess.run, words, cwd=ROOT, env=environ, stdout=log, stderr=log, check=False
        )
    return ended.returncode


def prepared(folder, wanted, llm_told, **more):
    given = spec(folder, wanted, llm=llm_told, **more)
    write_spec(folder, JobSpec(job_id=folder.name, spec=given))
    return folder


def kept_texts(folder):
    return "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", ["openai", "ollama"])
async def test_rows_come_from_a_server_and_the_key_goes_there_and_nowhere_else(tmp_path, kind):
    fakes = {"openai": openai_server.FakeOpenAI, "ollama": ollama_server.FakeOllama}
    fake = fakes[kind](rule=rule_of(Capable(POOL)), models=("generator",))
    async with ollama_server.running(fake) as url:
        ways = (Strategy.VARY, Strategy.PERSONA, Strategy.FROM_FACTS)
        folder = prepared(tmp_path / "job", terms(*ways), told(kind, url), facts=FACTS)
        assert await done(folder) == 0

    result = read_result(folder)
    assert result.error is None, (folder / "log.txt").read_text()
    assert result.payload.model == "generator"
    assert result.payload.rows == 30
    assert {strategy for strategy, _rows in result.payload.by_strategy} == set(ways)
    assert result.payload.spent.calls == len(fake.asked)
    if kind == "openai":
        assert set(fake.keys) == {f"Bearer {KEY}"}
        assert all(asked["response_format"]["type"] == "json_schema" for asked in fake.asked)
    assert KEY not in kept_texts(folder)


async def test_a_server_in_trouble_is_asked_again_and_one_that_stays_away_is_told(tmp_path):
    ways = [openai_server.Way.BUSY, openai_server.Way.TROUBLE]
    fake = openai_server.FakeOpenAI(
        rule=rule_of(Capable(POOL)), models=("generator",), ways=list(ways)
    )
    async with ollama_server.running(fake) as url:
        folder = prepared(tmp_path / "job", terms(Strategy.VARY), told("openai", url), at_once=1)
        assert await done(folder) == 0
        gone = prepared(tmp_path / "gone", terms(Strategy.VARY), told("openai", url, "no-such"))
        assert await done(gone) == 0

    assert read_result(folder).payload.rows == 30
    error = read_result(gone).error
    assert (error.code, error.for_person) == ("models", True)
    assert "no-such" in error.message


async def test_curator_that_is_not_there_is_told(tmp_path):
    wanted = terms(Strategy.VARY, backend=RowsBackend.CURATOR)
    folder = prepared(tmp_path / "job", wanted, told("openai", "http://127.0.0.1:9"))

    assert await done(folder) == 0

    error = read_result(folder).error
    assert (error.code, error.for_person) == ("not_installed", True)
    assert "tunewright install curator" in error.message


def test_each_key_goes_to_the_program_that_asks_with_it():
    model = LLMSettings(kind="openai", model="m", api_key=KEY)
    settings = Settings(llm=model, workflows=WorkflowSettings(api_key="other"))

    def secrets_of(some):
        launcher = _launcher(some)
        assert isinstance(launcher, LocalLauncher)
        return launcher._secrets

    secrets = secrets_of(settings)

    assert secrets["agents.generation"] == {"TUNEWRIGHT_LLM__API_KEY": KEY}
    assert KEY not in str(secrets["agents.workflow"])
    assert not secrets.get("agents.worker")
    assert not any(secrets_of(Settings()).values())


@pytest.mark.slow
@pytest.mark.skipif(NO_LLAMA_CPP, reason="not installed")
async def test_a_real_small_model_writes_rows_that_are_valid(tmp_path):
    servers = Servers()
    try:
        url = servers.url(embedding=False)
        strata = (Stratum(label=LABELS[0], rows=6), Stratum(label=LABELS[1], rows=6))
        wanted = terms(Strategy.VARY, Strategy.PERTURB, strata=strata)
        llm_told = told("openai", url, "smollm2")
        folder = prepared(tmp_path / "job", wanted, llm_told, at_once=1, left=Left(calls=12))
        assert await done(folder) == 0
    finally:
        servers.close()

    result = read_result(folder)
    assert result.error is None, (folder / "log.txt").read_text()
    by_strategy = Counter(dict(result.payload.by_strategy))
    assert by_strategy[Strategy.PERTURB] >= 6
    assert by_strategy[Strategy.VARY] + result.payload.unusable > 0
    assert 0 < result.payload.spent.calls <= 12
