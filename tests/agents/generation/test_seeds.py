import pytest

from agents.generation.seeds import seed_of, seeds_of

SYSTEM = {"role": "system", "content": "Be brief."}


def user(text):
    return {"role": "user", "content": text}


def said(text):
    return {"role": "assistant", "content": text}


TALK = [SYSTEM, user("hello"), said("yes?"), user("where is my card")]
SHAPES = [
    ({"prompt": "q", "completion": "a"}, {"prompt": "Q", "completion": "A"}),
    ({"text": "q"}, {"text": "Q"}),
    (
        {"prompt": TALK, "completion": said("a")},
        {"prompt": [SYSTEM, user("Q")], "completion": said("A")},
    ),
    (
        {"prompt": "q", "completion": "a", "label": True},
        {"prompt": "Q", "completion": "A", "label": True},
    ),
    ({"prompt": "q", "reference": "a"}, {"prompt": "Q", "reference": "A"}),
]


@pytest.mark.parametrize(("row", "written"), SHAPES)
def test_a_made_row_has_the_shape_of_the_row_that_it_is_like(row, written):
    seed = seed_of(row | {"row": 7})

    assert seed.number == 7
    assert seed.written("Q", "A") == written


def test_rewording_keeps_all_else_of_a_row():
    talk = seed_of({"row": 1, "prompt": TALK, "completion": said("a")})
    pair = seed_of({"row": 2, "prompt": "q", "chosen": "good", "rejected": "bad"})

    assert talk.asked == "where is my card"
    assert talk.reworded("Q") == {"prompt": [*TALK[:3], user("Q")], "completion": said("a")}
    assert pair.reworded("Q") == {"prompt": "Q", "chosen": "good", "rejected": "bad"}
    assert pair.answer == "good"


def test_a_worse_answer_makes_a_pair_in_the_shape_of_pairs():
    pair = seed_of({"row": 2, "prompt": TALK, "chosen": said("good"), "rejected": said("bad")})
    plain = seed_of({"row": 3, "prompt": "q", "completion": "good"})

    assert pair.paired("worse") == {
        "prompt": TALK,
        "chosen": said("good"),
        "rejected": said("worse"),
    }
    assert plain.paired("worse") == {"prompt": "q", "chosen": "good", "rejected": "worse"}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "q", "completion": "a", "tools": [{"name": "t"}]},
        {"prompt": "q", "completion": {"role": "assistant", "tool_calls": [{"id": "1"}]}},
        {"prompt": "q", "completions": ["a"], "labels": [True]},
        {"prompt": "q", "completion": "a", "label": False},
        {"prompt": [user("q"), said("a")], "completion": "a"},
        {"prompt": [{"role": "user", "content": [{"type": "image"}]}], "completion": "a"},
        {"prompt": "  ", "completion": "a"},
        {"prompt": "q", "completion": "a", "made": {}},
    ],
)
def test_what_cannot_be_an_example_is_none(row):
    assert seeds_of([row | {"row": 1}]) == ()


def test_a_task_that_stands_before_every_row_is_no_part_of_what_is_asked_and_is_put_back():
    task = "Classify the question"
    rows = [
        {"row": n, "prompt": f"{task}\n\nwhere is parcel {n}", "completion": "a"} for n in range(3)
    ]

    seeds = seeds_of(rows, task)

    assert [seed.asked for seed in seeds] == [f"where is parcel {n}" for n in range(3)]
    assert seeds[0].reworded("is it here")["prompt"] == f"{task}\n\nis it here"
    assert seeds[0].written("new", "b")["prompt"] == f"{task}\n\nnew"
    other = [*rows, {"row": 9, "prompt": "hello", "completion": "a"}]
    assert seeds_of(other, task)[0].asked == f"{task}\n\nwhere is parcel 0"
