"""Single edits of a change are taken or dropped by who may answer, as long as the question stands; each time once."""

import pytest

from agents.services import UserError
from bot.answering import Effect
from storage.models import Decision, Phase
from tests import kept_question
from tests.house import ANNA, BEN, House, open_house


@pytest.fixture
async def house(tmp_path):
    async with open_house(tmp_path) as made:
        await kept_question.ask(made.app)
        await made.settle()
        yield made


async def toggle(house: House, number: int, *, taken: bool = False, person=ANNA, prefix=None):
    asked = await kept_question.newest(house.app)
    reaction = await house.app.commands.toggle(asked.id, prefix, person, number, taken=taken)
    await house.app.pump()
    return reaction


async def test_an_edit_is_dropped_and_taken_again_and_the_card_shows_it_at_once(house):
    house.surface.edit_interval_s = 3600.0
    body = house.surface.messages()[-1]["body"]
    assert body.count("☑ taken") == 3

    dropped = await toggle(house, 2)
    once_more = await toggle(house, 2)

    assert dropped.effect is once_more.effect is Effect.DECIDED
    assert await kept_question.taken(house.app) == [True, False, True]
    body = house.surface.messages()[-1]["body"]
    assert "☐ dropped · **2** set prompt\\: thank" in body
    assert "measure edits 1, 3 alone" in body

    await toggle(house, 2, taken=True)
    assert house.surface.messages()[-1]["body"].count("☑ taken") == 3


async def test_who_may_not_answer_changes_nothing_and_is_told_once(house):
    first = await toggle(house, 1, person=BEN)
    again = await toggle(house, 1, person=BEN)

    assert (first.effect, again.effect) == (Effect.NOT_ALLOWED, Effect.NOT_ALLOWED_AGAIN)
    assert first.text == "Only Anna can answer this."
    assert await kept_question.taken(house.app) == [True, True, True]


@pytest.mark.parametrize("number", [0, 4, -1])
async def test_an_edit_that_is_not_there_is_said_not_to_be(house, number):
    refused = await toggle(house, number)

    assert refused.effect is Effect.UNCLEAR
    assert "there are 3" in refused.text


async def test_once_it_is_answered_nothing_can_be_dropped(house):
    asked = await kept_question.newest(house.app)
    await house.app.commands.decide(asked.id, None, ANNA, Decision.REJECT)

    refused = await toggle(house, 1)

    assert refused.effect is Effect.TOO_LATE
    assert "reject by Anna" in refused.text
    assert await kept_question.taken(house.app) == [True, True, True]


async def test_a_question_that_another_one_has_followed_is_not_listened_to(house):
    old = await kept_question.newest(house.app)
    new = await kept_question.ask(house.app, revision=1)
    assert old.id != new.id

    refused = await house.app.commands.toggle(old.id, None, ANNA, 1, taken=False)

    assert refused.effect is Effect.TOO_LATE
    assert await kept_question.taken(house.app) == [True, True, True]


async def test_what_somebody_saw_has_to_be_what_is_asked(house):
    asked = await kept_question.newest(house.app)

    other = await toggle(house, 1, prefix="0" * 12)
    same = await toggle(house, 1, prefix=asked.shown_sha256[:12])

    assert (other.effect, same.effect) == (Effect.TOO_LATE, Effect.DECIDED)


async def test_the_edits_of_another_question_are_not_meant(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        question = house.surface.question()["question"]

        refused = await house.app.commands.toggle(question, None, ANNA, 1, taken=False)

    assert refused.effect is Effect.UNCLEAR


@pytest.mark.parametrize(
    ("words", "told"), [("2", "without"), ("1, 3", "without"), ("without 7", "no edit 7")]
)
async def test_words_about_edits_that_nobody_could_follow_are_asked_about(house, words, told):
    reaction = await house.reply(words)

    assert reaction.effect is Effect.UNCLEAR
    assert told in reaction.text
    assert (await kept_question.newest(house.app)).decision is Decision.OPEN


async def test_a_reply_can_have_what_stands_handed_over_instead(house):
    asked = await kept_question.newest(house.app)
    reaction = await house.app.commands.reply(asked.id, ANNA, "hand over what stands")

    assert reaction.effect is Effect.DECIDED
    assert (await kept_question.newest(house.app)).decision is Decision.REJECT
    assert (await house.run()).phase is Phase.DELIVERING


async def test_what_there_is_to_fetch_is_named(house):
    commands = house.app.commands
    with pytest.raises(UserError, match="Of it there is: workflow, tests, ledger"):
        await commands.download(1, ANNA, None, "gguf")
    with pytest.raises(UserError, match="no workflow yet; it is reviewing"):
        await commands.download(1, ANNA, None)


async def test_of_a_model_there_is_no_ledger_to_fetch(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        with pytest.raises(UserError, match="trains a model; there is no ledger"):
            await house.app.commands.download(1, ANNA, None, "ledger")
