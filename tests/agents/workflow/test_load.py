from pathlib import Path

import pytest

from agents.workflow.load import load
from agents.workflow.model import END, Dialect, Kind, Option, ServerKind
from agents.workflow.reach import Reach
from tests.agents.workflow.written import EXAMPLES, HEAD, loaded, problems, write

STATES = {
    "advanced-custom-tools": 7,
    "character-creator": 3,
    "code-review": 5,
    "complete-story-builder": 6,
    "comprehensive-mcp-integration": 7,
    "custom-rag-templates": 7,
    "external-prompt-file": 1,
    "greeting-workflow": 1,
    "image-analysis": 1,
    "mixed-fallback": 5,
    "multi-rag-qa": 7,
    "multimodal-analysis": 2,
    "research-assistant": 4,
    "run-directory-demo": 3,
    "sequential-steps-demo": 4,
    "simple-qa": 1,
    "simple-rag-template-test": 1,
    "simple-web-browse": 3,
    "streaming-demo": 1,
    "text-file-analysis": 1,
    "user-input-demo": 4,
    "user-survey-steps": 4,
    "variables-workflow": 1,
    "web-browsing-demo": 13,
    "workflow-reference": 3,
    "writing-assistant": 6,
}
"""The original's examples, all of which its own parser takes, with the states they have once they are laid out."""


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the original's examples are not at hand")
def test_every_example_of_the_original_loads():
    reach = Reach(cwd=EXAMPLES.parent)

    counted = {
        path.stem: len(load(path, reach).workflow.states)
        for path in EXAMPLES.glob("*.yaml")
        if not path.name.endswith(".test.yaml")
    }

    assert counted == STATES


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the original's examples are not at hand")
def test_the_one_odd_key_in_the_examples_is_found_with_the_word_that_was_meant():
    found = load(EXAMPLES / "multi-rag-qa.yaml", Reach(cwd=EXAMPLES.parent)).warnings

    assert [(p.place[-1], p.line, p.nearest) for p in found] == [
        ("chunkSize", 80, "chunk_size"),
        ("topK", 81, "top_k"),
    ]


def test_a_small_workflow_in_full(tmp_path):
    write(tmp_path, "Be kind.", "rules.txt")

    workflow = loaded(
        tmp_path,
        """\
        name: Greeter
        description: Says hello
        default_model: tiny
        start_state: who
        on_error: sorry
        variables:
          tone: warm
          count: 3
          rules: {file: rules.txt}
        states:
          who:
            type: input
            prompt: Your name?
            save_as: name
            default_value: you
            next: greet
          greet:
            type: prompt
            prompt: Greet {{name}}, {{tone}}
            options: {temperature: 0.2}
            save_as: greeting
            next_options:
              - {state: who, description: once more}
              - {state: end, description: done}
          sorry:
            type: prompt
            prompt: Say sorry.
        """,
    ).workflow

    assert (workflow.name, workflow.default_model, workflow.start) == ("Greeter", "tiny", "who")
    assert {name: v.value for name, v in workflow.variables.items()} == {
        "tone": "warm",
        "count": "3",
        "rules": "Be kind.",
    }
    who, greet, sorry = workflow.states.values()
    assert (who.kind, who.default_value, who.next, who.line) == (Kind.INPUT, "you", "greet", 11)
    assert greet.options == (Option("who", "once more"), Option(END, "done"))
    assert greet.leads_to() == ("who", END)
    assert greet.parameters == {"temperature": 0.2}
    assert (who.on_error, sorry.on_error, sorry.next) == ("sorry", None, END)


def test_steps_become_states_and_inherit_what_they_do_not_say(tmp_path):
    workflow = loaded(
        tmp_path,
        HEAD
        + """\
states:
  ask:
    type: prompt
    model: big
    on_error: end
    steps:
      - {prompt: one, save_as: a}
      - {prompt: two, model: small}
      - {prompt: three}
    next_options:
      - {state: ask, description: again}
      - {state: end, description: done}
""",
    ).workflow

    assert [(s.name, s.model, s.next, s.on_error) for s in workflow.states.values()] == [
        ("ask", "big", "ask_step_1", "end"),
        ("ask_step_1", "small", "ask_step_2", "end"),
        ("ask_step_2", "big", "end", "end"),
    ]
    assert workflow.states["ask_step_2"].leads_to() == ("ask", "end")
    assert workflow.states["ask_step_1"].line == 10


def test_a_file_that_is_referred_to_ends_where_the_reference_goes_on(tmp_path):
    write(
        tmp_path,
        """\
        name: Child
        start_state: one
        default_model: of-child
        on_error: help
        variables: {tone: dry}
        states:
          one: {type: prompt, prompt: "1", save_as: x, next: two}
          two:
            type: prompt
            prompt: "2"
            next_options:
              - {state: one, description: again}
              - {state: end, description: done}
          help: {type: prompt, prompt: h}
        """,
        "child.yaml",
    )

    workflow = loaded(
        tmp_path,
        HEAD
        + """\
variables: {tone: warm}
states:
  ask: {type: workflow_ref, workflow_ref: child.yaml, next: after, on_error: rescue}
  after: {type: prompt, prompt: "{{x}}"}
  rescue: {type: transition, next: end}
""",
    ).workflow

    states = workflow.states
    assert list(states) == ["ask", "ask_ref_one", "ask_ref_two", "ask_ref_help", "after", "rescue"]
    assert (states["ask"].kind, states["ask"].next) == (Kind.TRANSITION, "ask_ref_one")
    assert states["ask_ref_two"].leads_to() == ("ask_ref_one", "after")
    assert states["ask_ref_help"].next == "after"
    assert states["ask_ref_one"].on_error == "ask_ref_help"
    assert states["ask_ref_help"].on_error == "rescue"
    assert workflow.default_model == "of-child"
    assert workflow.variables["tone"].value == "warm"


