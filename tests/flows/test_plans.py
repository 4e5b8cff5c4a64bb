"""Plans through the real graph: what a reply changes, what is shown, what is refused."""

from storage import jobs
from storage.models import Decision
from tests.house import open_house


async def test_values_that_rest_on_the_number_of_rows_follow_it_and_asked_ones_stay(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        await house.reply("learning rate 1e-4")
        await house.reply("use 60 rows")

        body = house.surface.question()["body"].replace("\\_", "_")
        assert "`max_train_rows` all → **60**" in body
        assert "`epochs` 4 → **8**" in body
        assert "`batch_size`" in body
        assert "`learning_rate` 0.0" not in body  # no change shown: it was asked for

        await house.answer(Decision.APPROVE)
        recipe = (await house.app.services.db.read(jobs.latest, 1, "train_sft")).spec["recipe"]
        assert (recipe["learning_rate"], recipe["epochs"]) == (1e-4, 8)
