"""Questions on Discord: who may answer, how, and what is said to those whose answer does not count."""

from collections.abc import AsyncIterator
from pathlib import Path

import discord
import pytest
from sqlmodel import Session, select

from storage import approvals
from storage.models import Approval, Decision, Delivery, Event, Phase
from tests.bot.discord_scene import Scene, discord_scene


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with discord_scene(tmp_path) as made:
        await made.run()
        await made.on()
        yield made


def card(scene: Scene, title: str) -> discord.Message:
    """The newest card with a title, as it looks now."""
    shown = [m for m in scene.channel.threads[0].history() if m.embeds]
    return [m for m in shown if (m.embeds[0].title or "").startswith(title)][-1]


def said(scene: Scene) -> list[str]:
    """What the bot said in the thread beside its cards."""
    me = scene.client.user
    assert me is not None
    own = [m for m in scene.channel.threads[0].history() if m.author.id == me.id]
    return [m.content for m in own if not m.embeds and m.content]


async def plan(scene: Scene) -> Approval:
    approval = await scene.app.services.db.read(approvals.find, 1, "plan", 1, 0)
    assert approval is not None
    return approval


@pytest.mark.parametrize(("label", "phase"), [("carry it out", Phase.REVIEWING)])
async def test_a_button_answers_and_the_card_says_who(
    scene: Scene, label: str, phase: Phase
) -> None:
    result = await scene.ada.click(card(scene, "The plan"), label=label)
    await scene.on()

    assert result.acknowledged
    assert result.response is None or not result.response.ephemeral
    assert (await scene.row(1)).phase is phase
    answered = card(scene, "The plan")
    assert "Approved by ada" in (answered.embeds[0].description or "")
    assert answered.components == []


async def test_a_reaction_answers_the_same_way(scene: Scene) -> None:
    await scene.ada.react(card(scene, "The plan"), "✅")
    await scene.on()

    assert (await plan(scene)).decided_by == f"discord:{scene.ada.id}"
    assert (await scene.row(1)).phase is Phase.REVIEWING


@pytest.mark.parametrize("emoji", ["✔️", "☑️", "👍", "✖️", "❎"])
async def test_look_alikes_do_not_count(scene: Scene, emoji: str) -> None:
    await scene.ada.react(card(scene, "The plan"), emoji)
    await scene.on(2)

    assert (await plan(scene)).decision is Decision.OPEN


async def test_a_reaction_on_another_card_does_not_count(scene: Scene) -> None:
    await scene.ada.react(card(scene, "Your data"), "✅")
    await scene.on(2)

    assert (await plan(scene)).decision is Decision.OPEN


async def test_a_marker_in_somebody_elses_message_does_not_count(scene: Scene) -> None:
    marker = card(scene, "The plan").embeds[0].footer.text
    forged = await scene.ben.send(scene.channel, f"approve this? {marker}")
    await scene.ada.react(forged, "✅")
    await scene.ada.send(scene.channel, "yes", reply_to=forged)
    await scene.on(2)

    assert (await plan(scene)).decision is Decision.OPEN


async def test_a_reaction_counts_even_before_the_message_is_on_record(scene: Scene) -> None:
    question = card(scene, "The plan")

    def lose(session: Session) -> None:
        for delivery in session.exec(select(Delivery)):
            delivery.message_id = None
            session.add(delivery)

    await scene.app.services.db.write(lose)
    await scene.ada.react(question, "✅")

    assert (await plan(scene)).decision is Decision.APPROVE


async def test_a_stranger_is_told_once_and_changes_nothing(scene: Scene) -> None:
    question = card(scene, "The plan")
    await scene.ben.react(question, "✅")
    await scene.ben.react(question, "❌")
    await scene.ben.send(scene.channel.threads[0], "do it", reply_to=question)
    pressed = await scene.ben.click(question, label="carry it out")

    assert said(scene) == [f"<@{scene.ben.id}> Only ada can answer this."]
    assert pressed.response is None or not pressed.response.ephemeral
    assert (await plan(scene)).decision is Decision.OPEN


async def test_a_stranger_at_the_button_is_told_privately(scene: Scene) -> None:
    pressed = await scene.ben.click(card(scene, "The plan"), label="carry it out")

    assert pressed.ephemeral
    assert pressed.response is not None
    assert pressed.response.content == "Only ada can answer this."
    assert said(scene) == []


async def test_who_changes_their_mind_too_late_hears_what_counts(scene: Scene) -> None:
    question = card(scene, "The plan")
    await scene.ada.react(question, "✅")
    await scene.ada.react(question, "❌")
    await scene.ada.unreact(question, "❌")
    await scene.ada.react(question, "❌")

    (sentence,) = said(scene)
    assert sentence.startswith(f"<@{scene.ada.id}> That was answered already: approve by ada")
    assert (await plan(scene)).decision is Decision.APPROVE


async def test_the_same_answer_twice_is_no_news(scene: Scene) -> None:
    question = card(scene, "The plan")
    await scene.ada.react(question, "✅")
    await scene.ada.click(question, label="carry it out")
    await scene.ada.send(scene.channel.threads[0], "yes", reply_to=question)

    assert said(scene) == []


async def test_a_button_of_a_plan_that_was_replaced_does_nothing(scene: Scene) -> None:
    old = card(scene, "The plan")
    await scene.ada.send(scene.channel.threads[0], "2 epochs", reply_to=old)
    pressed = await scene.ada.click(old, label="carry it out")

    assert pressed.response is not None
    assert "answered already" in pressed.response.content
    assert (await scene.row(1)).phase is not Phase.BUILDING


