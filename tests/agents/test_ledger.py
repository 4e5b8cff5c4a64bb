"""The books of the language model: set aside before, settled after, never less than was used, and a cap that holds."""

import asyncio
from dataclasses import replace

import pytest

from agents import ledger
from agents.ledger import Errand, Purpose
from agents.llm import NOTHING, OutOfRoom, Prices, Purse, Room, RuleLLM, Spent, Tokens
from agents.services import Services
from configs.schema import LLMSettings, Settings
from storage import events, expenses, runs
from storage.database import Database, sqlite_url
from storage.expenses import Total
from storage.models import Run
from tests.agents.test_llm import Reply
from tests.fakes import SetClock

PRICED = {"price_per_million_input": 2.0, "price_per_million_output": 10.0}
NOW = SetClock().now()


@pytest.fixture
def db(tmp_path):
    database = Database(sqlite_url(tmp_path / "rows.sqlite"))
    database.migrate()
    for key in ("a", "b"):
        facts = {"goal": "g", "model": "m", "owner": "o", "home": "h", "created_at": NOW}
        database.write_now(lambda s, run: runs.add(s, run), Run(origin_key=key, **facts))
    yield database
    database.close()


def account(db, run_id=1, purpose=Purpose.REPLIES, **settings):
    llm = LLMSettings(**PRICED | settings)
    return ledger.RunAccount(db, SetClock().now, llm, run_id, purpose, "m (fake)")


def used(db, run_id=1):
    return db.read_now(expenses.total, run_id)


async def test_what_a_question_may_cost_counts_before_it_is_sent_and_what_it_did_afterwards(db):
    pays = account(db)

    number = await pays.reserve(Tokens(1000, 500))
    before = used(db)
    await pays.settle(number, Tokens(800, 20))

    assert before == Total(calls=1, tokens=1500, money=pytest.approx(0.007), unsettled=1)
    assert used(db) == Total(calls=1, tokens=820, money=pytest.approx(0.0018))
    assert used(db, 2) == Total()


async def test_a_bot_that_dies_between_the_two_has_counted_too_much_and_never_too_little(
    db, tmp_path
):
    await account(db).reserve(Tokens(1000, 500))
    db.close()

    again = Database(sqlite_url(tmp_path / "rows.sqlite"))
    again.migrate()
    try:
        assert used(again).tokens == 1500
        with pytest.raises(OutOfRoom):
            await account(again, max_tokens_per_run=2000).reserve(Tokens(600, 1))
    finally:
        again.close()


@pytest.mark.parametrize(
    "cap", [{"max_calls_per_run": 3}, {"max_tokens_per_run": 300}, {"max_money_per_run": 0.0006}]
)
async def test_a_cap_refuses_what_might_not_fit_and_tells_the_person_once(db, cap):
    pays = account(db, **cap)
    each = Tokens(100, 0)

    for _question in range(3):
        await pays.settle(await pays.reserve(each), each)
    for _question in range(2):
        with pytest.raises(OutOfRoom):
            await pays.reserve(each)
    await account(db, run_id=2, **cap).reserve(each)

    assert used(db).calls == 3
    told = db.read_now(events.of_run, 1)
    assert [event.payload["title"] for event in told] == [ledger.NO_ROOM]
    assert "llm.max_calls_per_run" in told[0].payload["text"]
    assert db.read_now(events.of_run, 2) == []


async def test_many_at_once_never_use_more_than_there_is(db):
    pays = account(db, max_tokens_per_run=1000)

    async def one():
        try:
            await pays.reserve(Tokens(90, 60))
        except OutOfRoom:
            return 0
        return 1

    sent = await asyncio.gather(*(one() for _ in range(20)))

    assert sum(sent) == 6
    assert used(db).tokens == 900


async def test_what_cost_nothing_leaves_its_room_to_others(db):
    pays = account(db, max_tokens_per_run=100)
    await pays.settle(await pays.reserve(Tokens(90, 10)), NOTHING)

    await pays.reserve(Tokens(90, 10))

    assert used(db) == Total(2, 100, pytest.approx(0.00028), 1)


