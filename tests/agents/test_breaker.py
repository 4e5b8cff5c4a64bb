"""A back end that fails again and again is left alone, and one question at a time finds out when it is back."""

import pytest

from agents.llm import BackEndPaused, Breaker


class Hand:
    """A clock that is set by hand."""

    s = 0.0

    def __call__(self):
        return self.s


def broken(clock):
    breaker = Breaker("m (fake)", 3, 60.0, clock)
    for _time in range(3):
        breaker.leave(finding_out=breaker.enter(), worked=False)
    return breaker


def test_only_failures_in_a_row_count():
    breaker = Breaker("m (fake)", 3, 60.0, Hand())

    for worked in (False, False, True, False, False, None):
        breaker.leave(finding_out=breaker.enter(), worked=worked)

    assert breaker.enter() is False


def test_while_it_pauses_nobody_is_let_through_and_everybody_is_told_how_long():
    clock = Hand()
    breaker = broken(clock)
    clock.s = 20.0

    with pytest.raises(BackEndPaused, match="3 times in a row") as caught:
        breaker.enter()
    assert caught.value.after_s == 40.0
    assert caught.value.again


def test_then_one_finds_out_while_the_others_wait():
    clock = Hand()
    breaker = broken(clock)
    clock.s = 61.0

    assert breaker.enter() is True
    with pytest.raises(BackEndPaused):
        breaker.enter()
    breaker.leave(finding_out=True, worked=True)
    assert breaker.enter() is False


def test_who_finds_out_that_it_is_still_away_starts_another_pause():
    clock = Hand()
    breaker = broken(clock)
    clock.s = 61.0

    breaker.leave(finding_out=breaker.enter(), worked=False)

    with pytest.raises(BackEndPaused) as caught:
        breaker.enter()
    assert caught.value.after_s == 60.0


def test_who_gives_up_finding_out_lets_the_next_one_try():
    clock = Hand()
    breaker = broken(clock)
    clock.s = 61.0

    breaker.leave(finding_out=breaker.enter(), worked=None)

    assert breaker.enter() is True


def test_a_late_answer_from_before_the_pause_ends_it():
    breaker = Breaker("m (fake)", 1, 60.0, Hand())
    late = breaker.enter()
    breaker.leave(finding_out=breaker.enter(), worked=False)

    breaker.leave(finding_out=late, worked=True)

    assert breaker.enter() is False
