"""Columns that can be read in several ways: one question, answered by ✅, by words, by ❌ or by nobody."""

from agents.jobs import IntakeSpec, Reading, RowShape
from bot.schedule import sweep
from configs.schema import GateKind
from storage import jobs
from storage.models import Decision, Phase
from tests.house import ANNA, House, open_house

CHOICES = tuple(
    Reading(shape=RowShape.PROMPT_COMPLETION, prompt=(a,), answer=(b,), reason=f"'{b}' it is.")
    for a, b in (("text", "label"), ("label", "text"))
)
QUESTION = "How should I read your file?"


async def asked(house: House, **wish: object) -> None:
    house.launcher.readings = CHOICES
    await house.start(**wish)


async def readings_tried(house: House) -> list[Reading | None]:
    rows = await house.app.services.db.read(jobs.of_run, 1)
    specs = [IntakeSpec.model_validate(job.spec) for job in rows if job.kind == "intake"]
    return [spec.reading for spec in specs]


async def test_the_question_lists_the_readings_and_a_yes_takes_the_first_without_more_work(
    tmp_path,
):
    async with open_house(tmp_path) as house:
        await asked(house)

        question = house.surface.question()
        assert question["title"] == QUESTION
        assert "prompt = text, answer = label" in question["body"]
        assert (await house.run()).phase is Phase.PREPARING
        await house.answer(Decision.APPROVE)

        assert (await house.run()).phase is Phase.APPROVING
        assert await readings_tried(house) == [None]


async def test_a_reply_in_words_starts_a_second_reading(tmp_path):
    async with open_house(tmp_path) as house:
        await asked(house)

        await house.reply("answer = text and prompt = label")

        (first, second) = await readings_tried(house)
        assert first is None
        assert (second.prompt, second.answer) == (("label",), ("text",))
        assert (await house.run()).phase is Phase.APPROVING
        assert "Your data" in house.titles()


async def test_a_number_takes_that_reading(tmp_path):
    async with open_house(tmp_path) as house:
        await asked(house)

        await house.reply("2")

        assert await readings_tried(house) == [None, CHOICES[1]]


async def test_words_that_say_nothing_are_answered_and_the_question_stands_again(tmp_path):
    async with open_house(tmp_path) as house:
        await asked(house)

        await house.reply("prompt = texts, answer = label")
        again = house.surface.question()
        await house.answer(Decision.APPROVE)

        assert again["title"] == QUESTION
        assert "Did you mean “text”?" in again["body"].replace("\\", "")
        assert await readings_tried(house) == [None]
        assert (await house.run()).phase is Phase.APPROVING


async def test_a_wish_that_gives_no_rows_is_told_and_asked_again(tmp_path):
    async with open_house(tmp_path, script={"run1-i1-intake-a2": "bad_data"}) as house:
        await asked(house)

        await house.reply("2")
        again = house.surface.question()
        await house.answer(Decision.APPROVE)

        assert "scripted bad" in again["body"]
        assert await readings_tried(house) == [None, CHOICES[1], None]
        assert (await house.run()).phase is Phase.APPROVING


async def test_a_no_ends_the_run(tmp_path):
    async with open_house(tmp_path) as house:
        await asked(house)

        await house.answer(Decision.REJECT)

        assert (await house.run()).phase is Phase.CANCELLED


async def test_a_question_that_nobody_answered_is_asked_again_after_resume(tmp_path):
    async with open_house(tmp_path) as house:
        await asked(house)
        house.clock.move(hours=169)
        await sweep(house.app.services)
        await house.settle()
        failed = (await house.run()).phase

        await house.app.commands.resume(1, ANNA)
        await house.settle()
        await house.answer(Decision.APPROVE)

        assert failed is Phase.FAILED
        assert (await house.run()).phase is Phase.APPROVING


async def test_a_standing_permission_takes_the_first_and_a_clear_file_is_never_asked_about(
    tmp_path,
):
    async with open_house(tmp_path) as house:
        await asked(house, policy=(GateKind.READING,))

        assert (await house.run()).phase is Phase.APPROVING
        house.launcher.readings = ()
        await house.start("log:2")
        assert house.titles().count(QUESTION) == 1


async def test_rows_that_no_method_learns_from_end_the_run_with_what_would_do(tmp_path):
    async with open_house(tmp_path) as house:
        house.launcher.shape = RowShape.STEPWISE
        await house.start()

        run = await house.run()
        assert run.phase is Phase.FAILED
        assert "no method here learns from those" in run.failure
