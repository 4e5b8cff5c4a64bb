"""What a person says about doubtful rows, and what becomes of the file."""

import json

import pytest

from agents.row_changes import RowsChange, carried_out, wished
from tests.facts import a_doubt

OFFER = [a_doubt(row) for row in (14, 3, 27, 1200, 8)]
"""The most doubtful first."""
ALL = (14, 3, 27, 1200, 8)
NOTHING = RowsChange()
DROPPED = RowsChange(dropped=ALL)
RELABELLED = RowsChange(relabelled=tuple((row, "b") for row in ALL))


@pytest.mark.parametrize(
    ("words", "now", "change", "rest"),
    [
        ("drop them", NOTHING, DROPPED, ""),
        ("Please drop them all.", NOTHING, DROPPED, ""),
        ("leave them out, and 2 epochs", NOTHING, DROPPED, "2 epochs"),
        ("drop the wrong labels", NOTHING, DROPPED, ""),
        ("remove the rows", NOTHING, DROPPED, ""),
        ("only 2", DROPPED, RowsChange(dropped=(14, 3)), ""),
        ("only the first 2 rows", DROPPED, RowsChange(dropped=(14, 3)), ""),
        ("drop the 3 most doubtful", NOTHING, RowsChange(dropped=(14, 3, 27)), ""),
        ("only 2", RELABELLED, RowsChange(relabelled=((14, "b"), (3, "b"))), ""),
        ("relabel only 1", DROPPED, RowsChange(relabelled=((14, "b"),)), ""),
        ("keep row 27", DROPPED, RowsChange(dropped=(14, 3, 1200, 8)), ""),
        ("keep rows 14, 1,200 and 8", DROPPED, RowsChange(dropped=(3, 27)), ""),
        ("keep row 3 and row 8; lr 1e-4", DROPPED, RowsChange(dropped=(14, 27, 1200)), "lr 1e-4"),
        ("drop row 99", DROPPED, RowsChange(dropped=(*ALL, 99)), ""),
        ("drop rows 7 and 9", NOTHING, RowsChange(dropped=(7, 9)), ""),
        ("relabel them", DROPPED, RELABELLED, ""),
        ("correct the labels", NOTHING, RELABELLED, ""),
        ("drop them instead", RELABELLED, DROPPED, "instead"),
        ("keep all rows", DROPPED, NOTHING, ""),
        ("keep them, 2 epochs", DROPPED, NOTHING, "2 epochs"),
        ("keep them", DROPPED, NOTHING, ""),
        ("don't drop them", DROPPED, NOTHING, ""),
        ("use all rows again", RELABELLED, NOTHING, ""),
        ("relabel them but keep row 3", DROPPED, RELABELLED.keeping([3]), "but"),
    ],
)
def test_words_become_a_change_of_rows(words, now, change, rest):
    wish = wished(words, OFFER, NOTHING, now)

    assert wish is not None
    assert set(wish.change.dropped) == set(change.dropped)
    assert set(wish.change.relabelled) == set(change.relabelled)
    assert wish.rest == rest


@pytest.mark.parametrize(
    "words",
    [
        "2 epochs",
        "use 200 rows",
        "use only 3 rows",
        "only 2 epochs",
        "only 2 test rows",
        "only 40",
        "drop near duplicates",
        "drop rows with keys",
        "answers are too long",
        "mask keys",
        "keep going",
        "keep all else as it is",
        "only 3 answers are right",
        "just 2 more epochs",
        "don't drop the learning rate",
        "use the rows better",
    ],
)
def test_other_words_are_not_about_doubtful_rows(words):
    assert wished(words, OFFER, NOTHING, DROPPED) is None


def test_where_no_rows_are_doubted_no_words_are_about_them():
    assert wished("drop them", [], NOTHING, NOTHING) is None
    assert wished("keep all rows", [], DROPPED, DROPPED) is not None


def test_only_some_of_what_is_new_leaves_what_was_dropped_before():
    before = RowsChange(dropped=(90, 91))

    wish = wished("only 1", OFFER, before, before.dropping(ALL))

    assert wish.change == RowsChange(dropped=(90, 91, 14))


def test_a_row_that_is_used_anyway_is_named():
    wish = wished("keep row 555", OFFER, NOTHING, DROPPED)

    assert wish.change == DROPPED
    assert wish.notes == ("Row 555 would be used anyway.",)


def test_a_number_means_the_row_of_any_file_among_the_doubtful():
    second = 10**9 + 14
    offer = [a_doubt(second)]

    wish = wished("drop row 14", offer, NOTHING, NOTHING)

    assert wish.change.dropped == (second,)


def line(row: int, completion: str = "a") -> bytes:
    return json.dumps({"prompt": f"é {row}", "completion": completion, "row": row}).encode() + b"\n"


def test_rows_are_dropped_and_relabelled_and_what_they_were_is_kept():
    raw = b"".join(line(row) for row in (1, 2, 3, 2, 4))
    change = RowsChange(dropped=(2, 77), relabelled=((3, "b"),))

    done = carried_out(raw, change)

    assert (done.before, done.after, done.aside, done.missing) == (5, 3, 3, (77,))
    assert done.train.splitlines()[0] + b"\n" == line(1)
    assert [json.loads(row)["row"] for row in done.train.splitlines()] == [1, 3, 4]
    assert json.loads(done.train.splitlines()[1]) == {"prompt": "é 3", "completion": "b", "row": 3}
    assert done.put_aside == line(2) + line(3) + line(2)
    assert carried_out(raw, NOTHING).train == raw
