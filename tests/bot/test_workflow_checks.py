import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.__main__ import app
from bot.command_line import EXIT_OK, EXIT_RUN_FAILED, EXIT_USAGE
from tests.agents.workflow.written import HEAD, write

GOOD = HEAD + "states:\n  ask: {type: prompt, prompt: x, save_as: answer}\n"
NOBODY = ("--ollama-url", "http://127.0.0.1:9", "--data-dir", "data")
"""Where no model answers."""
SUITE = (
    "workflow: w.yaml\ntest_scenarios:\n  - name: one\n    assertions:\n"
    "      - {type: equals, target: answer, value: x}\n"
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNEWRIGHT__DOWNLOADS__PORT", "0")


def told(*words: str) -> tuple[int, str]:
    ended = CliRunner().invoke(app, ["workflow", *words])
    return ended.exit_code, ended.output


def test_validate_says_what_a_file_is_and_in_which_dialect(tmp_path):
    write(tmp_path, GOOD)
    write(tmp_path, SUITE, "w.test.yaml")
    write(
        tmp_path,
        "name: All\nstrategy: parallel\nworkflows:\n  - {id: a, workflow: w.yaml}\n",
        "all.yaml",
    )

    assert told("validate", "w.yaml") == (EXIT_OK, "w.yaml: workflow, dialect main, 1 state.\n")
    assert told("validate", "w.test.yaml") == (
        EXIT_OK,
        "w.test.yaml: test file, dialect main, 1 scenario for w.yaml.\n",
    )
    assert told("validate", "all.yaml") == (EXIT_OK, "all.yaml: orchestration, parallel, 1 workflow.\n")  # fmt: skip


def test_validate_tells_warnings_and_ends_with_0_and_errors_with_1(tmp_path):
    write(tmp_path, GOOD.replace("save_as", "saveAs"))
    code, text = told("validate", "w.yaml")
    assert code == EXIT_OK
    assert text.startswith("w.yaml:4: warning: states.ask.saveAs: ")
    assert text.endswith("w.yaml: workflow, dialect main, 1 state.\n")

    write(tmp_path, GOOD.replace("prompt: x", "prompt: x, next: asks"))
    code, text = told("validate", "w.yaml")
    assert code == EXIT_RUN_FAILED
    assert text == (
        "w.yaml:4: error: states.ask.next: there is no state “asks”; did you mean “ask”? [unknown-state]\n"
    )
    assert told("validate", "gone.yaml")[0] == EXIT_RUN_FAILED


STRICT = {
    "choice": GOOD.replace("prompt, prompt", "choice, prompt").replace(
        "save_as: answer", "choices: [{label: a, next: end}]"
    ),
    "typed": "name: x\ntype: workflow\nsteps:\n  - {type: prompt, prompt: x}\n",
    "tools": GOOD + "tools: {t: {npm_package: p}}\n",
    "locked": GOOD + "variables: {v: {value: x, locked: true}}\n",
    "optional file": GOOD.replace("prompt: x", "prompt: x, files: [{path: w.yaml, optional: true}]"),
    "skills": GOOD.replace("prompt: x", "prompt: x, skills: []"),
}  # fmt: skip


@pytest.mark.parametrize("name", STRICT)
def test_strict_refuses_what_main_would_not_read(name, tmp_path):
    write(tmp_path, STRICT[name])

    assert told("validate", "w.yaml")[0] == EXIT_OK
    code, text = told("validate", "w.yaml", "--strict")
    assert code == EXIT_RUN_FAILED
    assert "[dialect]" in text


def test_strict_takes_main_and_refuses_later_and_older_test_files(tmp_path):
    write(tmp_path, GOOD)
    write(tmp_path, SUITE, "main.yaml")
    write(tmp_path, SUITE + "    mocks: [{state: ask, response: x}]\n", "later.yaml")
    write(tmp_path, SUITE.replace("test_scenarios", "scenarios"), "older.yaml")

    codes = [
        told("validate", name, "--strict")[0]
        for name in ("w.yaml", "main.yaml", "later.yaml", "older.yaml")
    ]

    assert codes == [EXIT_OK, EXIT_OK, EXIT_RUN_FAILED, EXIT_RUN_FAILED]
    assert told("validate", "later.yaml")[0] == told("validate", "older.yaml")[0] == EXIT_OK


def test_lint_ends_with_1_where_something_is_found_and_can_leave_kinds_out(tmp_path):
    write(tmp_path, GOOD + "  lost: {type: prompt, prompt: y}\n")

    code, text = told("lint", "w.yaml")
    assert code == EXIT_RUN_FAILED
    assert text == (
        "w.yaml:5: warning: states.lost: no state leads here, so it is never entered [unreachable]\n"
    )
    assert told("lint", "w.yaml", "--ignore", "unreachable") == (EXIT_OK, "")
    code, text = told("lint", "w.yaml", "--ignore", "unreachables")
    assert code == EXIT_USAGE
    assert "Did you mean “unreachable”?" in text


def test_lint_of_what_cannot_be_run_tells_the_errors(tmp_path):
    write(tmp_path, HEAD)

    code, text = told("lint", "w.yaml")

    assert code == EXIT_RUN_FAILED
    assert "[missing]" in text


def test_test_says_what_is_wrong_with_a_test_file(tmp_path):
    write(tmp_path, SUITE, "w.test.yaml")

    code, text = told("test", "w.test.yaml")

    assert code == EXIT_USAGE
    assert text.startswith("w.test.yaml:1: error: workflow: there is no such file")


def test_generate_writes_a_workflow_that_validates_and_does_not_write_over_one(tmp_path):
    options = ["--template", "simple-qa", "--set", "name=Ann's “Bees”: #1", "--yes"]

    code, _ = told("generate", *options)

    assert code == EXIT_OK
    assert told("validate", "ann-s-bees-1.yaml")[0] == EXIT_OK
    again, text = told("generate", *options, "-o", "ann-s-bees-1.yaml")
    assert again == EXIT_USAGE
    assert "is there already" in text
    assert told("generate", *options)[0] == EXIT_OK
    assert (tmp_path / "ann-s-bees-1-2.yaml").exists()


def test_generate_asks_what_is_not_said(tmp_path):
    ended = CliRunner().invoke(
        app,
        ["workflow", "generate", "--goal", "know more of bees", *NOBODY],
        input="1\nBees\n\n\nWhat is a bee?\n",
    )

    assert ended.exit_code == EXIT_OK
    assert "know more of bees" in ended.output
    text = (tmp_path / "bees.yaml").read_text(encoding="utf-8")
    assert 'description: "know more of bees"' in text
    assert 'prompt: "What is a bee?"' in text


def test_generate_lets_a_model_say_which_templates_fit_a_goal(tmp_path):
    said = json.dumps({"default": "Research-Assistant, or content-generator."})
    write(tmp_path, said, "said.json")
    goal = ("--goal", "write about bees", "--model-script", "said.json", "--data-dir", "data")

    ended = CliRunner().invoke(
        app, ["workflow", "generate", *goal, "-o", "asked.yaml"], input="2\n" + "\n" * 9
    )
    code, _ = told("generate", *goal, "--yes", "-o", "first.yaml")

    assert (ended.exit_code, code) == (EXIT_OK, EXIT_OK)
    assert "1. content-generator" in ended.output
    assert "2. research-assistant" in ended.output
    assert "simple-qa" not in ended.output
    assert "Research Assistant" in (tmp_path / "asked.yaml").read_text(encoding="utf-8")
    assert "Content Generator" in (tmp_path / "first.yaml").read_text(encoding="utf-8")


def test_generate_offers_all_templates_where_no_model_can_be_asked(tmp_path):
    write(tmp_path, json.dumps({"rules": [{"error": "it is away"}]}), "away.json")
    goal = ("--goal", "write about bees", "--model-script", "away.json", "--data-dir", "data")

    ended = CliRunner().invoke(app, ["workflow", "generate", *goal], input="5\n" + "\n" * 9)
    code, why = told("generate", *goal, "--yes")

    assert ended.exit_code == EXIT_OK
    assert "No model could be asked which ones fit: it is away" in ended.output
    assert "5. research-assistant" in ended.output
    assert code == EXIT_USAGE
    assert "it is away" in why
    assert "--template simple-qa, " in why


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--template", "simple-q"], "Did you mean “simple-qa”?"),
        (["--yes"], "Say which template"),
        (["--template", "simple-qa", "--yes", "--set", "title=x"], "answers no question"),
        (["--template", "simple-qa", "--yes", "--set", "name="], "make no workflow"),
    ],
)
def test_generate_says_what_is_wrong_with_what_was_asked_for(words, why):
    code, text = told("generate", *words)

    assert code == EXIT_USAGE
    assert why in text


