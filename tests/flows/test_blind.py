"""People say which answers are better without knowing whose they are."""

import random

import pytest

from agents.jobs import EvaluateResult
from agents.services import UserError
from bot.blind import Heard, choice_of
from bot.discord import run_lines
from storage import blind, datasets, events
from storage.models import Choice, Decision, Phase
from tests.facts import an_answer
from tests.fakes import StubLauncher
from tests.house import ANNA, BEN, open_house

EVIL = "```\n@everyone [click](http://evil) **bold** \u202e" + "long " * 400


def said(count, *, equal=1):
    """Answers of base and tuned to some rows; the first few are the same."""
    return tuple(
        an_answer(
            row,
            "",
            base=f"same {row}" if row < equal else f"base {row}",
            tuned=f"same {row}" if row < equal else f"tuned {row}",
        )
        for row in range(count)
    )


async def reviewed(house, **wish):
    """Bring a run to its report."""
    await house.start(**wish)
    await house.answer(Decision.APPROVE)
    assert (await house.run()).phase is Phase.REVIEWING


def ballots(house):
    return [m for m in house.surface.messages() if m["title"].startswith("Which answer is better?")]


def shown(message):
    return [value for _name, value in message["fields"]]


def for_the(side, message):
    """Vote for base or tuned, as somebody would who can tell them apart."""
    return Choice.A if side in shown(message)[0] else Choice.B


async def vote(house, side, person=ANNA):
    """Vote at the ballot shown last."""
    last = ballots(house)[-1]
    choice = Choice.TIE if side == "tie" else for_the(side, last)
    told = await house.app.commands.blind.vote(last["ballot"], person, choice)
    await house.settle()
    return told


async def compare(house, person=ANNA):
    text = await house.app.commands.blind.compare(1, person)
    await house.settle()
    return text


async def test_items_come_one_at_a_time_and_the_result_is_told_at_the_end(tmp_path):
    async with open_house(tmp_path, stand_in=StubLauncher(said=said(8, equal=2))) as house:
        await reviewed(house)
        await compare(house)
        assert [m["title"] for m in ballots(house)] == ["Which answer is better? (1 of 6)"]

        for side in ("tuned", "tuned", "base", "tie", "tuned"):
            await vote(house, side)
            assert "What people preferred" not in house.titles()
        assert len(ballots(house)) == 6
        await vote(house, "tuned")

        told = house.surface.messages()[-1]
        assert told["title"] == "What people preferred"
        assert (
            "1 person compared blindly and preferred the tuned answers **4 : 1** (1 tie)"
            in told["body"]
        )
        # Wilson's interval of 4 of 5, and 2·(P(X < 1) + P(X = 1)/2) of Bin(5, ½)
        assert "80 % of those decided, between 38 % and 96 %" in told["body"]
        assert "sign test p = 0.22" in told["body"]
        assert "Not asked about: 2 rows with equal answers." in told["body"]
        assert all(m["ballot"] is None for m in ballots(house)[-1:])


async def test_the_report_and_the_status_have_a_line_and_the_verdict_stays(tmp_path):
    async with open_house(tmp_path, stand_in=StubLauncher(said=said(3, equal=0))) as house:
        await reviewed(house)
        before = house.surface.question()
        row = await house.app.services.db.read(datasets.report_of, 1, 1)
        await compare(house)
        for _ in range(3):
            await vote(house, "base")

        after = house.surface.question()
        assert "preferred the tuned answers **0 : 3**" in after["body"]
        assert "Verdict: BETTER" in after["title"]
        assert before["question"] == after["question"]
        assert await house.app.services.db.read(datasets.report_of, 1, 1) == row
        status = await run_lines.details(house.app, await house.run())
        assert "preferred the tuned answers **0 : 3**" in status


