"""From a delivered run to a repository of the Hub, and all that may be in the way."""

import logging
from typing import Any

import pytest
from huggingface_hub import ModelCard

from agents.jobs import ExportFormat
from agents.services import UserError
from bot.answering import Effect
from bot.publish_wishes import Publish
from configs.schema import HubSettings
from storage import approvals, publications, runs
from storage.models import Decision, Phase, PublicationOutcome
from tests.house import ANNA, BEN, EVERY_GATE, open_house
from tests.wire.hub import Account, FakeHub, Fault, Repo

REPO = "anna/codes"


@pytest.fixture
async def hub():
    async with FakeHub() as hub:
        yield hub


def settings(hub, token="hf_anna"):
    return HubSettings(token=token, endpoint=hub.endpoint)


async def asked(house, **wish):
    """Have a delivered run published, up to the question."""
    await house.deliver()
    text = await house.app.commands.publish(1, ANNA, Publish(**{"repo": REPO} | wish))
    await house.settle()
    return text


def last(house):
    return house.surface.messages()[-1]


async def outcomes(house):
    wishes = await house.app.services.db.read(publications.of_run, 1)
    return [wish.outcome for wish in wishes]


async def test_an_adapter_is_pushed_privately_after_a_yes_to_all_that_is_shown(tmp_path, hub):
    async with open_house(tmp_path, hub=settings(hub)) as house:
        await asked(house)
        question = last(house)
        assert hub.repos == {}

        await house.answer(Decision.APPROVE)

        assert question["title"] == "Publish privately?"
        for told in (
            "`anna/codes`",
            "a new repository",
            "**Private**",
            "adapter_model.safetensors",
        ):
            assert told in question["body"]
        assert "**Apache License 2\\.0**" in question["body"]
        assert "5 files" not in question["body"]
        assert "4 files, " in question["body"]
        repo = hub.repos[REPO]
        assert repo.private
        assert hub.writes == 1
        assert set(repo.files) - {".gitattributes"} == {
            "README.md",
            "adapter_config.json",
            "adapter_model.safetensors",
            "run.lock.json",
        }
        assert repo.files["adapter_model.safetensors"] == b"weights of run1-i1-train-a1"
        card: Any = ModelCard(repo.files["README.md"].decode())
        assert card.data.license == "apache-2.0"
        assert 'PeftModel.from_pretrained(model, "anna/codes")' in card.text
        assert last(house)["title"] == "Published"
        assert f"{hub.endpoint}/anna/codes" in last(house)["body"]
        assert (await house.run()).phase is Phase.DELIVERED
        assert await outcomes(house) == [PublicationOutcome.PUBLISHED]
        assert not any((tmp_path / "data" / "outbox").iterdir())


async def test_a_no_pushes_nothing_and_the_run_stays_delivered(tmp_path, hub):
    async with open_house(tmp_path, hub=settings(hub)) as house:
        await asked(house)

        await house.answer(Decision.REJECT)

        assert hub.repos == {}
        assert (await house.run()).phase is Phase.DELIVERED
        assert await outcomes(house) == [PublicationOutcome.REFUSED]


async def test_public_needs_the_word_and_is_shown(tmp_path, hub):
    async with open_house(tmp_path, hub=settings(hub)) as house:
        await asked(house, public=True)
        question = last(house)

        await house.answer(Decision.APPROVE)

        assert question["title"] == "Publish PUBLICLY?"
        assert "anybody can see and download it" in question["body"]
        assert hub.repos[REPO].private is False


async def test_a_format_is_pushed_with_a_card_of_its_own(tmp_path, hub):
    async with open_house(tmp_path, hub=settings(hub)) as house:
        await house.deliver()
        await house.app.commands.export(1, ANNA, ExportFormat.GGUF)
        await house.settle()
        await house.app.commands.publish(1, ANNA, Publish(REPO, "gguf"))
        await house.settle()

        await house.answer(Decision.APPROVE)

        files = hub.repos[REPO].files
        card: Any = ModelCard(files["README.md"].decode())
        assert card.data.library_name == "gguf"
        assert card.data["base_model_relation"] == "finetune"
        assert "Load it." in card.text
        assert files["weights.gguf"] == b"gguf"