async def test_the_books_say_what_it_was_for(db):
    for purpose in (Purpose.REPLIES, Purpose.JUDGING, Purpose.JUDGING):
        await account(db, purpose=purpose).reserve(Tokens(1, 1))

    assert {p: t.calls for p, t in db.read_now(expenses.by_purpose, 1).items()} == {
        "reading replies": 1,
        "rewards": 2,
    }


async def test_the_services_lend_the_model_on_the_account_of_a_run(db, tmp_path):
    settings = Settings(data_dir=tmp_path, llm=LLMSettings(max_calls_per_run=1))
    llm = RuleLLM(lambda *_: {"score": 1})
    services = Services(settings, db, None, SetClock(), llm, lambda _run: None)
    lent = services.llm_for(1, Purpose.REPLIES)

    await lent.ask("Judge.", "text", Reply)
    with pytest.raises(OutOfRoom):
        await lent.ask("Judge.", "text", Reply)

    assert (lent.name, len(llm.asked), used(db).calls) == ("rule (fake)", 1, 1)
    assert replace(services, llm=None).llm_for(1, Purpose.REPLIES) is None


ANYTHING = Room()
ERRAND = Errand(1, "made rows", "run1-i1-generate-a1", "m (fake)")


def hand_out(db, wanted=ANYTHING, errand=ERRAND, **settings):
    llm = LLMSettings(**PRICED | settings)
    return db.write_now(ledger.hand_out, errand, wanted, llm, NOW)


def test_a_job_is_handed_what_it_wants_within_what_is_left_and_the_same_when_it_asks_again(db):
    limits = {"max_calls_per_run": 10, "max_tokens_per_run": 1000}

    first = hand_out(db, Room(calls=4), **limits)
    again = hand_out(db, Room(calls=4), **limits)
    second = hand_out(db, errand=replace(ERRAND, key="other"), **limits)

    assert first == again == Room(calls=4, tokens=1000)
    assert second == Room(calls=6, tokens=0)
    assert used(db) == Total(10, 1000, 0.0, 2)


def test_what_a_job_tells_takes_the_place_of_what_it_was_handed_and_the_last_word_counts(db):
    llm = LLMSettings(**PRICED, max_tokens_per_run=1000)
    hand_out(db, max_tokens_per_run=1000)

    for spent in (Spent(1, 10, 10), Spent(3, 100_000, 50_000)):
        db.write_now(ledger.settle, ERRAND, spent, llm, NOW)

    assert used(db) == Total(3, 150_000, pytest.approx(0.7))
    assert db.read_now(ledger.left, 1, llm) == Room(tokens=0)


def test_a_job_that_was_handed_nothing_is_counted_by_what_it_tells(db):
    assert hand_out(db) == Room()
    unknown = replace(ERRAND, key="never handed anything")
    db.write_now(ledger.settle, unknown, Spent(2, 7, 1), LLMSettings(), NOW)

    assert used(db) == Total(2, 8, 0.0, 1)


# ---- the purse of a job ---------------------------------------------------------------------------------------------


async def test_a_purse_holds_across_attempts_that_were_killed(tmp_path):
    path, room = tmp_path / "spent.jsonl", Room(calls=3, tokens=100)
    first = Purse(path, room, Prices())
    await first.settle(await first.reserve(Tokens(30, 10)), Tokens(20, 5))
    await first.reserve(Tokens(30, 10))
    with path.open("ab") as file:
        file.write(b'{"number": 2, "mo')

    second = Purse(path, room, Prices())

    assert second.spent == Spent(2, 50, 15)
    with pytest.raises(OutOfRoom):
        await second.reserve(Tokens(30, 10))
    await second.settle(await second.reserve(Tokens(30, 5)), Tokens(1, 1))
    with pytest.raises(OutOfRoom):
        await second.reserve(Tokens(0, 0))
    assert Purse(path, room, Prices()).spent == second.spent == Spent(3, 51, 16)


async def test_a_purse_counts_money(tmp_path):
    purse = Purse(tmp_path / "spent.jsonl", Room(money=0.001), Prices(1.0, 10.0))

    await purse.reserve(Tokens(100, 50))
    with pytest.raises(OutOfRoom):
        await purse.reserve(Tokens(100, 50))
    assert purse.left.money == pytest.approx(0.0004)
