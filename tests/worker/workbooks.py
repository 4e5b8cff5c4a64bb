"""Excel workbooks and Parquet files for the tests of intake."""

import io
import json
import zipfile
from collections.abc import Sequence
from typing import Any

import openpyxl
import pyarrow
from pyarrow import parquet as pq


def xlsx(*sheets: tuple[str, Sequence[Sequence[Any]]]) -> bytes:
    """Return a workbook with these sheets of rows."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def with_part(workbook: bytes, name: str, content: bytes) -> bytes:
    """Return the workbook with one of its parts replaced."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook)) as old,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for part in old.namelist():
            new.writestr(part, content if part == name else old.read(part))
    return stream.getvalue()


def parquet(rows: Sequence[dict[str, Any]], **options: Any) -> bytes:
    """Return a Parquet file with these rows; types are inferred."""
    stream = io.BytesIO()
    pq.write_table(pyarrow.Table.from_pylist(list(rows)), stream, **options)
    return stream.getvalue()


def jsonl(rows: Sequence[Any]) -> str:
    """Return a line of JSON for each row."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
