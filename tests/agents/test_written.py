import pytest

from agents.written import is_about_as_long, without_markdown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# Title\n\nSome **bold** and *slanted* text", "Title\n\nSome bold and slanted text"),
        ("- one\n- two\n1. three", "one\ntwo\nthree"),
        ("> quoted\n\n---\n\nend", "quoted\n\nend"),
        ("see [the page](http://x) and `code`", "see the page and code"),
        ("```python\nprint(1)\n```", "print(1)"),
        ("snake_case_name and 2 * 3 * 4 stay", "snake_case_name and 2 * 3 * 4 stay"),
        ("plain", "plain"),
    ],
)
def test_markdown_goes_and_words_stay(text, words):
    assert without_markdown(text) == words


def test_length_is_that_of_the_words():
    assert is_about_as_long("**" + "a" * 80 + "**", "b" * 100)
    assert not is_about_as_long("a" * 79, "b" * 100)
    assert is_about_as_long("", "")
