"""`tunewright workflow run` as a person types it."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.__main__ import app
from bot.command_line import EXIT_LEFT, EXIT_NOBODY_HERE, EXIT_OK, EXIT_RUN_FAILED, EXIT_USAGE

ROOT = Path(__file__).parents[2]
WORKFLOW = """
name: Greeting
description: Greets somebody
start_state: who
states:
  who: {type: input, prompt: "Who is there?", save_as: who, next: greet}
  greet: {type: prompt, prompt: "Greet {{who}}", save_as: greeting, next: end}
"""
SCRIPT = {"rules": [{"prompt": "Greet Ada", "reply": "Hello Ada, [bold]welcome"}]}


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """Return what runs `tunewright workflow run` on files in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    Path("w.yaml").write_text(WORKFLOW)
    Path("script.json").write_text(json.dumps(SCRIPT))

    def run(*words, keys=None):
        whole = ["workflow", "run", "w.yaml", "--data-dir", "data", *words]
        return CliRunner().invoke(app, whole, input=keys)

    return run


def folders():
    return sorted(Path("data/workflow-runs").iterdir())


def test_a_workflow_runs_with_answers_given_beforehand(typed):
    ended = typed("--input", "who=Ada", "--model-script", "script.json")

    assert ended.exit_code == EXIT_OK, ended.output
    assert "Hello Ada, [bold]welcome" in ended.output
    assert "Finished." in ended.output
    (folder,) = folders()
    metadata = json.loads((folder / "run-metadata.json").read_text())
    assert metadata["workflowName"] == "Greeting"
    assert metadata["runDirectory"] == str(folder.resolve())
    assert folder.name.startswith("greeting-")
    assert {path.name for path in folder.iterdir()} == {"run-metadata.json", "journal.jsonl"}


def test_an_input_is_asked_at_the_keyboard(typed):
    ended = typed("--model-script", "script.json", keys="Ada\n")

    assert ended.exit_code == EXIT_OK, ended.output
    assert "Who is there?" in ended.output
    assert "Hello Ada" in ended.output


def test_without_anybody_at_the_keyboard_the_run_stops_and_can_be_gone_on_with(typed):
    stopped = typed("--model-script", "script.json", keys="")
    (folder,) = folders()
    finished = typed("--model-script", "script.json", "--input", "who=Ada", "--resume", str(folder))

    assert stopped.exit_code == EXIT_NOBODY_HERE
    assert f"--resume {folder.resolve()}" in stopped.output
    assert finished.exit_code == EXIT_OK
    assert folders() == [folder]


def test_a_run_that_is_gone_on_with_asks_nobody_again(typed):
    Path("broken.json").write_text('{"rules": [{"error": "the model is away"}]}')
    failed = typed("--model-script", "broken.json", "--input", "who=Ada")
    (folder,) = folders()

    finished = typed("--model-script", "script.json", "--resume", str(folder), keys="")

    assert failed.exit_code == EXIT_RUN_FAILED
    assert "the model is away" in failed.output
    assert finished.exit_code == EXIT_OK, finished.output
    assert "Hello Ada" in finished.output


def test_a_trace_holds_every_event_but_tokens(typed):
    typed("--input", "who=Ada", "--model-script", "script.json", "--trace")

    (folder,) = folders()
    lines = [json.loads(line) for line in (folder / "trace.log").read_text().splitlines()]
    assert [line["type"] for line in lines] == [
        "workflow_start",
        "state_start",
        "input_asked",
        "input_answered",
        "context_update",
        "state_end",
        "state_start",
        "prompt_sent",
        "reply",
        "context_update",
        "state_end",
        "workflow_end",
    ]
    assert all(line["at"].endswith("+00:00") for line in lines)


def test_two_runs_in_one_second_have_folders_of_their_own(typed):
    for _ in range(2):
        typed("--input", "who=Ada", "--model-script", "script.json")

    assert len(folders()) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--input", "nobody=x"], "“nobody” asks nobody. States that do: who."),
        (["--input", "who"], "“who” is no answer. It is written STATE=VALUE."),
        (["--resume", "data"], "data is no folder of a run."),
        (["--model-script", "none.json"], "none.json: No such file"),
    ],
)
def test_what_cannot_be_begun_is_said_in_a_sentence(typed, words, told):
    base = [] if "--model-script" in words else ["--model-script", "script.json"]

    ended = typed(*base, *words)

    assert ended.exit_code == EXIT_USAGE
    assert told in ended.output


def test_what_a_model_writes_moves_no_cursor(typed):
    Path("evil.json").write_text(json.dumps({"rules": [{"reply": "\x1b[2Jgone \x1b]0;x\x07"}]}))

    ended = typed("--input", "who=\x1b[1m", "--model-script", "evil.json")

    assert ended.exit_code == EXIT_OK
    assert "gone" in ended.output
    assert "\x1b" not in ended.output


def test_a_workflow_that_cannot_be_read_is_told_with_lines(typed):
    Path("w.yaml").write_text(WORKFLOW.replace("next: greet", "next: gret"))

    ended = typed("--model-script", "script.json")

    assert ended.exit_code == EXIT_USAGE
    assert "w.yaml:6: error: " in ended.output
    assert "did you mean “greet”?" in ended.output


def pressed(folder, times, *, after="● greet", delay_s=3, answers=("--input", "who=Ada")):
    """Run in a terminal, press Ctrl+C when a text is seen; return exit code, output and how long it took from there."""
    (folder / "w.yaml").write_text(WORKFLOW.replace("next: end", "next: who"))
    script = {"rules": [{"reply": "done", "delay_s": delay_s}]}
    (folder / "script.json").write_text(json.dumps(script))
    ours, theirs = pty.openpty()
    words = ["workflow", "run", "w.yaml", "--model-script", "script.json", *answers]
    child = subprocess.Popen(
        [sys.executable, "-m", "bot", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    try:
        while after.encode() not in seen:
            seen += os.read(ours, 4096)
        began = time.monotonic()
        for _ in range(times):
            time.sleep(0.3)
            child.send_signal(signal.SIGINT)
        while True:
            try:
                seen += os.read(ours, 4096)
            except OSError:  # Linux: the other side of the terminal is closed
                break
        code = child.wait(timeout=60)
    finally:
        child.kill()
        os.close(ours)
    return code, seen.decode(), time.monotonic() - began


def test_ctrl_c_stops_before_the_next_state(tmp_path):
    code, seen, _ = pressed(tmp_path, 1)

    assert code == EXIT_LEFT, seen
    assert "Stops before the next state." in seen
    assert "done" in seen
    assert "Stopped: stopped before “who”" in seen


def test_ctrl_c_twice_stops_at_once(tmp_path):
    code, seen, seconds = pressed(tmp_path, 2, delay_s=60)

    assert code == EXIT_LEFT, seen
    assert "done" not in seen
    assert "To go on: tunewright workflow run w.yaml --resume" in seen
    assert seconds < 40


def test_ctrl_c_at_a_question_leaves_it(tmp_path):
    code, seen, _ = pressed(tmp_path, 1, after="  > ", answers=())

    assert code == EXIT_LEFT, seen
    assert "Stopped: stopped in “who”: Ctrl+C was pressed" in seen
    assert "Fatal" not in seen
    assert "Traceback" not in seen
