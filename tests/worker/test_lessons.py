"""Which rows a training sees when some are too long to learn anything from."""

import pytest

from agents.worker.errors import RowsTooLong
from agents.worker.lessons import Lesson, drawn
from agents.worker.rows import Row, draw

pytestmark = pytest.mark.torch

ROWS = [Row("asked", "answered", number) for number in range(1, 41)]


def encode(rows: list[Row]) -> list[Lesson]:
    """Every third row is too long."""
    if long := [row.number for row in rows if row.number % 3 == 0]:
        raise RowsTooLong(long, "too long")
    return [Lesson({}, row.number, row.number, 1, []) for row in rows]


def test_another_row_is_drawn_for_each_that_is_too_long():
    found = drawn(encode, ROWS, 20, seed=1)

    numbers = [row.number for row in found.rows]
    assert len(set(numbers)) == 20
    assert numbers == sorted(numbers) == [lesson.tokens for lesson in found.lessons]
    first = [row.number for row in draw(ROWS, 20, 1)]
    assert {n for n in first if n % 3} < set(numbers)
    assert {n for n in first if not n % 3} <= set(found.left_out)


def test_where_no_others_are_left_the_rest_is_what_there_is():
    found = drawn(encode, ROWS, 35, seed=1)

    assert [row.number for row in found.rows] == [n for n in range(1, 41) if n % 3]
    assert found.left_out == tuple(range(3, 41, 3))


def test_the_same_rows_are_drawn_as_ever_where_all_fit():
    rows = [row for row in ROWS if row.number % 3]

    assert drawn(encode, rows, 10, seed=5).rows == draw(rows, 10, 5)
    assert drawn(encode, rows, None, seed=5).rows == rows


def test_rows_that_are_all_too_long_are_refused():
    with pytest.raises(RowsTooLong):
        drawn(encode, [row for row in ROWS if row.number % 3 == 0], 5, seed=1)
