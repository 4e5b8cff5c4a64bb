"""PostgreSQL as a source, against a real server where this machine has one."""

import json

import pytest

from agents.knowledge import sql_program
from agents.knowledge.refusals import KnowledgeError
from agents.knowledge.sql_source import ask, asked, examine
from configs.schema import KnowledgeSettings
from tests.hostile_sql import EVERYWHERE, POSTGRES
from tests.postgres_server import postgres, programs

psycopg = pytest.importorskip("psycopg")
pytestmark = pytest.mark.skipif(programs() is None, reason="no PostgreSQL on this machine")

CANARY = "canary-password"
HOSTILE = EVERYWHERE + POSTGRES
SCHEMA = f"""
REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC;
CREATE TABLE secret (id integer, pw text, name text, price numeric, at timestamptz);
INSERT INTO secret VALUES (1, '{CANARY}', 'Anna', 1.50, '2026-01-02 03:04:05Z'), (2, '{CANARY}', 'Börse', NULL, NULL);
CREATE VIEW pub AS SELECT id, name, price, at FROM secret;
CREATE VIEW other AS SELECT pw FROM secret;
CREATE SEQUENCE counter;
CREATE FUNCTION doubled(n integer) RETURNS integer LANGUAGE sql AS 'SELECT 2 * n';
CREATE FUNCTION wipe() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM secret';
CREATE ROLE reader LOGIN PASSWORD 'reader-canary';
GRANT USAGE ON SCHEMA public TO reader;
GRANT SELECT ON pub TO reader;
CREATE ROLE curious LOGIN PASSWORD 'curious';
GRANT USAGE ON SCHEMA public TO curious;
GRANT SELECT ON pub, other TO curious;
CREATE ROLE writer LOGIN PASSWORD 'writer';
GRANT USAGE ON SCHEMA public TO writer;
GRANT SELECT, INSERT ON pub TO writer;
CREATE ROLE maker LOGIN PASSWORD 'maker';
GRANT ALL ON SCHEMA public TO maker;
GRANT SELECT ON pub TO maker;
CREATE ROLE spy LOGIN PASSWORD 'spy' IN ROLE pg_read_all_data;
CREATE ROLE chief LOGIN PASSWORD 'chief' SUPERUSER;
"""


@pytest.fixture(scope="module")
def owner():
    with postgres() as address:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(SCHEMA)
        yield address


def as_role(owner: str, role: str, password: str | None = None) -> str:
    return owner.replace("owner:owner@", f"{role}:{password or role}@")


def settings(owner: str, role: str = "reader", **changed) -> KnowledgeSettings:
    password = "reader-canary" if role == "reader" else role
    source = {"url": as_role(owner, role, password), "views": ["pub"], "timeout_s": 2, **changed}
    return KnowledgeSettings(sql={"shop": source})


def state_of(owner: str) -> list[object]:
    """Return all that a statement could have changed."""
    looked_at = [
        "SELECT * FROM secret ORDER BY id",
        "SELECT relname, relkind FROM pg_class WHERE relnamespace >= 2200 ORDER BY 1, 2",
        "SELECT last_value, is_called FROM counter",
        "SELECT rolname, rolsuper FROM pg_roles ORDER BY 1",
        "SELECT oid FROM pg_largeobject_metadata ORDER BY 1",
        "SELECT proname FROM pg_proc WHERE pronamespace >= 2200 ORDER BY 1",
        "SELECT relname, relacl::text FROM pg_class WHERE relname IN ('secret', 'pub') ORDER BY 1",
        "SELECT extname FROM pg_extension ORDER BY 1",
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
    ]
    with psycopg.connect(owner) as connection:
        return [connection.execute(each).fetchall() for each in looked_at]


async def told(known: KnowledgeSettings, statement: str, tmp_path):
    return await ask(known, asked(known, "shop", statement), tmp_path)


def past_the_outer_wall(address: str, statement: str) -> str:
    question = {
        "file": None,
        "url": address,
        "views": ["pub"],
        "statement": statement,
        "max_rows": 100,
        "max_bytes": 100_000,
        "timeout_s": 0.3,
        "run": True,
    }
    try:
        return json.dumps(sql_program.of_server(question))
    except sql_program.Refused as error:
        return f"{error.code} {error.about}"


