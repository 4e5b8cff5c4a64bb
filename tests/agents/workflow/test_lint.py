import re
from pathlib import Path

import pytest

from agents.workflow.lint import CODES, lint
from agents.workflow.load import load
from agents.workflow.overlap import overlap
from agents.workflow.problems import Problem, Severity
from agents.workflow.reach import Reach
from tests.agents.workflow.written import EXAMPLES, HEAD, loaded, write

ROOT = Path(__file__).parents[3]
ASK = HEAD + "states:\n  ask: {type: prompt, prompt: x"

FOUND = {
    "unreachable": (
        ASK + "}\n  lost: {type: prompt, prompt: y}\n",
        "unreachable@5",
        ASK + ", on_error: lost}\n  lost: {type: prompt, prompt: y}\n",
    ),
    "no-path-to-end": (
        ASK
        + ", next: two}\n  two: {type: prompt, prompt: y, next: three}\n"
        + "  three: {type: prompt, prompt: y, next: three}\n",
        "no-path-to-end@4 endless-loop@6",
        ASK + ", next: two}\n  two: {type: prompt, prompt: y}\n",
    ),
    "endless-loop": (
        ASK + ", next: two}\n  two: {type: prompt, prompt: y, next: ask}\n",
        "endless-loop@4",
        ASK
        + ", next: two}\n  two:\n    type: prompt\n    prompt: y\n    next_options:\n"
        + "      - {state: ask, description: something is missing}\n"
        + "      - {state: end, description: it is complete}\n",
    ),
    "error-circle": (
        ASK + ", on_error: two}\n  two: {type: prompt, prompt: y, on_error: ask}\n",
        "error-circle@4",
        ASK + ", on_error: two}\n  two: {type: transition, next: end, on_error: ask}\n",
    ),
    "never-written": (
        HEAD
        + "variables: {tone: warm}\nstates:\n  ask:\n    type: prompt\n    prompt: |\n      {{tones}}, {{tone}}\n",
        "never-written@7",
        HEAD
        + "variables: {tone: warm}\nstates:\n  ask: {type: prompt, prompt: '{{tone}} {{run_directory}}'}\n",
    ),
    "read-before-write": (
        ASK + ", save_as: a, on_error: two, next: two}\n  two: {type: prompt, prompt: 'b {{a}}'}\n",
        "read-before-write@5",
        ASK + ", save_as: a, next: two}\n  two: {type: prompt, prompt: 'b {{a}}'}\n",
    ),
    "spaced-placeholder": (
        ASK
        + ", save_as: a, next: two}\n  two: {type: prompt, prompt: '{{ a }} {{a}} {{ other }}'}\n",
        "spaced-placeholder@5",
        ASK + ", save_as: a, next: two}\n  two: {type: prompt, prompt: '{{a}} {{ other }}'}\n",
    ),
    "never-read": (
        ASK + ", save_as: a, next: two}\n  two: {type: prompt, prompt: y, save_as: b}\n",
        "never-read@4",
        ASK + ", save_as: a, next: two}\n  two: {type: input, prompt: y, default_value: '{{a}}'}\n",
    ),
    "unused-variable": (
        HEAD + "variables:\n  a: 1\n  b: 2\nstates:\n  ask: {type: prompt, prompt: '{{a}}'}\n",
        "unused-variable@5",
        HEAD
        + "variables: {a: 1}\nstates:\n  ask: {type: prompt, prompt: x, files: ['{{a}}.txt']}\n",
    ),
    "similar-options": (
        HEAD
        + "states:\n  ask:\n    type: prompt\n    prompt: x\n    next_options:\n"
        + "      - {state: ask, description: the user wants to go on}\n"
        + "      - {state: end, description: User wants it to go on.}\n",
        "similar-options@9",
        HEAD
        + "states:\n  ask:\n    type: prompt\n    prompt: x\n    next_options:\n"
        + "      - {state: ask, description: the user wants to go on}\n"
        + "      - {state: end, description: the user does not want to go on}\n",
    ),
    "no-on-error": (
        HEAD
        + "mcp_servers: {s: {command: c}}\nstates:\n  ask: {type: prompt, prompt: x, mcp_servers: [s]}\n",
        "no-on-error@5",
        HEAD
        + "mcp_servers: {s: {command: c}}\non_error: end\nstates:\n  ask: {type: prompt, prompt: x, mcp_servers: [s]}\n",
    ),
    "unused-server": (
        HEAD
        + "mcp_servers:\n  s: {command: c}\ntools:\n  t: {npm_package: p}\nstates:\n  ask: {type: prompt, prompt: x}\n",
        "unused-server@4 unused-server@6",
        HEAD
        + "mcp_servers: {s: {command: c}}\nstates:\n  ask: {type: prompt, prompt: x, on_error: end, mcp_servers: [s]}\n",
    ),
    "unused-rag": (
        HEAD + "rag:\n  docs: {directory: d}\nstates:\n  ask: {type: prompt, prompt: x}\n",
        "unused-rag@4",
        HEAD
        + "rag: {docs: {directory: d}}\nstates:\n  ask: {type: prompt, prompt: x, use_rag: docs}\n",
    ),
    "unused-skill": (
        HEAD
        + "skills:\n  g: {directory: skills}\nstates:\n  ask: {type: prompt, prompt: x, skills: [g.one]}\n",
        "unused-skill@4",
        HEAD + "skills: {g: {directory: skills}}\nstates:\n  ask: {type: prompt, prompt: x}\n",
    ),
}
"""By code: a workflow with it, all that is found there, and one that is nearly the same and all right."""


