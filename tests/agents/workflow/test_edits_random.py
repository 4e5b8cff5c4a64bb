"""Edits drawn at random, on the original's examples and on odd layouts: whatever they are, other states stay as they are."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.workflow.edit_ops import Edits
from agents.workflow.edits import Refused, apply
from agents.workflow.load import load_text
from agents.workflow.reach import Reach
from agents.workflow.yaml_source import parse
from tests.agents.workflow.regions import regions
from tests.agents.workflow.test_edits import ODD, TEXT
from tests.agents.workflow.written import EXAMPLES

WORDS = st.sampled_from(["alpha", "beta", "end", "name", "yes", "x1"])
TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=60),
    st.lists(st.sampled_from(["a: b", "- c", "", "  d", "# e", "{{f}}", "'g\"", "\th"]), min_size=2, max_size=5).map("\n".join),
)  # fmt: skip
NOWHERE = Path("/nowhere")
SURE = {"op": "set_variable", "variable": "alpha", "value": "one\n\ntwo\n"}
MAYBE = st.none() | TEXTS


def files() -> dict[str, tuple[str, Path, Reach]]:
    here = Reach(cwd=None)
    found = {
        "TEXT": (TEXT, NOWHERE / "w.yaml", here),
        "CRLF": ("\ufeff" + TEXT.replace("\n", "\r\n"), NOWHERE / "w.yaml", here),
        "ODD": (ODD, NOWHERE / "w.yaml", here),
    }
    for path in sorted(EXAMPLES.glob("*.yaml")) if EXAMPLES.exists() else ():
        if not path.name.endswith(".test.yaml"):
            text = path.read_bytes().decode("utf-8")
            found[path.stem] = (text, path, Reach(cwd=EXAMPLES.parent))
    return found


FILES = files()


def an_edit(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    state, to = st.sampled_from(names), st.sampled_from([*names, "end"])
    made: dict[str, dict[str, Any]] = {
        "set_prompt": {"state": state, "prompt": TEXTS},
        "add_few_shot": {
            "state": state,
            "examples": st.lists(
                st.fixed_dictionaries({"input": TEXTS, "output": TEXTS}), min_size=1, max_size=2
            ),
        },
        "set_options": {
            "state": state,
            "options": st.fixed_dictionaries({"temperature": st.floats(0, 2)}),
        },
        "set_model": {"state": st.none() | state, "model": WORDS},
        "set_save_as": {"state": state, "variable": st.none() | WORDS},
        "set_default_value": {"state": state, "value": MAYBE},
        "set_variable": {"variable": WORDS, "value": TEXTS},
        "set_option_description": {"state": state, "to": to, "description": TEXTS},
        "redirect": {"state": state, "to": to, "instead_of": st.none() | to},
        "set_on_error": {"state": st.none() | state, "to": st.none() | to},
        "add_state": {
            "name": WORDS,
            "type": st.sampled_from(["prompt", "input"]),
            "prompt": TEXTS,
            "next": to,
            "after": st.none() | state,
        },
        "remove_state": {"state": state, "instead": st.none() | to},
        "rename_state": {"state": state, "name": WORDS},
        "split_state": {
            "state": state,
            "first_prompt": TEXTS,
            "first_save_as": WORDS,
            "second_name": WORDS,
            "second_prompt": TEXTS,
        },
    }
    return st.one_of(
        *(st.fixed_dictionaries({"op": st.just(op), **fields}) for op, fields in made.items())
    )


@pytest.mark.parametrize("name", FILES)
def test_states_that_no_edit_concerns_stay_the_same_to_the_byte(name):
    text, path, reach = FILES[name]
    names = list(load_text(text, path, reach).workflow.states)
    made, refused = 0, []

    @settings(
        max_examples=10 if path.parent == NOWHERE else 2,
        deadline=None,
        derandomize=True,
        # shrinking reads a file hundreds of times
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(an_edit(names), min_size=1, max_size=4))
    def stay(edits: list[dict[str, Any]]) -> None:
        nonlocal made
        now = text
        for edit in [SURE, *edits]:
            try:
                after = apply(now, Edits.model_validate({"edits": [edit]}), path, reach)
            except (Refused, ValidationError) as error:
                refused.append(str(error))
                continue
            made += 1
            old, new = parse(now, name).tree["states"], after.loaded.source.tree["states"]
            old_regions, new_regions = regions(now), regions(after.text)
            for state in old.keys() & new.keys():
                if old[state] == new[state]:
                    assert new_regions[state] == old_regions[state]
            now = after.text
        assert now.startswith("\ufeff") == text.startswith("\ufeff")
        assert ("\r\n" in now) == ("\r\n" in text)

    stay()
    assert made >= 1
    assert not any("laid out" in reason for reason in refused)
