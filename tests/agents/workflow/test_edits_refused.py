from typing import Any

import pytest
from pydantic import ValidationError

from agents.workflow.edit_ops import MAX_PROMPT_CHARS, OPS, Edits, schema
from agents.workflow.edits import Refused
from tests.agents.workflow.test_edits import edited
from tests.agents.workflow.written import HEAD, write

REFUSED = {
    "no such state": ({"op": "set_prompt", "state": "whom", "prompt": "x"}, "there is no state “whom”"),
    "no prompt": ({"op": "set_prompt", "state": "on", "prompt": "x"}, "has no prompt"),
    "prompt elsewhere": ({"op": "set_prompt", "state": "file", "prompt": "x"}, "a file of its own"),
    "part is not there": (
        {"op": "replace_prompt_part", "state": "who", "old": "zz", "new": ""},
        "is not in the prompt",
    ),
    "part is there often": (
        {"op": "replace_prompt_part", "state": "who", "old": "a", "new": ""},
        "is 3 times in",
    ),
    "parameters of an input": (
        {"op": "set_options", "state": "who", "options": {"seed": 1}},
        "asks no model",
    ),
    "no parameter": ({"op": "set_options", "state": "say", "options": {}}, "no parameter is named"),
    "examples for a person": (
        {"op": "add_few_shot", "state": "who", "examples": [{"input": "a", "output": "b"}]},
        "asks no model",
    ),
    "default of a prompt": (
        {"op": "set_default_value", "state": "say", "value": "x"},
        "asks no person",
    ),
    "nothing to save": ({"op": "set_save_as", "state": "on", "variable": "x"}, "nothing comes out"),
    "variable's file": ({"op": "set_variable", "variable": "v", "value": "x"}, "a file of its own"),
    "several ways": ({"op": "redirect", "state": "say", "to": "end"}, "`instead_of` says"),
    "no such way": (
        {"op": "redirect", "state": "say", "to": "end", "instead_of": "on"},
        "no way\\(s\\) out",
    ),
    "leads nowhere": ({"op": "redirect", "state": "who", "to": "nowhere"}, "there is no state"),
    "name is taken": (
        {"op": "add_state", "name": "on", "type": "transition", "next": "end"},
        "there is a state “on” already",
    ),
    "called end": (
        {"op": "rename_state", "state": "on", "name": "end"},
        "there is a state “end” already",
    ),
    "taken out, several ways": ({"op": "remove_state", "state": "say"}, "`instead` says"),
    "taken out, to itself": ({"op": "remove_state", "state": "loop"}, "leads to itself"),
    "a referred state": (
        {"op": "set_prompt", "state": "ref_ref_b", "prompt": "x"},
        "“ref_ref_b” stands in b.yaml: it can be changed there only",
    ),
    "breaks a rule": (
        {"op": "add_state", "name": "new", "type": "input"},
        "could not be run afterwards",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_refused_with_a_sentence(name, tmp_path):
    write(tmp_path, "hello", "p.txt")
    write(tmp_path, "name: B\nstart_state: b\nstates: {b: {type: prompt, prompt: x}}\n", "b.yaml")
    text = """\
name: Test
start_state: who
variables: {v: {file: p.txt}}
states:
  who: {type: input, prompt: Your name and age, next: say}
  say:
    type: prompt
    prompt: x
    next_options: [{state: who, description: a}, {state: end, description: b}]
  on: {type: transition, next: end}
  loop: {type: prompt, prompt: x, next: loop}
  file: {type: prompt, prompt_file: p.txt}
  ref: {type: workflow_ref, workflow_ref: b.yaml}
"""
    edit, why = REFUSED[name]

    with pytest.raises(Refused, match=why):
        edited(tmp_path, edit, text=text)


def test_a_refusal_names_the_edit_and_the_only_state_stays(tmp_path):
    text = HEAD + "states: {ask: {type: prompt, prompt: x}}\n"

    with pytest.raises(Refused, match=r"edit 2: .*the only state") as caught:
        edited(
            tmp_path,
            {"op": "set_prompt", "state": "ask", "prompt": "y"},
            {"op": "remove_state", "state": "ask"},
            text=text,
        )

    assert caught.value.number == 2


def test_what_breaks_the_format_comes_with_its_problems(tmp_path):
    with pytest.raises(Refused) as caught:
        edited(tmp_path, {"op": "add_state", "name": "new", "type": "input"})

    assert [problem.code for problem in caught.value.problems] == ["missing"]


@pytest.mark.parametrize(
    "edit",
    [
        {"op": "set_command", "state": "a", "command": "rm"},
        {"op": "set_prompt", "state": "a", "prompt": "x", "mcp_servers": ["s"]},
        {"op": "set_prompt", "state": "a", "prompt": ""},
        {"op": "set_prompt", "state": "a", "prompt": "x" * (MAX_PROMPT_CHARS + 1)},
        {"op": "set_prompt", "state": "a", "prompt": "\ud800"},
        {"op": "add_state", "name": "a b", "type": "prompt", "prompt": "x"},
        {"op": "add_state", "name": "a", "type": "workflow_ref"},
        {"op": "set_options", "state": "a", "options": {"temperature": 3}},
        {"op": "set_option_description", "state": "a", "to": "b", "description": " "},
    ],
)  # fmt: skip
def test_what_is_no_edit_is_not_read(edit):
    with pytest.raises(ValidationError):
        Edits.model_validate({"edits": [edit]})


def unbounded(part: Any, path: str = "") -> list[str]:
    """Return the places of a schema where a text or a list may be of any size."""
    found = []
    if isinstance(part, dict):
        bounds = {"string": ("maxLength", "enum", "const"), "array": ("maxItems",)}
        if not any(bound in part for bound in bounds.get(str(part.get("type")), ("type",))):
            found += [path] if part.get("type") in bounds else []
        found += [place for key, one in part.items() for place in unbounded(one, f"{path}/{key}")]
    elif isinstance(part, list):
        found += [place for one in part for place in unbounded(one, path)]
    return found


def test_every_text_and_list_of_every_operation_is_bounded():
    whole = schema()

    assert len(OPS) == 15
    assert len(whole["properties"]["edits"]["items"]["oneOf"]) == 15
    assert unbounded({"type": "string"}) == [""]
    assert unbounded(whole) == []
    assert set(schema("set_prompt")["$defs"]) == {"SetPrompt"}
