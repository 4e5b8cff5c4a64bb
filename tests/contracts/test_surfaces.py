"""What every surface promises, whatever chat is behind it: the fake one keeps the same promises as Discord."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from agents.services import UserError
from bot.surface import Card, File, MessageGone, Parcel, PlaceGone, Question, Tone
from tests.contracts.stages import STAGES, Stage

QUESTION = Question(7, "ab" * 32, "go on", "stop")
ASKING = Card(
    title="The plan",
    body="Do it?",
    tone=Tone.QUESTION,
    footer="run #1 · message 7",
    question=QUESTION,
    loud=True,
    final=False,
)
ANSWERED = replace(ASKING, body="Do it?\n\nApproved", question=None, tone=Tone.PLAIN, final=True)
PARCEL = Parcel(key="tunewright-7-0", marker="run #1 · message 7", maybe_sent=False)


@pytest.fixture(params=list(STAGES))
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    async with STAGES[request.param](tmp_path) as made:
        yield made


async def test_a_card_is_shown_once_however_often_its_key_is_sent(stage: Stage) -> None:
    first = await stage.surface.post(stage.home, ASKING, PARCEL)
    again = await stage.surface.post(stage.home, ASKING, PARCEL)
    after_a_crash = await stage.surface.post(stage.home, ASKING, replace(PARCEL, maybe_sent=True))

    assert first == again == after_a_crash
    assert [(m.title, m.asks) for m in stage.shown(stage.home)] == [("The plan", True)]


async def test_another_key_is_another_message(stage: Stage) -> None:
    first = await stage.surface.post(stage.home, ASKING, PARCEL)
    other = replace(PARCEL, key="tunewright-8-0", marker="run #1 · message 8")
    second = await stage.surface.post(
        stage.home, replace(ASKING, footer="run #1 · message 8"), other
    )

    assert first != second
    assert [m.id for m in stage.shown(stage.home)] == [first, second]


async def test_an_answered_question_asks_no_more(stage: Stage) -> None:
    message_id = await stage.surface.post(stage.home, ASKING, PARCEL)
    await stage.surface.edit(stage.home, message_id, ANSWERED)

    assert [(m.id, m.asks) for m in stage.shown(stage.home)] == [(message_id, False)]


async def test_of_a_change_as_many_edits_can_be_dropped_as_it_has(stage: Stage) -> None:
    choosing = replace(ASKING, question=replace(QUESTION, taken=(True, True, False)))
    message_id = await stage.surface.post(stage.home, choosing, PARCEL)
    dropped = replace(choosing, question=replace(QUESTION, taken=(True, False, False)))
    await stage.surface.edit(stage.home, message_id, dropped)

    assert [(m.id, m.asks, m.numbers) for m in stage.shown(stage.home)] == [(message_id, True, 3)]


async def test_a_ballot_can_be_voted_on_until_it_is_over(stage: Stage) -> None:
    ballot = replace(ASKING, title="Which is better?", question=None, ballot=3)
    message_id = await stage.surface.post(stage.home, ballot, PARCEL)
    assert [(m.title, m.asks) for m in stage.shown(stage.home)] == [("Which is better?", True)]

    await stage.surface.edit(stage.home, message_id, replace(ballot, ballot=None, final=True))

    assert [(m.id, m.asks) for m in stage.shown(stage.home)] == [(message_id, False)]


async def test_a_run_has_one_thread_and_its_cards_go_there(stage: Stage) -> None:
    message_id = await stage.surface.post(stage.home, ANSWERED, PARCEL)
    thread = await stage.surface.open_thread(stage.home, message_id, "#1 " + "long name " * 30)
    again = await stage.surface.open_thread(stage.home, message_id, "#1")
    inside = await stage.surface.post(thread, ASKING, replace(PARCEL, key="tunewright-9-0"))

    assert thread == again
    assert thread.startswith(f"{stage.surface.name}:")
    assert [m.id for m in stage.shown(thread)] == [inside]
    assert [m.id for m in stage.shown(stage.home)] == [message_id]


async def test_a_deleted_message_is_said_to_be_gone(stage: Stage) -> None:
    message_id = await stage.surface.post(stage.home, ASKING, PARCEL)
    stage.delete(message_id)

    with pytest.raises(MessageGone):
        await stage.surface.edit(stage.home, message_id, ANSWERED)


async def test_a_deleted_message_can_be_sent_anew(stage: Stage) -> None:
    message_id = await stage.surface.post(stage.home, ASKING, PARCEL)
    stage.delete(message_id)
    anew = await stage.surface.post(stage.home, ASKING, replace(PARCEL, key="tunewright-7-1"))

    assert [m.id for m in stage.shown(stage.home)] == [anew]


async def test_a_closed_place_is_said_to_be_gone(stage: Stage) -> None:
    message_id = await stage.surface.post(stage.home, ANSWERED, PARCEL)
    thread = await stage.surface.open_thread(stage.home, message_id, "#1")
    inside = await stage.surface.post(thread, ASKING, replace(PARCEL, key="tunewright-9-0"))
    stage.close(thread)

    with pytest.raises(PlaceGone):
        await stage.surface.post(thread, ASKING, replace(PARCEL, key="tunewright-10-0"))
    with pytest.raises(PlaceGone):
        await stage.surface.edit(thread, inside, ANSWERED)


async def test_what_goes_along_does_not_stand_in_the_way(stage: Stage) -> None:
    written = (
        File("report.md", b"# Report"),
        File("report.html", b"<!doctype html><title>R</title>"),
        File("report.json", b"{}"),
        File("a.zip", b"\0" * 1000),
    )
    parcel = replace(PARCEL, files=written)
    message_id = await stage.surface.post(stage.home, ANSWERED, parcel)
    await stage.surface.edit(stage.home, message_id, replace(ANSWERED, title="Still here"))

    assert [m.title for m in stage.shown(stage.home)] == ["Still here"]


async def test_an_answer_is_given_once(stage: Stage) -> None:
    request = stage.request(b"text,label\n")
    await stage.surface.answer(request, "Run #1 has started.", "key:1")
    await stage.surface.answer(request, "Run #1 has started.", "key:1")

    assert stage.answers() == ["Run #1 has started."]


async def test_a_file_comes_as_it_was_sent(stage: Stage) -> None:
    content = bytes(range(256)) * 5000

    chunks = [chunk async for chunk in stage.surface.fetch(stage.request(content))]

    assert b"".join(chunks) == content


async def test_a_file_that_is_gone_is_asked_for_again(stage: Stage) -> None:
    with pytest.raises(UserError, match="again"):
        async for _chunk in stage.surface.fetch(stage.request(None)):
            pass
