"""What the lines of prepared data hold, for every shape, and what people see of them."""

import json
from typing import Any

import pytest

from agents.jobs import Mask, Reading, RowShape
from tests.worker.intake import read, refusal, written

TOOLS = [
    {
        "type": "function",
        "function": {"name": "weather", "parameters": {"properties": {"days": {"minimum": 1}}}},
    }
]
CALL = {
    "type": "function",
    "function": {"name": "weather", "arguments": {"city": "Bonn", "days": 2}},
}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def human(text: str) -> dict[str, str]:
    return {"from": "human", "value": text}


def gpt(text: str) -> dict[str, str]:
    return {"from": "gpt", "value": text}


def openai_tools(i: int) -> dict[str, Any]:
    arguments = '{"city": "Bonn", "days": 2}'
    function = {"name": "weather", "arguments": arguments}
    call = {"id": "c1", "type": "function", "function": function}
    said = [
        user(f"weather {i}?"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        assistant("Take a coat."),
    ]
    return {"messages": said, "tools": TOOLS}


def sharegpt_tools(i: int) -> dict[str, Any]:
    call = {"from": "function_call", "value": json.dumps(CALL["function"])}
    return {
        "conversations": [human(f"weather {i}?"), call],
        "tools": json.dumps([TOOLS[0]["function"]]),
    }


CASES: dict[str, tuple[Any, RowShape, dict[str, Any]]] = {
    "alpaca with history": (
        lambda i: {
            "instruction": f"and {i}?",
            "input": "",
            "output": "yes",
            "system": "Be brief.",
            "history": [["hi", "hello"]],
        },
        RowShape.PROMPT_COMPLETION,
        {
            "prompt": [
                {"role": "system", "content": "Be brief."},
                user("hi"),
                assistant("hello"),
                user("and 0?"),
            ],
            "completion": "yes",
        },
    ),
    "openai tools": (
        openai_tools,
        RowShape.PROMPT_COMPLETION,
        {
            "prompt": [
                user("weather 0?"),
                assistant("", tool_calls=[{"id": "c1", **CALL}]),
                {"role": "tool", "content": "rain", "tool_call_id": "c1"},
            ],
            "completion": "Take a coat.",
            "tools": TOOLS,
        },
    ),
    "sharegpt tools": (
        sharegpt_tools,
        RowShape.PROMPT_COMPLETION,
        {"prompt": "weather 0?", "completion": assistant("", tool_calls=[CALL]), "tools": TOOLS},
    ),
    "preference of strings": (
        lambda i: {"prompt": f"p{i}", "chosen": "good", "rejected": "bad"},
        RowShape.PREFERENCE,
        {"prompt": "p0", "chosen": "good", "rejected": "bad"},
    ),
    "preference of turns": (
        lambda i: {
            "conversations": [human(f"p{i}")],
            "chosen": gpt("good"),
            "rejected": gpt("bad"),
        },
        RowShape.PREFERENCE,
        {"prompt": "p0", "chosen": "good", "rejected": "bad"},
    ),
    "preference with the prompt in both": (
        lambda i: {
            "chosen": [user(f"p{i}"), assistant("good")],
            "rejected": [user(f"p{i}"), assistant("bad")],
        },
        RowShape.PREFERENCE,
        {"prompt": "p0", "chosen": "good", "rejected": "bad"},
    ),
    "preference as openai has it": (
        lambda i: {
            "input": {
                "messages": [user(f"p{i}")],
                "tools": TOOLS,
                "parallel_tool_calls": True,
            },
            "preferred_output": [assistant("good")],
            "non_preferred_output": [assistant("bad")],
        },
        RowShape.PREFERENCE,
        {"prompt": "p0", "chosen": "good", "rejected": "bad", "tools": TOOLS},
    ),
    "a prompt that is an object in words": (
        lambda i: {"prompt": f'{{"messages": {i}, "tools": 5}}', "completion": "c"},
        RowShape.PROMPT_COMPLETION,
        {"prompt": '{"messages": 0, "tools": 5}', "completion": "c"},
    ),
    "preference as in hh-rlhf": (
        lambda i: {
            "chosen": f"\n\nHuman: p{i}\n\nAssistant: a\n\nHuman: q\n\nAssistant: Some good",
            "rejected": f"\n\nHuman: p{i}\n\nAssistant: a\n\nHuman: q\n\nAssistant: Some bad",
        },
        RowShape.PREFERENCE,
        {
            "prompt": [user("p0"), assistant("a"), user("q")],
            "chosen": "Some good",
            "rejected": "Some bad",
        },
    ),
    "preference of plain strings with one beginning": (
        lambda i: {"chosen": f"The sky {i} is blue", "rejected": f"The sky {i} is black"},
        RowShape.PREFERENCE,
        {"prompt": "The sky 0 is", "chosen": "blue", "rejected": "black"},
    ),
    "judged pair": (
        lambda i: {"prompt": f"p{i}", "completion": "c", "label": i % 2 == 0},
        RowShape.UNPAIRED,
        {"prompt": "p0", "completion": "c", "label": True},
    ),
    "judged conversation": (
        lambda i: {"messages": [user(f"p{i}"), assistant("c")], "label": i % 2 == 1},
        RowShape.UNPAIRED,
        {"prompt": "p0", "completion": "c", "label": False},
    ),
    "prompts with a check": (
        lambda i: {"prompt": f"{i} + 1", "ground_truth": i + 1},
        RowShape.PROMPT_ONLY,
        {"prompt": "0 + 1", "reference": "1"},
    ),
    "prompts alone": (
        lambda i: {"prompt": f"p{i}"},
        RowShape.PROMPT_ONLY,
        {"prompt": "p0", "reference": None},
    ),
    "open conversations": (
        lambda i: {"messages": [assistant("hi"), user(f"p{i}")]},
        RowShape.PROMPT_ONLY,
        {"prompt": [assistant("hi"), user("p0")], "reference": None},
    ),
    "steps": (
        lambda i: {"prompt": f"p{i}", "completions": ["a", "b"], "labels": [True, False]},
        RowShape.STEPWISE,
        {"prompt": "p0", "completions": ["a", "b"], "labels": [True, False]},
    ),
    "text": (
        lambda i: {"text": f"once upon {i}", "url": "x"},
        RowShape.TEXT,
        {"text": "once upon 0"},
    ),
    "squad": (
        lambda i: {
            "id": i,
            "context": f"It is {i}.",
            "question": "What?",
            "answers": {"text": [f"{i}"], "answer_start": [6]},
        },
        RowShape.PROMPT_COMPLETION,
        {"prompt": "It is 0.\n\nWhat?", "completion": "0"},
    ),
    "nested answers": (
        lambda i: {"prompt": f"p{i}", "completion": {"n": i, "tags": ["a"]}},
        RowShape.PROMPT_COMPLETION,
        {"prompt": "p0", "completion": '{"n": 0, "tags": ["a"]}'},
    ),
    "prompt and completion of messages": (
        lambda i: {"prompt": [user(f"p{i}")], "completion": [assistant("c")]},
        RowShape.PROMPT_COMPLETION,
        {"prompt": "p0", "completion": "c"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_format_becomes_lines_of_its_shape_without_a_question(tmp_path, name):
    make, shape, line = CASES[name]

    result = read(tmp_path, json.dumps([make(i) for i in range(30)]))

    sides = (result.train, result.dev, result.test)
    first = min((row for side in sides for row in written(tmp_path, side)), key=lambda r: r["row"])
    assert (result.shape, result.readings, result.row_error_count) == (shape, (), 0)
    assert first == {**line, "row": 1}
    assert result.roles_reason


@pytest.mark.parametrize(
    ("name", "masks"),
    [
        ("alpaca with history", [Mask.READ, Mask.READ, Mask.LEARNT, Mask.READ, Mask.LEARNT]),
        ("openai tools", [Mask.READ, Mask.READ, Mask.LEARNT, Mask.READ, Mask.LEARNT]),
        ("preference of strings", [Mask.READ, Mask.LEARNT, Mask.AVOIDED]),
        ("preference as in hh-rlhf", [Mask.READ] * 3 + [Mask.LEARNT, Mask.AVOIDED]),
        ("prompts with a check", [Mask.READ, Mask.COMPARED]),
        ("steps", [Mask.READ, Mask.LEARNT, Mask.AVOIDED]),
        ("text", [Mask.LEARNT]),
    ],
)
def test_the_samples_say_what_is_learnt_of_each_turn(tmp_path, name, masks):
    result = read(tmp_path, json.dumps([CASES[name][0](i) for i in range(30)]))

    assert [[turn.mask for turn in sample.turns] for sample in result.samples] == [masks] * 3


def test_a_thumb_down_is_shown_as_what_is_to_be_avoided(tmp_path):
    result = read(tmp_path, json.dumps([CASES["judged pair"][0](i) for i in range(30)]))

    sides = [*written(tmp_path, result.train)][:3]
    masks = [sample.turns[-1].mask for sample in result.samples]
    assert masks == [Mask.LEARNT if row["label"] else Mask.AVOIDED for row in sides]


BAD_TALKS = {
    "holds something other than text": [user("hi"), assistant("x", content=[{"type": "image"}])],
    "is of nobody known": [{"role": "narrator", "content": "x"}, assistant("x")],
    "does not end with an answer": [user("hi"), assistant("x"), user("bye")],
    "no message of the user": [assistant("hi"), assistant("ho")],
    "arguments of a tool call are not JSON": [
        user("hi"),
        assistant("", tool_calls=[{"function": {"name": "f", "arguments": "{"}}]),
    ],
    "'message' is empty": [user(""), assistant("x")],
    "weight 0": [user("hi"), assistant("x", weight=0)],
}


@pytest.mark.parametrize("reason", BAD_TALKS)
def test_a_conversation_that_cannot_be_used_is_left_out_with_a_reason(tmp_path, reason):
    good = [{"messages": [user(f"p{i}"), assistant("c")]} for i in range(30)]

    result = read(tmp_path, json.dumps([*good, {"messages": BAD_TALKS[reason]}]))

    assert [error.row for error in result.row_errors] == [31]
    assert reason in result.row_errors[0].reason


def test_a_reading_that_a_person_gave_is_followed_and_no_question_is_left(tmp_path):
    content = json.dumps([{"a": f"a{i}", "b": f"b{i}", "c": f"c{i}"} for i in range(30)])
    wanted = Reading(shape=RowShape.PROMPT_COMPLETION, prompt=("c",), answer=("a",))

    result = read(tmp_path, content, reading=wanted)
    message = refusal(
        tmp_path, content, reading=wanted.model_copy(update={"answer": ("z",)})
    ).message

    assert (result.prompt_column, result.completion_column, result.readings) == ("c", "a", ())
    assert message == "There is no column 'z'. The file has 'a', 'b', 'c'."


def test_a_default_that_gives_no_rows_makes_room_for_the_next_reading(tmp_path):
    rows = [{"text": f"t{i}", "sentiment": "xy"[i % 2], "topic": "ab"[i % 2]} for i in range(30)]

    result = read(tmp_path, json.dumps(rows), task="Sort", max_field_chars=20)

    assert (result.completion_column, result.rows_usable) == ("sentiment", 30)
    assert [reading.answer for reading in result.readings] == [("sentiment",), ("topic",)]
