"""Parquet, Excel and gzip: read like any other file, and harmless when they are made to harm."""

import datetime
import gzip
import io
import resource
import zipfile
from contextlib import suppress

import pytest

from agents.jobs import IntakeResult, JobOutcome, read_progress
from agents.worker.errors import WorkerError
from tests.worker.intake import csv_of, read, read_by_worker, refusal, rows_of
from tests.worker.workbooks import jsonl, parquet, with_part, xlsx

ROWS = [{"prompt": f"Where is order {i}?", "completion": f"order {i} left"} for i in range(40)]
PAIRS = [(row["prompt"], row["completion"]) for row in ROWS]
SHEET = "xl/worksheets/sheet1.xml"


def sheet(rows=PAIRS):
    return [("prompt", "completion"), *rows]


def test_a_parquet_file_is_read_row_by_row(tmp_path):
    result = read(tmp_path, parquet(ROWS))

    assert (result.format, rows_of(tmp_path, result)) == ("Parquet", PAIRS)


def test_values_of_a_parquet_file_keep_what_they_say(tmp_path):
    dated = [{"prompt": f"{i}", "completion": datetime.date(2026, 1, 2)} for i in range(20)]

    result = read(tmp_path, parquet([*ROWS, {"prompt": None, "completion": "x"}]))
    numbers = read(tmp_path, parquet([{"text": i, "label": 1.5} for i in range(20)]))
    dates = read(tmp_path, parquet(dated))

    assert [(e.row, e.reason) for e in result.row_errors] == [(41, "'prompt' is empty")]
    assert numbers.labels == ("1.5",)
    assert dates.labels == ("2026-01-02",)


def test_the_first_sheet_with_rows_is_read_and_named(tmp_path):
    book = xlsx(("Notes", []), ("Data", sheet()), ("More", [("a", "b"), (1, 2)]))

    result = read(tmp_path, book)

    assert result.format == "Excel, sheet 'Data', the first of 3 with rows"
    assert rows_of(tmp_path, result) == PAIRS


def test_cells_of_a_sheet_read_as_they_look_and_rows_count_as_in_excel(tmp_path):
    rows = [(f"q{i}", value) for i, value in enumerate([3, 3.25, "x", True] * 5)]
    dated = [("when?", datetime.date(2026, 5, 1)), (None, None), ("no answer", None)]

    result = read(tmp_path, xlsx(("Sheet", sheet([*rows, *dated]))))

    answers = [answer for _, answer in rows_of(tmp_path, result)]
    assert answers[:4] == ["3", "3.25", "x", "true"]
    assert answers[-1] == "2026-05-01"
    assert [(e.row, e.reason) for e in result.row_errors] == [
        (24, "1 value where row 1 names 2 columns")
    ]


@pytest.mark.parametrize(
    ("content", "title"),
    [
        (csv_of(40).encode(), "CSV, delimiter ',', UTF-8, gzip"),
        (jsonl(ROWS).encode("utf-16"), "JSONL, UTF-16, gzip"),
        (parquet(ROWS), "Parquet, gzip"),
        (xlsx(("S", sheet())), "Excel, sheet 'S', gzip"),
    ],
)
def test_gzip_of_any_file_is_unpacked(tmp_path, content, title):
    result = read(tmp_path, gzip.compress(content))

    assert (result.format, len(rows_of(tmp_path, result))) == (title, 40)


def test_a_gzip_of_several_members_is_read_to_its_end(tmp_path):
    head, tail = csv_of(40).encode()[:500], csv_of(40).encode()[500:]

    result = read(tmp_path, gzip.compress(head) + gzip.compress(tail) + bytes(512))

    assert result.rows_usable == 40


def gzip_bomb() -> bytes:
    layer = gzip.compress(bytes(64 * 2**20), 9)
    return layer * 200


def many_equal_rows() -> bytes:
    return parquet([{"prompt": "a" * 90_000, "completion": "b"}] * 9000)


def sheet_bomb() -> bytes:
    return with_part(xlsx(("S", sheet())), SHEET, b"<a>" + bytes(80 * 2**20))


def entity_bomb() -> bytes:
    laughs = b"".join(
        b'<!ENTITY l%d "%s">' % (i, b"&l%d;" % (i - 1) * 10 if i else b"ha") for i in range(12)
    )
    body = b"<worksheet><sheetData><row><c t='inlineStr'><is><t>&l11;</t></is></c></row></sheetData></worksheet>"
    return with_part(
        xlsx(("S", sheet())), SHEET, b"<?xml version='1.0'?><!DOCTYPE w [" + laughs + b"]>" + body
    )


