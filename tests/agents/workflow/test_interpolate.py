from hypothesis import given
from hypothesis import strategies as st

from agents.workflow.placeholders import filled

NAMES = st.from_regex(r"\A[A-Za-z0-9_]{1,6}\Z")
VARIABLES = st.dictionaries(NAMES, st.text(max_size=10), max_size=4)


def test_names_are_word_characters_without_blanks():
    known = {"a": "1", "b_2": "2", "ä": "3", "3": "4"}

    assert filled("{{a}} {{b_2}} {{3}} {{ a }} {{ä}} {a} {{a-b}}", known) == (
        "1 2 4 {{ a }} {{ä}} {a} {{a-b}}"
    )


def test_a_value_with_braces_is_not_read_again():
    assert filled("{{a}}{{b}}", {"a": "{{b}}", "b": "x"}) == "{{b}}x"


def test_braces_around_braces_take_the_inner_pair():
    assert filled("{{{a}}}", {"a": "x"}) == "{x}"


@given(st.text(), VARIABLES)
def test_a_text_without_names_stays_as_it_is(text, variables):
    plain = text.replace("{{", "")

    assert filled(plain, variables) == plain


@given(st.lists(st.tuples(st.text(alphabet="ab {}\n", max_size=5), NAMES)), VARIABLES)
def test_every_known_name_is_replaced_and_every_other_stays(parts, variables):
    text = "".join(f"{before}|{{{{{name}}}}}|" for before, name in parts)
    expected = "".join(
        f"{before}|{variables.get(name, '{{' + name + '}}')}|" for before, name in parts
    )

    if "{{" not in "".join(before for before, _ in parts):
        assert filled(text, variables) == expected


@given(st.text(alphabet="ab{}_ ", max_size=40))
def test_nothing_known_changes_nothing(text):
    assert filled(text, {}) == text
