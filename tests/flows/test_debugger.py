"""What a person reads after a no to a report: the most telling findings, from all that the rows of the run know."""

from agents.jobs import RowFacts
from configs.schema import TrainingSettings
from storage import datasets
from storage.models import Decision, Phase
from tests.fakes import StubLauncher
from tests.house import open_house

USED_UP = (
    "The number of tries allowed for one run (1) is used up. `resume` shows the best result again."
)
FACTS = RowFacts(
    rows=250,
    most_common_answer=0.2,
    json_answers=0.4,
    same_length=1,
    longest_chars=30,
    prompts_asking=0.0,
    answers_asking=0.7,
    marked=(5, 9),
    marked_count=200,
    marks=("[INST]",),
)


async def test_a_no_to_the_report_shows_the_three_most_telling_findings_and_keeps_all(tmp_path):
    launcher = StubLauncher(
        measured={"row_facts": FACTS, "rows_left_out_count": 20, "rows_left_out": (3,)}
    )
    async with open_house(tmp_path, stand_in=launcher) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.reply("2 epochs please")

        (card,) = [m for m in house.surface.messages() if m["title"] == "What try 1 tells"]
        kept = await house.app.services.db.read(datasets.suggestions, 1, 1)
        assert [s.rule for s in kept] == [
            "asked",
            "masked_labels",
            "template_mismatch",
            "swapped_columns",
            "format_drift",
        ]
        assert "“2 epochs please”" in card["body"]
        assert "row 5, row 9" in card["body"]
        assert "two formats" not in card["body"]
        assert (await house.run()).phase is Phase.APPROVING


async def test_of_wishes_after_the_last_try_the_latest_are_noted(tmp_path):
    async with open_house(tmp_path, training=TrainingSettings(max_iterations=1)) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.reply("3 epochs")
        assert "Take it after all?" in house.surface.question()["body"]

        await house.reply("3 epochs and lr 1e-4")

        run = await house.run()
        assert (run.phase, run.failure) == (Phase.FAILED, USED_UP)
        noted = await house.app.services.db.read(datasets.suggestions, 1, 1)
        assert [s.advice for s in noted] == [
            "set epochs to 3, as you asked",
            "set learning_rate to 0.0001, as you asked",
        ]
