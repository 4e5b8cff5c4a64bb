"""What the card of a training says, while it runs and after it."""

from typing import Any

from agents.jobs import LossSpike, Verdict
from bot import reports
from tests.facts import a_training, an_evaluation


def summary(**facts: Any) -> str:
    text = reports.training_summary(a_training(**facts).model_dump(mode="json"))
    return text.replace("\\", "")


def test_damaged_checkpoints_are_named_with_where_the_training_went_on() -> None:
    damage = "The checkpoint of step 30 was damaged and was not used: optimizer.pt is missing."

    resumed = summary(damaged=(damage,), resumed_from_step=28)
    anew = summary(damaged=(damage,) * 9)

    assert "Resumed from step 28." in resumed
    assert damage in resumed
    assert "begun anew" not in resumed
    assert "It was begun anew." in anew
    assert anew.count(damage) == reports.MOST_DAMAGES


def spike(step: int, loss: float, rows: int = 4) -> LossSpike:
    numbers = tuple(range(10 * step, 10 * step + rows))
    excerpts = tuple(f"“question {n}” → “answer {n} <@1>”" for n in numbers[:8])
    return LossSpike(step=step, loss=loss, usual=0.5, rows=numbers, excerpts=excerpts)


def test_steps_whose_loss_jumped_are_named_with_their_rows() -> None:
    spikes = (spike(12, 2.0), spike(20, 9.0), spike(31, 4.0, rows=40))

    card = summary(spikes=spikes)

    lines = [line for line in card.splitlines() if line.startswith("Loss jumped")]
    assert [line.split(",")[0] for line in lines] == [
        "Loss jumped at step 20 (9.000",
        "Loss jumped at step 31 (4.000",
    ]
    assert "from rows 200, 201, 202, 203. " in lines[0]
    assert "row 200: “question 200” → “answer 200" in lines[0]
    assert "row 202:" not in lines[0]
    assert "325 …" in lines[1]


def test_the_report_has_every_jump_and_what_stands_in_the_rows_is_not_live() -> None:
    training = a_training(spikes=(spike(12, 2.0), spike(20, 9.0), spike(31, 4.0)))

    report = reports.full_report(an_evaluation(Verdict.BETTER), training.model_dump(mode="json"))

    assert report.count("Loss jumped at step") == 3
    assert report.replace("\\", "").count("row 203:") == 1
    assert "<@1>" not in report


def test_a_training_that_ended_early_says_why() -> None:
    assert "ended early" in summary(reason="dev_loss_rose", steps_done=6)
    assert "ended early" not in summary()
