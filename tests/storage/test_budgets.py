"""Budgets: reserved in one transaction, settled with what was used, never overrun by two at once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from storage import budgets, jobs, runs
from storage.budgets import Limits, Want
from storage.database import Database, sqlite_url
from storage.jobs import Closing
from storage.models import Job, JobState, Phase, Reservation, Run, Target
from tests.fakes import SetClock

NOW = SetClock().now().replace(hour=20, minute=0)
TEN_MINUTES = {"user": Limits(minutes=10.0)}


@pytest.fixture
def db(tmp_path):
    database = Database(sqlite_url(tmp_path / "rows.sqlite"))
    database.migrate()
    yield database
    database.close()


def add_run(session, owner="log:anna", guild=None, phase=Phase.BUILDING):
    number = len(runs.recent(session))
    return runs.add(
        session,
        Run(
            origin_key=f"k{number}",
            goal="g",
            model="m",
            owner=owner,
            guild=guild,
            home="log:c",
            phase=phase,
            created_at=NOW,
        ),
    ).id


def want(run_id, minutes=6.0, revision=0, **facts):
    whole = {
        "run_id": run_id,
        "iteration": 1,
        "revision": revision,
        "owner": "log:anna",
        "guild": None,
        "minutes": minutes,
        "price_per_hour": 0.0,
    }
    return Want(**(whole | facts))


def test_what_does_not_fit_is_refused_with_what_is_left_and_when_it_renews(db):
    first, second = db.write_now(add_run), db.write_now(add_run)

    assert db.write_now(budgets.reserve, want(first), TEN_MINUTES, NOW) is None
    short = db.write_now(budgets.reserve, want(second), TEN_MINUTES, NOW)

    assert (short.scope, short.money, short.left, short.limit) == ("user", False, 4.0, 10.0)
    assert short.renews_at == NOW.replace(hour=0) + timedelta(days=1)
    tomorrow = NOW + timedelta(hours=5)
    assert db.write_now(budgets.reserve, want(second), TEN_MINUTES, tomorrow) is None


def test_a_plan_reserves_once(db):
    run = db.write_now(add_run)

    for _ in range(3):
        assert db.write_now(budgets.reserve, want(run), TEN_MINUTES, NOW) is None

    assert db.read_now(budgets.taken, "user", "log:anna", NOW) == (6.0, 0.0)


def test_every_scope_and_money_have_limits_of_their_own(db):
    run = db.write_now(add_run, guild="7")
    priced = want(run, guild="7", minutes=30.0, price_per_hour=4.0)

    def short(**limits):
        return db.write_now(budgets.reserve, priced, limits, NOW)

    assert short(user=Limits(money=1.5)).money
    assert short(guild=Limits(minutes=29)).scope == "guild"
    assert short(everybody=Limits(minutes=29)).scope == "everybody"
    assert short(user=Limits(money=2.0), guild=Limits(minutes=30)) is None
    assert db.read_now(budgets.taken, "guild", "7", NOW) == (30.0, 2.0)
    assert db.read_now(budgets.taken, "user", "log:ben", NOW) == (0, 0)


def work_for(session, run_id, minutes):
    """Have a job of a run take so many minutes of a slot."""
    job_id = jobs.job_id(run_id, 1, "train", 1)
    jobs.open_or_get(
        session,
        Job(
            id=job_id,
            run_id=run_id,
            owner="log:anna",
            iteration=1,
            kind="train",
            attempt=1,
            created_at=NOW,
        ),
    )
    jobs.claim(session, job_id, NOW + timedelta(minutes=1))
    if minutes is not None:
        jobs.close(session, job_id, Closing("succeeded"), NOW + timedelta(minutes=1 + minutes))


def test_what_was_used_takes_the_place_of_what_was_reserved_when_the_run_uses_no_more(db):
    run = db.write_now(add_run)
    db.write_now(budgets.reserve, want(run), TEN_MINUTES, NOW)
    db.write_now(work_for, run, 2)

    db.write_now(budgets.settle, NOW)
    while_building = db.read_now(budgets.taken, "user", "log:anna", NOW)
    db.write_now(lambda s: runs.end(s, runs.get(s, run), Phase.CANCELLED, NOW))
    db.write_now(budgets.settle, NOW)

    assert while_building == (6.0, 0.0)
    assert db.read_now(budgets.taken, "user", "log:anna", NOW) == (2.0, 0.0)


def test_nothing_is_settled_while_a_worker_of_an_ended_run_still_works(db):
    run = db.write_now(add_run)
    db.write_now(budgets.reserve, want(run), TEN_MINUTES, NOW)
    db.write_now(work_for, run, None)
    db.write_now(lambda s: runs.end(s, runs.get(s, run), Phase.CANCELLED, NOW))

    db.write_now(budgets.settle, NOW)

    assert db.read_now(lambda s: s.get(Job, f"run{run}-i1-train-a1").state) is JobState.RUNNING
    assert db.read_now(lambda s: s.get(Reservation, 1).settled_at) is None


def test_a_run_that_goes_on_has_its_reservation_again(db):
    run = db.write_now(add_run, phase=Phase.APPROVING)
    db.write_now(budgets.reserve, want(run), TEN_MINUTES, NOW)
    db.write_now(budgets.settle, NOW)
    assert db.read_now(budgets.taken, "user", "log:anna", NOW) == (0.0, 0.0)

    db.write_now(budgets.reopen, run, 1)

    assert db.read_now(budgets.taken, "user", "log:anna", NOW) == (6.0, 0.0)


def _reserve_slowly(session, run_id):
    """Leave the others time to look at the same rows before this is committed."""
    short = budgets.reserve(session, want(run_id, 1.0), TEN_MINUTES, NOW)
    time.sleep(0.02)
    return short


def _reserve_many(path, run_ids, ready):
    """Reserve through a connection of its own, as another process would."""
    database = Database(sqlite_url(path), busy_timeout_s=60)
    ready.wait(60)  # all are there: none has finished before another begins
    won = [run_id for run_id in run_ids if database.write_now(_reserve_slowly, run_id) is None]
    database.close()
    return won


def test_runs_at_once_cannot_overrun_a_budget(db, tmp_path: Path):
    ids = [db.write_now(add_run) for _ in range(18)]
    path, ready = tmp_path / "rows.sqlite", threading.Barrier(3)

    with ThreadPoolExecutor(3) as pool:
        parts = [pool.submit(_reserve_many, path, ids[i::3], ready) for i in range(3)]
        winners = [run_id for part in parts for run_id in part.result()]

    assert len(set(winners)) == 10
    assert db.read_now(budgets.taken, "user", "log:anna", NOW) == (10.0, 0.0)


def test_a_database_of_the_first_release_gets_the_table(tmp_path):
    database = Database(sqlite_url(tmp_path / "old.sqlite"))
    database.migrate()
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE reservation")
        connection.exec_driver_sql("DELETE FROM migration WHERE name = '0003_reservations'")

    database.migrate()

    assert database.read_now(budgets.taken, "everybody", None, NOW) == (0, 0)
    database.close()


def test_a_round_of_a_workflow_is_settled_when_the_run_leaves_it_with_its_last_comparison(db):
    run_id = db.write_now(add_run)

    def turn_into(session, **facts):
        run = runs.get(session, run_id)
        for name, value in facts.items():
            setattr(run, name, value)
        session.add(run)

    db.write_now(turn_into, target=Target.WORKFLOW)
    assert db.write_now(budgets.reserve, want(run_id), TEN_MINUTES, NOW) is None
    begun = NOW
    for kind, minutes in (("workflow_propose", 1), ("workflow_measure", 2), ("workflow_claim", 4)):
        phase = Phase.DELIVERING if kind == "workflow_claim" else Phase.REVIEWING
        db.write_now(turn_into, phase=phase)
        ended = begun + timedelta(minutes=minutes)
        db.write_now(add_closed, run_id, kind, begun, ended)
        db.write_now(budgets.settle, ended)
        assert db.read_now(budgets.taken, "user", "log:anna", NOW) == (6.0, 0.0)
        begun = ended

    db.write_now(turn_into, phase=Phase.DELIVERED)
    db.write_now(budgets.settle, begun)

    assert db.read_now(budgets.taken, "user", "log:anna", NOW) == (7.0, 0.0)


def add_closed(session, run_id, kind, started_at, closed_at):
    session.add(
        Job(
            id=f"run{run_id}-{kind}",
            run_id=run_id,
            owner="log:anna",
            iteration=1,
            kind=kind,
            attempt=1,
            state=JobState.CLOSED,
            created_at=started_at,
            started_at=started_at,
            closed_at=closed_at,
        )
    )
