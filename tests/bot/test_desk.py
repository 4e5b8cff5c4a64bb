import errno
from dataclasses import replace

import pytest

from agents.services import UserError
from bot.desk import Wish
from bot.surface import Person
from configs.schema import DiscordSettings, GuildSettings, IntakeSettings
from storage import inbox, runs
from tests.house import ANNA, open_house

WISH = Wish(
    key="log:message:1",
    person_id=ANNA.id,
    person_name=ANNA.name,
    person_roles=["7"],
    guild="5",
    home="log:channel",
    goal="Sort tickets",
    file_name="tickets.csv",
    size_bytes=10,
    request={"file": "tickets"},
)


async def test_a_wish_becomes_a_run_and_its_person_is_told(tmp_path):
    async with open_house(tmp_path) as house:
        house.surface.files["tickets"] = b"a,b\n1,2\n"

        assert await house.app.desk.take(WISH)
        assert not await house.app.desk.take(WISH)
        await house.app.desk.work_off()
        await house.app.desk.work_off()

        assert len(await house.app.services.db.read(runs.recent)) == 1
        assert house.surface.answers() == ["Run #1 has started. Its thread tells how it goes."]


async def test_a_wish_that_was_kept_before_a_crash_is_carried_out_after_it(tmp_path):
    async with open_house(tmp_path) as house:
        await house.app.desk.take(WISH)
    async with open_house(tmp_path) as house:
        house.surface.files["tickets"] = b"a,b\n1,2\n"
        await house.app.catch_up()

        assert len(await house.app.services.db.read(runs.recent)) == 1


@pytest.mark.parametrize(
    ("change", "content", "says"),
    [
        ({}, None, "file is gone"),
        ({}, b"x" * 5000, "larger than"),
        ({"model": "gpt-9"}, b"a", "don't know the model"),
        ({"method": "magic"}, b"a", "don't know the method"),
        ({"goal": "  "}, b"a", "what the model should learn"),
    ],
)
async def test_what_cannot_be_done_is_told_and_not_tried_again(tmp_path, change, content, says):
    async with open_house(tmp_path, intake=IntakeSettings(max_upload_bytes=2048)) as house:
        if content is not None:
            house.surface.files["tickets"] = content

        await house.app.desk.take(replace(WISH, **change))
        await house.app.desk.work_off()

        assert says in house.surface.answers()[0]
        assert await house.app.services.db.read(runs.recent) == []
        assert await house.app.services.db.read(inbox.waiting) == []


async def test_a_file_announced_as_too_large_is_refused_before_it_is_fetched(tmp_path):
    async with open_house(tmp_path) as house:
        with pytest.raises(UserError, match="larger than"):
            await house.app.desk.take(replace(WISH, size_bytes=10**10))


async def test_who_may_start_is_a_role_of_the_server(tmp_path):
    guilds = DiscordSettings(guilds={"5": GuildSettings(starter_role_id="7")})
    async with open_house(tmp_path, discord=guilds) as house:
        await house.app.desk.take(WISH)
        with pytest.raises(UserError, match="needs a role"):
            await house.app.desk.take(replace(WISH, key="log:message:2", person_roles=["8"]))
        await house.app.desk.take(replace(WISH, key="log:message:3", person_roles=[], guild="6"))


async def test_an_approver_role_may_decide_beside_the_requester(tmp_path):
    guilds = DiscordSettings(guilds={"5": GuildSettings(approver_role_id="9")})
    async with open_house(tmp_path, discord=guilds) as house:
        await house.start(guild="5")
        question = house.surface.question()["question"]

        stranger = await house.app.commands.reply(
            question, Person("log:x", "X", frozenset({"1"})), "yes"
        )
        approver = await house.app.commands.reply(
            question, Person("log:y", "Y", frozenset({"9"})), "yes"
        )

        assert (stranger.effect, approver.effect) == ("not_allowed", "decided")


async def test_a_file_that_cannot_be_fetched_is_tried_three_times(tmp_path, monkeypatch):
    async with open_house(tmp_path) as house:

        async def broken(request):
            raise ConnectionError("reset")
            yield b""

        monkeypatch.setattr(house.surface, "fetch", broken)
        await house.app.desk.take(WISH)
        for _time in range(2):
            await house.app.desk.work_off()
            assert house.surface.answers() == []
        await house.app.desk.work_off()

        assert "could not fetch" in house.surface.answers()[0]
        assert await house.app.services.db.read(inbox.waiting) == []


async def test_a_full_disk_is_called_by_its_name(tmp_path, monkeypatch):
    async with open_house(tmp_path) as house:

        async def full(*_args):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(house.app.services.files, "put_stream", full)
        await house.app.desk.take(WISH)
        for _time in range(3):
            await house.app.desk.work_off()

        assert "no room left on my disk" in house.surface.answers()[0]