def only_a_directory() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return stream.getvalue()


def cpu_of_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


HARMFUL = {
    "gzip bomb": (gzip_bomb, "holds more than the 64 MiB"),
    "gzip in gzip": (lambda: gzip.compress(gzip.compress(b"a,b\n1,2\n")), "This is a gzip archive"),
    "half a gzip": (lambda: gzip.compress(csv_of(40).encode())[:-30], "damaged or not complete"),
    "gzip by name": (lambda: b"\x1f\x8b\x08" + bytes(200), "damaged or not complete"),
    "equal rows": (many_equal_rows, "holds more than the 64 MiB"),
    "half a parquet": (lambda: parquet(ROWS)[:-40], "The Parquet file is damaged"),
    "parquet by name": (lambda: b"PAR1" + bytes(200) + b"PAR1", "The Parquet file is damaged"),
    "sheet bomb": (sheet_bomb, "holds more than the 64 MiB"),
    "entity bomb": (entity_bomb, "The Excel workbook is damaged"),
    "half a workbook": (lambda: xlsx(("S", sheet()))[:-80], "The Excel workbook is damaged"),
    "workbook without sheets": (only_a_directory, "The Excel workbook is damaged"),
    "empty workbook": (lambda: xlsx(("S", [])), "no rows in any sheet"),
    "too many rows": (lambda: parquet(ROWS * 300), "more than 10,000 rows"),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_a_packed_file_that_would_do_harm_gets_a_sentence(tmp_path, name):
    make, sentence = HARMFUL[name]
    content = make()
    before_s = cpu_of_children_s()

    result = read_by_worker(tmp_path, content)

    assert result.outcome is JobOutcome.FAILED
    assert result.error is not None
    assert (result.error.code, result.error.for_person) == ("bad_data", True), result.error
    assert sentence in result.error.message
    assert cpu_of_children_s() - before_s < 10


@pytest.mark.parametrize("content", [parquet(ROWS), xlsx(("S", sheet()))], ids=["parquet", "excel"])
def test_a_packed_file_comes_through_the_real_process_under_its_limits(tmp_path, content):
    result = read_by_worker(tmp_path, content, memory_bytes=1024 * 2**20)

    assert isinstance(result.payload, IntakeResult), result.error
    assert result.payload.rows_usable == 40


@pytest.mark.parametrize("at", range(0, 900, 7))
def test_a_broken_byte_in_a_packed_file_is_a_refusal_or_read(tmp_path, at):
    for content in (parquet(ROWS), xlsx(("S", sheet())), gzip.compress(csv_of(40).encode())):
        broken = bytearray(content)
        broken[at * len(broken) // 900] ^= 0x5A

        with suppress(WorkerError):
            read(tmp_path, bytes(broken))


def test_a_large_file_says_how_far_it_is(tmp_path):
    read(tmp_path, csv_of(45_000), max_rows=50_000)

    told = [line for line in read_progress(tmp_path) if line.step]
    assert [line.step for line in told[:2]] == [20_000, 40_000]
    assert told[0].stage == "reading the file"
    assert told[0].steps >= 45_000


@pytest.mark.parametrize("delimiter", ["^", "~", "§", "\x01"])
def test_a_rare_delimiter_is_found_where_every_row_agrees(tmp_path, delimiter):
    rows = [f"Hello, sir {i}; well|{delimiter}fine, {i}" for i in range(30)]

    result = read(tmp_path, "\n".join([f"prompt{delimiter}completion", *rows]))

    assert rows_of(tmp_path, result)[2] == ("Hello, sir 2; well|", "fine, 2")


def test_excels_own_first_line_names_the_delimiter_and_is_no_row(tmp_path):
    content = "sep=;\r\nprompt;completion\r\n" + "".join(f"a, {i};b, {i}\r\n" for i in range(30))

    result = read(tmp_path, content + "lonely\r\n")

    assert result.format == "CSV, delimiter ';', UTF-8"
    assert rows_of(tmp_path, result)[0] == ("a, 0", "b, 0")
    assert [e.row for e in result.row_errors] == [33]


def test_a_damaged_workbook_is_refused_in_process_too(tmp_path):
    assert "damaged" in refusal(tmp_path, with_part(xlsx(("S", sheet())), SHEET, b"<oops")).message