def found(folder: Path, text: str) -> list[Problem]:
    for name in ("one", "two"):
        write(folder, "A skill.", f"skills/{name}/SKILLS.md")
    return list(lint(loaded(folder, text)))


def told(folder: Path, text: str) -> list[str]:
    return [f"{problem.code}@{problem.line}" for problem in found(folder, text)]


@pytest.mark.parametrize("code", FOUND)
def test_each_rule_finds_what_it_is_for_at_its_line_and_nothing_beside_it(code, tmp_path):
    wrong, expected, right = FOUND[code]

    assert told(tmp_path, wrong) == expected.split()
    assert told(tmp_path, right) == []


def test_every_code_has_an_example_and_a_row_on_the_page():
    page = (ROOT / "docs/workflow-tests.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([a-z-]+)` \|", page.partition("## Suites")[0], re.MULTILINE))

    assert len(CODES) >= 14
    assert set(FOUND) == set(CODES) == rows


def test_findings_are_warnings_and_can_be_left_out(tmp_path):
    workflow = loaded(tmp_path, FOUND["no-path-to-end"][0])

    assert {problem.severity for problem in lint(workflow)} == {Severity.WARNING}
    assert [p.code for p in lint(workflow, ignore=["endless-loop"])] == ["no-path-to-end"]


def test_a_name_without_value_comes_with_a_path_on_which_it_has_none(tmp_path):
    text = FOUND["read-before-write"][0]

    (problem,) = found(tmp_path, text)

    assert "“a” has no value here on the path ask → two" in problem.message


def test_a_name_that_is_nearly_right_is_offered(tmp_path):
    (problem,) = found(tmp_path, FOUND["never-written"][0])

    assert problem.nearest == "tone"


def test_a_loop_that_writes_before_it_reads_is_all_right(tmp_path):
    text = """\
        name: Loop
        start_state: draft
        states:
          draft: {type: prompt, prompt: write, save_as: text, next: judge}
          judge:
            type: prompt
            prompt: "judge {{text}}"
            save_as: verdict
            next_options:
              - {state: mend, description: something is missing}
              - {state: end, description: it is complete}
          mend: {type: prompt, prompt: "mend {{text}} after {{verdict}}", save_as: text, next: judge}
        """

    assert told(tmp_path, text) == []


def test_a_decision_reads_all_that_is_known(tmp_path):
    text = (
        ASK
        + ", save_as: a, next: two}\n  two:\n    type: decision\n    next_options:\n"
        + "      - {state: ask, description: once more}\n      - {state: end, description: done}\n"
    )

    assert told(tmp_path, text) == []


def test_a_loop_that_only_a_failure_leaves_says_so(tmp_path):
    (problem,) = found(tmp_path, ASK + ", next: ask, on_error: end}\n")

    assert problem.code == "endless-loop"
    assert "the loop ask → ask is left only when something fails" in problem.message


def test_a_finding_in_a_referred_file_has_its_name_and_line(tmp_path):
    write(
        tmp_path,
        "name: B\nstart_state: b\nstates:\n  b: {type: prompt, prompt: '{{who}}', save_as: out}\n",
        "b.yaml",
    )

    (problem,) = found(
        tmp_path,
        HEAD
        + "states:\n  ask: {type: workflow_ref, workflow_ref: b.yaml, next: two}\n"
        + "  two: {type: prompt, prompt: x}\n",
    )

    assert (problem.code, problem.file, problem.line) == ("never-written", "b.yaml", 4)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("User wants the standard form", "User wants the simple form", False),
        ("The answer is complete", "the answers are complete!", True),
        ("The answer is good", "The answer is not good", False),
        ("The user goes on", "The user goes on with another operation", True),
        ("done", "not done", False),
        ("score above 5", "score above 7", False),
    ],
)
def test_descriptions_overlap_where_one_says_nothing_of_its_own(first, second, same):
    assert overlap(first, second) is same
    assert overlap(second, first) is same


EXAMPLE_FINDINGS = {
    "advanced-custom-tools": {"no-on-error": 2},
    "code-review": {"never-read": 2, "unreachable": 2},
    "complete-story-builder": {"never-read": 1},
    "comprehensive-mcp-integration": {"no-on-error": 5},
    "custom-rag-templates": {"never-read": 5},
    "mixed-fallback": {"never-read": 1},
    "multi-rag-qa": {"never-read": 2, "read-before-write": 2},
    "research-assistant": {"read-before-write": 2},
    "run-directory-demo": {"never-read": 2},
    "simple-web-browse": {"no-on-error": 2},
    "web-browsing-demo": {"never-read": 1, "no-on-error": 4, "read-before-write": 4},
    "writing-assistant": {"never-read": 2, "unreachable": 3},
}
"""In the original's examples; each was read by a person, and none is about something that is not there."""


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the original's examples are not at hand")
def test_the_findings_in_the_original_s_examples_are_those_that_were_looked_at():
    counted: dict[str, dict[str, int]] = {}
    seen = 0
    for path in EXAMPLES.glob("*.yaml"):
        if path.name.endswith(".test.yaml"):
            continue
        seen += 1
        for problem in lint(load(path, Reach(cwd=EXAMPLES.parent))):
            codes = counted.setdefault(path.stem, {})
            codes[problem.code] = codes.get(problem.code, 0) + 1

    assert seen == 26
    assert counted == EXAMPLE_FINDINGS
