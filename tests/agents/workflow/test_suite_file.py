from pathlib import Path

import pytest

from agents.workflow.assertions import Check
from agents.workflow.problems import Problem, Severity, WorkflowError
from agents.workflow.reach import Reach
from agents.workflow.strict import suite_beyond_main
from agents.workflow.suite import Answer, Card, Suite, SuiteDialect
from agents.workflow.suite_file import LoadedSuite, load_suite, load_suite_for
from agents.workflow.yaml_source import parse
from tests.agents.workflow.written import EXAMPLES, HEAD, write

WORKFLOW = (
    HEAD
    + """\
states:
  ask:
    type: input
    next: reply
    steps:
      - {prompt: Name?, save_as: name, default_value: you}
      - {prompt: Town?, save_as: town}
  reply: {type: prompt, prompt: "{{name}} {{town}}", save_as: answer}
"""
)
TOP = "workflow: w.yaml\ntest_scenarios:\n"
ONE = TOP + "  - name: one\n    assertions:\n"
GOOD = ONE + "      - {type: equals, target: answer, value: x}\n"


def suite(folder: Path, text: str, workflow: str = WORKFLOW) -> LoadedSuite:
    write(folder, workflow)
    path = write(folder, text, "w.test.yaml")
    return load_suite(path, Reach(cwd=None), name="w.test.yaml")


def problems(folder: Path, text: str) -> list[Problem]:
    try:
        return list(suite(folder, text).warnings)
    except WorkflowError as error:
        return list(error.problems)


def test_a_test_file_in_full(tmp_path):
    read = suite(
        tmp_path,
        TOP
        + """\
  - name: one
    description: says the name
    inputs:
      - {state: ask, value: Ann}
      - {state: ask_step_1, value: ""}
    assertions:
      - {type: state_reached, value: end, description: it ends}
      - {type: contains, target: answer, value: "a+", regex: true, case_sensitive: false}
""",
    )

    (scenario,) = read.suite.scenarios
    assert read.warnings == ()
    assert read.suite.dialect is SuiteDialect.MAIN
    assert (scenario.name, scenario.description, scenario.line) == ("one", "says the name", 3)
    assert scenario.answers == (Answer("ask", "Ann"), Answer("ask_step_1", ""))
    assert scenario.answer("somewhere else") == ""
    first, second = scenario.assertions
    assert (first.check, first.value, first.description) == (Check.STATE_REACHED, "end", "it ends")
    assert (second.target, second.is_pattern, second.case_sensitive) == ("answer", True, False)
    assert (second.line, scenario.timeout_s) == (10, None)
    assert read.workflow.workflow.name == "Test"


def test_iterations_of_the_command_count_before_those_of_scenario_file_and_default(tmp_path):
    def times(text: str, wanted: int | None = None) -> int:
        read: Suite = suite(tmp_path, text).suite
        return read.times(read.scenarios[0], wanted)

    assert times(GOOD) == 1
    assert times("iterations: 3\n" + GOOD) == 3
    assert times("iterations: 3\n" + GOOD + "    iterations: 4\n") == 4
    assert times("iterations: 3\n" + GOOD + "    iterations: 4\n", 5) == 5
    assert suite(tmp_path, GOOD + "    iterations: 4\n").suite.dialect is SuiteDialect.BRANCH


def test_answers_may_be_made_up_by_a_model_but_not_beside_written_ones(tmp_path):
    made_up = GOOD + "    llm_input_generation: {enabled: true, model: tiny, context: a poet}\n"

    (scenario,) = suite(tmp_path, made_up).suite.scenarios

    assert (scenario.generated.model, scenario.generated.context) == ("tiny", "a poet")
    found = problems(tmp_path, made_up + "    inputs: [{state: ask, value: x}]\n")
    assert [(p.code, p.line) for p in found] == [("excluded", 6)]


def test_the_legacy_dialect(tmp_path):
    read = suite(
        tmp_path,
        """\
        workflow: w.yaml
        scenarios:
          - name: old
            timeout: 500
            inputs: [{state: ask, input: 2}, {state: ask_step_1, input: Bonn}]
            mocks:
              - {state: reply, response: first}
              - {state: reply, response: then}
            assertions:
              - {type: variable_set, target: answer}
              - {type: regex, target: output, pattern: "^f"}
          - name: slow
            assertions: [{type: variable_set, target: answer}]
        """,
    )

    old, slow = read.suite.scenarios
    assert read.suite.dialect is SuiteDialect.LEGACY
    assert read.warnings == ()
    assert old.answers == (Answer("ask", "2"), Answer("ask_step_1", "Bonn"))
    assert [old.mock("reply", visit) for visit in range(3)] == ["first", "then", "then"]
    assert old.mock("ask", 0) is None
    assert (old.timeout_s, slow.timeout_s) == (0.5, 30.0)
    assert [(a.check, a.value) for a in old.assertions] == [
        (Check.VARIABLE_SET, ""),
        (Check.REGEX, "^f"),
    ]


