"""A run that improves a workflow as a chat shows it: every event has its card, a choice counts, the files can be fetched."""

import pytest

from agents.services import UserError
from bot.answering import Effect
from configs.schema import GateKind
from storage.models import Decision, Phase
from tests import loop_case
from tests.house import ANNA
from tests.workflow_house import WorkflowHouse, open_workflow_house


async def toggle(house: WorkflowHouse, number: int, *, taken: bool) -> Effect:
    asked = await house.asked(GateKind.KEEP)
    commands = house.house.app.commands
    reaction = await commands.toggle(asked.id, asked.shown_sha256[:12], ANNA, number, taken=taken)
    await house.house.settle()
    return reaction.effect


def titles(house: WorkflowHouse) -> list[str]:
    return house.house.titles()


def bodies(house: WorkflowHouse) -> dict[str, str]:
    return {m["title"]: m["body"] for m in house.house.surface.messages()}


async def test_from_the_file_to_the_link_every_event_is_a_card_and_the_dropped_edit_is_left_out(
    tmp_path,
):
    async with open_workflow_house(tmp_path) as house:
        await house.start(goal="answers should be polite, and faster")
        assert "Measured for it: latency\\: seconds" in bodies(house)["The plan"]
        await house.answer(GateKind.PLAN)
        assert await toggle(house, 2, taken=False) is Effect.DECIDED
        await house.answer(GateKind.KEEP)
        while await house.phase() is Phase.REVIEWING:
            await house.answer(GateKind.KEEP, Decision.REJECT)

        assert await house.phase() is Phase.DELIVERED
        assert titles(house)[0].startswith("Run #1: done: the workflow is ready")
        assert titles(house)[1:4] == ["Reading your workflow: done", "Your workflow", "The plan"]
        assert {"As it stands", "Round 1", "Keep this change? Round 1"} <= set(titles(house))
        assert "Round 1, your choice of the edits" in titles(house)
        assert titles(house)[-1] == "Your workflow is ready"
        text = await house.final()
        assert loop_case.ONE_WORD in text
        assert loop_case.SHORT_THANKS not in text
        assert house.house.surface.question() is None
        commands = house.house.app.commands
        assert [
            (await commands.download(1, ANNA, None, what)).name
            for what in ("adapter", "workflow", "tests", "ledger")
        ] == [
            "sorter.finetuned.yaml",
            "sorter.finetuned.yaml",
            "tests.yaml",
            "sorter.finetune-ledger.jsonl",
        ]


async def test_a_goal_that_nothing_is_measured_for_is_for_who_proposes_alone(tmp_path):
    async with open_workflow_house(tmp_path) as house:
        await house.start(rounds=1, goal="answers should be polite")
        assert "nothing that is measured stands for it" in bodies(house)["The plan"]
        await house.answer(GateKind.PLAN)

        assert await house.phase() is Phase.REVIEWING


async def test_after_a_choice_that_was_not_better_the_whole_is_taken_again(tmp_path):
    async with open_workflow_house(tmp_path) as house:
        await house.start(rounds=1)
        await house.answer(GateKind.PLAN)
        await toggle(house, 1, taken=False)
        await house.answer(GateKind.KEEP)

        assert [one.taken for one in await house.edits()] == [True, True]
        asked = [m for m in house.house.surface.messages() if m["question"]]
        assert "not better" in asked[-1]["body"]
        await house.answer(GateKind.KEEP)
        assert loop_case.SHORT_THANKS in await house.final()


async def test_what_no_model_may_decide_is_shown_first_and_wants_a_yes_or_a_no(tmp_path):
    sly = [{"op": "set_model", "model": "dear"}, *loop_case.mending()]
    async with open_workflow_house(tmp_path, told=loop_case.script(sly)) as house:
        await house.start(rounds=1)
        await house.answer(GateKind.PLAN)
        body = bodies(house)["May this be run? Proposal 1 of round 1"]
        assert body.startswith("⚠ **It also changes what no language model may decide** (1):")
        assert body.index("dear") < body.index("```diff")

        reaction = await house.house.reply("only the second part")
        assert reaction.effect is Effect.UNCLEAR
        await house.answer(GateKind.EDIT)
        assert "dear" in bodies(house)["Keep this change? Round 1"]


@pytest.mark.parametrize("goal", ["robustness=x", "speed=1"])
async def test_weights_that_are_none_are_refused_before_anything_is_spent(tmp_path, goal):
    async with open_workflow_house(tmp_path) as house:
        with pytest.raises(UserError, match="There are performance"):
            await house.start(goal=goal)
        assert house.launcher.done == []