async def test_nothing_that_is_shown_tells_whose_answer_is_whose(tmp_path):
    async with open_house(tmp_path, stand_in=StubLauncher(said=said(16, equal=0))) as house:
        await reviewed(house)
        await compare(house)
        first = []
        for _ in range(15):
            first.append("tuned" in shown(ballots(house)[-1])[0])
            await vote(house, "tuned")

        found = await house.app.services.db.read(lambda s: blind.ballots(s, 1))
        assert first == [ballot.tuned_first for ballot in found[:15]]
        assert 1 <= sum(first) <= 14  # a fair coin is outside of it once in 16,000 times
        assert [ballot.row for ballot in found] != sorted(ballot.row for ballot in found)
        seed = (await house.app.services.db.read(blind.find, 1, 1)).seed
        written = [event.payload for event in await house.app.services.db.read(events.of_run, 1)]
        payloads = [shown for shown in written if "ballot_id" in shown]
        assert payloads == [{"ballot_id": n + 1, "iteration": 1} for n in range(16)]
        assert seed not in house.surface.log.read_text()
        # neither the number of the ballot nor that of the row says anything about it
        for number in ("id", "row", "position"):
            odd = [getattr(ballot, number) % 2 == 1 for ballot in found]
            assert odd != [ballot.tuned_first for ballot in found]


async def test_the_lots_are_drawn_once_and_survive_a_restart(tmp_path):
    launcher = StubLauncher(said=said(12))
    async with open_house(tmp_path, stand_in=launcher) as house:
        await reviewed(house)
        await compare(house)
        await vote(house, "tuned")
        order = await house.app.services.db.read(lambda s: blind.ballots(s, 1))

    async with open_house(tmp_path, stand_in=launcher) as house:
        await house.settle()
        assert len(ballots(house)) == 2
        await compare(house)  # shows the open one again, below all that came after it
        assert [m["ballot"] for m in ballots(house)][-1] == 2
        await vote(house, "tuned")

        assert await house.app.services.db.read(lambda s: blind.ballots(s, 1)) != order
        again = await house.app.services.db.read(lambda s: blind.ballots(s, 1))
        assert [(b.row, b.tuned_first) for b in again] == [(b.row, b.tuned_first) for b in order]
        assert len(await house.app.services.db.read(lambda s: blind.votes(s, 1))) == 2


async def test_a_vote_counts_once_the_last_word_counts_and_none_after_the_result(tmp_path):
    async with open_house(tmp_path, stand_in=StubLauncher(said=said(5, equal=0))) as house:
        await reviewed(house)
        await compare(house)
        first = ballots(house)[0]
        heard = house.app.commands.blind
        for side in ("tuned", "tuned", "base", "base"):
            await heard.vote(first["ballot"], ANNA, for_the(side, first))
            await house.settle()
        assert len(ballots(house)) == 2

        ended = await heard.end(ballots(house)[-1]["ballot"], ANNA)
        await house.settle()
        late = await heard.vote(first["ballot"], ANNA, for_the("tuned", first))

        assert ended.heard is Heard.TOLD
        assert "**0 : 1** (0 ties)" in house.surface.messages()[-1]["body"]
        assert late.heard is Heard.REFUSED
        assert "votes before it stay as they are" in late.text
        (kept,) = await house.app.services.db.read(lambda s: blind.votes(s, 1))
        assert kept.choice is for_the("base", first)


async def test_after_a_stop_it_goes_on_with_what_nobody_voted_on(tmp_path):
    async with open_house(tmp_path, stand_in=StubLauncher(said=said(3, equal=0))) as house:
        await reviewed(house)
        await compare(house)
        await vote(house, "tuned")
        await house.app.commands.blind.end(ballots(house)[-1]["ballot"], ANNA)
        await compare(house)
        assert ballots(house)[-1]["title"] == "Which answer is better? (2 of 3)"
        known = await house.app.commands.blind.vote(1, ANNA, Choice.TIE)
        assert known.heard is Heard.REFUSED
        await vote(house, "tuned")
        await vote(house, "base")

        told = house.surface.messages()[-1]["body"]
        assert "**2 : 1** (0 ties)" in told
        assert "The result was shown 2 times; the p-value holds for one look." in told
        with pytest.raises(UserError, match="All 3 items"):
            await compare(house)


async def test_who_may_not_decide_may_not_vote_and_several_voters_count_per_item(tmp_path):
    async with open_house(tmp_path, stand_in=StubLauncher(said=said(2, equal=0))) as house:
        await reviewed(house)
        with pytest.raises(UserError, match="Only Anna can do that"):
            await compare(house, BEN)
        await compare(house)

        told = await vote(house, "tuned", BEN)
        assert (told.heard, told.text) == (Heard.REFUSED, "Only Anna can answer this.")
        assert await house.app.services.db.read(lambda s: blind.votes(s, 1)) == []


