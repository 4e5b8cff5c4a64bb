from pathlib import Path
from typing import Any

import pytest

from agents.workflow.edit_ops import Edits
from agents.workflow.edits import Edited, Refused, apply
from agents.workflow.model import END
from agents.workflow.reach import Reach
from tests.agents.workflow.regions import regions

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
        {
            "op": "split_state",
            "state": state,
            "first_prompt": "one",
            "first_save_as": "x",
            "second_name": "e",
            "second_prompt": "two",
        },
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