async def test_no_standing_permission_publishes(tmp_path, hub):
    async with open_house(tmp_path, hub=settings(hub)) as house:
        await house.start(policy=EVERY_GATE)
        assert (await house.run()).phase is Phase.DELIVERED

        await house.app.commands.publish(1, ANNA, Publish(REPO))
        await house.settle()

        assert (await house.run()).phase is Phase.PUBLISHING
        assert hub.repos == {}


async def test_publishing_twice_makes_one_commit_and_says_so(tmp_path, hub):
    async with open_house(tmp_path, hub=settings(hub)) as house:
        await asked(house)
        await house.answer(Decision.APPROVE)
        await house.app.commands.publish(1, ANNA, Publish(REPO))
        await house.settle()
        question = last(house)

        await house.answer(Decision.APPROVE)

        assert "is there already" in question["body"]
        assert "will be replaced: `README.md`" in question["body"]
        assert hub.writes == 1
        assert "nothing was pushed a second time" in last(house)["body"]


async def test_an_answer_that_got_lost_is_no_second_commit(tmp_path, hub):
    async with open_house(tmp_path, hub=settings(hub)) as house:
        await asked(house)
        hub.faults.append(Fault("/commit/", after=True))

        await house.answer(Decision.APPROVE)

        assert hub.writes == 1
        assert last(house)["title"] == "Published"


BEFORE = {
    "wrong token": (lambda hub: hub.accounts.clear(), "does not accept the token"),
    "token for reading": (
        lambda hub: hub.accounts.update(hf_anna=Account("anna", role="read")),
        "may not write there",
    ),
    "public already": (
        lambda hub: hub.repos.update({REPO: Repo(private=False)}),
        "is public where you asked for private",
    ),
    "too many": (
        lambda hub: hub.faults.append(Fault("whoami", 429, {"Retry-After": "300"})),
        "Try again in 5 minutes",
    ),
    "trouble": (lambda hub: hub.faults.append(Fault("whoami", 502)), r"it answers 502"),
    "no network": (lambda hub: hub.faults.append(Fault("whoami")), "cannot be reached"),
}


@pytest.mark.parametrize("name", BEFORE)
async def test_what_is_in_the_way_is_said_before_anybody_is_asked(tmp_path, hub, name):
    spoil, told = BEFORE[name]
    spoil(hub)
    async with open_house(tmp_path, hub=settings(hub)) as house:
        await asked(house)

        assert last(house)["title"] == "Not published"
        assert told in last(house)["body"].replace("\\", "")
        assert (await house.run()).phase is Phase.DELIVERED
        assert await outcomes(house) == [PublicationOutcome.FAILED]
        assert hub.writes == 0


AFTER = {
    "another's name": ("zoe/codes", None, "the right to write for zoe"),
    "no room": (REPO, Fault("/commit/", 402), "paid plan"),
    "gone": (REPO, Fault("/preupload/", 404), "The Hub knows no anna"),
    "refused": (REPO, Fault("/commit/", 418), "it answers 418"),
    "cut": (REPO, Fault("/api/repos/create"), "cannot be reached"),
}


@pytest.mark.parametrize("name", AFTER)
async def test_what_is_in_the_way_of_a_push_is_said_and_can_be_tried_again(tmp_path, hub, name):
    repo, fault, told = AFTER[name]
    async with open_house(tmp_path, hub=settings(hub)) as house:
        await asked(house, repo=repo)
        hub.faults += [fault] if fault else []

        await house.answer(Decision.APPROVE)

        assert last(house)["title"] == "Not published"
        assert told in last(house)["body"].replace("\\", "")
        assert hub.writes == 0
        await house.app.commands.publish(1, ANNA, Publish(REPO))
        await house.settle()
        await house.answer(Decision.APPROVE)
        assert hub.writes == 1


async def test_what_others_did_to_the_repository_since_the_question_is_not_overwritten(
    tmp_path, hub
):
    hub.repos[REPO] = Repo(private=True)
    async with open_house(tmp_path, hub=settings(hub)) as house:
        await asked(house)
        hub.repos[REPO].commit({"README.md": b"theirs"})

        await house.answer(Decision.APPROVE)

        assert "has changed since I asked" in last(house)["body"]
        assert hub.repos[REPO].files["README.md"] == b"theirs"