async def test_each_item_counts_once_as_more_than_half_of_its_voters_said(tmp_path):
    role = {"discord": {"guilds": {"9": {"approver_role_id": "7"}}}}
    async with open_house(tmp_path, stand_in=StubLauncher(said=said(2, equal=0)), **role) as house:
        await reviewed(house, guild="9")
        others = [type(ANNA)(f"log:{name}", name, frozenset({"7"})) for name in ("Cleo", "Dan")]
        await compare(house)
        first = ballots(house)[0]
        for person, side in zip([ANNA, *others], ("tuned", "tuned", "base"), strict=True):
            await house.app.commands.blind.vote(first["ballot"], person, for_the(side, first))
        await house.settle()
        second = ballots(house)[-1]
        for person, side in zip(others, ("base", "tuned"), strict=True):
            await house.app.commands.blind.vote(second["ballot"], person, for_the(side, second))
        await house.settle()
        assert house.titles()[-1] != "What people preferred"  # Anna has not voted on it
        await vote(house, "tie")

        body = house.surface.messages()[-1]["body"]
        assert "3 people compared blindly and preferred the tuned answers **1 : 0** (1 tie)" in body


async def test_answers_from_outside_cannot_leave_their_block_and_long_ones_are_attached(tmp_path):
    evil = (an_answer(1, "", "short", EVIL, prompt=EVIL),)
    async with open_house(tmp_path, stand_in=StubLauncher(said=evil)) as house:
        await reviewed(house)
        await compare(house)

        message = ballots(house)[0]
        for text in (*shown(message), message["body"].split("\nOne answer")[0]):
            assert text.startswith("```\n")
            assert text.endswith("\n```")
            assert text.count("```") == 2
            assert "\u202e" not in text
        assert sum(map(len, shown(message))) + len(message["body"]) < 2000
        (sent,) = [line for line in house.surface.lines() if line.get("ballot")]
        assert sent["files"] == ["report.md"]


async def test_where_there_is_nothing_to_compare_the_person_is_told_why(tmp_path):
    async with open_house(tmp_path, stand_in=StubLauncher(said=said(3, equal=3))) as house:
        await house.start()
        with pytest.raises(UserError, match="have not answered the test rows"):
            await compare(house)
        await house.answer(Decision.APPROVE)
        with pytest.raises(UserError, match="gave the same 3 answers"):
            await compare(house)
        report = await house.app.services.db.read(datasets.report_of, 1, 1)
        written = EvaluateResult.model_validate(report.payload).answers
        (house.app.services.job_folder(report.job_id) / written.path).write_text("{}")
        with pytest.raises(UserError, match="not in its folder any more"):
            await compare(house)
    async with open_house(tmp_path / "old", stand_in=StubLauncher()) as house:
        await reviewed(house)
        with pytest.raises(UserError, match="no answers of their own"):
            await compare(house)


@pytest.mark.parametrize(
    ("words", "choice"),
    [
        ("A", Choice.A),
        ("b.", Choice.B),
        ("🅰️", Choice.A),
        ("🅱", Choice.B),
        ("Tie", Choice.TIE),
        ("🤝", Choice.TIE),
        ("tuned", None),
        ("a or b", None),
    ],
)
def test_words_and_emojis_that_vote(words, choice):
    assert choice_of(words) is choice


async def test_whatever_order_votes_come_in_twice_the_last_of_each_person_counts(tmp_path):
    chance = random.Random(5)
    async with open_house(tmp_path, stand_in=StubLauncher(said=said(6, equal=0))) as house:
        await reviewed(house)
        await compare(house)
        last = {}
        for _ in range(25):
            message = chance.choice(ballots(house)[:5])
            choice = chance.choice(list(Choice))
            for _twice in range(chance.choice([1, 2])):
                await house.app.commands.blind.vote(message["ballot"], ANNA, choice)
            last[message["ballot"]] = choice
            await house.app.pump()

        kept = await house.app.services.db.read(lambda s: blind.votes(s, 1))
        assert {vote.ballot_id: vote.choice for vote in kept} == last
        assert len(last) >= 3
