import asyncio
import sys
import time
from pathlib import Path

import psutil
import pytest

from agents import jobs
from agents.dispatch import Dispatcher
from agents.jobs import JobOutcome, JobSpec
from agents.launchers import WORKFLOW
from agents.launchers.local import LocalLauncher
from agents.recipe import Recipe
from agents.workflow.workplace import API_KEY, models_ref
from agents.workflow_loop.planning import terms_of
from configs.schema import LauncherSettings, Settings
from storage.models import Job, JobState, Phase, Run
from tests.fakes import StubLauncher
from tests.house import open_house

ROOT = Path(__file__).resolve().parents[2]


def toy_python(folder):
    """A stand-in for the interpreter: whatever it is told to run, it runs the toy worker."""
    script = folder / "python"
    script.write_text(
        f'#!/bin/sh\nexec env PYTHONPATH={ROOT} {sys.executable} {ROOT}/tests/toy_worker.py "$@"\n'
    )
    script.chmod(0o755)
    return script


def a_job(folder, job_id):
    spec = jobs.EvaluateSpec(
        model=jobs.ModelRef(name="m", source="folder:/m", cache_dir="/c"),
        adapter_dir="/a",
        test=jobs.FileRef(path="/t", sha256="0" * 64, size_bytes=1),
        recipe=Recipe(model="m"),
    )
    jobs.write_spec(folder, JobSpec(job_id=job_id, spec=spec))
    return folder


def until(what, timeout_s=20.0):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


@pytest.fixture(params=["local", "stub"])
def launcher(request, tmp_path):
    if request.param == "local":
        return LocalLauncher(LauncherSettings(python=toy_python(tmp_path)))
    return StubLauncher({"j-beats": "half", "j-hangs": "hang"})


@pytest.fixture
def local(tmp_path):
    return LocalLauncher(LauncherSettings(python=toy_python(tmp_path)))


def test_a_started_job_leaves_a_result_and_is_then_not_alive(launcher, tmp_path):
    folder = a_job(tmp_path / "j-ends", "j-ends")

    handle = launcher.start(folder)

    assert until(lambda: jobs.read_result(folder) is not None)
    assert until(lambda: not launcher.alive(folder, handle))


def test_a_running_job_is_alive_until_it_is_stopped(launcher, tmp_path):
    folder = a_job(tmp_path / "j-hangs", "j-hangs")

    handle = launcher.start(folder)
    assert until(lambda: launcher.alive(folder, handle))
    launcher.stop(folder, handle)

    assert until(lambda: not launcher.alive(folder, handle))
    launcher.stop(folder, handle)


def test_a_worker_that_comes_after_the_stop_leaves(launcher, tmp_path):
    folder = a_job(tmp_path / "j-hangs", "j-hangs")
    launcher.stop(folder, launcher.start(folder))

    late = launcher.start(folder)

    assert until(lambda: not launcher.alive(folder, late))


def test_starting_twice_runs_once(launcher, tmp_path):
    folder = a_job(tmp_path / "j-beats", "j-beats")

    first = launcher.start(folder)
    assert until(lambda: launcher.alive(folder, first))
    second = launcher.start(folder)

    assert launcher.alive(folder, second)
    jobs.request_stop(folder, jobs.StopMode.CANCEL)
    assert until(lambda: not launcher.alive(folder, second))
    assert jobs.read_result(folder).outcome is JobOutcome.CANCELLED
    if (folder / "runs").exists():
        assert (folder / "runs").read_text() == "1\n"


@pytest.mark.parametrize(("kills", "for_memory"), [(7, False), (8, True), (0, False)])
def test_a_count_of_the_kernel_that_went_up_since_the_start_says_that_memory_ran_out(
    local, tmp_path, monkeypatch, kills, for_memory
):
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("nr_free_pages 5\noom_kill 7\n")
    monkeypatch.setattr("agents.launchers.local.VMSTAT", vmstat)
    folder = a_job(tmp_path / "j-hangs", "j-hangs")

    handle = local.start(folder)
    assert until(lambda: local.alive(folder, handle))
    vmstat.write_text(f"nr_free_pages 5\noom_kill {kills}\n")
    local.start(folder)  # again, by a bot that died before it noted the handle
    local.stop(folder, handle)

    after_restart = LocalLauncher(LauncherSettings(python=toy_python(tmp_path)))
    assert local.killed_for_memory(folder) is for_memory
    assert after_restart.killed_for_memory(folder) is for_memory


def test_where_the_kernel_does_not_count_nobody_was_killed_for_memory(local, tmp_path, monkeypatch):
    monkeypatch.setattr("agents.launchers.local.VMSTAT", tmp_path / "none")
    folder = a_job(tmp_path / "j-ends", "j-ends")

    local.start(folder)

    assert until(lambda: jobs.read_result(folder) is not None)
    assert not local.killed_for_memory(folder)


def test_a_worker_that_was_not_killed_for_memory_says_nothing_else(launcher, tmp_path):
    folder = a_job(tmp_path / "j-hangs", "j-hangs")
    handle = launcher.start(folder)
    assert until(lambda: launcher.alive(folder, handle))

    launcher.stop(folder, handle)

    assert not launcher.killed_for_memory(folder)


