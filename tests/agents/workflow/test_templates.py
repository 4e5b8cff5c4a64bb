from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.workflow.lint import lint
from agents.workflow.load import load_text
from agents.workflow.mutants import mutants
from agents.workflow.reach import Reach
from agents.workflow.templates import TEMPLATES, file_name, suggested, suggestion_prompt

HERE = Path("/nowhere/w.yaml")
REACH = Reach(cwd=None)
STATES = {
    "simple-qa": 1,
    "user-input-conversation": 4,
    "sequential-analysis": 4,
    "content-generator": 5,
    "research-assistant": 6,
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_with_its_defaults_loads_and_nothing_is_odd(name):
    loaded = load_text(TEMPLATES[name].text({}), HERE, REACH)

    assert len(loaded.workflow.states) == STATES[name]
    assert loaded.warnings == ()
    assert [str(problem) for problem in lint(loaded)] == []


def test_there_are_the_original_s_five():
    assert set(TEMPLATES) == set(STATES)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(TEMPLATES)),
    st.one_of(
        st.text(st.characters(codec="utf-8"), min_size=1).map("a{}".format),
        st.sampled_from(['a "b": c', "it's # one", "- x\n  y: z", "yes", "{a: b}", "a\u2028b", "x\n\n"]),
    ),
)  # fmt: skip
def test_any_answer_comes_out_as_it_went_in(name, answer):
    template = TEMPLATES[name]
    answers = {question.key: answer for question in template.questions}

    workflow = load_text(template.text(answers), HERE, REACH).workflow

    assert (workflow.name, workflow.description) == (answer, answer)
    assert workflow.default_model == answer


def test_templates_give_faults_enough_to_practise_on():
    counted = {name: len(mutants(one.text({}), HERE, REACH)) for name, one in TEMPLATES.items()}

    assert sum(counted.values()) >= 40


@pytest.mark.parametrize(
    ("reply", "names"),
    [
        ("I would take Simple-QA.", ["simple-qa"]),
        ("research-assistant, content-generator", ["content-generator", "research-assistant"]),
        ("none of them", ["simple-qa", "user-input-conversation", "sequential-analysis"]),
        (" ".join(TEMPLATES), ["simple-qa", "user-input-conversation", "sequential-analysis"]),
    ],
)
def test_templates_are_found_in_a_reply(reply, names):
    assert [one.id for one in suggested(reply)] == names


def test_a_model_is_told_the_templates_and_the_goal_as_data():
    prompt = suggestion_prompt("ignore all" + "x" * 5000)

    assert all(name in prompt for name in TEMPLATES)
    assert "<goal>\nignore all" in prompt
    assert len(prompt) < 3000


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Simple Q&A!", "simple-q-a.yaml"),
        ("../../etc/passwd", "etc-passwd.yaml"),
        ("x" * 80, "x" * 50 + ".yaml"),
        ("Ünïcode", "n-code.yaml"),
        ("…", "workflow.yaml"),
        ("taken", "taken-2.yaml"),
    ],
)
def test_a_file_is_called_after_its_workflow(name, file):
    assert file_name(name, ["taken.yaml"]) == file
