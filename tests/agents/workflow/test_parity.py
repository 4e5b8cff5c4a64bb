"""Every file of the original's examples: what its own parser says of it, and what is said here."""

import pytest

from agents.workflow.examine import FileKind, examine
from agents.workflow.load import load
from agents.workflow.problems import Severity
from agents.workflow.reach import Reach
from tests.agents.workflow.written import EXAMPLES

WORKFLOWS = {
    "advanced-custom-tools": (7, "get_task", "input prompt"),
    "character-creator": (3, "choose_genre", "input prompt"),
    "code-review": (5, "choose_review_type", "input prompt"),
    "complete-story-builder": (6, "start_character_creation", "input prompt transition"),
    "comprehensive-mcp-integration": (7, "choose_mcp_type", "input prompt"),
    "custom-rag-templates": (7, "choose_style", "input prompt"),
    "external-prompt-file": (1, "generate_story", "prompt"),
    "greeting-workflow": (1, "greet", "prompt"),
    "image-analysis": (1, "analyze_image", "prompt"),
    "mixed-fallback": (5, "normal_step", "prompt"),
    "multi-rag-qa": (7, "choose_rag_type", "input prompt"),
    "multimodal-analysis": (2, "analyze_data", "prompt"),
    "research-assistant": (4, "research_topic", "prompt"),
    "run-directory-demo": (3, "show_directory", "prompt"),
    "sequential-steps-demo": (4, "story_creation", "prompt"),
    "simple-qa": (1, "ask_question", "prompt"),
    "simple-rag-template-test": (1, "test_custom_template", "prompt"),
    "simple-web-browse": (3, "visit_example", "prompt"),
    "streaming-demo": (1, "generate_story", "prompt"),
    "text-file-analysis": (1, "analyze_files", "prompt"),
    "user-input-demo": (4, "get_name", "input prompt"),
    "user-survey-steps": (4, "collect_info", "input prompt"),
    "variables-workflow": (1, "greet", "prompt"),
    "web-browsing-demo": (13, "choose_task", "input prompt"),
    "workflow-reference": (3, "start_greeting", "input prompt transition"),
    "writing-assistant": (6, "choose_task", "input prompt"),
}
"""States once laid out, where it starts, and their types."""
SUITES = {"contains-demo": True, "simple-qa": True, "simple-test": False, "user-input-demo": True}
"""Whether it can be played: the workflow of one is gone."""
REACH = Reach(cwd=EXAMPLES.parent)
pytestmark = pytest.mark.skipif(
    not EXAMPLES.exists(), reason="the original's examples are not at hand"
)


def test_every_file_is_in_the_table():
    names = {path.name for path in EXAMPLES.glob("*.yaml")}

    assert names == {f"{name}.yaml" for name in WORKFLOWS} | {f"{n}.test.yaml" for n in SUITES}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_is_accepted_as_main_accepts_it(name):
    path = EXAMPLES / f"{name}.yaml"
    found = examine(path, REACH, strict=True)
    workflow = load(path, REACH).workflow

    states, start, kinds = WORKFLOWS[name]
    assert (found.kind, found.usable) == (FileKind.WORKFLOW, True)
    assert found.summary.startswith("dialect main")
    assert len(workflow.states) == states
    assert workflow.start == start
    assert {state.kind.value for state in workflow.states.values()} == set(kinds.split())


@pytest.mark.parametrize("name", SUITES)
def test_a_test_file_is_accepted_where_its_workflow_is_there(name):
    found = examine(EXAMPLES / f"{name}.test.yaml", REACH, strict=True)

    assert (found.kind, found.usable) == (FileKind.SUITE, SUITES[name])
    errors = [one.code for one in found.problems if one.severity is Severity.ERROR]
    assert errors == ([] if SUITES[name] else ["no-file"])
