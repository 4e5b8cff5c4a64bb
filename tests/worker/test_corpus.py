"""Files as people have them: each is taken for what it is, or the right question is asked."""

import pytest

from tests.worker.corpus import BEGIN, END, FILES, PAGE, intake_of, rows_of_the_table, taken_for
from tests.worker.intake import SHARED_DATA, read


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_taken_for_what_it_is(tmp_path, name):
    file = FILES[name]

    result = intake_of(tmp_path, file)

    assert (result.format, taken_for(result)) == (file.format, file.expected)
    assert bool(result.readings) is file.asks
    assert result.row_error_count == file.errors, result.row_errors


def test_there_are_enough_of_them_and_hardly_any_question():
    asked = [name for name, file in FILES.items() if file.asks]

    assert len(FILES) >= 60
    assert len(FILES) - len(asked) >= 57
    assert len(asked) <= 0.05 * len(FILES)


def test_the_table_on_the_page_is_what_intake_does():
    """`make docs` rewrites it."""
    table = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]

    assert table.splitlines() == rows_of_the_table()


@pytest.mark.parametrize("path", sorted(SHARED_DATA.glob("*.[cj]s*")), ids=lambda path: path.name)
def test_shared_data_are_read_without_a_question(tmp_path, path):
    result = read(
        tmp_path, path.read_bytes(), max_rows=200_000, max_field_chars=100_000, min_rows=30
    )

    assert result.readings == ()
    assert result.rows_usable >= 0.99 * result.rows_read