def test_a_new_process_finds_the_worker_of_the_old_one(local, tmp_path):
    folder = a_job(tmp_path / "j-beats", "j-beats")
    local.start(folder)
    assert until(lambda: (folder / "helper").exists())

    after_restart = LocalLauncher(LauncherSettings(python=toy_python(tmp_path)))

    assert after_restart.alive(folder, None)
    after_restart.stop(folder, None)
    assert until(lambda: not after_restart.alive(folder, None))


def test_stopping_ends_the_whole_process_group(local, tmp_path):
    folder = a_job(tmp_path / "j-deaf", "j-deaf")
    handle = local.start(folder)
    assert until(lambda: (folder / "helper").exists() and (folder / "helper").read_text())
    child = psutil.Process(int((folder / "helper").read_text()))

    local.stop(folder, handle)

    assert until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_worker_knows_no_secret_of_ours(local, tmp_path, monkeypatch):
    for name in (
        "DISCORD_TOKEN",
        "TUNEWRIGHT__LLM__API_KEY",
        "HF_TOKEN",
        "HF_TOKEN_FILE",
        "SOME_SECRET",
    ):
        monkeypatch.setenv(name, "canary-1234")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = a_job(tmp_path / "j-ends", "j-ends")

    local.start(folder)

    assert until(lambda: jobs.read_result(folder) is not None)
    environ = (folder / "environ").read_text()
    assert "canary" not in environ
    assert "HF_HUB_OFFLINE=1" in environ


def test_the_key_of_workflows_reaches_their_jobs_alone_and_no_folder(tmp_path):
    key = {WORKFLOW: {API_KEY: "canary-1234"}}
    launcher = LocalLauncher(LauncherSettings(python=toy_python(tmp_path)), key)
    workflow = tmp_path / "w-ends"
    settings = Settings.model_validate({"workflows": {"api_key": "canary-1234"}})
    spec = jobs.ReadWorkflowSpec(
        models=models_ref(settings, None),
        journal_dir=str(workflow / "paid0"),
        workflow=jobs.WorkflowFile(
            text=jobs.FileRef(path="/w", sha256="0" * 64, size_bytes=1), path="/w.yaml"
        ),
        terms=terms_of(settings, jobs.WorkflowWish(), model="m"),
    )
    jobs.write_spec(workflow, JobSpec(job_id="w-ends", spec=spec))
    training = a_job(tmp_path / "j-ends", "j-ends")

    for folder in (workflow, training):
        launcher.start(folder)
        assert until(lambda folder=folder: jobs.read_result(folder) is not None)

    assert f"{API_KEY}=canary-1234" in (workflow / "environ").read_text()
    assert "canary" not in (training / "environ").read_text()
    assert "canary" not in (workflow / "spec.json").read_text()


async def look_until(dispatcher, done, timeout_s=20.0):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        await dispatcher.look()
        if await done():
            return True
        await asyncio.sleep(0.05)
    return False


async def a_running_job(house, suffix):
    """Put a running job of a run in training into the rows."""
    services = house.app.services
    job_id = f"run1-i1-train-{suffix}"
    folder = a_job(services.job_folder(job_id), job_id)
    spec = jobs.read_spec(folder).spec.model_dump(mode="json")

    def add(session):
        now = services.clock.now()
        session.add(
            Run(
                id=1,
                origin_key="k",
                goal="g",
                model="m",
                owner="log:anna",
                home="log:c",
                phase=Phase.EVALUATING,
                created_at=now,
            )
        )
        session.flush()
        session.add(
            Job(
                id=job_id,
                run_id=1,
                owner="log:anna",
                iteration=1,
                kind="evaluate",
                attempt=1,
                spec=spec,
                created_at=now,
            )
        )

    await services.db.write(add)
    return job_id


@pytest.mark.parametrize(
    ("suffix", "limits", "outcome"),
    [
        ("hangs", {"lease_s": 0.5, "start_lease_s": 20.0}, JobOutcome.ABANDONED),
        ("deaf", {"stop_grace_s": 0.5}, JobOutcome.CANCELLED),
        ("beats", {"stop_grace_s": 20.0}, JobOutcome.CANCELLED),
    ],
)
async def test_hung_and_deaf_workers_are_ended_and_polite_ones_are_waited_for(
    tmp_path, suffix, limits, outcome
):
    settings = LauncherSettings(python=toy_python(tmp_path), **limits)
    async with open_house(tmp_path, launcher=settings) as house:
        services = house.app.services
        dispatcher = Dispatcher(services, LocalLauncher(settings))
        job_id = await a_running_job(house, suffix)
        read = lambda session: session.get(Job, job_id)  # noqa: E731
        folder = services.job_folder(job_id)
        assert await look_until(dispatcher, lambda: asyncio.to_thread((folder / "helper").exists))
        if suffix != "hangs":
            await services.db.write(lambda s: setattr(s.get(Run, 1), "phase", Phase.CANCELLED))

        async def closed():
            return (await services.db.read(read)).state is JobState.CLOSED

        assert await look_until(dispatcher, closed)
        assert (await services.db.read(read)).outcome == outcome
        assert until(lambda: not dispatcher.launcher.alive(folder, None))
