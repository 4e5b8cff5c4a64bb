import io

import pytest
from rich.console import Console

from agents.feedback import from_pair
from agents.services import UserError
from bot.notebook import printed, repository
from bot.publish_wishes import Publish
from bot.session import Job, run
from bot.terminal import TerminalSurface
from configs.schema import DownloadSettings, HubSettings, ScheduleSettings
from storage.models import Phase
from tests.fakes import StubLauncher
from tests.house import EVERY_GATE, open_house, settings_for
from tests.wire.hub import FakeHub

QUICK = {
    "downloads": DownloadSettings(port=0),
    "schedule": ScheduleSettings(poll_interval_s=0.05, sweep_interval_s=1),
}


class Keyboard(Console):
    """A console whose person types from a script; at its end there is nobody."""

    def __init__(self, *words):
        self.printed = io.StringIO()
        super().__init__(file=self.printed, width=100)
        self.words = list(words)

    def input(self, *_prompt, **_options):
        if not self.words:
            raise EOFError
        return self.words.pop(0)

    @property
    def text(self):
        return self.printed.getvalue()


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "tickets.csv"
    path.write_text("text,label\nhello,a\n")
    return path


async def session(tmp_path, job, keyboard, script=None, said=(), **sections):
    launcher = StubLauncher(script or {}, said=said)
    settings = settings_for(tmp_path, **QUICK, **sections)
    return await run(settings, job, TerminalSurface(keyboard), launcher=launcher)


async def test_the_whole_path_with_answers_from_the_keyboard(tmp_path, data):
    keyboard = Keyboard("2 epochs", "", "y", "y")

    phase = await session(tmp_path, Job(data=data, task="Sort tickets"), keyboard)

    assert phase is Phase.DELIVERED
    assert "The plan, version 2" in keyboard.text
    assert "Verdict: BETTER" in keyboard.text
    assert "curl -O http://127.0.0.1:" in keyboard.text


async def test_a_policy_answers_and_is_labelled(tmp_path, data):
    keyboard = Keyboard()
    job = Job(data=data, task="Sort", policy=EVERY_GATE, wishes=[from_pair("max_steps=4")])

    assert await session(tmp_path, job, keyboard) is Phase.DELIVERED
    assert keyboard.text.count("automatically (standing permission)") >= 2


async def test_an_interrupted_session_goes_on_and_asks_its_question_again(tmp_path, data):
    with pytest.raises(EOFError):
        await session(tmp_path, Job(data=data, task="Sort tickets"), Keyboard())

    keyboard = Keyboard("yes", "yes")
    phase = await session(tmp_path, Job(run_id=1), keyboard)

    assert phase is Phase.DELIVERED
    assert "The plan" in keyboard.text


async def test_a_no_twice_ends_the_run(tmp_path, data):
    assert (
        await session(tmp_path, Job(data=data, task="Sort"), Keyboard("n", "n")) is Phase.CANCELLED
    )


async def test_history_and_diff_are_printed_and_revert_goes_on_with_a_delivered_run(tmp_path, data):
    await session(tmp_path, Job(data=data, task="Sort"), Keyboard("y", "3 epochs", "y", "y"))
    settings = settings_for(tmp_path, **QUICK)

    printed.show_history(await printed.lines(settings, 1), told := Keyboard())
    printed.show_difference(await printed.difference(settings, 1, 1, 2), between := Keyboard())
    again = await session(tmp_path, Job(run_id=1, revert_to=1), keyboard := Keyboard("y", "y"))

    assert "+40.0 points" in told.text
    assert "handed over" in told.text
    assert "epochs" in between.text
    assert "Rows: the same files." in between.text
    assert again is Phase.DELIVERED
    assert "Plan for try 3" in keyboard.text
    with pytest.raises(UserError, match="has no try 7"):
        await printed.difference(settings, 1, 1, 7)


async def test_a_notebook_is_whole_when_the_session_ends(tmp_path, data):
    await session(tmp_path, Job(data=data, task="Sort", policy=EVERY_GATE), Keyboard())

    assert repository.head(tmp_path / "data" / "notebooks", 1) is not None


async def test_a_run_from_elsewhere_is_left_there(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()

    with pytest.raises(UserError, match="lives in log"):
        await session(tmp_path, Job(run_id=1), Keyboard())


async def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(UserError, match="There is no file"):
        await session(tmp_path, Job(data=tmp_path / "nowhere.csv", task="x"), Keyboard())


async def test_a_delivered_run_is_published_after_a_yes_and_a_no_is_no_success(tmp_path, data):
    await session(tmp_path, Job(data=data, task="Sort", policy=EVERY_GATE), Keyboard())
    job = Job(run_id=1, publish=Publish("anna/codes"))
    async with FakeHub() as hub:
        known = HubSettings(token="hf_anna", endpoint=hub.endpoint)

        refused = await session(tmp_path, job, Keyboard("n"), hub=known)
        published = await session(tmp_path, job, keyboard := Keyboard("y"), hub=known)

        assert refused is Phase.FAILED
        assert published is Phase.DELIVERED
        assert "Publish privately?" in keyboard.text
        assert f"{hub.endpoint}/anna/codes" in keyboard.text.replace("\n", "")
        assert hub.writes == 1