BROKEN = {
    "no workflow": ("test_scenarios:\n  - {name: a, assertions: []}\n", "missing@1"),
    "workflow gone": (GOOD.replace("w.yaml", "v.yaml"), "no-file@1"),
    "no scenarios": ("workflow: w.yaml\n", "missing@1"),
    "empty scenarios": ("workflow: w.yaml\ntest_scenarios: []\n", "too-few@2"),
    "no name": (TOP + "  - assertions: [{type: state_reached, value: end}]\n", "missing@3"),
    "no assertions": (TOP + "  - name: a\n", "missing@3"),
    "empty assertions": (TOP + "  - name: a\n    assertions: []\n", "too-few@4"),
    "unknown type": (ONE + "      - {type: equal, target: answer, value: x}\n", "unknown-type@5"),
    "no target": (ONE + "      - {type: equals, value: x}\n", "missing@5"),
    "no value": (ONE + "      - {type: equals, target: answer}\n", "missing@5"),
    "value is a number": (ONE + "      - {type: equals, target: answer, value: 1}\n", "wrong-type@5"),
    "bad pattern": (ONE + "      - {type: regex, target: answer, value: '(?i)a'}\n", "pattern@5"),
    "bad pattern in contains": (
        ONE + "      - {type: contains, target: answer, regex: true, value: '('}\n",
        "pattern@5",
    ),
    "input without value": (GOOD + "    inputs: [{state: ask}]\n", "missing@6"),
    "inputs are texts": (GOOD + "    inputs: [ask]\n", "wrong-type@6"),
    "no times": (GOOD + "    iterations: 0\n", "wrong-type@6"),
    "both lists": (GOOD + "scenarios: []\n", "excluded@6"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_a_rule_is_an_error_at_its_line(name, tmp_path):
    text, expected = BROKEN[name]

    with pytest.raises(WorkflowError) as caught:
        suite(tmp_path, text)

    told = {f"{p.code}@{p.line}" for p in caught.value.problems if p.severity is Severity.ERROR}
    assert told == {expected}


def test_a_word_that_is_nearly_right_is_offered(tmp_path):
    (found,) = problems(tmp_path, ONE + "      - {type: equal, target: answer, value: x}\n")

    assert found.nearest == "equals"


ODD = {
    "step by its old name": ("inputs: [{state: ask_step1, value: x}]", "unknown-state", "ask_step_1"),
    "input of a prompt": ("inputs: [{state: reply, value: x}]", "unknown-state", None),
    "mock of an input": ("mocks: [{state: ask, response: x}]", "unknown-state", None),
    "mock, nearly": ("mocks: [{state: reply_, response: x}]", "unknown-state", "reply"),
    "said twice": ("inputs: [{state: ask, value: x}, {state: ask, value: y}]", "name-taken", None),
    "unknown key": ("input: []", "unknown-key", "inputs"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_what_its_workflow_has_not_is_a_warning_with_the_nearest_word(name, tmp_path):
    line, code, meant = ODD[name]

    (found,) = problems(tmp_path, GOOD + f"    {line}\n")

    assert (found.code, found.nearest, found.line) == (code, meant, 6)
    assert found.severity is Severity.WARNING


def test_an_assertion_on_what_is_never_there_is_a_warning(tmp_path):
    text = (
        ONE
        + "      - {type: equals, target: answr, value: x}\n"
        + "      - {type: state_reached, value: reply_}\n"
        + "      - {type: state_reached, value: '{{name}}'}\n"
        + "      - {type: equals, target: run_directory, value: reply}\n"
    )

    found = problems(tmp_path, text)

    assert [(p.code, p.line, p.nearest) for p in found] == [
        ("unknown-variable", 5, "answer"),
        ("unknown-state", 6, "reply"),
    ]


def test_problems_of_the_workflow_are_told_with_its_name(tmp_path):
    with pytest.raises(WorkflowError) as caught:
        suite(tmp_path, GOOD, HEAD + "states:\n  ask: {type: prompts, prompt: x}\n")

    assert [(p.file, p.code) for p in caught.value.problems] == [("w.yaml", "unknown-type")]


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the original's examples are not at hand")
def test_the_test_files_of_the_original_load_but_for_one_whose_workflow_is_gone():
    reach = Reach(cwd=EXAMPLES.parent)
    counted: dict[str, object] = {}
    for path in EXAMPLES.glob("*.test.yaml"):
        try:
            counted[path.name] = len(load_suite(path, reach).suite.scenarios)
        except WorkflowError as error:
            counted[path.name] = [(p.code, p.line) for p in error.problems]

    assert counted == {
        "contains-demo.test.yaml": 5,
        "simple-qa.test.yaml": 1,
        "simple-test.test.yaml": [("no-file", 3)],
        "user-input-demo.test.yaml": 2,
    }


PERSONA = "    persona: {goal: a table, facts: [there are four], manner: brief}\n"


def test_whom_a_model_plays_is_read(tmp_path):
    read = suite(tmp_path, GOOD + PERSONA)

    assert read.warnings == ()
    assert read.suite.dialect is SuiteDialect.BRANCH
    assert read.suite.scenarios[0].persona == Card("a table", ("there are four",), "brief")
    assert [problem.place[-1] for problem in suite_beyond_main(read.source)] == ["persona"]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (PERSONA + "    llm_input_generation: {enabled: true}\n", "excluded"),
        ("    persona: {facts: [x]}\n", "missing"),
        ("    persona: {goal: x, moods: y}\n", "unknown-key"),
    ],
)
def test_a_persona_that_cannot_be_meant_is_told(tmp_path, more, code):
    assert [problem.code for problem in problems(tmp_path, GOOD + more)] == [code]


def test_a_test_file_can_be_read_for_a_workflow_that_stands_nowhere(tmp_path):
    workflow = suite(tmp_path, GOOD).workflow
    elsewhere = GOOD.replace("w.yaml", "not/there.yaml")

    read = load_suite_for(parse(elsewhere.replace("answer", "answr"), "x"), workflow)

    assert read.suite.workflow == "not/there.yaml"
    assert [problem.nearest for problem in read.warnings] == ["answer"]
    with pytest.raises(WorkflowError, match="cannot fail"):
        load_suite_for(
            parse(ONE.replace("    assertions:\n", "    assertions: []\n"), "x"), workflow
        )
