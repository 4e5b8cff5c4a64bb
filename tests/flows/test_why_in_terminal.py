import pytest

from agents.services import UserError
from bot import explaining
from bot.session import Job
from bot.terminal import TerminalSurface
from tests.facts import an_answer
from tests.fakes import StubLauncher
from tests.flows.test_terminal import QUICK, Keyboard, data, session  # noqa: F401  # a fixture
from tests.house import EVERY_GATE, open_house, settings_for

SAID = (an_answer(3, "a", "a"), an_answer(8, "a", "b"))


async def why(tmp_path, item, keyboard, script=None):
    launcher = StubLauncher(script or {}, said=SAID)
    settings = settings_for(tmp_path, **QUICK)
    surface = TerminalSurface(keyboard)
    return await explaining.why(settings, 1, item, surface, launcher=launcher), launcher.started


async def test_an_answer_is_explained_and_shown_again_without_being_looked_into_again(
    tmp_path,
    data,  # noqa: F811
):
    job = Job(data=data, task="Sort tickets", policy=EVERY_GATE)
    await session(tmp_path, job, Keyboard(), said=SAID)

    first = await why(tmp_path, "8", keyboard := Keyboard())
    second = await why(tmp_path, "row 8", again := Keyboard())

    assert first == (True, ["run1-i1-explain-a1"])
    assert "Why the tuned model answered row 8 so" in keyboard.text
    assert "refund? +5.50" in keyboard.text
    assert "Heat map over the words of a prompt: Where it looked, not why." in " ".join(
        keyboard.text.replace("│", " ").split()
    )
    assert second == (True, [])
    assert "was explained before" in again.text
    assert "Why the tuned model answered row 8 so" in again.text


async def test_one_that_fails_is_told_and_is_no_success(tmp_path, data):  # noqa: F811
    job = Job(data=data, task="Sort tickets", policy=EVERY_GATE)
    await session(tmp_path, job, Keyboard(), said=SAID)

    script = {"run1-i1-explain-a1": "bad_data"}
    done, _started = await why(tmp_path, "8", keyboard := Keyboard(), script)

    assert not done
    assert "Row 8 could not be explained" in keyboard.text


async def test_a_run_that_lives_elsewhere_is_explained_there(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
    with pytest.raises(UserError, match="lives in log"):
        await why(tmp_path, "8", Keyboard())
