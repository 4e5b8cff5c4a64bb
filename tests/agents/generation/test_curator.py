import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from ipaddress import ip_address
from pathlib import Path

import pytest

from agents.generation.curator import CuratorFailed, server_url
from agents.generation.curator_venv import NotInstalled, find
from agents.jobs import JobSpec, Left, RowsBackend, Strategy, Stratum, read_result, write_spec
from configs.schema import LLMSettings
from tests.agents.generation.curator_venvs import REAL, real, stand_in
from tests.agents.generation.job import LABELS, spec, terms
from tests.contracts.model_servers import NO_LLAMA_CPP, Servers
from tests.generators import POOL, Capable, rule_of
from tests.ollama_server import running
from tests.openai_server import FakeOpenAI

ROOT = Path(__file__).resolve().parents[3]
AT_ONCE = 2
KINDS = [
    "stand_in",
    pytest.param(
        "real",
        marks=[
            pytest.mark.slow,
            pytest.mark.skipif(REAL is None, reason="CURATOR_VENV names no curator"),
        ],
    ),
]


def slowly(generator, pause_s=0.15):
    rule = rule_of(generator)

    def told(request):
        time.sleep(pause_s)
        return rule(request)

    return told


def started(folder, venv, *before):
    words = [
        *before,
        sys.executable,
        "-m",
        "tests.agents.generation.do_job",
        str(folder),
        str(venv),
    ]
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)


def job(folder, url, rows=20, strategy=Strategy.VARY, model="generator", **more):
    settings = {"llm": {"kind": "openai", "model": model, "base_url": f"{url}/v1"}}
    wanted = terms(strategy, rows=rows, backend=RowsBackend.CURATOR, **more)
    told = spec(folder, wanted, llm=settings, at_once=AT_ONCE, left=Left(calls=80))
    write_spec(folder, JobSpec(job_id=folder.name, spec=told))
    return told


async def ended(process, within_s=300):
    return await asyncio.to_thread(process.wait, within_s)


async def until(there, within_s=240.0):
    ends_s = time.monotonic() + within_s
    while not there():
        assert time.monotonic() < ends_s, "nothing came"
        await asyncio.sleep(0.02)


def rows_of(folder):
    result = read_result(folder)
    assert result.payload is not None, f"{result.error}\n{logs(folder)}"
    lines = (folder / result.payload.drafts.path).read_text().splitlines()
    return result.payload, [json.loads(line) for line in lines]


def logs(folder):
    return "\n".join(path.read_text()[-3000:] for path in folder.rglob("child.log"))


def assert_near(audit):
    """Every connection and every look-up of a name stayed on this machine."""
    where = [json.loads(line)[1] for line in audit.read_text().splitlines()]
    assert where
    far = [
        one for one in where if one not in {"localhost", None} and not ip_address(one).is_loopback
    ]
    assert far == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("whom", ["job", "all"])
async def test_killed_and_gone_on_with_nothing_is_paid_twice(tmp_path, kind, whom):
    audit = tmp_path / "audit"
    venv = {"stand_in": stand_in, "real": real}[kind](tmp_path / "venv", audit)
    folder = tmp_path / "job"
    server = FakeOpenAI(rule=slowly(Capable(POOL)), models=("generator",))
    async with running(server) as url:
        job(folder, url)
        first = started(folder, venv)
        await until(lambda: len(server.asked) >= 5)
        os.kill(first.pid, signal.SIGKILL) if whom == "job" else os.killpg(
            first.pid, signal.SIGKILL
        )
        assert await ended(first) == -signal.SIGKILL
        before = len(server.asked)
        assert await ended(started(folder, venv)) == 0

    result, rows = rows_of(folder)
    assert Counter(row["completion"] for row in rows) == dict.fromkeys(LABELS, 20)
    assert {row["made"]["backend"] for row in rows} == {"curator"}
    assert {row["made"]["model"] for row in rows} == {"generator"}
    times = Counter(json.dumps(asked["messages"]) for asked in server.asked)
    again = times.total() - len(times)
    assert before >= 5
    # whatever had been answered is known; a call that was in the air is made again, and both are counted
    assert again <= 2 * AT_ONCE
    assert len(server.asked) <= result.spent.calls <= len(server.asked) + AT_ONCE
    assert result.spent.tokens > 100
    assert_near(audit)


