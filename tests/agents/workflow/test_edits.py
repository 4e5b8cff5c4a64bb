from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agents.workflow.edit_ops import MAX_PROMPT_CHARS, OPS, Edits, schema
from agents.workflow.edits import Edited, Refused, apply
from agents.workflow.model import END
from agents.workflow.reach import Reach
from tests.agents.workflow.regions import regions
from tests.agents.workflow.written import HEAD, write

TEXT = """\
# A workflow to be edited
name: Test  # its name
start_state: who
variables:
  tone: warm
  rules: {value: be kind, locked: true}
states:
  # the person
  who:
    type: input
    prompt: "Your name?"   # short
    save_as: name
    next: greet

  # the model
  greet:
    type: prompt
    prompt: |  # literal
      Greet {{name}}.

      Be {{tone}}.
    options: {temperature: 0.2}
    save_as: greeting
    next_options:
      # first
      - state: who
        description: once more  # again
      - {state: end, description: done}
    # a comment of greet

  talk:
    type: prompt
    on_error: sorry
    steps:
      - prompt: one
        save_as: a
      - {prompt: two, save_as: b}
    next: greet
  sorry: {type: prompt, prompt: Say sorry., next: end}  # in one line
"""


def edited(folder: Path, *edits: dict[str, Any], text: str = TEXT) -> Edited:
    wanted = Edits.model_validate({"edits": list(edits)})
    return apply(text, wanted, folder / "w.yaml", Reach(cwd=None), name="w.yaml")


def touched(text: str, after: str) -> set[str]:
    """Return the states whose text is different, new or gone."""
    old, new = regions(text), regions(after)
    return {name for name in {*old, *new} if old.get(name) != new.get(name)}


def raw(after: Edited) -> dict[str, Any]:
    return after.loaded.source.tree["states"]


ONE_STATE: dict[str, dict[str, Any]] = {
    "set_prompt": {"state": "who", "prompt": "Name: {{tone}}\n# no comment\n\n  - no list"},
    "replace_prompt_part": {"state": "greet", "old": "Be {{tone}}.", "new": "Be “brief”: yes"},
    "add_few_shot": {"state": "greet", "examples": [{"input": "Ann", "output": "Hi: Ann"}]},
    "set_options": {"state": "greet", "options": {"temperature": 1.5, "seed": 4}},
    "set_model": {"state": "greet", "model": "gemma3:4b"},
    "set_save_as": {"state": "who", "variable": None},
    "set_default_value": {"state": "who", "value": "you, {{tone}}"},
    "set_option_description": {"state": "greet", "to": "end", "description": "it's: done # now"},
    "redirect": {"state": "sorry", "to": "who"},
    "set_on_error": {"state": "who", "to": "sorry"},
}


@pytest.mark.parametrize("op", ONE_STATE)
def test_an_edit_changes_its_state_and_no_other_to_the_byte(op, tmp_path):
    edit = {"op": op, **ONE_STATE[op]}

    after = edited(tmp_path, edit).text

    assert after != TEXT
    assert touched(TEXT, after) == {edit["state"]}
    assert after.startswith("# A workflow to be edited\nname: Test  # its name\n")
    for comment in ("# the person", "# the model", "    # a comment of greet\n"):
        assert comment in after


def test_prompts_are_what_was_asked_for_and_comments_in_the_line_stay(tmp_path):
    prompt = "Line one\n\n  further in: # no comment\n- \"quotes\" 'and' {{name}}\n"

    after = edited(tmp_path, {"op": "set_prompt", "state": "greet", "prompt": prompt})

    assert raw(after)["greet"]["prompt"] == prompt
    assert "prompt: |  # literal\n      Line one\n" in after.text


@pytest.mark.parametrize(
    "prompt",
    [
        "yes",
        "null",
        "010",
        "- x",
        "a: b",
        "#",
        " in front",
        "behind \n",
        "\ttab",
        "a\rb",
        "\x85\u2028",
        "é😀",
        "\n",
        "{{x}}",
    ],
)
def test_any_text_comes_out_as_it_went_in(prompt, tmp_path):
    for state in ("who", "greet", "talk", "talk_step_1", "sorry"):
        after = edited(tmp_path, {"op": "set_prompt", "state": state, "prompt": prompt})

        assert after.loaded.workflow.states[state].prompt == prompt


def test_examples_are_put_below_the_prompt_under_one_title(tmp_path):
    examples = [{"input": "Ann", "output": "Hi Ann"}]
    edit = {"op": "add_few_shot", "state": "sorry", "examples": examples}

    after = edited(tmp_path, edit, edit)

    assert raw(after)["sorry"]["prompt"] == (
        "Say sorry.\n\nExamples:\n\nInput: Ann\nOutput: Hi Ann\n\nInput: Ann\nOutput: Hi Ann\n"
    )


