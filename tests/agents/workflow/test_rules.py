import pytest

from agents.workflow.problems import Severity, WorkflowError
from tests.agents.workflow.written import HEAD, loaded, problems, said

BROKEN = {
    "no name": ("start_state: a\nstates: {a: {type: transition, next: end}}\n", "missing@1"),
    "no start": ("name: x\nstates: {a: {type: transition, next: end}}\n", "missing@1"),
    "no states": ("name: x\nstart_state: a\n", "missing@1 unknown-state@2"),
    "start nowhere": (HEAD + "states:\n  b: {type: transition, next: end}\n", "unknown-state@2"),
    "a state called end": (
        HEAD + "states:\n  ask: {type: transition, next: end}\n  end: {type: prompt, prompt: x}\n",
        "reserved@5",
    ),
    "unknown type": (HEAD + "states:\n  ask: {type: prompts, prompt: x}\n", "unknown-type@4"),
    "no prompt": (HEAD + "states:\n  ask: {type: prompt}\n", "missing@4"),
    "both prompts": (
        HEAD + "states:\n  ask: {type: prompt, prompt: x, prompt_file: w.yaml}\n",
        "excluded@4",
    ),
    "prompt file gone": (HEAD + "states:\n  ask: {type: prompt, prompt_file: p.md}\n", "no-file@4"),
    "next nowhere": (
        HEAD + "states:\n  ask: {type: prompt, prompt: x, next: asks}\n",
        "unknown-state@4",
    ),
    "one option": (
        HEAD
        + "states:\n  ask:\n    type: prompt\n    prompt: x\n    next_options:\n"
        + "      - {state: end, description: d}\n",
        "too-few@7",
    ),
    "blank description": (
        HEAD
        + "states:\n  ask:\n    type: prompt\n    prompt: x\n    next_options:\n"
        + "      - {state: end, description: d}\n      - {state: end, description: ' '}\n",
        "wrong-type@9",
    ),
    "next and options": (
        HEAD
        + "states:\n  ask:\n    type: prompt\n    prompt: x\n    next: end\n    next_options:\n"
        + "      - {state: end, description: d}\n      - {state: ask, description: e}\n",
        "excluded@8",
    ),
    "options of an input": (
        HEAD
        + "states:\n  ask:\n    type: input\n    prompt: x\n    next_options:\n"
        + "      - {state: end, description: d}\n      - {state: ask, description: e}\n",
        "excluded@7",
    ),
    "rag of an input": (HEAD + "states:\n  ask: {type: input, prompt: x, use_rag: r}\n", "any"),
    "steps beside prompt": (
        HEAD + "states:\n  ask: {type: prompt, prompt: x, steps: [{prompt: a}, {prompt: b}]}\n",
        "excluded@4",
    ),
    "one step": (HEAD + "states:\n  ask: {type: prompt, steps: [{prompt: a}]}\n", "too-few@4"),
    "a step without prompt": (
        HEAD + "states:\n  ask: {type: prompt, steps: [{prompt: a}, {save_as: b}]}\n",
        "missing@4",
    ),
    "a transition to nowhere": (HEAD + "states:\n  ask: {type: transition}\n", "missing@4"),
    "unknown server": (
        HEAD + "states:\n  ask: {type: prompt, prompt: x, mcp_servers: [files]}\n",
        "unknown-server@4",
    ),
    "unknown rag": (
        HEAD + "states:\n  ask: {type: prompt, prompt: x, use_rag: docs}\n",
        "unknown-rag@4",
    ),
    "use_rag and rag": (
        HEAD + "states:\n  ask: {type: prompt, prompt: x, use_rag: d, rag: {directory: d}}\n"
        "rag: {d: {directory: d}}\n",
        "excluded@4",
    ),
    "embedding model": (
        HEAD
        + "rag: {d: {directory: d, model: minilm}}\nstates:\n  ask: {type: prompt, prompt: x}\n",
        "unknown-model@3",
    ),
    "chunk size": (
        HEAD
        + "rag: {d: {directory: d, chunk_size: 0}}\nstates:\n  ask: {type: prompt, prompt: x}\n",
        "wrong-type@3",
    ),
    "server without command": (
        HEAD + "mcp_servers: {s: {args: []}}\nstates:\n  ask: {type: prompt, prompt: x}\n",
        "missing@3",
    ),
    "npx without package": (
        HEAD + "mcp_servers: {s: {type: npx}}\nstates:\n  ask: {type: prompt, prompt: x}\n",
        "missing@3",
    ),
    "server of no type": (
        HEAD + "mcp_servers: {s: {type: npm}}\nstates:\n  ask: {type: prompt, prompt: x}\n",
        "unknown-type@3",
    ),
    "variable's name": (
        HEAD + "variables: {a-b: x}\nstates:\n  ask: {type: prompt, prompt: x}\n",
        "bad-name@3",
    ),
    "variable of both": (
        HEAD
        + "variables: {a: {value: x, file: w.yaml}}\nstates:\n  ask: {type: prompt, prompt: x}\n",
        "excluded@3",
    ),
    "prompt is a number": (HEAD + "states:\n  ask: {type: prompt, prompt: 3}\n", "wrong-type@4"),
    "typed and states": (
        "name: x\ntype: workflow\nsteps:\n  - {type: prompt, prompt: x}\nstates: {}\n",
        "excluded@5",
    ),
    "typed, next": (
        "name: x\ntype: workflow\nsteps:\n  - {type: prompt, prompt: x, next: end}\n",
        "excluded@4",
    ),
    "typed, step nowhere": (
        "name: x\ntype: workflow\nsteps:\n  - {type: prompt, prompt: x, next_step: 4}\n",
        "unknown-state@4",
    ),
    "a tool of both": (
        HEAD
        + "tools: {t: {npm_package: a, file_path: b}}\nstates:\n  ask: {type: prompt, prompt: x}\n",
        "excluded@3",
    ),
    "a skill's folder gone": (
        HEAD + "skills: {g: {directory: gone}}\nstates:\n  ask: {type: prompt, prompt: x}\n",
        "no-file@3",
    ),
    "an unknown skill": (
        HEAD + "states:\n  ask: {type: prompt, prompt: x, skills: [a.b]}\n",
        "unknown-skill@4",
    ),
    "a name that steps take": (
        HEAD
        + "states:\n  ask: {type: prompt, steps: [{prompt: a}, {prompt: b}]}\n"
        + "  ask_step_1: {type: prompt, prompt: c}\n",
        "name-taken@5",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_a_rule_is_an_error_at_its_line(name, tmp_path):
    text, expected = BROKEN[name]

    with pytest.raises(WorkflowError):
        loaded(tmp_path, text)

    if expected != "any":
        assert set(said(tmp_path, text)) == set(expected.split())


def test_a_key_that_does_nothing_is_a_warning_with_the_nearest_word(tmp_path):
    found = problems(
        tmp_path,
        HEAD + "names: x\nstates:\n  ask: {type: prompt, prompt: x, saveAs: y, default_value: z}\n",
    )

    assert [(p.code, p.nearest) for p in found] == [
        ("unknown-key", "name"),
        ("unknown-key", "save_as"),
        ("no-effect", None),
    ]
    assert {p.severity for p in found} == {Severity.WARNING}
    assert str(found[1]) == (
        "w.yaml:5: warning: states.ask.saveAs: is no key that means something here, so it does nothing; "
        "did you mean “save_as”? [unknown-key]"
    )


def test_a_name_that_is_nearly_right_is_offered(tmp_path):
    text = (
        HEAD
        + "states:\n  ask: {type: prompt, prompt: x, next: answr}\n  answer: {type: prompt, prompt: y}\n"
    )

    (found,) = problems(tmp_path, text)

    assert found.nearest == "answer"


def test_all_problems_are_told_at_once(tmp_path):
    text = HEAD + "states:\n  ask: {type: prompt, next: b}\n  c: {type: input}\n  d: {type: x}\n"

    assert said(tmp_path, text) == [
        "missing@4",
        "unknown-state@4",
        "missing@5",
        "unknown-type@6",
    ]