@pytest.mark.parametrize("kind", KINDS)
async def test_it_asks_nothing_beside_what_it_is_asked_for(tmp_path, kind):
    audit = tmp_path / "audit"
    venv = {"stand_in": stand_in, "real": real}[kind](tmp_path / "venv", audit)
    server = FakeOpenAI(rule=rule_of(Capable(POOL)), models=("generator",))
    async with running(server) as url:
        job(tmp_path / "job", url, rows=4, strategy=Strategy.PERSONA)
        assert await ended(started(tmp_path / "job", venv)) == 0

    result, rows = rows_of(tmp_path / "job")
    assert len(rows) == 12
    assert result.spent.calls == len(server.asked)
    assert all("<<<DATA" in str(asked["messages"]) for asked in server.asked)
    assert all(asked["response_format"]["type"] == "json_schema" for asked in server.asked)
    assert set(server.keys) == {"Bearer none"}
    assert_near(audit)


async def test_what_reaches_for_another_host_is_kept_in(tmp_path):
    audit = tmp_path / "audit"
    venv = stand_in(tmp_path / "venv", audit, reaches_out=True)
    server = FakeOpenAI(rule=rule_of(Capable(POOL)), models=("generator",))
    async with running(server) as url:
        job(tmp_path / "job", url, rows=4)
        assert await ended(started(tmp_path / "job", venv)) == 0

    said = logs(tmp_path / "job")
    assert said.count("only 127.0.0.1 may be reached, not") == 3
    assert "REACHED" not in said
    assert len(rows_of(tmp_path / "job")[1]) == 12


async def test_a_server_that_is_away_is_told_and_costs_nothing_more(tmp_path):
    venv = stand_in(tmp_path / "venv", tmp_path / "audit")
    job(tmp_path / "job", "http://127.0.0.1:9", rows=4)

    assert await ended(started(tmp_path / "job", venv)) == 0

    error = read_result(tmp_path / "job").error
    assert "Curator has made no call to http://127.0.0.1:9/v1" in error.message
    assert not list((tmp_path / "job").rglob("responses_1.jsonl"))


async def test_a_budget_ends_the_asking(tmp_path):
    venv = stand_in(tmp_path / "venv", tmp_path / "audit")
    server = FakeOpenAI(rule=rule_of(Capable(POOL)), models=("generator",))
    async with running(server) as url:
        told = job(tmp_path / "job", url)
        told = told.model_copy(update={"left": Left(calls=3)})
        write_spec(tmp_path / "job", JobSpec(job_id="job", spec=told))
        assert await ended(started(tmp_path / "job", venv)) == 0

    result, rows = rows_of(tmp_path / "job")
    assert len(server.asked) == result.spent.calls == 3
    assert len(rows) > 3
    assert any("budget" in note for note in result.notes)


def test_without_it_a_person_is_told_how_to_get_it(tmp_path):
    with pytest.raises(NotInstalled, match="tunewright install curator"):
        find(tmp_path)
    with pytest.raises(NotInstalled, match="There is no curator here"):
        find(None)


def test_it_is_sent_where_openai_s_api_is_spoken():
    def url(**told):
        return server_url(LLMSettings.model_validate({"model": "m"} | told))

    assert url(kind="openai", base_url="http://127.0.0.1:8080/v1") == "http://127.0.0.1:8080/v1"
    assert url(kind="openai") == "https://api.openai.com/v1"
    assert url(kind="ollama") == "http://localhost:11434/v1"
    with pytest.raises(CuratorFailed, match="back end “llm”"):
        server_url(LLMSettings())


@pytest.mark.slow
@pytest.mark.skipif(REAL is None or NO_LLAMA_CPP, reason="no curator, or no llama.cpp")
async def test_a_real_small_model_makes_rows_through_curator_and_no_connection_leaves(tmp_path):
    audit, trace = tmp_path / "audit", tmp_path / "trace"
    venv = real(tmp_path / "venv", audit)
    folder = tmp_path / "job"
    servers = Servers()
    try:
        url = servers.url(embedding=False)
        strata = (Stratum(label="card_arrival", rows=12),)
        job(folder, url, model="smollm2", strata=strata)
        first = started(folder, venv)
        await until(lambda: any(path.stat().st_size for path in folder.rglob("responses_0.jsonl")))
        os.kill(first.pid, signal.SIGKILL)
        await ended(first)
        kept = {path: path.read_bytes() for path in folder.rglob("responses_0.jsonl")}
        strace = shutil.which("strace")
        before = (strace, "-f", "-qq", "-e", "trace=connect", "-o", str(trace)) if strace else ()
        assert await ended(started(folder, venv, *before), 900) == 0
    finally:
        servers.close()

    result, rows = rows_of(folder)
    assert kept
    assert all(path.read_bytes().startswith(content) for path, content in kept.items())
    assert result.unusable + len(rows) > 0
    assert all(row["completion"] == "card_arrival" and row["prompt"] for row in rows)
    assert_near(audit)
    if strace:
        found = re.findall(
            r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"', trace.read_text()
        )
        assert found
        assert all(ip_address(v4 or v6).is_loopback for v4, v6 in found)
