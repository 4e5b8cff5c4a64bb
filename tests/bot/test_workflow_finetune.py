"""`tunewright workflow finetune`: the real command, its files, its refusals, and going on after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.workflow.load import load
from bot.__main__ import app
from bot.command_line import EXIT_LEFT, EXIT_NOBODY_HERE, EXIT_OK, EXIT_USAGE
from tests import loop_case

ROOT = Path(__file__).resolve().parents[2]
COMMON = ("--model-script", "script.json", "--analysis-model", "analyst", "--data-dir", "data")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    loop_case.write(tmp_path, 4)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNEWRIGHT__DOWNLOADS__PORT", "0")
    return tmp_path


def told(*words):
    ended = CliRunner().invoke(app, ["workflow", "finetune", *words])
    return ended.exit_code, ended.output


def begun(folder, *words):
    """Start the program as a process of its own."""
    line = [sys.executable, "-m", "bot", "workflow", "finetune", *words]
    return subprocess.Popen(
        line,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_workflow_is_improved_and_its_files_lie_beside_it(here):
    code, text = told("sorter.yaml", "--repeats", "1", "--report", "html", *COMMON)
    assert code == EXIT_OK, text
    better = (here / "sorter.finetuned.yaml").read_text()
    assert loop_case.ONE_WORD in better
    assert "# Sorts what people write." in better
    load(here / "sorter.finetune-iter1.yaml")
    assert (here / "sorter.finetune-iter1.yaml").read_text() == better
    lines = [
        json.loads(x) for x in (here / "sorter.finetune-ledger.jsonl").read_text().splitlines()
    ]
    assert [line["what"] for line in lines] == ["given", "round", "claim"]
    assert lines[0]["tests_made"] is False
    page = (here / "sorter.finetune-report.html").read_text()
    assert "<h1>sorter.yaml</h1>" in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    # four cases are too few to hold some back, and that is said
    assert "ten cases" in lines[2]["words"]
    assert (here / "sorter.yaml").read_text() == loop_case.WORKFLOW
    assert not (here / "sorter.finetune-tests.yaml").exists()


def test_an_output_elsewhere_has_its_files_beside_it(here):
    (here / "out").mkdir()
    (here / "sorter.yaml").rename(here / "sorter.yml")
    words = ("sorter.yml", "--suite", "sorter.test.yaml", "-o", "out/best.yaml", "-i", "1")
    code, text = told(*words, "--repeats", "1", *COMMON)
    assert code == EXIT_OK, text
    assert loop_case.ONE_WORD in (here / "out" / "best.yaml").read_text()
    made = {path.name for path in (here / "out").iterdir()}
    assert made == {"best.yaml", "sorter.finetune-iter1.yml", "sorter.finetune-ledger.jsonl"}
    assert sorted(p.name for p in here.iterdir() if p.is_file()) == [
        "script.json",
        "sorter.test.yaml",
        "sorter.yml",
    ]


def test_a_dry_run_asks_nobody_and_says_what_it_would_take(here):
    code, text = told("sorter.yaml", "--dry-run", *COMMON)
    assert code == EXIT_OK, text
    assert "4 cases, 5 rounds of 3 proposals, 3 repeats: about 862 calls" in text
    assert "too few to seal" in text
    assert not (here / "data").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "Say which workflow"),
        (("nowhere.yaml",), "There is no file nowhere.yaml"),
        (("script.json",), "should end in .yaml or .yml"),
        (("sorter.yaml", "--suite", "gone.yaml"), "There is no file gone.yaml"),
        (("sorter.yaml", "-o", "./sorter.yaml"), "is what you gave"),
        (("sorter.yaml", "-o", "sorter.test.yaml"), "is what you gave"),
        (("sorter.yaml", "-o", "gone/best.yaml"), "there is no folder gone"),
        (("sorter.yaml", "-o", "."), "is a folder"),
        (("sorter.yaml", "--approve", "maybe"), "There are: auto, evidence, each"),
        (("sorter.yaml", "--report", "pdf"), "There are: json, md, html"),
        (("sorter.yaml", "--goal", "hats=1"), "There is no goal “hats”"),
        (("--resume", "7"), "There is no run #7"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(words, reason):
    code, text = told(*words, *COMMON)
    assert code == EXIT_USAGE
    assert reason in text


def test_a_question_that_nobody_is_there_for_is_left_open_and_can_be_gone_on_with(here):
    words = ("sorter.yaml", "--approve", "evidence", "--repeats", "1", *COMMON)
    process = begun(here, *words)
    text, _ = process.communicate(timeout=120)
    assert process.returncode == EXIT_NOBODY_HERE, text
    assert "The plan" in text
    assert not (here / "sorter.finetuned.yaml").exists()


def test_a_run_that_is_killed_goes_on_and_pays_nothing_twice(here):
    process = begun(here, "sorter.yaml", "--repeats", "2", *COMMON)
    journal = here / "data" / "jobs" / "run1-i1-workflow-propose-a1" / "paid0" / "journal.jsonl"
    until(lambda: journal.exists() and journal.stat().st_size > 0, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()

    again = begun(here, "--resume", "1", "--model-script", "script.json", "--data-dir", "data")
    text, _ = again.communicate(timeout=180)
    assert again.returncode == EXIT_OK, text
    assert loop_case.ONE_WORD in (here / "sorter.finetuned.yaml").read_text()
    lines = [
        json.loads(x) for x in (here / "sorter.finetune-ledger.jsonl").read_text().splitlines()
    ]
    assert lines[1]["proposals"][0]["edits"] == loop_case.mending()
    keys = [json.loads(x.split(b" ", 1)[1])["key"] for x in journal.read_bytes().splitlines()]
    assert len(keys) == len(set(keys))


def test_ctrl_c_hands_over_what_stands_and_twice_leaves(here):
    slow = loop_case.script()
    slow["rules"][-1]["delay_s"] = 0.3
    (here / "script.json").write_text(json.dumps(slow))
    process = begun(here, "sorter.yaml", *COMMON)
    folder = here / "data" / "jobs" / "run1-i1-workflow-measure-a1"
    until((folder / "heartbeat").exists, process)
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=120)
    assert process.returncode == EXIT_OK, text
    assert "once more leaves at once" in text
    assert (here / "sorter.finetuned.yaml").read_text() == loop_case.WORKFLOW

    second = begun(here, "sorter.yaml", *COMMON)
    folder = here / "data" / "jobs" / "run2-i1-workflow-propose-a1"
    until((folder / "heartbeat").exists, second)
    second.send_signal(signal.SIGINT)
    time.sleep(0.5)
    second.send_signal(signal.SIGINT)
    text, _ = second.communicate(timeout=60)
    assert second.returncode == EXIT_LEFT, text
    assert "tunewright workflow finetune --resume 2" in text


def until(true, process, timeout_s=90.0):
    """Wait until something is so, or the process has ended."""
    end = time.monotonic() + timeout_s
    while not true():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end
        time.sleep(0.02)