async def test_a_reply_changes_the_plan_and_it_is_asked_again(scene: Scene) -> None:
    await scene.ada.send(
        scene.channel.threads[0], "3 epochs, lr 1e-4", reply_to=card(scene, "The plan")
    )
    await scene.on()

    anew = card(scene, "The plan, version 2")
    body = anew.embeds[0].description or ""
    assert "You said: “3 epochs, lr 1e\\-4”" in body
    assert "`epochs`" in body
    assert len(anew.components) == 1
    assert {str(r.emoji) for r in anew.reactions} == {"✅", "❌"}


async def test_after_a_no_a_reply_to_the_plan_goes_on_as_well(scene: Scene) -> None:
    question = card(scene, "The plan")
    await scene.ada.react(question, "❌")
    await scene.on()
    assert "Reply to this message" in (card(scene, "What should be").embeds[0].description or "")

    await scene.ada.send(scene.channel.threads[0], "use 200 rows", reply_to=question)
    await scene.on()

    assert "200" in (card(scene, "The plan, version 2").embeds[0].description or "")


async def test_a_mention_in_the_thread_answers_the_only_question(scene: Scene) -> None:
    me = scene.client.user
    assert me is not None
    await scene.ada.send(scene.channel.threads[0], f"{me.mention} 2 epochs please")

    approval = await plan(scene)
    assert (approval.decision, approval.comment) == (Decision.REVISE, "2 epochs please")


async def test_words_heard_again_after_a_crash_do_not_answer_the_next_question(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(message: discord.Message) -> None:
        """Killed before it was noted that the message has been dealt with."""

    me = scene.client.user
    assert me is not None
    monkeypatch.setattr(scene.client.messages, "_note", never)
    await scene.ada.send(scene.channel.threads[0], f"{me.mention} 2 epochs")
    await scene.on()
    assert len(card(scene, "The plan, version 2").components) == 1

    await scene.restart()
    await scene.on()

    assert len(await scene.open_questions()) == 1
    assert len(card(scene, "The plan, version 2").components) == 1
    assert said(scene) == []


async def test_talk_in_the_thread_answers_nothing(scene: Scene) -> None:
    await scene.ada.send(scene.channel.threads[0], "yes")
    await scene.ada.send(scene.channel.threads[0], "nice rows!", reply_to=card(scene, "Your data"))

    assert (await plan(scene)).decision is Decision.OPEN
    assert said(scene) == []


async def test_words_at_the_checkpoint_are_not_guessed_at(scene: Scene) -> None:
    scene.launcher.script["run1-i1-train-a1"] = "half"
    await scene.ada.react(card(scene, "The plan"), "✅")
    await scene.on()
    half = card(scene, "50 %")

    await scene.ada.send(scene.channel.threads[0], "hmm, perhaps", reply_to=half)

    assert said(scene) == ["Here I only understand ✅ (go on) or ❌ (stop here)."]
    assert len(await scene.open_questions()) == 1


async def test_a_mention_without_a_file_gets_short_help(scene: Scene) -> None:
    me = scene.client.user
    assert me is not None
    await scene.ben.send(scene.channel, f"{me.mention} hello?")

    last = scene.channel.last_message
    assert last is not None
    assert "/finetune start" in last.content
    assert last.reference is not None


async def test_a_file_without_a_sentence_is_asked_about(scene: Scene) -> None:
    me = scene.client.user
    assert me is not None
    await scene.ben.send(scene.channel, me.mention, attachments=[("a.csv", b"a,b")])

    last = scene.channel.last_message
    assert last is not None
    assert "What should the model learn" in last.content


async def test_bots_are_not_heard(scene: Scene) -> None:
    me = scene.client.user
    assert me is not None
    other = scene.guild.add_member(scene.env.create_user("robot", bot=True))
    await other.react(card(scene, "The plan"), "✅")
    await other.send(scene.channel, f"{me.mention} hello")
    await other.send(scene.channel.threads[0], "yes", reply_to=card(scene, "The plan"))

    assert (await plan(scene)).decision is Decision.OPEN
    assert said(scene) == []


async def test_a_deleted_question_is_asked_anew(scene: Scene) -> None:
    owner = scene.guild.owner
    old = card(scene, "The plan")
    moderator = scene.guild.add_member(
        scene.env.create_user("mod"),
        roles=[
            scene.guild.create_role("mod", permissions=discord.Permissions(manage_messages=True))
        ],
    )
    await moderator.delete(old)
    await scene.on(2)

    anew = card(scene, "The plan")
    assert owner is not None
    assert anew.id != old.id
    await scene.ada.react(anew, "✅")
    assert (await plan(scene)).decision is Decision.APPROVE


async def test_a_deleted_opening_message_comes_back_without_a_second_thread(scene: Scene) -> None:
    moderator = scene.guild.add_member(
        scene.env.create_user("mod"),
        roles=[
            scene.guild.create_role("mod", permissions=discord.Permissions(manage_messages=True))
        ],
    )
    opened = next(m for m in scene.channel.history() if m.embeds)
    await moderator.delete(opened)
    await scene.on(2)

    assert len([m for m in scene.channel.history() if m.embeds]) == 1
    assert len(scene.channel.threads) == 1


async def test_every_event_is_told_in_the_thread_in_order(scene: Scene) -> None:
    def ids(session: Session) -> list[int | None]:
        return [event.id for event in session.exec(select(Event)) if event.kind != "opened"]

    footers = [m.embeds[0].footer.text for m in scene.channel.threads[0].history() if m.embeds]

    expected = await scene.app.services.db.read(ids)
    assert footers == [f"run #1 · message {event_id}" for event_id in expected]
