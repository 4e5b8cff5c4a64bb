import json

import pytest

from agents.workflow.outcome import Ended
from agents.workflow.playing import SuiteResult, play
from agents.workflow.reach import Reach
from agents.workflow.scenario_runs import Stage, runner
from agents.workflow.scripted import Script, ScriptedModels
from agents.workflow.suite_file import load_suite
from tests.agents.workflow.written import EXAMPLES, HEAD, write

REPLIES = [
    {"prompt": "artificial intelligence and how", "reply": "AI is artificial intelligence."},
    {"prompt": "Hello Alice", "reply": "Alice, machine learning is fun."},
    {"prompt": "Hello Bob", "reply": "Bob, astronomy is about stars."},
]


async def played(path, script: dict[str, object] | None = None, **more) -> SuiteResult:
    reach = Reach(cwd=EXAMPLES.parent)
    loaded = load_suite(path, reach)
    models = ScriptedModels(Script.model_validate(script or {}))
    return await play(loaded.suite, runner(loaded, Stage(models, reach)), **more)


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the original's examples are not at hand")
@pytest.mark.parametrize(
    ("name", "scenarios"), [("contains-demo", 5), ("simple-qa", 1), ("user-input-demo", 2)]
)
async def test_the_original_s_test_files_pass_with_replies_that_fit(name, scenarios):
    result = await played(EXAMPLES / f"{name}.test.yaml", {"rules": REPLIES})

    assert len(result.runs) == scenarios
    assert result.passed, [(run.error, run.judged) for run in result.runs if not run.passed]


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the original's examples are not at hand")
async def test_they_fail_with_replies_that_do_not(tmp_path):
    result = await played(EXAMPLES / "user-input-demo.test.yaml", {"default": "no"})

    assert not result.passed


WORKFLOW = (
    HEAD
    + """\
mcp_servers:
  files: {command: this-program-is-not-there}
states:
  ask: {type: input, prompt: "Your name?", save_as: name, next: city}
  city: {type: input, prompt: "Where?", save_as: city, default_value: Earth, next: greet}
  greet: {type: prompt, prompt: "Greet {{name}}", save_as: greeting, mcp_servers: [files], next: greet2}
  greet2: {type: prompt, prompt: "Again {{name}}", save_as: again}
"""
)


def suite(scenario: str) -> str:
    return f"workflow: w.yaml\ntest_scenarios:\n  - name: one\n{scenario}"


async def test_no_server_is_started_and_prompts_go_out_without_tools(tmp_path):
    write(tmp_path, WORKFLOW)
    text = suite("    assertions: [{type: state_reached, value: end}]\n")

    result = await played(write(tmp_path, text, "w.test.yaml"))

    assert result.passed
    assert result.runs[0].outcome.ended is Ended.FINISHED


async def test_what_a_scenario_says_for_models_is_what_they_reply_visit_by_visit(tmp_path):
    write(tmp_path, WORKFLOW)
    text = (
        "workflow: w.yaml\nscenarios:\n  - name: one\n    inputs: [{state: ask, input: Ada}]\n"
        "    mocks: [{state: greet, response: Hello}]\n    assertions:\n"
        "      - {type: equals, target: greeting, value: Hello}\n"
        "      - {type: equals, target: again, value: asked}\n"
        "      - {type: equals, target: city, value: Earth}\n"
    )

    result = await played(write(tmp_path, text, "w.test.yaml"), {"default": "asked"})

    assert result.passed, result.runs[0].judged


GENERATED = """\
    llm_input_generation: {enabled: true, model: maker, context: somebody from Rome}
    assertions:
      - {type: equals, target: name, value: Ada}
      - {type: equals, target: city, value: Earth}
"""


async def test_answers_are_made_up_by_a_model_and_defaults_stay(tmp_path):
    write(tmp_path, WORKFLOW)
    path = write(tmp_path, suite(GENERATED), "w.test.yaml")
    reply = json.dumps({"ask": "Ada", "city": ""})

    result = await played(path, {"rules": [{"model": "maker", "reply": reply}]})

    assert result.passed, (result.runs[0].error, result.runs[0].judged)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ("Ada", "no JSON"),
        ("3", "no names"),
        (json.dumps([{"state": "city", "value": "Rome"}]), "no answer for “ask”"),
    ],
)
async def test_answers_that_cannot_be_used_fail_the_scenario_with_a_reason(tmp_path, reply, error):
    write(tmp_path, WORKFLOW)
    path = write(tmp_path, suite(GENERATED), "w.test.yaml")

    result = await played(path, {"rules": [{"model": "maker", "reply": reply}]})

    assert error in result.runs[0].error


async def test_a_model_that_is_not_there_fails_the_scenario_with_a_reason(tmp_path):
    write(tmp_path, WORKFLOW)
    text = suite("    assertions: [{type: state_reached, value: end}]\n")

    result = await played(write(tmp_path, text, "w.test.yaml"), {"models": ["other"]})

    assert "gemma3:4b" in result.runs[0].error
