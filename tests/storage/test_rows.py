import sqlite3
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from storage import (
    approvals,
    blind,
    comments,
    datasets,
    entries,
    events,
    expenses,
    inbox,
    jobs,
    runs,
)
from storage.approvals import Answer
from storage.database import AlreadyOpen, Database, FolderLock, NewerSchema, sqlite_url
from storage.jobs import Closing
from storage.models import (
    TRANSITIONS,
    Approval,
    BlindTest,
    Dataset,
    Decision,
    EvaluationReport,
    Job,
    Migration,
    Phase,
    Plan,
    Run,
    Target,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def db(tmp_path):
    database = Database(sqlite_url(tmp_path / "rows.sqlite"), busy_timeout_s=5)
    database.migrate()
    yield database
    database.close()


def a_run(session: Session, key="k", owner="log:anna", **facts):
    return runs.add(
        session,
        Run(
            origin_key=key, goal="g", model="m", owner=owner, home="log:c", created_at=NOW, **facts
        ),
    )


def test_a_phase_change_names_the_version_it_saw(db):
    run = db.write_now(a_run)
    db.write_now(runs.move, run, Phase.PLANNING)

    with pytest.raises(runs.Fenced):
        db.write_now(runs.move, run, Phase.PLANNING)
    assert db.read_now(runs.get, run.id).phase is Phase.PLANNING


def test_only_drawn_transitions_are_possible(db):
    run = db.write_now(a_run)

    with pytest.raises(ValueError, match="preparing cannot become delivered"):
        db.write_now(runs.move, run, Phase.DELIVERED)
    assert set(TRANSITIONS) == set(Phase)
    assert TRANSITIONS[Phase.CANCELLED] == frozenset()
    later = {Phase.EXPORTING, Phase.PUBLISHING, Phase.PLANNING, Phase.DELIVERING}
    assert TRANSITIONS[Phase.DELIVERED] == later


def test_a_gate_is_decided_once_and_only_for_what_was_shown(db):
    def ask(session):
        run = a_run(session)
        gate = Approval(
            run_id=run.id, gate="plan", iteration=1, revision=0, shown_sha256="aa", created_at=NOW
        )
        return approvals.open_or_get(session, gate)

    gate = db.write_now(ask)
    yes, no = (Answer(d, "log:anna", "Anna") for d in (Decision.APPROVE, Decision.REJECT))

    assert not db.write_now(approvals.decide, gate.id, "bb", yes, NOW)
    assert db.write_now(approvals.decide, gate.id, "aa", no, NOW)
    assert not db.write_now(approvals.decide, gate.id, "aa", yes, NOW)
    assert db.read_now(approvals.get, gate.id).decision is Decision.REJECT


def test_many_deciders_at_once_make_one_decision(db, tmp_path):
    gate = db.write_now(
        lambda s: approvals.open_or_get(
            s,
            Approval(
                run_id=a_run(s).id,
                gate="plan",
                iteration=1,
                revision=0,
                shown_sha256="aa",
                created_at=NOW,
            ),
        )
    )
    others = [Database(sqlite_url(tmp_path / "rows.sqlite")) for _n in range(8)]
    won = []

    def decide(database, number):
        answer = Answer(Decision.APPROVE if number % 2 else Decision.REJECT, f"log:{number}", "x")
        if database.write_now(approvals.decide, gate.id, "aa", answer, NOW):
            won.append(number)

    threads = [threading.Thread(target=decide, args=(d, n)) for n, d in enumerate(others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.close()

    assert len(won) == 1
    assert db.read_now(approvals.get, gate.id).decided_by == f"log:{won[0]}"


def a_job(session, run, number, owner, needs_slot=True):
    job = Job(
        id=f"j{number}",
        run_id=run.id,
        owner=owner,
        iteration=1,
        kind="train",
        attempt=number,
        needs_slot=needs_slot,
        created_at=NOW.replace(minute=number),
    )
    return jobs.open_or_get(session, job)


def test_the_line_is_fair_among_people_and_skips_paused_and_ended_runs(db):
    def fill(session):
        anna, ben = a_run(session, "a", "log:anna"), a_run(session, "b", "log:ben")
        paused = a_run(session, "p", "log:carl", paused=True)
        over = a_run(session, "o", "log:dora", phase=Phase.CANCELLED)
        for number, run in enumerate([anna, anna, anna, ben, paused, over], 1):
            a_job(session, run, number, run.owner)
        a_job(session, ben, 9, "log:ben", needs_slot=False)

    db.write_now(fill)
    line = [j.id for j in db.read_now(jobs.queued, running_per_user=2)]
    assert line == ["j9", "j1", "j4", "j2"]

    assert db.write_now(jobs.claim, "j1", NOW)
    assert not db.write_now(jobs.claim, "j1", NOW)
    assert [j.id for j in db.read_now(jobs.queued, running_per_user=2)] == ["j9", "j4", "j2"]
    assert db.read_now(jobs.left_over) == ["j6"]


def test_what_was_asked_for_beside_a_run_goes_on_unless_the_run_is_cancelled(db):
    def fill(session):
        phases = (Phase.REVIEWING, Phase.DELIVERED, Phase.FAILED, Phase.CANCELLED)
        for number, phase in enumerate(phases, 1):
            run = a_run(session, str(number), f"log:{number}", phase=phase, paused=number == 1)
            for kind in ("train", "explain"):
                job = a_job(session, run, 10 * number + (kind == "explain"), run.owner)
                job.kind = kind

    db.write_now(fill)

    line = [j.id for j in db.read_now(jobs.queued, running_per_user=2)]
    assert line == ["j11", "j21", "j31"]
    assert sorted(db.read_now(jobs.left_over)) == ["j20", "j30", "j40", "j41"]
    assert [j.id for j in db.read_now(jobs.own_of_run, 1)] == ["j10"]


def test_a_job_is_closed_once(db):
    db.write_now(lambda s: a_job(s, a_run(s), 1, "log:anna"))

    assert db.write_now(jobs.close, "j1", Closing("succeeded", payload={"n": 1}), NOW)
    assert not db.write_now(jobs.close, "j1", Closing("abandoned"), NOW)
    assert db.read_now(jobs.get, "j1").payload == {"n": 1}


def test_saying_and_receiving_twice_is_once(db):
    run = db.write_now(a_run)

    first = db.write_now(events.say, run.id, "notice", "x", {"title": "a"}, NOW)
    second = db.write_now(events.say, run.id, "notice", "x", {"title": "b"}, NOW)
    _row, new = db.write_now(inbox.receive, "log:1", "start", {}, NOW)
    _row, again = db.write_now(inbox.receive, "log:1", "start", {}, NOW)

    assert first.id == second.id
    assert (new, again) == (True, False)


def test_a_cursor_only_goes_forward_and_orders_by_number(db):
    for message_id in ("99", "100", "7"):
        db.write_now(inbox.advance_cursor, "log:c", message_id)

    assert db.read_now(inbox.cursor, "log:c") == "100"


def test_a_unit_of_work_that_fails_leaves_nothing(db):
    def half(session):
        a_run(session)
        raise KeyError("after the insert")

    with pytest.raises(KeyError):
        db.write_now(half)
    assert db.read_now(runs.recent) == []


def test_a_naive_time_is_refused(db):
    naive = NOW.replace(tzinfo=None)

    with pytest.raises(Exception, match="naive datetime"):
        db.write_now(
            lambda s: runs.add(
                s, Run(origin_key="n", goal="g", model="m", owner="o", home="h", created_at=naive)
            )
        )


def test_a_writer_waits_for_another_process_instead_of_failing_at_once(db, tmp_path):
    other = sqlite3.connect(tmp_path / "rows.sqlite", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    release.start()

    db.write_now(a_run)

    release.join()
    other.close()
    assert len(db.read_now(runs.recent)) == 1


def test_a_writer_gives_up_with_a_typed_error_when_the_lock_stays(tmp_path):
    database = Database(sqlite_url(tmp_path / "rows.sqlite"), busy_timeout_s=0.2)
    database.migrate()
    other = sqlite3.connect(tmp_path / "rows.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(OperationalError, match="locked"):
        database.write_now(a_run)
    other.close()
    database.close()


@pytest.mark.parametrize(("column", "empty"), [("exports", []), ("repairs", []), ("parent", None)])
def test_a_database_of_an_earlier_release_gets_the_columns_that_came_later(db, column, empty):
    run_id = db.write_now(lambda s: a_run(s).id)
    with db.engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE run DROP COLUMN {column}")
        connection.exec_driver_sql(f"DELETE FROM migration WHERE name LIKE '%_{column}%'")

    db.migrate()

    assert getattr(db.read_now(runs.get, run_id), column) == empty


def test_a_database_from_before_the_notebooks_gets_them_and_keeps_its_plans(db):
    run_id = db.write_now(lambda s: a_run(s).id)
    plan = Plan(run_id=run_id, iteration=1, revision=0, created_at=NOW)
    db.write_now(lambda s: s.add(plan))
    with db.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE entry")
        connection.exec_driver_sql("ALTER TABLE plan DROP COLUMN settings")
        connection.exec_driver_sql("ALTER TABLE run DROP COLUMN revert")
        connection.exec_driver_sql("DELETE FROM migration WHERE name = '0007_notebooks'")

    db.migrate()

    assert db.read_now(datasets.latest_plan, run_id).settings == {}
    assert db.read_now(runs.get, run_id).revert is None
    assert db.read_now(entries.of_run, run_id) == []


def test_a_run_from_before_there_were_workflows_is_one_of_a_model(db):
    run_id = db.write_now(lambda s: a_run(s).id)
    with db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE run SET target = 'model'")
        connection.exec_driver_sql("ALTER TABLE run DROP COLUMN workflow")
        connection.exec_driver_sql("DELETE FROM migration WHERE name = '0011_workflow_wishes'")

    db.migrate()

    run = db.read_now(runs.get, run_id)
    assert (run.target, run.workflow) == (Target.MODEL, None)


def test_a_database_from_before_the_blind_tests_gets_them(db):
    run_id = db.write_now(lambda s: a_run(s).id)
    with db.engine.begin() as connection:
        for table in ("ruling", "vote", "ballot", "blindtest"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
        connection.exec_driver_sql("DELETE FROM migration WHERE name = '0009_blind_tests'")

    db.migrate()
    test = BlindTest(run_id=run_id, iteration=1, seed="s", equal=0, created_at=NOW)
    pair = blind.Pair(row=4, prompt="q", base="b", tuned="t", tuned_first=True)
    kept = db.write_now(blind.keep, test, [pair])
    again = db.write_now(blind.keep, BlindTest(**kept.model_dump(exclude={"id"})), [pair, pair])

    assert again.id == kept.id
    assert [ballot.row for ballot in db.read_now(blind.ballots, kept.id)] == [4]
    assert db.read_now(blind.to_judge) == []


def test_a_database_of_a_later_release_is_refused(db):
    db.write_now(lambda s: s.add(Migration(name="9999_future", applied_at=NOW)))

    with pytest.raises(NewerSchema, match="9999_future"):
        db.migrate()


def test_a_second_process_is_kept_off_the_folder(tmp_path):
    lock = FolderLock(tmp_path)

    with pytest.raises(AlreadyOpen, match="TUNEWRIGHT_DATA_DIR"):
        FolderLock(tmp_path)
    lock.release()
    FolderLock(tmp_path).release()


def test_a_test_set_is_opened_by_every_run_that_shares_its_rows_or_an_upload(db):
    files = {
        "first": {"upload": "tickets", "train": "a", "test": "sealed"},
        "same file": {"upload": "tickets", "train": "b", "test": "sealed"},
        "other words for the task": {"upload": "tickets", "train": "c", "test": "worded"},
        "one of two files": {"upload": "mails", "upload2": "tickets", "test": "mixed"},
        "same rows in another file": {"upload": "repacked", "train": "e", "test": "sealed"},
        "what it trains on is tested by another": {"upload": "x", "train": "sealed", "test": "y"},
        "other rows": {"upload": "orders", "train": "a", "test": "z"},
    }

    def fill(session):
        for place, (key, roles) in enumerate(files.items()):
            run = a_run(session, key)
            for role, sha256 in roles.items():
                datasets.keep(
                    session,
                    Dataset(
                        run_id=run.id,
                        role=role,
                        name="n",
                        sha256=sha256,
                        size_bytes=1,
                        created_at=NOW,
                    ),
                )
            for iteration in (1, 2):
                session.add(
                    EvaluationReport(
                        run_id=run.id,
                        iteration=iteration,
                        job_id="j",
                        verdict="better",
                        primary_metric="m",
                        gain=0,
                        p_value=1,
                        items=1,
                        created_at=NOW - timedelta(days=place - iteration / 10),
                    )
                )

    db.write_now(fill)
    opened = {
        key: [(r.run_id, r.iteration) for r in db.read_now(datasets.openings, place + 1)]
        for place, key in enumerate(files)
    }

    assert opened["first"] == [(run, i) for run in (5, 4, 3, 2, 1) for i in (1, 2)]
    assert opened["other words for the task"] == [(run, i) for run in (4, 3, 2, 1) for i in (1, 2)]
    assert opened["other rows"] == [(7, 1), (7, 2)]
    assert opened["what it trains on is tested by another"] == [(6, 1), (6, 2)]


def test_a_database_from_before_the_books_of_the_language_model_gets_them(db):
    run_id = db.write_now(lambda s: a_run(s).id)
    with db.engine.begin() as connection:
        for table in ("expense", "advice"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
        connection.exec_driver_sql("DELETE FROM migration WHERE name = '0012_language_model'")

    db.migrate()

    assert db.read_now(expenses.total, run_id) == expenses.Total()
    assert db.read_now(comments.find, 1) is None
