"""What the card of a training says, while it runs and after it."""

from typing import Any

from bot import reports
from tests.facts import a_training


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