def test_test_plays_scenarios_with_a_script_and_ends_with_1_where_one_fails(tmp_path):
    write(tmp_path, GOOD)
    write(tmp_path, SUITE, "w.test.yaml")
    write(tmp_path, '{"default": "x"}', "good.json")
    write(tmp_path, '{"default": "y"}', "bad.json")
    where = ("--data-dir", str(tmp_path / "data"))

    passed, text = told("test", "w.test.yaml", "--model-script", "good.json", *where)
    failed, _ = told("test", "w.test.yaml", "--model-script", "bad.json", *where)
    gone, why = told("test", "w.test.yaml", "--model-script", "gone.json", *where)

    assert (passed, failed, gone) == (EXIT_OK, EXIT_RUN_FAILED, EXIT_USAGE)
    assert "1 of 1 runs passed." in text
    assert "gone.json" in why


def test_test_starts_servers_only_where_that_is_asked_for(tmp_path):
    server = "mcp_servers: {tool: {command: this-program-is-not-there}}\n"
    write(
        tmp_path, HEAD + server + "states:\n  ask: {type: prompt, prompt: x, mcp_servers: [tool]}\n"
    )
    write(tmp_path, SUITE.replace("equals, target: answer, value: x", "state_reached, value: end"), "w.test.yaml")  # fmt: skip
    write(tmp_path, "{}", "s.json")
    words = ("w.test.yaml", "--model-script", "s.json", "--data-dir", str(tmp_path / "data"))

    assert told("test", *words)[0] == EXIT_OK
    code, text = told("test", *words, "--with-tools")
    assert code == EXIT_RUN_FAILED
    assert "this-program-is-not-there" in text


