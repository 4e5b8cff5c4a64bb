"""What goes along with a verdict, from the evaluation to the files that a person has."""

import json
from typing import Any

from bot.session import Job, run
from bot.surface import Card, File, Parcel
from bot.terminal import TerminalSurface
from storage.models import Decision
from tests.fakes import StubLauncher
from tests.flows.test_terminal import QUICK, Keyboard
from tests.house import House, open_house, settings_for

FITS = 10 * 2**20


async def at_the_report(house: House) -> dict[str, Any]:
    await house.start()
    await house.answer(Decision.APPROVE)
    (posted,) = [
        line for line in house.surface.lines() if line.get("title", "").startswith("Verdict")
    ]
    return posted


async def test_the_verdict_comes_with_markdown_page_and_json(tmp_path):
    async with open_house(tmp_path) as house:
        house.surface.attachment_limit = FITS

        posted = await at_the_report(house)

        assert posted["files"] == ["report.md", "report.html", "report.json"]
        assert "not attached" not in posted["body"]


async def test_where_files_do_not_fit_the_question_is_asked_all_the_same(tmp_path):
    async with open_house(tmp_path) as house:
        house.surface.attachment_limit = 1000

        posted = await at_the_report(house)

        assert posted["files"] == ["report.md"]
        assert posted["body"].count("is not attached: it has") == 2
        assert "report.html is not attached" in posted["body"]
        await house.settle()
        same = [line for line in house.surface.lines() if line.get("id") == posted["id"]]
        assert len(same) == 1  # nothing is edited before somebody answers
        await house.answer(Decision.APPROVE)
        assert house.titles()[-1] == "Your adapter is ready"


async def test_in_the_terminal_the_files_are_written_and_their_places_said(tmp_path):
    keyboard, folder = Keyboard(), tmp_path / "attached"
    surface = TerminalSurface(keyboard, folder)
    card = Card(title="Verdict: BETTER", body="better", footer="run #7 · message 31")
    files = (
        File("report.md", b"# R"),
        File("report.html", b"<p>"),
        File("a.zip", tmp_path / "a.zip"),
    )
    parcel = Parcel("tunewright-31-0", "run #7 · message 31", maybe_sent=False, files=files)

    await surface.post("terminal:here", card, parcel)
    await surface.post("terminal:here", card, parcel)

    there = folder / "run-7-message-31"
    assert {path.name: path.read_bytes() for path in there.iterdir()} == {
        "report.md": b"# R",
        "report.html": b"<p>",
    }
    assert keyboard.text.count(f"→ {there / 'report.html'}") == 1
    assert "attached: report.md, report.html, a.zip" in keyboard.text


async def test_a_terminal_without_a_folder_names_the_files(tmp_path):
    keyboard = Keyboard()
    parcel = Parcel("k", "m", maybe_sent=False, files=(File("report.md", b"# R"),))

    await TerminalSurface(keyboard).post("terminal:here", Card(title="Verdict"), parcel)

    assert "attached: report.md" in keyboard.text
    assert "→" not in keyboard.text


async def test_a_whole_run_in_a_terminal_leaves_its_report(tmp_path):
    data, folder = tmp_path / "tickets.csv", tmp_path / "attached"
    data.write_text("text,label\nhello,a\n")
    keyboard = Keyboard("y", "y")

    await run(
        settings_for(tmp_path, **QUICK),
        Job(data=data, task="Sort tickets"),
        TerminalSurface(keyboard, folder),
        launcher=StubLauncher({}),
    )

    (told,) = folder.iterdir()
    assert {path.name for path in told.iterdir()} == {"report.md", "report.html", "report.json"}
    assert json.loads((told / "report.json").read_text())["sentence"].startswith(
        "The tuned model is better."
    )
    assert "not attached" not in keyboard.text
