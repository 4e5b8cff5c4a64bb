from pathlib import Path

import pytest

from agents.workflow.edit_ops import OPS, Edits, schema
from agents.workflow.edits import apply
from agents.workflow.load import Loaded, load_text
from agents.workflow.policy import KEYS, forbidden
from agents.workflow.reach import Reach
from tests.agents.workflow.written import write

TEXT = """\
name: Test
start_state: ask
default_model: tiny
variables:
  tone: warm
  rules: {value: be kind, locked: true}
  text: {file: one.txt}
  folder: docs
mcp_servers:
  files: {command: node, args: [server.js], env: {LEVEL: info}}
tools:
  calc: {npm_package: calculator}
rag:
  docs: {directory: docs, chunk_size: 100}
states:
  ask:
    type: prompt
    prompt: hello
    save_as: page
    mcp_servers: [files]
    files: [one.txt, "{{folder}}/{{page}}.txt"]
    use_rag: docs
    model: small
    next: two
  two: {type: prompt, prompt_file: one.txt, next: three}
  three: {type: workflow_ref, workflow_ref: child.yaml}
"""
CHILD = "name: C\nstart_state: c\nstates: {c: {type: prompt, prompt: x}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one.txt", "two.txt"):
        write(tmp_path, "text", name)
    for name in ("child.yaml", "other.yaml"):
        write(tmp_path, CHILD, name)
    return tmp_path


def read(folder: Path, text: str) -> Loaded:
    return load_text(text, folder / "w.yaml", Reach(cwd=None), name="w.yaml")


def differences(folder: Path, after: str, *models: str) -> list[tuple[str, str | None, str | None]]:
    found = forbidden(read(folder, TEXT), read(folder, after), models)
    return [(one.where, one.before, one.after) for one in found]


CHANGES = {
    "command": ("command: node", "command: sh", "mcp_servers"),
    "args": ("[server.js]", "[other.js]", "mcp_servers"),
    "env": ("LEVEL: info", "LEVEL: debug", "mcp_servers"),
    "a server more": ("\ntools:", "\n  more: {command: sh}\ntools:", "mcp_servers"),
    "a tool's package": ("npm_package: calculator", "npm_package: other", "tools"),
    "tools of a state": ("mcp_servers: [files]", "mcp_servers: [files, calc]", "states.ask.mcp_servers"),
    "files": ("files: [one.txt,", "files: [two.txt,", "states.ask.files"),
    "a folder": ("directory: docs", "directory: /", "rag"),
    "a RAG in a state": ("    use_rag: docs\n", "    rag: {directory: .}\n", "states.ask.rag"),
    "no RAG": ("    use_rag: docs\n", "", "states.ask.use_rag"),
    "a prompt's file": ("prompt_file: one.txt", "prompt_file: two.txt", "states.two.prompt_file"),
    "a variable's file": ("{file: one.txt}", "{file: two.txt}", "variables.text.file"),
    "another workflow": ("workflow_ref: child.yaml", "workflow_ref: other.yaml", "states.three.workflow_ref"),
    "default model": ("default_model: tiny", "default_model: huge", "default_model"),
    "a state's model": ("model: small", "model: huge", "states.ask.model"),
    "a locked value": ("value: be kind", "value: be rude", "variables.rules"),
    "a lock": (", locked: true", "", "variables.rules.locked"),
    "a locked variable gone": ("  rules: {value: be kind, locked: true}\n", "", "variables.rules.locked"),
    "a lock that is written over": ("prompt_file: one.txt", "prompt_file: one.txt, save_as: rules", "states.two"),
    "a value in a path": ("folder: docs", "folder: ..", "variables.folder"),
    "what is saved for a path": ("prompt: hello", "prompt: say ../../secret", "states.ask"),
    "a state with files": (
        "  two: {type: prompt,",
        "  new: {type: prompt, prompt: x, files: [two.txt]}\n  two: {type: prompt,",
        "states.new.files",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_whole_file_that_changes_what_only_a_person_may_is_caught(name, folder):
    old, new, where = CHANGES[name]
    assert old in TEXT

    found = differences(folder, TEXT.replace(old, new, 1))

    assert where in [place for place, _, _ in found]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tone: warm", "tone: dry"),
        ("name: Test", "name: Better"),
        ("model: small", "model: tiny"),
        ("[server.js]", '["server.js"]'),
        ("    next: two\n", "    next: two\n    options: {temperature: 0}\n    on_error: two\n"),
        ("  two: {type: prompt,", "  new: {type: prompt, prompt: x}\n  two: {type: prompt,"),
    ],
)
def test_what_a_model_may_change_is_let_through(old, new, folder):
    assert old in TEXT
    assert differences(folder, TEXT.replace(old, new, 1)) == []


def test_a_model_of_the_list_is_let_through(folder):
    after = TEXT.replace("model: small", "model: huge")

    assert differences(folder, after, "huge") == []


def test_what_was_and_what_would_be_is_shown_in_full(folder):
    after = TEXT.replace("[server.js]", "[server.js, --root, /]")

    assert differences(folder, after) == [
        (
            "mcp_servers",
            "{files: {command: node, args: [\"server.js\"], env: {LEVEL: info}}}",
            "{files: {command: node, args: [\"server.js\", \"--root\", \"/\"], env: {LEVEL: info}}}",
        )
    ]  # fmt: skip


def test_typed_edits_are_held_to_the_same_rules(folder):
    edits = [
        {"op": "set_model", "state": "two", "model": "huge"},
        {"op": "set_variable", "variable": "rules", "value": "be rude"},
        {"op": "set_variable", "variable": "folder", "value": "/"},
        {"op": "set_prompt", "state": "ask", "prompt": "other"},
    ]
    after = apply(
        TEXT, Edits.model_validate({"edits": edits}), folder / "w.yaml", Reach(cwd=None)
    ).loaded

    found = forbidden(read(folder, TEXT), after)

    assert {one.where for one in found} == {
        "states.two.model",
        "variables.rules",
        "variables.folder",
        "states.ask",
    }


def test_no_operation_names_a_key_that_only_a_person_may_change():
    fields = {name for kind in OPS.values() for name in kind.model_fields}

    assert len(OPS) == 15
    assert fields & set(KEYS) == set()
    assert not any(f'"{key}"' in str(schema()).replace("'", '"') for key in KEYS)
