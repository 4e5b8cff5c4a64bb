"""Answers one question of SQL: a child program under limits.

    python -I sql_program.py < question

The question is JSON: where the database is, which views may be read, the statement and its limits. What a statement may
not see is not there when it runs: of a SQLite file the allowed views are copied into memory and the file is closed before
the statement is even read; of PostgreSQL the role may read these views and nothing else, which is checked first.
Nothing of the project is imported.
"""

import json
import resource
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

MAX_MEMORY_BYTES = 2 * 1024**3
MAX_HEAP_BYTES = 512 * 2**20
"""Of SQLite: the copies of the views and what a statement needs."""
MAX_COPIED_ROWS = 2_000_000
"""Of one view."""
STEPS_BETWEEN_LOOKS = 2000
NOT_INSTALLED = 3
CHECKED: dict[str, Any] = {"columns": [], "rows": [], "cut": False}
"""The answer where a statement was to be checked and not run."""


class Refused(Exception):
    """A code and what goes with it, for whoever asked."""

    def __init__(self, code: str, about: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.about = about[:500]


def main() -> None:
    """Read a question from stdin and print the answer."""
    question = json.load(sys.stdin.buffer)
    cpu_s = int(question["timeout_s"]) + 5
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it writes nothing but its pipe
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    try:
        answer = of_file(question) if question["file"] else of_server(question)
    except Refused as error:
        answer = {"refused": error.code, "about": error.about}
    except MemoryError:
        answer = {"refused": "memory", "about": ""}
    json.dump(answer, sys.stdout)


# ---- SQLite ---------------------------------------------------------------------------------------------------------

# fmt: off
FUNCTIONS = frozenset({
    "abs", "avg", "ceil", "ceiling", "char", "coalesce", "concat", "concat_ws", "count", "cume_dist", "date", "datetime",
    "dense_rank", "first_value", "floor", "glob", "group_concat", "hex", "ifnull", "instr", "json_extract", "->",
    "->>", "julianday", "lag", "last_value", "lead", "length", "like", "lower", "ltrim", "max", "min", "mod", "nth_value", "ntile",
    "nullif", "percent_rank", "power", "rank", "replace", "round", "row_number", "rtrim", "sign", "sqrt", "strftime",
    "string_agg", "substr", "substring", "sum", "time", "total", "trim", "typeof", "unicode", "unixepoch", "upper",
})
# fmt: on
"""That a statement may use; none of them reaches out of its row."""
LIMITS = {
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LENGTH: 16 * 2**20,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 20_000,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 20,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 25_000,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}


def of_file(question: dict[str, Any]) -> dict[str, Any]:
    """Ask a SQLite file."""
    ends_at_s = time.monotonic() + question["timeout_s"]
    with sqlite3.connect("file:?mode=memory", uri=True, isolation_level=None) as database:
        database.execute(f"PRAGMA hard_heap_limit={MAX_HEAP_BYTES}")
        database.execute("PRAGMA temp_store=MEMORY")
        database.set_progress_handler(lambda: time.monotonic() > ends_at_s, STEPS_BETWEEN_LOOKS)
        try:
            most = MAX_COPIED_ROWS if question["run"] else 0
            tables = _copied(database, Path(question["file"]), question["views"], most)
            _closed_off(database, tables)
            database.execute(f"EXPLAIN {question['statement']}").fetchall()
            if not question["run"]:
                return CHECKED
            cursor = database.execute(question["statement"])
            names = [column[0] for column in cursor.description or ()]
            return _answer(names, cursor, question)
        except sqlite3.Error as error:
            raise _explained(error, ends_at_s) from error


def _copied(
    database: sqlite3.Connection, file: Path, views: list[str], most: int
) -> frozenset[str]:
    """Copy views into memory, under their names, and let go of the file."""
    try:
        database.execute("ATTACH ? AS source", (_address(file),))
        database.execute("PRAGMA trusted_schema=OFF")
        database.execute("SELECT count(*) FROM source.sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        raise Refused("file", str(error)) from error
    for view in views:
        name = '"' + view.replace('"', '""') + '"'
        known = "SELECT 1 FROM source.sqlite_schema WHERE type IN ('view', 'table') AND lower(name) = lower(?)"
        if database.execute(known, (view,)).fetchone() is None:
            raise Refused("view", view)
        select = f"SELECT * FROM source.{name} LIMIT {most and most + 1}"  # noqa: S608  # names of settings, quoted
        database.execute(f"CREATE TABLE main.{name} AS {select}")
        (rows,) = database.execute(f"SELECT count(*) FROM main.{name}").fetchone()  # noqa: S608
        if rows > most:
            raise Refused("rows", view)
    database.execute("DETACH source")
    return frozenset(view.lower() for view in views)


def _address(file: Path) -> str:
    """Return where SQLite finds a file, only to be read.

    A file whose writers keep a journal beside it (WAL) would be opened with files of our own beside it; where that journal is
    empty, nobody writes, and it can be read as it is.
    """
    try:
        with file.open("rb") as opened:
            head = opened.read(20)
    except OSError as error:
        raise Refused("file", error.strerror or "") from error
    if not head.startswith(b"SQLite format 3\0"):
        raise Refused("file", "it is no SQLite file")
    journal = Path(f"{file}-wal")
    keeps_journal = head[18:19] == b"\2"
    still = not journal.exists() or journal.stat().st_size == 0
    return f"{file.absolute().as_uri()}?mode=ro" + (
        "&immutable=1" if keeps_journal and still else ""
    )


def _closed_off(database: sqlite3.Connection, tables: frozenset[str]) -> None:
    """Leave a connection able to read its copies, and nothing else."""
    attached = [row[2] for row in database.execute("PRAGMA database_list")]
    if attached != [""]:
        raise AssertionError("a file is still open")
    database.execute("PRAGMA query_only=ON")
    for limit, most in LIMITS.items():
        database.setlimit(limit, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))  # no file and no socket from here on

    def allowed(
        action: int, first: str | None, second: str | None, schema: str | None, _source: str | None
    ) -> int:
        match action:
            case sqlite3.SQLITE_SELECT | sqlite3.SQLITE_RECURSIVE:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_READ if schema == "main" and (first or "").lower() in tables:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_READ if schema is None and second == "":  # only counted
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_FUNCTION if (second or "").lower() in FUNCTIONS:
                return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    database.set_authorizer(allowed)


def _explained(error: sqlite3.Error, ends_at_s: float) -> Refused:
    said = str(error)
    if "interrupted" in said or time.monotonic() > ends_at_s:
        return Refused("time")
    if isinstance(error, sqlite3.DatabaseError) and "not authorized" in said:
        return Refused("forbidden", said)
    if "prohibited" in said:
        return Refused("forbidden", said)
    if "out of memory" in said:
        return Refused("memory")
    if "not a database" in said or "malformed" in said:
        return Refused("file", said)
    return Refused("statement", said)


# ---- PostgreSQL -----------------------------------------------------------------------------------------------------

READABLE = """
SELECT n.nspname || '.' || c.relname,
       has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') OR (
         c.relkind = 'S' AND has_sequence_privilege(c.oid, 'USAGE, UPDATE'))
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
  AND CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'USAGE, SELECT, UPDATE')
           WHEN c.relkind IN ('r', 'v', 'm', 'f', 'p')
           THEN has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
             OR has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
           ELSE false END
"""
POWERS = """
SELECT r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
    OR has_database_privilege(current_database(), 'CREATE')
    OR EXISTS (SELECT 1 FROM pg_catalog.pg_namespace n
               WHERE n.nspname !~ '^pg_(toast|temp)' AND has_schema_privilege(n.oid, 'CREATE'))
    OR EXISTS (SELECT 1 FROM pg_catalog.pg_roles o
               WHERE o.rolname ~ '^pg_' AND pg_has_role(o.oid, 'MEMBER'))
FROM pg_catalog.pg_roles r WHERE r.rolname = current_user
"""
SYSTEM_SCHEMAS = frozenset({"pg_catalog", "information_schema", "pg_toast"})


def of_server(question: dict[str, Any]) -> dict[str, Any]:
    """Ask PostgreSQL."""
    try:
        import psycopg
    except ImportError:
        sys.exit(NOT_INSTALLED)
    milliseconds = int(question["timeout_s"] * 1000)
    options = (
        f"-c default_transaction_read_only=on -c statement_timeout={milliseconds} -c lock_timeout={milliseconds} "
        f"-c idle_in_transaction_session_timeout={milliseconds} -c standard_conforming_strings=on"
    )
    try:
        connection = psycopg.connect(
            question["url"],
            options=options,
            connect_timeout=max(2, int(question["timeout_s"])),
            application_name="tunewright",
        )
        try:
            connection.read_only = True
            return _asked(connection, question)
        finally:
            connection.close()  # nothing is ever committed: not all that writes counts as writing (large objects before 16)
    except psycopg.errors.QueryCanceled as error:
        raise Refused("time") from error
    except psycopg.OperationalError as error:
        raise Refused("server") from error  # its words may hold the address and the name
    except psycopg.errors.InsufficientPrivilege as error:
        raise Refused("forbidden", error.diag.message_primary or "") from error
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise Refused("forbidden", error.diag.message_primary or "") from error
    except psycopg.Error as error:
        raise Refused("statement", error.diag.message_primary or "") from error


def _asked(connection: Any, question: dict[str, Any]) -> dict[str, Any]:
    views = {view if "." in view else f"public.{view}" for view in question["views"]}
    _check_role(connection, views)
    below: set[tuple[str, str]] = set()
    for view in views:
        schema, _, name = view.partition(".")
        quoted = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, name))
        below |= _relations(_plan(connection, f"SELECT * FROM {quoted}"))  # noqa: S608  # names of settings, quoted
    used = _relations(_plan(connection, question["statement"]))
    if used - below:
        raise Refused("forbidden", "it reads what is not listed")
    if not question["run"]:
        return CHECKED
    with connection.cursor(
        name="answer"
    ) as cursor:  # declared as a cursor: it can only be one that reads
        cursor.itersize = 100
        cursor.execute(question["statement"])
        names = [column.name for column in cursor.description or ()]
        return _answer(names, cursor, question)


