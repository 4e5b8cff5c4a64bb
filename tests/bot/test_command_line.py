import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.generation import curator_venv
from bot import doctor
from bot.__main__ import EXIT_BUSY, EXIT_CONFIG, EXIT_USAGE, app
from configs.schema import HubSettings, Settings
from storage.database import FolderLock
from tests import fake_autotrain
from tests.agents.generation.curator_venvs import stand_in
from tests.wire.hub import Account, FakeHub

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tunewright(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEWRIGHT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TUNEWRIGHT__DOWNLOADS__PORT", "0")

    def run(*words, **environ):
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(app, words)

    return run


def test_running_without_a_token_says_how_to_get_one_and_what_works_without(tunewright):
    said = tunewright("run")

    assert said.exit_code == EXIT_CONFIG
    assert "permissions=309237763136" in said.output
    assert "tunewright demo" in said.output


def test_a_wrong_configuration_is_explained_without_a_traceback_and_ends_with_78(tunewright):
    said = tunewright("config", "show", TUNEWRIGHT__DOWNLOADS__PROT="1")

    assert said.exit_code == EXIT_CONFIG
    assert "port" in said.output
    assert "Traceback" not in said.output


def test_a_damaged_key_is_explained_without_a_traceback_and_ends_with_78(tunewright, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secret.key").write_bytes(b"short")

    said = tunewright("resume", "1")

    assert said.exit_code == EXIT_CONFIG
    assert "secret.key is damaged. Delete it" in said.output
    assert "Traceback" not in said.output


def test_the_configuration_shows_origins_and_masks_secrets(tunewright):
    said = tunewright(
        "config", "show", "--json", DISCORD_TOKEN="canary-token-123", HF_TOKEN="hf_canary"
    )

    rows = {row["path"]: row for row in json.loads(said.output)}
    assert "canary" not in said.output
    assert rows["discord.token"]["origin"] == "env DISCORD_TOKEN"
    assert rows["launcher.slots"] == {
        "path": "launcher.slots",
        "value": "1",
        "origin": "default_config.json",
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("finetune", "nowhere.csv", "--task", "x"), "There is no file nowhere.csv"),
        (("finetune", "x.csv", "--task", "x", "--set", "epoch=1"), "Did you mean “epochs”"),
        (
            ("finetune", "README.md", "--task", "x", "--continue-from", "7"),
            "There is no run #7 here",
        ),
        (("finetune", "README.md", "nowhere.csv", "--task", "x"), "There is no file nowhere.csv"),
        (("finetune", "x.csv", "--task", "x", "--weight", "x.csv"), "is not FILE=NUMBER"),
        (
            ("finetune", "README.md", "LICENSE", "--task", "x", "--weight", "x.csv=2"),
            "no one file “x.csv” to weigh. The files are: README.md, LICENSE.",
        ),
        (("status", "7"), "Nothing has been run"),
        (("resume", "7"), "There is no run #7"),
    ],
)
def test_what_a_person_gets_wrong_is_a_sentence_and_a_2(tunewright, words, says):
    said = tunewright(*words)

    assert said.exit_code == EXIT_USAGE
    assert says in said.output


def test_a_busy_folder_is_told_with_75(tunewright, tmp_path):
    lock = FolderLock(tmp_path / "data")

    said = tunewright("resume", "1")

    lock.release()
    assert said.exit_code == EXIT_BUSY
    assert "Another Tunewright" in said.output


def test_the_doctor_names_a_fix_for_each_failure(tunewright):
    said = tunewright("doctor", "--json", TUNEWRIGHT__LAUNCHER__PYTHON="/nowhere/python")

    checks = {check["name"]: check for check in json.loads(said.output)}
    assert said.exit_code == EXIT_CONFIG
    assert {
        "Python",
        "data folder",
        "disk",
        "database",
        "default model",
        "launcher",
        "Discord token",
    } <= set(checks)
    assert not checks["launcher"]["ok"]
    assert all(check["fix"] for check in checks.values() if not check["ok"])
    assert checks["database"]["ok"]


