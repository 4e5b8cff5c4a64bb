"""What is left out because the work before takes long is told once a minute, not once a second."""

import logging

import pytest
from apscheduler.events import EVENT_JOB_EXECUTED, EVENT_JOB_MAX_INSTANCES, JobEvent

from bot.schedule import Punctual
from tests.fakes import SetClock


@pytest.fixture
def clock():
    return SetClock()


@pytest.fixture
def punctual(clock):
    return Punctual("1", "look at jobs", clock.now)


def test_work_that_takes_long_is_told_once_a_minute(clock, punctual, caplog):
    for _second in range(130):
        punctual.heard(JobEvent(EVENT_JOB_MAX_INSTANCES, "1", "default"))
        clock.move(seconds=1)

    assert [record.getMessage() for record in caplog.records] == [
        "look at jobs: still at it after more than 60 s"
    ] * 2


def test_work_that_ends_and_the_work_of_others_are_no_news(clock, punctual, caplog):
    for _second in range(130):
        punctual.heard(JobEvent(EVENT_JOB_MAX_INSTANCES, "1", "default"))
        clock.move(seconds=1)
        punctual.heard(JobEvent(EVENT_JOB_MAX_INSTANCES, "2", "default"))
        if clock.now().second == 0:
            punctual.heard(JobEvent(EVENT_JOB_EXECUTED, "1", "default"))

    assert logging.getLevelName(logging.WARNING) not in caplog.text
