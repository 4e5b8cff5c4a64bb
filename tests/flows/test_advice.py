"""A language model advises on plans and reports and proposes changes: beside what code says, marked, and nothing waits for it."""

import json
from datetime import timedelta

from sqlmodel import select

from agents.adviser import Adviser
from agents.llm import BackEndPaused, LLMError, RuleLLM
from storage import datasets, expenses
from storage.models import Advice, Approval, Decision, Phase
from tests.fakes import StubLauncher
from tests.house import open_house

GOOD = "The test set is small, so the gain may be chance. Look at the weakest answers first."


def advising(comment=GOOD, ideas=()):
    def rule(instructions, _data):
        if instructions.startswith("You explain"):
            return {"comment": comment}
        if instructions.startswith("You help to find"):
            return {"ideas": list(ideas)}
        return {"changes": []}

    return RuleLLM(rule, "gpt-x (openai)")


def overfit():
    curve = ((0, 3.0), (3, 1.0), (6, 1.3), (10, 1.6))
    return StubLauncher(trained={"run1-i1-train-a1": {"dev_losses": curve, "best_step": 3}})


async def advised(house):
    await house.app.adviser.work_off()
    await house.settle()


def body(house):
    return house.surface.question()["body"].replace("\\", "")


async def test_a_paragraph_stands_below_plan_and_report_marked_as_advice(tmp_path):
    llm = advising()
    async with open_house(tmp_path, llm=llm, llm_settings={"advises": True}) as house:
        await house.start(goal="Sort tickets")
        before = body(house)
        await advised(house)
        plan = body(house)
        await house.answer(Decision.APPROVE)
        await advised(house)
        report = body(house)
        await advised(house)

        marked = f"💬 The language model gpt-x (openai) advises, and decides nothing: “{GOOD}”"
        assert marked not in before
        assert before.split("\n\n✅")[0] in plan
        assert marked in plan
        assert marked in report
        assert len(llm.asked) == 2
        asked = json.loads(llm.asked[0][1].removeprefix("<<<DATA\n").removesuffix("\nDATA>>>"))
        assert (asked["about"], asked["task"]) == ("plan", "Sort tickets")
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.DELIVERED


async def test_numbers_and_addresses_of_the_model_are_not_shown(tmp_path):
    comment = (
        "The gain is 40 points. It is good. See https://evil.example or evil.com. Ask @everyone."
    )
    async with open_house(tmp_path, llm=advising(comment), llm_settings={"advises": True}) as house:
        await house.start()
        await advised(house)

        assert "decides nothing: “It is good.”" in body(house)
        assert "evil" not in body(house)
        assert "40 points" not in body(house)


async def test_without_advice_the_question_is_the_same_and_it_is_asked_once(tmp_path):
    replies = [LLMError("reset"), {"comment": "99 % sure."}]
    for number, reply in enumerate(replies):
        llm = RuleLLM(lambda *_, reply=reply: reply)
        folder = tmp_path / str(number)
        async with open_house(folder, llm=llm, llm_settings={"advises": True}) as house:
            await house.start()
            before = body(house)
            await advised(house)
            await advised(house)

            assert body(house) == before
            assert len(llm.asked) == 1


async def test_what_was_not_asked_because_the_server_is_left_alone_is_asked_later(tmp_path):
    replies = iter([BackEndPaused("later"), {"comment": GOOD}])
    llm = RuleLLM(lambda *_: next(replies))
    async with open_house(tmp_path, llm=llm, llm_settings={"advises": True}) as house:
        await house.start()
        await advised(house)
        await advised(house)

        assert GOOD in body(house)


async def test_nobody_advises_who_was_not_told_to_nor_on_what_is_old_or_answered(tmp_path):
    llm = advising()
    async with open_house(tmp_path / "a", llm=llm) as house:
        await house.start()
        await advised(house)
    async with open_house(tmp_path / "b", llm=llm, llm_settings={"advises": True}) as house:
        await house.start()
        house.clock.at += timedelta(hours=2)
        await advised(house)
        await house.answer(Decision.APPROVE)
        await house.answer(Decision.APPROVE)
        await advised(house)

    assert llm.asked == []