async def test_the_doctor_looks_whose_token_for_the_hub_it_is():
    async with FakeHub() as hub:
        hub.accounts["hf_reads"] = Account("ben", role="read")
        found = {}
        for token in ("hf_anna", "hf_reads", "hf_wrong"):
            settings = Settings(hub=HubSettings(token=token, endpoint=hub.endpoint))
            (found[token],) = await doctor._hub(settings)

    assert (found["hf_anna"].ok, found["hf_anna"].found) == (True, "logged in as anna")
    assert not found["hf_reads"].ok
    assert "may write" in found["hf_reads"].fix
    assert not found["hf_wrong"].ok
    assert "HF_TOKEN" in found["hf_wrong"].fix
    assert await doctor._hub(Settings()) == []


@pytest.mark.parametrize(("backend", "optional"), [("trl", True), ("autotrain", False)])
def test_the_doctor_says_how_autotrain_is_installed_and_insists_where_it_is_to_train(
    tunewright, backend, optional
):
    said = tunewright("doctor", "--json", TUNEWRIGHT__TRAINING__BACKEND=backend)

    check = {check["name"]: check for check in json.loads(said.output)}["AutoTrain"]
    assert (check["ok"], check["optional"]) == (False, optional)
    assert "pip install autotrain-advanced==" in check["fix"]
    assert "training.autotrain.venv" in check["fix"]


def test_the_doctor_finds_autotrain(tunewright, tmp_path):
    venv = fake_autotrain.build(tmp_path / "venv")

    said = tunewright("doctor", "--json", TUNEWRIGHT__TRAINING__AUTOTRAIN__VENV=str(venv))

    check = {check["name"]: check for check in json.loads(said.output)}["AutoTrain"]
    assert check["ok"]
    assert check["found"] == f"0.8.36 in {venv}, used where a run asks for it"


@pytest.mark.parametrize(("backend", "optional"), [("llm", True), ("curator", False)])
def test_the_doctor_says_how_curator_is_installed_and_insists_where_it_is_to_make_rows(
    tunewright, backend, optional
):
    said = tunewright("doctor", "--json", TUNEWRIGHT__GENERATION__BACKEND=backend)

    check = {check["name"]: check for check in json.loads(said.output)}["curator"]
    assert (check["ok"], check["optional"]) == (False, optional)
    assert "`tunewright install curator`" in check["fix"]


def test_the_doctor_finds_curator_and_tells_whether_it_is_whole(tunewright, tmp_path):
    venv = stand_in(tmp_path / "venv", tmp_path / "audit")

    def check():
        said = tunewright("doctor", "--json", TUNEWRIGHT__GENERATION__CURATOR_VENV=str(venv))
        return {check["name"]: check for check in json.loads(said.output)}["curator"]

    half = check()
    (venv / curator_venv.DONE).write_text(curator_venv.REQUIREMENTS.read_text())
    whole = check()

    assert (half["ok"], half["optional"]) == (False, True)
    assert "finishes it" in half["fix"]
    assert whole["found"] == f"0.1.31 in {venv}, used where a plan says so"


def test_curator_is_installed_into_the_data_folder_or_it_is_told_why_not(tunewright, tmp_path):
    there = tmp_path / "data" / "venvs" / "curator"
    there.mkdir(parents=True)
    (there / "mine.txt").touch()

    said = tunewright("install", "curator", "--data-dir", str(tmp_path / "data"))

    assert said.exit_code == 78
    assert f"{there} is there and is no virtual environment" in said.output


def test_the_program_starts_as_a_module_too():
    done = subprocess.run(
        [sys.executable, "-m", "bot", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )

    for command in ("run", "demo", "finetune", "status", "doctor", "config"):
        assert command in done.stdout


def test_the_models_that_may_be_tuned_are_listed_with_what_is_known(tunewright):
    listed = tunewright("config", "models", "--json")
    shown = tunewright("config", "models")

    (row,) = json.loads(listed.stdout)
    assert row["facts"]["licence"] == "Apache-2.0"
    assert row["facts"]["parameters"] == 134_515_008
    assert "Apache" in shown.stdout
