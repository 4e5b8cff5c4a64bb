"""Why was this answered? Over the wire: the command, the thread, pictures with words for those who do not see them."""

from pathlib import Path

from storage import jobs
from tests.facts import an_answer
from tests.fakes import StubLauncher
from tests.wire.in_process import bot_in_process
from tests.wire.server import WireServer
from tests.wire.thread import CSV, PLAN, TASK, VERDICT, thread_of_run

SLOW_S = 60.0
SAID = (an_answer(3, "a", "a"), an_answer(8, "a", "b"))
WHY = "Why the tuned model answered row 8 so"


async def test_an_answer_is_explained_in_the_thread_with_pictures(
    wire: WireServer, tmp_path: Path
) -> None:
    ada, ben = wire.person("ada"), wire.person("ben")
    async with bot_in_process(wire, tmp_path, launcher=StubLauncher(said=SAID)) as bot:
        await (await ada.slash("finetune start", dataset=CSV, task=TASK)).ack()
        thread = await thread_of_run(wire)
        await ada.react(await thread.question(PLAN, SLOW_S), "✅")
        await thread.question(VERDICT, SLOW_S)

        unknown = await (await ada.slash("finetune why", run=1, item="99")).answer()
        asked = await (await ben.slash("finetune why", run=1, item="row 8")).answer()

        assert unknown.ephemeral
        assert "There are, those answered worst first: 8, 3." in unknown.content
        assert asked.ephemeral
        assert "I look into why the tuned model answered row 8 of run #1" in asked.content
        card = await thread.card(WHY, SLOW_S)
        assert [file.filename for file in card.attachments] == [
            "attribution.png",
            "attention.png",
            "layers.png",
        ]
        pushed, looked, layers = [str(file.description) for file in card.attachments]
        assert "Most towards it: “refund?” +5.50." in pushed
        assert "Where it looked, not why" in looked
        assert "Layer 30 moved most" in layers
        assert "Where it looked, not why" in thread.body(WHY)
        done = await thread.card("Looking into an answer: row 8: done", SLOW_S)
        assert done.id < card.id

        again = await (await ada.slash("finetune why", run=1, item="8")).answer()
        assert "was explained before" in again.content
        found = await bot.app.services.db.read(jobs.of_run, 1)
        assert len([job for job in found if job.kind == "explain"]) == 1
