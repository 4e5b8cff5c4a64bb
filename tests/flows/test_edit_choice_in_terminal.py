"""In a terminal a number drops an edit of the change that is asked about, or takes it again."""

import asyncio

import pytest

from bot.app import open_app, run_app
from bot.surface import Person
from bot.terminal import HERE, TerminalSurface, answer_questions
from storage.models import Decision
from tests import kept_question
from tests.flows.test_terminal import QUICK, Keyboard
from tests.house import settings_for

ANNA = Person("terminal:anna", "Anna")


async def typed(tmp_path, *words):
    """Ask, type, and return what is taken, what was decided, and what was printed."""
    keyboard = Keyboard(*words)
    surface = TerminalSurface(keyboard)
    async with open_app(settings_for(tmp_path, **QUICK), surfaces=[surface]) as app, run_app(app):
        await kept_question.ask(app, person=ANNA, home=HERE)
        with pytest.raises(EOFError):
            await asyncio.wait_for(answer_questions(app, surface, ANNA), 60)
        await app.pump()
        asked = await kept_question.newest(app)
        return await kept_question.taken(app), asked, keyboard.text


async def test_a_number_drops_an_edit_and_again_takes_it(tmp_path):
    taken, asked, text = await typed(tmp_path, "2", "3", "2")

    assert taken == [True, True, False]
    assert asked.decision is Decision.OPEN
    assert "☐ dropped · 3" in text


async def test_a_number_that_is_no_edit_is_said_not_to_be(tmp_path):
    taken, asked, text = await typed(tmp_path, "7")

    assert taken == [True, True, True]
    assert asked.decision is Decision.OPEN
    assert "There is no edit 7; there are 3." in text