def test_parameters_that_are_not_named_stay(tmp_path):
    after = edited(tmp_path, {"op": "set_options", "state": "greet", "options": {"top_k": 4}})

    assert raw(after)["greet"]["options"] == {"temperature": 0.2, "top_k": 4}


def test_a_way_out_is_led_elsewhere_and_the_other_ones_stay(tmp_path):
    after = edited(
        tmp_path, {"op": "redirect", "state": "greet", "to": "sorry", "instead_of": "who"}
    )

    assert after.loaded.workflow.states["greet"].leads_to() == ("sorry", END)
    assert "      - state: sorry\n        description: once more  # again\n" in after.text


def test_steps_are_edited_by_their_expanded_names(tmp_path):
    after = edited(
        tmp_path,
        {"op": "set_prompt", "state": "talk_step_1", "prompt": "second"},
        {"op": "set_on_error", "state": "talk_step_1", "to": None},
        {"op": "redirect", "state": "talk_step_1", "to": "end"},
    )

    states = after.loaded.workflow.states
    assert (states["talk"].prompt, states["talk_step_1"].prompt) == ("one", "second")
    assert (states["talk"].next, states["talk_step_1"].next) == ("talk_step_1", END)
    assert states["talk"].on_error is None
    assert touched(TEXT, after.text) == {"talk"}


def test_a_state_is_added_behind_another_one_and_led_to(tmp_path):
    after = edited(
        tmp_path,
        {
            "op": "add_state",
            "name": "check",
            "type": "prompt",
            "prompt": "Is it\nkind?",
            "next_options": [
                {"state": "greet", "description": "no"},
                {"state": "end", "description": "yes"},
            ],
            "after": "greet",
        },
        {"op": "redirect", "state": "greet", "to": "check", "instead_of": "end"},
    )

    assert list(raw(after)) == ["who", "greet", "check", "talk", "sorry"]
    assert "    # a comment of greet\n\n  check:\n    type: prompt\n" in after.text
    assert touched(TEXT, after.text) == {"greet", "check"}
    assert after.loaded.workflow.states["check"].leads_to() == ("greet", END)


def test_a_state_is_taken_out_with_its_comment_and_what_led_to_it_goes_on(tmp_path):
    after = edited(tmp_path, {"op": "remove_state", "state": "who"})

    assert list(raw(after)) == ["greet", "talk", "sorry"]
    assert after.loaded.workflow.start == "greet"
    assert "the person" not in after.text
    assert after.loaded.workflow.states["greet"].leads_to() == ("greet", END)
    last = edited(tmp_path, {"op": "remove_state", "state": "sorry"})
    assert last.loaded.workflow.states["talk"].on_error == END


def test_a_state_is_renamed_wherever_it_is_named(tmp_path):
    after = edited(tmp_path, {"op": "rename_state", "state": "greet", "name": "hello"})

    states = after.loaded.workflow.states
    assert list(states) == ["who", "hello", "talk", "talk_step_1", "sorry"]
    assert (states["who"].next, states["talk_step_1"].next) == ("hello", "hello")
    assert touched(TEXT, after.text) == {"greet", "hello", "who", "talk"}
    assert "    # a comment of greet\n" in after.text


def test_a_state_is_split_in_two_that_do_what_it_did(tmp_path):
    after = edited(
        tmp_path,
        {
            "op": "split_state",
            "state": "greet",
            "first_prompt": "Think about {{name}}.",
            "first_save_as": "thought",
            "second_name": "say",
            "second_prompt": "Say {{thought}}.",
        },
    )

    states = after.loaded.workflow.states
    assert (states["greet"].save_as, states["greet"].leads_to()) == ("thought", ("say",))
    assert (states["say"].save_as, states["say"].leads_to()) == ("greeting", ("who", END))
    assert states["say"].parameters == {"temperature": 0.2}
    assert touched(TEXT, after.text) == {"greet", "say"}


def test_variables_and_defaults_of_the_whole_file(tmp_path):
    after = edited(
        tmp_path,
        {"op": "set_variable", "variable": "tone", "value": "dry"},
        {"op": "set_variable", "variable": "rules", "value": "be brief"},
        {"op": "set_variable", "variable": "place", "value": "here"},
        {"op": "set_model", "model": "tiny"},
        {"op": "set_on_error", "to": "sorry"},
    )

    variables = after.loaded.workflow.variables
    assert {name: one.value for name, one in variables.items()} == {
        "tone": "dry",
        "rules": "be brief",
        "place": "here",
    }
    assert variables["rules"].locked
    assert after.loaded.workflow.default_model == "tiny"
    assert after.loaded.workflow.states["who"].on_error == "sorry"
    assert touched(TEXT, after.text) == set()