async def test_a_yes_holds_for_the_files_that_were_shown_and_for_no_others(tmp_path, hub):
    async with open_house(tmp_path, hub=settings(hub)) as house:
        await asked(house)
        await house.app.services.db.write(
            lambda session: setattr(runs.get(session, 1), "goal", "Something else")
        )

        await house.answer(Decision.APPROVE)

        assert "is not what the question showed" in last(house)["body"]
        assert hub.repos == {}


async def test_who_may_not_approve_may_neither_publish_nor_answer(tmp_path, hub):
    async with open_house(tmp_path, hub=settings(hub)) as house:
        await house.deliver()
        with pytest.raises(UserError, match="Only Anna"):
            await house.app.commands.publish(1, BEN, Publish(REPO))
        await house.app.commands.publish(1, ANNA, Publish(REPO))
        await house.settle()

        reaction = await house.answer(Decision.APPROVE, BEN)

        assert reaction.effect is Effect.NOT_ALLOWED
        assert hub.repos == {}


async def test_what_cannot_be_published_is_refused_with_what_to_do(tmp_path, hub):
    async with open_house(tmp_path, hub=settings(hub)) as house:
        await house.start()
        publish = house.app.commands.publish
        with pytest.raises(UserError, match="nothing to publish now"):
            await publish(1, ANNA, Publish(REPO))
        while (await house.run()).phase is not Phase.DELIVERED:
            await house.answer(Decision.APPROVE)
        for name in ("codes", "anna/", "a/b/c", "anna/co--des", "anna/../x", "anna/x.git"):
            with pytest.raises(UserError, match="cannot be a repository"):
                await publish(1, ANNA, Publish(name))
        with pytest.raises(UserError, match="not been written as gguf"):
            await publish(1, ANNA, Publish(REPO, "gguf"))
        await publish(1, ANNA, Publish(REPO))
        with pytest.raises(UserError, match="being published"):
            await publish(1, ANNA, Publish(REPO))
        with pytest.raises(UserError, match="being published"):
            await house.app.commands.export(1, ANNA, ExportFormat.GGUF)


async def test_without_a_token_the_command_says_how_to_set_it_up(tmp_path):
    async with open_house(tmp_path) as house:
        await house.deliver()

        with pytest.raises(UserError, match="HF_TOKEN"):
            await house.app.commands.publish(1, ANNA, Publish(REPO))


async def test_words_are_no_answer_and_a_cancel_takes_the_wish_back(tmp_path, hub):
    async with open_house(tmp_path, hub=settings(hub)) as house:
        await asked(house)

        reaction = await house.reply("make it public")
        await house.app.commands.cancel(1, ANNA)
        await house.settle()

        assert reaction.effect is Effect.UNCLEAR
        assert (await house.run()).phase is Phase.DELIVERED
        assert await outcomes(house) == [PublicationOutcome.REFUSED]
        assert await house.app.services.db.read(approvals.open_of_run, 1) == []
        assert hub.repos == {}


async def test_nobody_s_answer_is_a_no(tmp_path, hub):
    async with open_house(tmp_path, hub=settings(hub)) as house:
        await asked(house)

        house.clock.move(days=8)
        await house.app.catch_up()
        await house.settle()

        assert (await house.run()).phase is Phase.DELIVERED
        assert await outcomes(house) == [PublicationOutcome.EXPIRED]


async def test_a_server_that_removes_the_bot_ends_the_wish_and_not_the_delivery(tmp_path, hub):
    async with open_house(tmp_path, hub=settings(hub)) as house:
        await house.start(guild="7", policy=EVERY_GATE)
        await house.app.commands.publish(1, ANNA, Publish(REPO))
        await house.settle()

        await house.app.commands.leave({"7"})

        assert (await house.run()).phase is Phase.DELIVERED


async def test_the_token_is_in_no_row_file_message_or_log(tmp_path, hub, caplog):
    token = "hf_canary" + "x" * 28
    hub.accounts[token] = Account("anna")
    caplog.set_level(logging.DEBUG)
    async with open_house(tmp_path, hub=settings(hub, token)) as house:
        await asked(house)
        hub.faults.append(Fault("/commit/", 500))
        await house.answer(Decision.APPROVE)
        await house.app.commands.publish(1, ANNA, Publish(REPO))
        await house.settle()
        await house.answer(Decision.APPROVE)

    assert hub.writes == 1
    assert token in hub.headers[-1]["Authorization"]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path for path in files if b"hf_canary" in path.read_bytes()] == []
    assert "hf_canary" not in caplog.text
