"""SQLite files as a source: what may be read is read, and nothing else has any effect."""

import hashlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from time import monotonic

import pytest

from agents.knowledge import sql_program
from agents.knowledge.refusals import KnowledgeError
from agents.knowledge.sql_source import SqlQuestion, ask, asked, examine
from agents.knowledge.sql_statement import StatementRefused, checked
from configs.schema import KnowledgeSettings
from tests.hostile_sql import EVERYWHERE, SQLITE

CANARY = "canary-password"
HOSTILE = EVERYWHERE + SQLITE
SCHEMA = f"""
CREATE TABLE secret (id INTEGER, pw TEXT, name TEXT, price REAL);
INSERT INTO secret VALUES (1, '{CANARY}', 'Anna', 1.5), (2, '{CANARY}', 'Börse', NULL), (3, '{CANARY}', x'00ff', 1e400);
CREATE VIEW pub AS SELECT id, name, price FROM secret;
CREATE VIEW other AS SELECT pw FROM secret;
CREATE TABLE "odd ""name" (a);
INSERT INTO "odd ""name" VALUES ('x');
"""


@pytest.fixture
def shop(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    with sqlite3.connect(folder / "shop.db") as database:
        database.executescript(SCHEMA)
    database.close()
    return folder / "shop.db"


def settings(file: Path, **changed) -> KnowledgeSettings:
    source = {"file": str(file), "views": ["pub"], "timeout_s": 1, **changed}
    return KnowledgeSettings(sql={"shop": source})


def state_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


async def told(file: Path, statement: str, **changed):
    known = settings(file, **changed)
    return await ask(known, asked(known, "shop", statement), file.parent / "data")


def past_the_outer_wall(file: Path, statement: str) -> str:
    """Give a statement to the program as it is, and return all that it says."""
    question = {
        "file": str(file),
        "url": None,
        "views": ["pub"],
        "statement": statement,
        "max_rows": 100,
        "max_bytes": 100_000,
        "timeout_s": 0.5,
        "run": True,
    }
    ended = subprocess.run(
        [sys.executable, "-I", sql_program.__file__],
        input=json.dumps(question).encode(),
        capture_output=True,
        check=False,
        cwd=file.parent,
        timeout=60,
    )
    return (ended.stdout + ended.stderr).decode()


def test_there_are_enough_of_them():
    assert len(set(HOSTILE)) == len(HOSTILE) >= 90


@pytest.mark.parametrize("number", range(len(HOSTILE)))
async def test_a_hostile_statement_has_no_effect_through_the_whole_way(shop, number):
    before = state_of(shop.parent)
    statement = (
        HOSTILE[number].format(file=shop) if "{file}" in HOSTILE[number] else HOSTILE[number]
    )

    with pytest.raises(KnowledgeError) as caught:
        await told(shop, statement)

    assert CANARY not in str(caught.value)
    assert state_of(shop.parent) == before


@pytest.mark.parametrize("number", range(0, len(HOSTILE), 2))
def test_a_hostile_statement_has_no_effect_past_the_outer_wall(shop, number):
    before = state_of(shop.parent)
    statement = (
        HOSTILE[number].format(file=shop) if "{file}" in HOSTILE[number] else HOSTILE[number]
    )

    said = past_the_outer_wall(shop, statement)

    assert CANARY not in said
    assert "planted" not in said.partition('"rows"')[2]
    assert state_of(shop.parent) == before


@pytest.mark.parametrize(("statement", "rows"), [
    ("SELECT * FROM pub", ((1, "Anna", 1.5), (2, "Börse", None), (3, "00ff", "inf"))),
    ("select id from PUB where name like 'a%';", ((1,),)),
    ("SELECT count(*), max(id), upper('ß') FROM pub", ((3, 3, "ß"),)),
    ("SELECT p.id FROM pub AS p JOIN pub q ON q.id = p.id + 1 ORDER BY p.id DESC", ((2,), (1,))),
    ("WITH x AS (SELECT id FROM pub WHERE id IN (1, 2)) SELECT sum(id) FROM x", ((3,),)),
    ("WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t LIMIT 3) SELECT n FROM t", ((1,), (2,), (3,))),
    ("SELECT id, row_number() OVER (ORDER BY id) FROM pub WHERE id < 2", ((1, 1),)),
    ("SELECT CASE WHEN id = 1 THEN 'a;b -- c' ELSE 'it''s' END FROM pub WHERE id <= 2", (("a;b -- c",), ("it's",))),
    ("SELECT typeof(id), typeof(name), id = '1' FROM pub LIMIT 1", (("integer", "text", 1),)),
    ('SELECT "id" FROM "pub" LIMIT 1', ((1,),)),
])  # fmt: skip
async def test_a_question_is_answered(shop, statement, rows):
    answer = await told(shop, statement)

    assert answer.rows == rows
    assert not answer.cut
    assert answer.question.statement == statement.removesuffix(";")


async def test_an_answer_ends_at_its_limits(shop):
    assert (await told(shop, "SELECT id AS n FROM pub", max_rows=2)).rows == ((1,), (2,))
    assert (await told(shop, "SELECT id AS n FROM pub", max_rows=2)).cut
    assert not (await told(shop, "SELECT id AS n FROM pub", max_rows=3)).cut
    long = await told(
        shop, "WITH RECURSIVE t AS (SELECT 'ééééééééé' AS x UNION ALL SELECT x FROM t) SELECT x FROM t",
        max_rows=100_000, max_bytes=2000,
    )  # fmt: skip

    assert long.cut
    assert 10 < len(long.rows) < 200


async def test_what_takes_too_long_is_ended(shop):
    began_s = monotonic()

    with pytest.raises(KnowledgeError, match="took longer than 1 seconds"):
        await told(shop, EVERYWHERE[-1])

    assert monotonic() - began_s < 20


async def test_what_is_shown_at_the_gate_is_what_runs_and_another_statement_has_another_hash(shop):
    known = settings(shop)
    question = asked(known, "shop", "  SELECT id FROM pub ;  ")

    assert question == SqlQuestion("shop", "SELECT id FROM pub")
    assert question.sha256 == asked(known, "shop", "SELECT id FROM pub ").sha256
    assert question.sha256 != SqlQuestion("shop", "SELECT name FROM pub").sha256
    with pytest.raises(StatementRefused):
        await ask(known, SqlQuestion("shop", "DELETE FROM secret"), shop.parent / "data")


async def test_a_question_is_examined_without_being_run(shop):
    known, data = settings(shop), shop.parent / "data"

    await examine(known, asked(known, "shop", "SELECT name FROM pub"), data)
    await examine(known, asked(known, "shop", EVERYWHERE[-1]), data)  # endless, if it ran
    with pytest.raises(KnowledgeError, match="no such column: hue"):
        await examine(known, asked(known, "shop", "SELECT hue FROM pub"), data)
    with pytest.raises(KnowledgeError, match="no such table: secret"):
        await examine(known, asked(known, "shop", "SELECT pw FROM secret"), data)


async def test_views_are_those_of_the_settings(shop):
    both = await told(
        shop, 'SELECT a, id FROM "odd ""name", pub LIMIT 1', views=['odd "name', "pub"]
    )
    with pytest.raises(KnowledgeError, match=r"has no view nowhere.*knowledge\.sql\.shop\.views"):
        await told(shop, "SELECT 1", views=["nowhere"])
    with pytest.raises(KnowledgeError, match="no database of that name; known are: shop"):
        asked(settings(shop), "bank", "SELECT 1")
    for incomplete in ({"views": ["pub"]}, {"file": str(shop)}):
        with pytest.raises(KnowledgeError, match="not complete"):
            asked(KnowledgeSettings(sql={"shop": incomplete}), "shop", "SELECT 1")
    with pytest.raises(KnowledgeError, match="none is set"):
        asked(KnowledgeSettings(), "bank", "SELECT 1")

    assert both.rows == (("x", 1),)


async def test_a_view_that_is_too_large_is_said_to_be(shop):
    with sqlite3.connect(shop) as database:
        database.execute(
            "CREATE VIEW large AS WITH RECURSIVE t AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM t LIMIT 2000001) SELECT x FROM t"
        )
    database.close()

    with pytest.raises(KnowledgeError, match="more than 2,000,000 rows"):
        await told(shop, "SELECT 1", views=["large"], timeout_s=60)


async def test_our_own_database_is_never_a_source(shop, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    shop.rename(data / "tunewright.sqlite")
    (tmp_path / "linked").symlink_to(data / "tunewright.sqlite")
    (tmp_path / "hard").hardlink_to(data / "tunewright.sqlite")
    (tmp_path / "around").symlink_to(data)

    for file in [
        data / "tunewright.sqlite",
        tmp_path / "linked",
        tmp_path / "hard",
        tmp_path / "around" / "tunewright.sqlite",
        data / "not-there.sqlite",
    ]:
        known = settings(file)
        with pytest.raises(KnowledgeError, match="own data folder"):
            await ask(known, asked(known, "shop", "SELECT id FROM pub"), data)


@pytest.mark.parametrize("content", [None, b"", b"hello", b"SQLite format 3\0" + b"x" * 4000])
async def test_what_is_no_database_is_said_to_be_none(shop, content):
    file = shop.parent / "other.db"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(KnowledgeError, match=r"file of the source shop cannot be read|no view"):
        await told(file, "SELECT id FROM pub")

    assert file.exists() == (content is not None)


async def test_a_file_that_others_write_to_is_read_as_it_stands(shop):
    with sqlite3.connect(shop) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
    writer.close()
    still = state_of(shop.parent)
    assert len((await told(shop, "SELECT id FROM pub")).rows) == 3
    assert state_of(shop.parent) == still

    writer = sqlite3.connect(shop)
    writer.execute("INSERT INTO secret VALUES (4, 'x', 'Dora', 2)")
    writer.commit()
    seen = (await told(shop, "SELECT id FROM pub")).rows
    writer.close()

    assert seen == ((1,), (2,), (3,), (4,))


async def test_a_view_that_reads_its_neighbours_stays_a_view(shop):
    with sqlite3.connect(shop) as database:
        database.execute("CREATE VIEW upon AS SELECT name FROM pub JOIN other ON 1 WHERE id = 1")
    database.close()

    assert (await told(shop, "SELECT DISTINCT name FROM upon", views=["upon"])).rows == (("Anna",),)


def test_an_authorizer_alone_would_not_have_been_enough(shop):
    """Why views are copied: a query that is called like a view reads as if it were that view."""
    database = sqlite3.connect(shop)

    def only_through_the_view(action, table, column, schema, source):
        if action == sqlite3.SQLITE_READ and "pub" not in {table, source}:
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    database.set_authorizer(only_through_the_view)
    stolen = database.execute("WITH pub AS (SELECT pw FROM secret) SELECT * FROM pub").fetchone()
    with pytest.raises(sqlite3.DatabaseError, match="prohibited"):
        database.execute("SELECT pw FROM secret")
    database.close()

    assert stolen == (CANARY,)


@pytest.mark.parametrize("statement", [
    "SELECT sum(price) FILTER (WHERE id > 1) FROM pub", "SELECT a.id FROM pub a WHERE (a.id) IN (SELECT id FROM pub)",
    "SELECT 1.5e3, .5, -2 FROM pub", "SELECT CAST(id AS varchar(10)) FROM pub", "SELECT id::text FROM pub",
    "SELECT name || ' x' FROM pub WHERE name <> 'DROP TABLE x; --' AND NOT (id = 1)", 'SELECT "update" FROM pub',
    "SELECT EXTRACT(year FROM now())", "SELECT x[1] FROM pub", "SELECT COUNT (*) FROM pub",
    "SELECT id FROM pub WHERE id BETWEEN (1) AND (2) UNION (SELECT 3)", "SELECT date '2020-01-01'",
])  # fmt: skip
def test_plain_questions_pass_the_outer_wall(statement):
    assert checked(statement) == statement