@pytest.mark.parametrize("name", ["w.yaml", "w.yml"])
def test_line_ends_and_a_byte_order_mark_survive(name, tmp_path):
    text = "\ufeff" + TEXT.replace("\n", "\r\n")
    wanted = Edits.model_validate(
        {
            "edits": [
                {"op": "set_prompt", "state": "greet", "prompt": "one\n\ntwo"},
                {"op": "add_state", "name": "new", "type": "transition", "next": "end"},
                {"op": "remove_state", "state": "who"},
            ]
        }
    )

    after = apply(text, wanted, tmp_path / name, Reach(cwd=None)).text

    assert after.startswith("\ufeff# A workflow")
    assert after.count("\r\n") == after.count("\n") == after.count("\r")
    assert touched(text, after) == {"greet", "new", "who"}


def test_a_file_without_a_last_line_end_stays_so(tmp_path):
    after = edited(
        tmp_path,
        {"op": "add_state", "name": "new", "type": "transition", "next": "end"},
        text=TEXT.rstrip("\n"),
    ).text

    assert after.endswith("\n  new:\n    type: transition\n    next: end")


FLOW = "{name: x, start_state: a, states: {a: {type: prompt, prompt: q}, b: {type: prompt, prompt: r}}}\n"


def test_a_file_on_one_line_is_changed_within_its_braces(tmp_path):
    after = edited(
        tmp_path,
        {"op": "set_prompt", "state": "a", "prompt": "two\nlines, {x}"},
        {"op": "redirect", "state": "a", "to": "b"},
        {"op": "add_state", "name": "c", "type": "transition", "next": "end"},
        text=FLOW,
    ).text

    assert after == (
        '{name: x, start_state: a, states: {a: {type: prompt, prompt: "two\\nlines, {x}", next: b}, '
        "b: {type: prompt, prompt: r}, c: {type: transition, next: end}}}\n"
    )


def test_a_state_is_taken_out_of_braces(tmp_path):
    first = edited(tmp_path, {"op": "remove_state", "state": "a"}, text=FLOW).text
    last = edited(tmp_path, {"op": "remove_state", "state": "b"}, text=FLOW).text

    assert first == "{name: x, start_state: end, states: {b: {type: prompt, prompt: r}}}\n"
    assert last == FLOW.replace(", b: {type: prompt, prompt: r}", "")


ODD = """\
name: x
start_state: a
states:
  a:
    {type: prompt,   # kind
     prompt: q,}
  b: {
    type: prompt, prompt: r }
  ? c
  : type: prompt
    prompt: |+
      keep

  "d":
    type: prompt
    prompt:
      # above
      folded
      text
    save_as:
"""


@pytest.mark.parametrize("state", ["a", "b", "c", "d"])
def test_odd_layouts_are_changed_in_their_own_state_only(state, tmp_path):
    for edit in (
        {"op": "set_prompt", "state": state, "prompt": "new\ntext"},
        {"op": "set_on_error", "state": state, "to": "end"},
    ):
        after = edited(tmp_path, edit, text=ODD)

        others = [name for name in "abcd" if name != state]
        old, new = regions(ODD), regions(after.text)
        assert [new[name] for name in others] == [old[name] for name in others]
        assert (
            after.loaded.workflow.states[state]
            != edited(
                tmp_path, {"op": "set_variable", "variable": "v", "value": ""}, text=ODD
            ).loaded.workflow.states[state]
        )


def test_steps_that_are_counted_can_be_edited_but_not_moved(tmp_path):
    text = """\
name: Typed
type: workflow
steps:
  - {type: input, prompt: name?, save_as: name}
  - type: prompt
    prompt: hi {{name}}   # say it
    next_step_options:
      - {step: 0, description: again}
      - {step: 2, description: on}
  - {type: prompt, prompt: bye}
"""

    after = edited(
        tmp_path,
        {"op": "set_prompt", "state": "step_1", "prompt": "hello"},
        {"op": "set_option_description", "state": "step_1", "to": "step_2", "description": "go on"},
        {"op": "redirect", "state": "step_0", "to": "step_2"},
        text=text,
    )

    states = after.loaded.workflow.states
    assert states["step_0"].next == "step_2"
    assert [way.description for way in states["step_1"].options] == ["again", "go on"]
    assert touched(text, after.text) == {"step_0", "step_1"}
    for edit in (
        {"op": "remove_state", "state": "step_1"},
        {"op": "add_state", "name": "x", "type": "transition", "next": "end"},
        {"op": "rename_state", "state": "step_1", "name": "x"},
    ):
        with pytest.raises(Refused, match="are counted"):
            edited(tmp_path, edit, text=text)
    with pytest.raises(Refused, match="cannot lead to `end`"):
        edited(tmp_path, {"op": "redirect", "state": "step_0", "to": "end"}, text=text)


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
