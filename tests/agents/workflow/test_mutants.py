from collections import Counter
from pathlib import Path

import pytest

from agents.workflow.load import load_text
from agents.workflow.mutants import BLANK, CONSTANT, WRONG_TURN, Fault, Mutant, mutants
from agents.workflow.reach import Reach
from tests.agents.workflow.regions import regions
from tests.agents.workflow.written import EXAMPLES

TEXT = """\
name: Test
start_state: who
states:
  who: {type: input, prompt: Name?, save_as: name, default_value: you, next: greet}
  # greets
  greet:
    type: prompt
    prompt: |
      Greet {{name}}.
      Be warm.
      Answer in one line.
    save_as: greeting
    on_error: sorry
    next_options:
      - {state: who, description: once more}
      - {state: end, description: done}
  sorry: {type: prompt, prompt: Say sorry., options: {temperature: 0}}
  lost: {type: prompt, prompt: never}
"""
HERE = Path("/nowhere/w.yaml")
SAMPLE = ("user-input-demo", "research-assistant", "user-survey-steps", "mixed-fallback")


def spoilt(text: str = TEXT) -> dict[str, Mutant]:
    return {mutant.name: mutant for mutant in mutants(text, HERE, Reach(cwd=None))}


def test_every_fault_is_there_once_per_place_and_has_a_name_that_stays():
    found = mutants(TEXT, HERE, Reach(cwd=None))

    names = [mutant.name for mutant in found]
    assert names == [
        "no-save-as:who",
        "wrong-save-as:who",
        "no-default:who",
        "wrong-next:who:end",
        "blank-prompt:greet",
        "constant-answer:greet",
        "dropped-variable:greet:name",
        "halved-prompt:greet",
        "no-save-as:greet",
        "wrong-save-as:greet",
        "swapped-options:greet",
        "vague-option:greet:1",
        "vague-option:greet:2",
        "no-on-error:greet",
        "temperature-2:greet",
        "one-token:greet",
        "blank-prompt:sorry",
        "constant-answer:sorry",
        "wrong-next:sorry:who",
        "temperature-2:sorry",
        "one-token:sorry",
    ]
    assert {mutant.fault for mutant in found} == set(Fault)
    assert names == [mutant.name for mutant in mutants(TEXT, HERE, Reach(cwd=None))]


def test_a_mutant_is_spoilt_as_it_says():
    found = spoilt()

    def greet(name: str):
        return found[name].loaded.workflow.states["greet"]

    assert greet("blank-prompt:greet").prompt == BLANK
    assert greet("constant-answer:greet").prompt == CONSTANT
    assert greet("dropped-variable:greet:name").prompt.startswith("Greet .\n")
    assert greet("halved-prompt:greet").prompt == "Greet {{name}}.\nBe warm.\n"
    assert greet("no-save-as:greet").save_as is None
    assert greet("wrong-save-as:greet").save_as == "greeting_unread"
    assert greet("no-on-error:greet").on_error is None
    assert [way.description for way in greet("swapped-options:greet").options] == [
        "done",
        "once more",
    ]
    assert [way.state for way in greet("swapped-options:greet").options] == ["who", "end"]
    assert greet("vague-option:greet:2").options[1].description == WRONG_TURN
    assert greet("temperature-2:greet").parameters == {"temperature": 2}
    assert found["wrong-next:who:end"].loaded.workflow.states["who"].next == "end"


def test_a_mutant_differs_from_its_workflow_in_one_state_only():
    before = regions(TEXT)

    found = spoilt()
    for mutant in found.values():
        after = regions(mutant.text)
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {mutant.state}, mutant.name
        assert "# greets" in mutant.text

    assert len(found) == 21


def test_a_step_is_spoilt_where_it_stands():
    text = (
        "name: x\nstart_state: a\nstates:\n  a:\n    type: prompt\n    steps:\n"
        "      - {prompt: one, save_as: b}\n      - {prompt: 'two {{b}}'}\n"
    )

    found = spoilt(text)

    assert found["dropped-variable:a_step_1:b"].loaded.workflow.states["a_step_1"].prompt == "two "
    assert "wrong-next:a:end" not in found
    assert "wrong-next:a_step_1:end" not in found


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the original's examples are not at hand")
def test_a_few_good_workflows_give_more_faults_than_a_bench_needs():
    reach = Reach(cwd=EXAMPLES.parent)
    counted: Counter[Fault] = Counter()
    for name in SAMPLE:
        path = EXAMPLES / f"{name}.yaml"
        text = path.read_text(encoding="utf-8")
        found = mutants(text, path, reach)
        assert len({mutant.name for mutant in found}) == len(found)
        assert all(mutant.text != text for mutant in found)
        counted.update(mutant.fault for mutant in found)
        load_text(found[0].text, path, reach)

    assert counted.total() >= 40
    assert len(counted) >= 9
