import pytest

from agents.workflow.assertions import Assertion, Check, judge
from agents.workflow.outcome import Ended, Outcome, Visit


def outcome(ended: Ended = Ended.FINISHED, **variables: str) -> Outcome:
    visits = tuple(Visit(name, 0.1, 1, 10, 5) for name in ("ask", "answer"))
    return Outcome(ended, visits, variables)


def passes(check: Check, value: str, target: str | None = "answer", **more: bool) -> bool:
    known = outcome(answer="  Hello, World \n", name="World", empty="", odd="a.c (x)")
    return judge(Assertion(check, target, value, **more), known).passed


@pytest.mark.parametrize(
    ("check", "value", "passed"),
    [
        (Check.EQUALS, "Hello, World", True),
        (Check.EQUALS, " Hello, World\ufeff", True),
        (Check.EQUALS, "hello, world", False),
        (Check.CONTAINS, "World", True),
        (Check.CONTAINS, "world", False),
        (Check.NOT_CONTAINS, "world", True),
        (Check.NOT_CONTAINS, "World", False),
        (Check.REGEX, "^Hello,\\s\\w+$", True),
        (Check.REGEX, "^hello", False),
    ],
)
def test_a_value_is_compared_trimmed_and_with_its_case(check, value, passed):
    assert passes(check, value) is passed


def test_contains_can_leave_case_out_and_can_take_a_pattern():
    assert passes(Check.CONTAINS, "WORLD", case_sensitive=False)
    assert not passes(Check.NOT_CONTAINS, "WORLD", case_sensitive=False)
    assert passes(Check.CONTAINS, "w.r", regex=True, case_sensitive=False)
    assert not passes(Check.CONTAINS, "w.r")
    assert not passes(Check.NOT_CONTAINS, "W.r", regex=True)


@pytest.mark.parametrize("check", [check for check in Check if check is not Check.STATE_REACHED])
def test_a_name_without_value_fails_every_check_also_not_contains(check):
    judged = judge(Assertion(check, "nothing", "x"), outcome(answer="x"))

    assert not judged.passed
    assert judged.message == "“nothing” has no value"


def test_d14_names_in_a_value_are_replaced():
    assert passes(Check.EQUALS, "Hello, {{name}}")
    assert not passes(Check.CONTAINS, "{{name}}", target="odd")
    assert passes(Check.EQUALS, "{{empty}}", target="empty")


def test_a_name_in_a_pattern_stands_for_its_text_and_is_no_pattern_itself():
    assert passes(Check.REGEX, "^{{odd}}$", target="odd")
    assert not judge(
        Assertion(Check.REGEX, "answer", "^{{odd}}$"), outcome(answer="abc x", odd="a.c (x)")
    ).passed


def test_an_unknown_name_in_a_value_stays_as_it_is_written():
    known = outcome(answer="{{who}}")

    assert judge(Assertion(Check.EQUALS, "answer", "{{who}}"), known).passed


def test_a_state_is_reached_when_it_was_entered_and_end_when_it_came_to_that():
    assert passes(Check.STATE_REACHED, "answer", target=None)
    assert passes(Check.STATE_REACHED, "end", target=None)
    assert not passes(Check.STATE_REACHED, "other", target=None)
    stopped = outcome(Ended.STOPPED)
    assert not judge(Assertion(Check.STATE_REACHED, None, "end"), stopped).passed
    judged = judge(Assertion(Check.STATE_REACHED, None, "other"), stopped)
    assert judged.message == "the path was ask → answer"


def test_legacy_output_is_all_that_was_saved():
    known = outcome(first="one", second="two")

    assert judge(Assertion(Check.REGEX, "output", "one\\ntwo"), known).passed
    assert judge(Assertion(Check.EQUALS, "output", "mine"), outcome(output="mine", a="b")).passed


def test_a_pattern_that_takes_too_long_fails_and_says_so():
    evil = Assertion(Check.REGEX, "answer", "^(a|aa)+$")

    judged = judge(evil, outcome(answer="a" * 60 + "b"))

    assert not judged.passed
    assert "takes longer than" in judged.message
