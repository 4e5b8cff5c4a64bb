"""Prepared rows written in another format and read again: the same rows, whichever way they went."""

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.worker.write_formats import WRITERS, NoPlace, to_alpaca, to_csv, to_sharegpt
from tests.worker.intake import read, written

TEXT = (
    st.text(
        st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00\r"),
        min_size=1,
        max_size=20,
    )
    .map(str.strip)
    .filter(bool)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
CALL = st.fixed_dictionaries(
    {"name": TEXT, "arguments": st.dictionaries(TEXT, JSON, max_size=2)}
).map(lambda function: {"type": "function", "function": function})
USER = TEXT.map(lambda text: {"role": "user", "content": text})
SAID = TEXT.map(lambda text: {"role": "assistant", "content": text})
CALLED = st.lists(CALL, min_size=1, max_size=2).map(
    lambda calls: {"role": "assistant", "content": "", "tool_calls": calls}
)
RESULT = TEXT.map(lambda text: {"role": "tool", "content": text})
SYSTEM = TEXT.map(lambda text: {"role": "system", "content": text})
TOOLS = st.lists(
    st.fixed_dictionaries(
        {"name": TEXT, "parameters": st.dictionaries(TEXT, JSON, max_size=2)}
    ).map(lambda function: {"type": "function", "function": function}),
    min_size=1,
    max_size=2,
)


@st.composite
def talks(draw: st.DrawFn, *, tools: bool) -> dict[str, Any]:
    before = draw(st.lists(SYSTEM, max_size=1))
    for _ in range(draw(st.integers(0, 2))):
        before += [draw(USER), draw(SAID)]
        if tools and draw(st.booleans()):
            before += [draw(CALLED), draw(RESULT)]
    before.append(draw(USER))
    answer = draw(CALLED if tools and draw(st.booleans()) else SAID)
    line: dict[str, Any] = {
        "prompt": before[0]["content"] if len(before) == 1 else before,
        "completion": answer if "tool_calls" in answer else answer["content"],
    }
    return {**line, "tools": draw(TOOLS)} if tools and draw(st.booleans()) else line


def pairs() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"prompt": TEXT, "completion": TEXT})


def folded(line: dict[str, Any]) -> str:
    """Return what two lines share that intake takes for duplicates of each other."""
    text = json.dumps([line["prompt"], line["completion"]], ensure_ascii=False)
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def several(lines: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Return lists of lines that intake keeps: no duplicates, and a first word that tells them apart."""

    def apart(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for number, line in enumerate(made):
            last = line if isinstance(line["prompt"], str) else line["prompt"][-1]
            key = "prompt" if last is line else "content"
            last[key] = f"ask {number} {last[key]}"
        return made

    return st.lists(lines, min_size=5, max_size=7, unique_by=folded).map(apart)


def again(folder: Any, content: str) -> list[dict[str, Any]]:
    result = read(folder, content, min_rows=1, dev_fraction=0.2, task="")
    assert (result.row_error_count, result.readings) == (0, ()), result.row_errors
    rows = [
        row for side in (result.train, result.dev, result.test) for row in written(folder, side)
    ]
    return [
        {key: value for key, value in row.items() if key != "row"}
        for row in sorted(rows, key=lambda row: row["row"])
    ]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("openai", talks(tools=True)),
        ("sharegpt", talks(tools=True)),
        ("alpaca", talks(tools=False)),
        ("csv", pairs()),
    ],
)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_written_is_read_again_as_it_was(tmp_path_factory, name, lines, data):
    rows = data.draw(several(lines))

    assert again(tmp_path_factory.mktemp("formats"), WRITERS[name](rows)) == rows


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=several(talks(tools=False)), names=st.permutations(["openai", "sharegpt", "alpaca"]))
def test_rows_survive_a_journey_through_all_formats(tmp_path_factory, rows, names):
    travelled = rows
    for name in names:
        travelled = again(tmp_path_factory.mktemp("formats"), WRITERS[name](travelled))

    assert travelled == rows


TOOL = {"type": "function", "function": {"name": "f", "arguments": {}}}


@pytest.mark.parametrize(
    ("write", "line"),
    [
        (to_csv, {"prompt": [{"role": "user", "content": "a"}], "completion": "b"}),
        (to_csv, {"prompt": "a", "completion": "b", "tools": [TOOL]}),
        (to_alpaca, {"prompt": "a", "completion": "b", "tools": [TOOL]}),
        (to_alpaca, {"prompt": [{"role": "tool", "content": "a"}], "completion": "b"}),
        (
            to_sharegpt,
            {
                "prompt": "a",
                "completion": {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [{"id": "x", **TOOL}],
                },
            },
        ),
        (
            to_sharegpt,
            {"prompt": "a", "completion": {"role": "assistant", "content": "b", "weight": 1}},
        ),
    ],
)
def test_what_a_format_has_no_place_for_is_refused_and_not_dropped(write, line):
    with pytest.raises(NoPlace):
        write([line])