async def test_advice_is_no_part_of_what_an_answer_is_bound_to_and_is_kept_once(tmp_path):
    llm = advising()
    async with open_house(tmp_path, llm=llm, llm_settings={"advises": True}) as house:
        await house.start()
        (shown,) = await house.app.services.db.read(lambda s: list(s.exec(select(Approval))))
        await advised(house)
        (other,) = [Adviser(house.app.services)]
        await other.work_off()

        (after,) = await house.app.services.db.read(lambda s: list(s.exec(select(Approval))))
        rows = await house.app.services.db.read(lambda s: list(s.exec(select(Advice))))
        assert after.shown_sha256 == shown.shown_sha256
        assert [row.text for row in rows] == [GOOD]


RANK = {"field": "lora_r", "value": 32, "why": "More room to learn. Trust me 100 %."}


async def test_a_proposal_is_offered_by_number_and_taken_by_a_person_alone(tmp_path):
    llm = advising(ideas=[RANK, {"field": "lora_r", "value": 100_000, "why": "x"}])
    async with open_house(
        tmp_path, llm=llm, llm_settings={"advises": True}, stand_in=overfit()
    ) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.answer(Decision.REJECT)
        rows = await house.app.services.db.read(datasets.suggestions, 1, 1)
        mine = [row for row in rows if row.rule == "language model"]
        offer = "set lora_r to 32, as the language model advises: “More room to learn.”"

        assert [(row.change["value"], row.taken) for row in mine] == [(32, False)]
        assert offer in body(house)
        assert "`lora_r`" not in body(house).split("Why these settings")[0]
        number = next(
            line.split(".")[0] for line in body(house).splitlines() if line.endswith(offer)
        )
        await house.reply(f"take {number}")
        assert "`lora_r` 16 → **32**" in body(house)


async def test_a_proposal_alone_is_no_reason_for_another_try(tmp_path):
    curve = ((0, 3.0), (3, 1.0))
    for number, ideas in enumerate([(), (RANK,)]):
        stub = StubLauncher(trained={"run1-i1-train-a1": {"dev_losses": curve, "best_step": 3}})
        async with open_house(
            tmp_path / str(number),
            llm=advising(ideas=ideas),
            llm_settings={"advises": True},
            stand_in=stub,
        ) as house:
            await house.start()
            await house.answer(Decision.APPROVE)
            await house.answer(Decision.REJECT)
            found = ((await house.run()).phase, (await house.run()).iteration, house.titles()[-1])
            if number == 0:
                without = found

    assert found == without


async def test_status_and_report_say_what_it_has_cost_where_it_was_asked(tmp_path):
    llm = advising()
    priced = {"advises": True, "price_per_million_input": 1000.0}
    async with open_house(tmp_path, llm=llm, llm_settings=priced) as house:
        await house.start()
        await advised(house)
        await house.answer(Decision.APPROVE)

        used = await house.app.services.db.read(expenses.total, 1)
        said = f"The language model was asked once for this run (advice 1): {used.tokens:,} tokens, {used.money:.4f} EUR."
        assert used.money > 0
        assert said in body(house)
    async with open_house(tmp_path / "without") as house:
        await house.start()
        await house.answer(Decision.APPROVE)

        assert "language model was asked" not in body(house)


async def test_who_has_no_room_left_is_told_once_and_the_run_goes_on(tmp_path):
    llm = advising()
    tight = {"advises": True, "max_calls_per_run": 1}
    async with open_house(tmp_path, llm=llm, llm_settings=tight) as house:
        await house.start()
        await advised(house)
        for decision in (Decision.APPROVE, Decision.APPROVE):
            await house.answer(decision)
            await advised(house)

        assert (await house.run()).phase is Phase.DELIVERED
        told = [title for title in house.titles() if "is used up" in title]
        assert len(told) == 1
        assert len(llm.asked) == 1