def test_the_commands_of_the_readme_do_what_it_says(tmp_path):
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^\$ tunewright workflow (.*)$", readme, re.MULTILINE)
    script = ("--model-script", "s.json", "--data-dir", str(tmp_path / "data"))
    more = {
        "run": (*script, "--input", "ask=Hello", "--input", "go_on="),
        "test": script,
        "finetune": (*script, "--repeats", "1", "--proposals", "1"),
        "list-models": script[2:],
    }
    write(tmp_path, '{"rules": [{"purpose": "route", "reply": {"choice": 2}}]}', "s.json")
    write(tmp_path, SUITE.replace("w.yaml", "help.yaml").replace("equals, target: answer, value: x", "state_reached, value: end"), "help.test.yaml")  # fmt: skip

    ended = {}
    for command in commands:
        name, *words = command.split()
        ended[name] = told(name, *words, *more.get(name, ()))

    assert set(ended) == {"generate", "validate", "lint", "run", "test", "finetune", "list-models"}
    # no Ollama runs here
    assert ended.pop("list-models")[0] == EXIT_USAGE
    assert {name: code for name, (code, _) in ended.items()} == dict.fromkeys(ended, EXIT_OK)
    assert "Finished." in ended["run"][1]
    assert (tmp_path / "help.finetuned.yaml").read_text() == (tmp_path / "help.yaml").read_text()
