"""Which format an upload is, by content, and who reads it.

What is wrong with a single row becomes a row error and the row is left out. What makes the rest of a file doubtful (a
quote that never ends, JSON that breaks off) refuses the file: rows must not get lost without a word.
"""

import re
from collections.abc import Callable
from dataclasses import replace

from agents.worker.csv_table import read_csv
from agents.worker.json_table import read_json, read_jsonl
from agents.worker.packed import is_gzip, unpacked
from agents.worker.parquet_table import is_parquet, read_parquet
from agents.worker.table import RowErrors, RowLimit, Table
from agents.worker.upload_bytes import Encoding, bad_data, find_encoding, refuse_foreign_formats
from agents.worker.xlsx_table import is_xlsx, read_xlsx

HEAD_BYTES = 64 * 2**10
HEAD_LINES = 20
JSON_LIST = re.compile(r"\[[ \t\r\n]*([\[{\]\"\-\d]|$)")

Reader = Callable[[bytes, Encoding, RowLimit, RowErrors], Table]


def read_table(raw: bytes, max_bytes: int, limit: RowLimit, errors: RowErrors) -> Table:
    """Read a whole file; gzip is unpacked once.

    Raises: WorkerError: the file as a whole cannot be read, has too many rows, or unpacks to more than `max_bytes`; the
        message says what to do.
    """
    if is_gzip(raw):
        table = _read(unpacked(raw, max_bytes), max_bytes, limit, errors)
        return replace(table, format=f"{table.format}, gzip")
    return _read(raw, max_bytes, limit, errors)


def _read(raw: bytes, max_bytes: int, limit: RowLimit, errors: RowErrors) -> Table:
    if is_parquet(raw):
        return read_parquet(raw, max_bytes, limit, errors)
    if is_xlsx(raw):
        return read_xlsx(raw, max_bytes, limit, errors)
    refuse_foreign_formats(raw)
    encoding = find_encoding(raw)
    head = raw[:HEAD_BYTES].decode(encoding.codec, "ignore").lstrip()
    if not head:
        raise bad_data(
            "The file begins with nothing but white space. Upload a CSV, JSON, JSONL, Parquet or Excel file."
        )
    limit.expected_rows = raw.count(b"\n")
    return _reader(head)(raw, encoding, limit, errors)


def _reader(head: str) -> Reader:
    if JSON_LIST.match(head):
        return read_json
    if not head.startswith("{"):
        return read_csv
    lines = [line.strip() for line in head.split("\n") if line.strip()][:HEAD_LINES]
    whole = sum(line.startswith("{") and line.rstrip(",").endswith("}") for line in lines)
    return read_jsonl if len(lines) > 1 and whole * 2 >= len(lines) else read_json