def test_there_are_enough_of_them():
    assert len(set(HOSTILE)) == len(HOSTILE) >= 110


@pytest.mark.slow
async def test_hostile_statements_have_no_effect_through_the_whole_way(owner, tmp_path):
    before = state_of(owner)
    known = settings(owner, timeout_s=0.5)
    let_through: list[object] = []
    sentences: list[str] = []

    for statement in HOSTILE:
        try:
            answer = await told(known, statement, tmp_path)
        except KnowledgeError as error:
            sentences.append(str(error))
        else:
            let_through.append((statement, answer.rows))

    assert len(sentences) == len(HOSTILE)
    assert "canary" not in " ".join(sentences)
    assert let_through == []
    assert state_of(owner) == before


@pytest.mark.slow
def test_hostile_statements_have_no_effect_past_the_outer_wall(owner):
    before = state_of(owner)

    for statement in HOSTILE:
        said = past_the_outer_wall(as_role(owner, "reader", "reader-canary"), statement)
        assert CANARY not in said, statement
        assert "root:" not in said, statement

    assert state_of(owner) == before


async def test_a_question_is_answered(owner, tmp_path):
    known = settings(owner)

    answer = await told(
        known, "SELECT id, name, price, at AT TIME ZONE 'UTC' FROM pub ORDER BY id", tmp_path
    )
    joined = await told(
        known,
        "WITH x AS (SELECT id FROM public.pub) SELECT count(*), sum(x.id)::int FROM x JOIN pub USING (id)",
        tmp_path,
    )
    cut = await told(settings(owner, max_rows=1), "SELECT id FROM pub ORDER BY id", tmp_path)

    assert answer.rows == ((1, "Anna", "1.50", "2026-01-02 03:04:05"), (2, "Börse", None, None))
    assert joined.rows == ((2, 3),)
    assert (cut.rows, cut.cut) == (((1,),), True)


async def test_a_question_is_examined_without_being_run(owner, tmp_path):
    known = settings(owner)

    await examine(known, asked(known, "shop", "SELECT name FROM pub"), tmp_path)
    with pytest.raises(KnowledgeError, match='column "hue" does not exist'):
        await examine(known, asked(known, "shop", "SELECT hue FROM pub"), tmp_path)
    with pytest.raises(KnowledgeError, match="permission denied for table secret"):
        await examine(known, asked(known, "shop", "SELECT pw FROM secret"), tmp_path)


@pytest.mark.parametrize(
    ("role", "why"),
    [
        ("curious", "may use public.other"),
        ("writer", "may use public.pub"),
        ("maker", "may create things"),
        ("spy", "act for others"),
        ("chief", "act for others"),
        ("owner", "act for others"),
    ],
)
async def test_a_role_that_may_do_more_is_not_asked(owner, role, why, tmp_path):
    with pytest.raises(KnowledgeError, match=f"{why}.*SELECT on the views pub and nothing else"):
        await told(settings(owner, role), "SELECT id FROM pub", tmp_path)


async def test_two_views_that_are_listed_are_both_read(owner, tmp_path):
    known = settings(owner, "curious", views=["pub", "public.other"])

    assert (await told(known, "SELECT count(*) FROM pub, other", tmp_path)).rows == ((4,),)


async def test_a_server_that_is_away_and_a_wrong_password_are_said_without_either(owner, tmp_path):
    for address in [
        as_role(owner, "reader", "wrong-canary"),
        "postgresql://reader:reader-canary@127.0.0.1:9/postgres",
    ]:
        known = KnowledgeSettings(sql={"shop": {"url": address, "views": ["pub"], "timeout_s": 2}})
        with pytest.raises(KnowledgeError, match="cannot be reached, or does not let") as caught:
            await told(known, "SELECT 1", tmp_path)
        assert "canary" not in str(caught.value) + repr(known)


async def test_a_view_that_is_missing_is_named(owner, tmp_path):
    with pytest.raises(KnowledgeError, match=r"has no view public\.nowhere"):
        await told(settings(owner, views=["nowhere"]), "SELECT 1", tmp_path)
