import pytest

from agents.llm import RuleLLM
from agents.services import UserError
from bot import comparing, overview
from bot.session import Job
from bot.terminal import TerminalSurface
from tests.flows.test_blind import said
from tests.flows.test_jury import by_place
from tests.flows.test_terminal import QUICK, Keyboard, data, session  # noqa: F401  # a fixture
from tests.house import EVERY_GATE, open_house, settings_for


async def delivered(tmp_path, path):
    """Carry a run to its end whose models gave three different answers."""
    job = Job(data=path, task="Sort tickets", policy=EVERY_GATE)
    await session(tmp_path, job, Keyboard(), said=said(4, equal=1))


async def test_answers_are_compared_at_the_keyboard_and_the_status_tells(tmp_path, data):  # noqa: F811
    await delivered(tmp_path, data)
    keyboard = Keyboard("a", "", "maybe", "b")
    settings = settings_for(tmp_path, **QUICK)

    with pytest.raises(EOFError):
        await comparing.compare(settings, 1, TerminalSurface(keyboard))
    assert "Which answer is better? (3 of 3)" in keyboard.text
    assert "Here I understand “a”, “b” and “tie”" in keyboard.text
    again = Keyboard("tie")
    await comparing.compare(settings, 1, TerminalSurface(again))

    assert "Which answer is better? (1 of 3)" not in again.text
    assert "Which answer is better? (3 of 3)" in again.text
    assert "What people preferred" in again.text
    (line,) = overview.read(settings, 1)
    assert len(line.opinions) == 1
    assert "1 person compared blindly" in line.as_json()["opinions"][0]


async def test_an_open_comparison_holds_no_session_up(tmp_path, data):  # noqa: F811
    settings = settings_for(tmp_path, **QUICK)
    job = Job(data=data, task="Sort tickets")
    with pytest.raises(EOFError):
        await session(tmp_path, job, Keyboard("y"), said=said(4))
    with pytest.raises(EOFError):
        await comparing.compare(settings, 1, TerminalSurface(Keyboard()))

    keyboard = Keyboard("y")
    await session(tmp_path, Job(run_id=1), keyboard)

    assert "Your adapter is ready" in keyboard.text


async def test_a_judge_is_asked_from_the_terminal(tmp_path, data):  # noqa: F811
    await delivered(tmp_path, data)
    keyboard, llm = Keyboard(), RuleLLM(by_place)

    await comparing.judge(settings_for(tmp_path, **QUICK), 1, TerminalSurface(keyboard), llm=llm)

    assert len(llm.asked) == 6
    assert "gave no measurement" in keyboard.text


async def test_a_run_that_lives_elsewhere_is_compared_there(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
    with pytest.raises(UserError, match="lives in log"):
        await comparing.compare(settings_for(tmp_path), 1, TerminalSurface(Keyboard()))
