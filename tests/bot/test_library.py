"""The library: who may add and remove what, what is told, and that a wish survives a crash."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from agents.services import UserError
from bot import library as verbs
from bot.desk import Wish
from bot.library import Library
from bot.surface import Person
from configs.schema import DiscordSettings, GuildSettings
from storage import inbox, library
from storage.models import InboxState
from tests.house import ANNA, House, open_house

FEES = b"# Fees\nAn account costs nothing in the first year.\n\n# Cards\nA card is sent within three days.\n"
BEN = Person("log:ben", "Ben")
CHIEF = Person("log:chief", "Chief", frozenset({"7"}))
WISH = Wish(
    key="log:document:1",
    person_id=ANNA.id,
    person_name=ANNA.name,
    person_roles=[],
    guild="5",
    home="log:channel",
    goal="",
    file_name="fees.md",
    size_bytes=len(FEES),
    document=True,
    request={"file": "fees"},
)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    guilds = {"5": GuildSettings(approver_role_id="7")}
    async with open_house(tmp_path, discord=DiscordSettings(guilds=guilds)) as opened:
        opened.surface.files["fees"] = FEES
        yield opened


def of(house: House) -> Library:
    return house.app.commands.library


async def add(
    house: House, content: bytes, name: str, person: Person = ANNA, guild: str | None = "5"
) -> str:
    file = house.app.services.files.put(content)
    return await of(house).add(person, guild, file, name)


async def test_a_document_that_was_sent_is_in_the_library_once_and_its_person_is_told(house):
    assert await house.app.desk.take(WISH)
    assert not await house.app.desk.take(WISH)
    await house.app.desk.work_off()
    await house.app.desk.work_off()

    (line,) = await of(house).listed("5")
    assert line.startswith(r"**fees\.md**: 2 passages, 94 bytes, by Anna on ")
    (told,) = house.surface.answers()
    assert told == r"fees\.md is in the library: 2 passages to look up. Runs here can use it now."


async def test_a_document_that_was_taken_before_a_crash_is_added_after_it(tmp_path):
    async with open_house(tmp_path) as house:
        await house.app.desk.take(replace(WISH, guild=None))
    async with open_house(tmp_path) as house:
        house.surface.files["fees"] = FEES
        await house.app.catch_up()
        assert await of(house).names(None) == ["fees.md"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("fees.md", b"", "holds no text"),
        ("fees.md", b"# Fees\nnone\n", "holds no sentence"),
        ("fees.txt", b"\x00\x01\x02 binary", "is no text"),
        ("fees.pdf", b"%PDF-1.7 but not really", "cannot be read"),
        ("fees.docx", b"PK but not really", "cannot be read"),
        ("fees.exe", b"MZ", "no document that I can read"),
        ("fees", b"x", "no document that I can read"),
        ("x" * 121 + ".md", FEES, "longer than 120"),
    ],
)
async def test_what_cannot_be_read_is_refused_with_a_reason(house, name, content, says):
    with pytest.raises(UserError, match=says):
        await add(house, content, name)
    assert await of(house).listed("5") == []


async def test_a_refusal_is_told_once_and_not_tried_again(house):
    house.surface.files["fees"] = b"# Fees\nnone\n"
    await house.app.desk.take(WISH)
    await house.app.desk.work_off()
    await house.app.desk.work_off()
    (told,) = house.surface.answers()
    assert "holds no sentence" in told
    row, new = await house.app.services.db.write(
        inbox.receive, WISH.key, "start", {}, house.app.services.clock.now()
    )
    assert (new, row.state) == (False, InboxState.REFUSED)


async def test_a_new_version_takes_the_place_of_the_old_one_and_the_old_row_stays(house):
    await add(house, FEES, "fees.md")
    told = await add(house, FEES + b"\n# More\nA second card costs five a year.\n", "FEES.md")
    assert "taken the place of its earlier version: 3 passages" in told
    assert await of(house).names("5") == ["FEES.md"]
    assert "already, as it is" in await add(
        house, FEES + b"\n# More\nA second card costs five a year.\n", "FEES.md"
    )


async def test_who_added_a_document_or_may_approve_can_change_or_remove_it_and_nobody_else(house):
    await add(house, FEES, "fees.md")
    with pytest.raises(UserError, match="added by Anna"):
        await of(house).remove(BEN, "5", "fees.md")
    with pytest.raises(UserError, match="added by Anna"):
        await add(house, FEES + b"\nAnd a word of mine, too.\n", "fees.md", BEN)
    assert "is gone" in await of(house).remove(CHIEF, "5", "Fees.MD")
    await add(house, FEES, "fees.md")
    assert "is gone" in await of(house).remove(ANNA, "5", "fees.md")
    with pytest.raises(UserError, match="no document"):
        await of(house).remove(ANNA, "5", "fees.md")


async def test_each_server_has_its_own_documents(house):
    await add(house, FEES, "fees.md")
    await add(house, FEES, "here.md", guild=None)
    assert await of(house).names("5") == ["fees.md"]
    assert await of(house).names("6") == []
    assert await of(house).names(None) == ["here.md"]
    with pytest.raises(UserError, match="no document"):
        await of(house).remove(ANNA, "6", "fees.md")


async def test_a_role_is_needed_where_starting_runs_needs_one(tmp_path):
    guilds = {"5": GuildSettings(starter_role_id="9")}
    async with open_house(tmp_path, discord=DiscordSettings(guilds=guilds)) as house:
        with pytest.raises(UserError, match="needs a role"):
            await house.app.desk.take(WISH)


async def test_a_shelf_has_an_end(house, monkeypatch):
    monkeypatch.setattr(verbs, "MOST_DOCUMENTS", 1)
    await add(house, FEES, "fees.md")
    with pytest.raises(UserError, match="as many as fit"):
        await add(house, FEES, "more.md")
    await add(house, FEES + b"\nStill a new version of the one.\n", "fees.md")


async def test_names_of_documents_are_shown_without_live_marks(house):
    await add(house, FEES, "@everyone **fees** https://evil.example.md")
    (line,) = await of(house).listed("5")
    assert "@everyone" not in line.replace(r"\@everyone", "")
    assert "https://" not in line


def test_shelves_of_servers_and_the_terminal_differ():
    assert library.shelf_of(None) != library.shelf_of("here")