def _check_role(connection: Any, views: set[str]) -> None:
    """Refuse a role that may do more than read the views."""
    if connection.execute(POWERS).fetchone()[0]:
        raise Refused("role", "it may create things, or act for others")
    may = dict(connection.execute(READABLE).fetchall())
    missing = sorted(views - may.keys())
    if missing:
        raise Refused("view", missing[0])
    too_much = sorted(name for name, writes in may.items() if writes or name not in views)
    if too_much:
        raise Refused("role", f"it may use {too_much[0]}")


def _plan(connection: Any, statement: str) -> Any:
    return connection.execute(f"EXPLAIN (FORMAT JSON, VERBOSE) {statement}").fetchone()[0][0][
        "Plan"
    ]


def _relations(node: dict[str, Any]) -> set[tuple[str, str]]:
    """Return what a plan reads: relations, and functions that give rows."""
    found = set()
    name = node.get("Relation Name") or node.get("Function Name") or node.get("Table Function Name")
    if name:
        found.add((str(node.get("Schema", "")), str(name)))
    for below in node.get("Plans", ()):
        found |= _relations(below)
    return found


# ---- both -----------------------------------------------------------------------------------------------------------


def _answer(names: list[str], rows: Any, question: dict[str, Any]) -> dict[str, Any]:
    """Read rows up to the limits."""
    if not names:
        raise Refused("statement", "it gives no rows")
    kept: list[list[Any]] = []
    size = 0
    cut = False
    for row in rows:
        values = [_plain(value) for value in row]
        size += len(json.dumps(values))
        if len(kept) >= question["max_rows"] or size > question["max_bytes"]:
            cut = True
            break
        kept.append(values)
    return {"columns": names, "rows": kept, "cut": cut}


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: what is neither number nor text becomes text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value)


if __name__ == "__main__":
    main()