def test_files_that_refer_in_a_circle_are_refused(tmp_path):
    other = "name: B\nstart_state: b\nstates:\n  b: {type: workflow_ref, workflow_ref: w.yaml}\n"
    write(tmp_path, other, "b.yaml")

    found = problems(
        tmp_path, HEAD + "states:\n  ask: {type: workflow_ref, workflow_ref: b.yaml}\n"
    )

    assert [(p.code, p.file) for p in found] == [("circle", "b.yaml")]
    assert "w.yaml → b.yaml → w.yaml" in found[0].message


def test_servers_in_all_their_forms(tmp_path):
    servers = loaded(
        tmp_path,
        HEAD
        + """\
tools:
  calc: {npm_package: calc-tool, args: ["--fast"]}
  mine: {file_path: tools/mine.js}
  both: {npm_package: from-tools}
mcp_servers:
  plain: {command: python, args: ["-m", "server"], env: {LEVEL: info}}
  packed: {type: npx, package: "@x/server", args: ["/tmp"]}
  own: {type: custom-tools, tools_directory: tools}
  both: {command: from-servers}
states:
  ask: {type: prompt, prompt: hi, mcp_servers: [plain, packed, own, calc, mine, both]}
""",
    ).workflow.servers

    assert servers["plain"].argv == ("python", "-m", "server")
    assert servers["packed"].argv == ("npx", "-y", "@x/server", "/tmp")
    assert servers["calc"].argv == ("npx", "-y", "calc-tool", "--fast")
    assert (servers["own"].kind, servers["own"].argv) == (ServerKind.CUSTOM_TOOLS, ())
    assert servers["mine"].tools_directory == "tools/mine.js"
    assert servers["both"].command == "from-servers"


def test_rags_named_inline_and_without_a_name(tmp_path):
    workflow = loaded(
        tmp_path,
        HEAD
        + """\
rag: {directory: docs, chunk_size: 200}
rags: {other: {directory: more, model: all-minilm, top_k: 7}}
use_rag: true
states:
  ask: {type: prompt, prompt: a, next: b}
  b: {type: prompt, prompt: b, use_rag: other, next: c}
  c: {type: prompt, prompt: c, rag: {directory: own}}
""",
    ).workflow

    found = {name: state.rag for name, state in workflow.states.items()}
    assert (found["ask"].directory, found["ask"].chunk_size_chars) == ("docs", 200)
    assert (found["b"].directory, found["b"].model, found["b"].top_k) == ("more", "all-minilm", 7)
    assert (found["c"].directory, found["c"].top_k) == ("own", 3)
    assert workflow.dialect is Dialect.LEGACY


def test_a_typed_workflow_is_its_steps_in_order(tmp_path):
    workflow = loaded(
        tmp_path,
        """\
        name: Typed
        type: workflow
        steps:
          - {type: input, prompt: name?, save_as: name}
          - type: prompt
            prompt: hi {{name}}
            next_step_options:
              - {step: 0, description: again}
              - {step: 2, description: on}
          - {type: prompt, prompt: bye}
        """,
    ).workflow

    assert workflow.dialect is Dialect.TYPED_WORKFLOW
    assert workflow.start == "step_0"
    assert {name: state.leads_to() for name, state in workflow.states.items()} == {
        "step_0": ("step_1",),
        "step_1": ("step_0", "step_2"),
        "step_2": ("end",),
    }
    assert workflow.states["step_1"].line == 5


def test_a_typed_agent_a_decision_and_skills(tmp_path):
    write(tmp_path, "Write plainly.", "skills/style/SKILLS.md")
    write(tmp_path, "not a skill", "skills/other/README.md")

    workflow = loaded(
        tmp_path,
        """\
        name: Agent
        type: agent
        start_state: think
        skills: {writing: {directory: skills}}
        states:
          think:
            type: decision
            next_options:
              - {state: say, description: there is something to say}
              - {state: end, description: nothing}
          say: {type: prompt, prompt: speak, skills: [writing.style]}
        """,
    ).workflow

    assert workflow.dialect is Dialect.TYPED_AGENT
    assert workflow.states["think"].kind is Kind.DECISION
    assert workflow.states["say"].skills == ("writing.style",)
    assert {name: skill.text for name, skill in workflow.skills.items()} == {
        "writing.style": "Write plainly."
    }


def test_legacy_choices_and_states_of_type_end(tmp_path):
    workflow = loaded(
        tmp_path,
        HEAD
        + """\
states:
  ask:
    type: choice
    prompt: Which?
    save_as: which
    choices:
      - {label: One, value: 1, next: tell}
      - {label: Stop, next: over}
  tell: {type: prompt, prompt: "{{which}}", next: over}
  over: {type: end}
""",
    ).workflow

    assert workflow.dialect is Dialect.LEGACY
    assert list(workflow.states) == ["ask", "tell"]
    ask = workflow.states["ask"]
    assert [(c.value, c.next) for c in ask.choices] == [("1", "tell"), ("Stop", END)]
    assert workflow.states["tell"].next == END


@pytest.mark.parametrize("path", ["../secret.txt", "/etc/hostname", "link.txt"])
def test_an_uploaded_workflow_reads_nothing_outside_its_folder(path, tmp_path: Path):
    folder = tmp_path / "upload"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    text = (
        HEAD + f"variables: {{v: {{file: {path}}}}}\nstates:\n  ask: {{type: prompt, prompt: x}}\n"
    )

    (found,) = problems(folder, text, within=folder)

    assert found.code == "no-file"
    assert "leads out of the folder" in found.message
    assert str(tmp_path) not in found.message
