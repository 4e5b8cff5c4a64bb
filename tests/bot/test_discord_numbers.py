"""Numbers below the question whether a change stays: each drops its edit as long as somebody who may answer has it there."""

from collections.abc import AsyncIterator
from pathlib import Path

import discord
import pytest

from bot.discord.people import person_id_of
from bot.surface import NUMBERS, Person
from storage.models import Decision
from tests import kept_question
from tests.bot.discord_scene import Scene, discord_scene

ONE, TWO, THREE, FOUR = list(NUMBERS)[:4]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with discord_scene(tmp_path) as made:
        await ask(made)
        await made.on()
        yield made


async def ask(scene: Scene, revision: int = 0) -> None:
    await kept_question.ask(
        scene.app,
        revision=revision,
        person=Person(person_id_of(scene.ada.id), "ada"),
        guild=str(scene.guild.id),
        home=f"discord:{scene.channel.id}",
    )


def cards(scene: Scene) -> list[discord.Message]:
    shown = [m for m in scene.channel.threads[0].history() if m.embeds]
    return [m for m in shown if (m.embeds[0].title or "").startswith("Keep this change?")]


def body(message: discord.Message) -> str:
    return message.embeds[0].description or ""


def told(scene: Scene) -> list[str]:
    """What the bot said in the thread beside its cards."""
    me = scene.client.user
    assert me is not None
    own = [m for m in scene.channel.threads[0].history() if m.author.id == me.id]
    return [m.content for m in own if not m.embeds and m.content]


async def taken(scene: Scene) -> list[bool]:
    return await kept_question.taken(scene.app)


async def test_there_are_as_many_numbers_as_edits(scene: Scene) -> None:
    offered = [str(reaction.emoji) for reaction in cards(scene)[-1].reactions]

    assert offered == ["✅", "❌", ONE, TWO, THREE]


async def test_a_number_drops_its_edit_and_taking_it_away_takes_it_again(scene: Scene) -> None:
    await scene.ada.react(cards(scene)[-1], TWO)
    await scene.on(2)
    assert await taken(scene) == [True, False, True]
    assert "☐ dropped · **2**" in body(cards(scene)[-1])

    await scene.ada.unreact(cards(scene)[-1], TWO)
    await scene.on(2)
    assert await taken(scene) == [True, True, True]
    assert "☐" not in body(cards(scene)[-1])


async def test_without_its_variant_it_is_the_same_number(scene: Scene) -> None:
    await scene.ada.react(cards(scene)[-1], ONE.replace("\ufe0f", ""))

    assert await taken(scene) == [False, True, True]


async def test_a_number_that_is_no_edit_is_said_not_to_be(scene: Scene) -> None:
    await scene.ada.react(cards(scene)[-1], FOUR)

    assert told(scene) == [f"<@{scene.ada.id}> There is no edit 4; there are 3."]
    assert await taken(scene) == [True, True, True]


async def test_a_stranger_drops_nothing_takes_nothing_and_is_told_once(scene: Scene) -> None:
    question = cards(scene)[-1]
    await scene.ada.react(question, TWO)
    await scene.ben.react(question, ONE)
    await scene.ben.react(question, TWO)
    await scene.ben.unreact(question, TWO)

    assert await taken(scene) == [True, False, True]
    assert told(scene) == [f"<@{scene.ben.id}> Only ada can answer this."]


async def test_on_a_question_that_was_answered_nothing_changes(scene: Scene) -> None:
    question = cards(scene)[-1]
    await scene.ada.react(question, "❌")
    await scene.ada.react(question, TWO)

    assert await taken(scene) == [True, True, True]
    (sentence,) = told(scene)
    assert "answered already: reject by ada" in sentence


async def test_on_the_message_of_an_older_question_nothing_changes(scene: Scene) -> None:
    await ask(scene, revision=1)
    await scene.on()
    old, new = cards(scene)
    assert old.id != new.id

    await scene.ada.react(old, TWO)
    assert await taken(scene) == [True, True, True]
    await scene.ada.react(new, THREE)

    assert await taken(scene) == [True, True, False]
    assert len(told(scene)) == 1


async def test_a_number_below_another_question_is_no_answer(scene: Scene) -> None:
    await scene.run()
    await scene.on()
    plan = [m for t in scene.channel.threads for m in t.history() if m.embeds]
    asked = next(m for m in plan if (m.embeds[0].title or "").startswith("The plan"))

    await scene.ada.react(asked, ONE)

    assert await taken(scene) == [True, True, True]
    assert told(scene) == []


async def test_what_was_dropped_while_nobody_listened_is_caught_up_before_the_yes(
    scene: Scene,
) -> None:
    question = cards(scene)[-1]
    heard = scene.client.listening

    async def deaf(_payload: discord.RawReactionActionEvent) -> None:
        return

    object.__setattr__(heard, "to_reaction", deaf)
    await scene.ada.react(question, "✅")
    await scene.ada.react(question, TWO)
    assert await taken(scene) == [True, True, True]

    await scene.restart()

    assert await taken(scene) == [True, False, True]
    assert (await kept_question.newest(scene.app)).decision is Decision.APPROVE
    assert told(scene) == []


async def test_a_number_that_is_gone_after_a_restart_says_nothing(scene: Scene) -> None:
    await scene.ada.react(cards(scene)[-1], TWO)
    heard = scene.client.listening

    async def deaf(_payload: discord.RawReactionActionEvent) -> None:
        return

    object.__setattr__(heard, "to_reaction_taken_away", deaf)
    await scene.ada.unreact(cards(scene)[-1], TWO)
    await scene.restart()

    assert await taken(scene) == [True, False, True]
