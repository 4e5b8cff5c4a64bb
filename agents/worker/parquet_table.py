"""Parquet into a table, batch by batch."""

import datetime
import decimal
import math
import os
from collections.abc import Iterator
from typing import Any

from agents.worker.packed import too_large
from agents.worker.table import (
    MAX_COLUMNS,
    Number,
    Record,
    RowErrors,
    RowLimit,
    Table,
    Unusable,
    refuse_odd_names,
)
from agents.worker.upload_bytes import bad_data

MARK = b"PAR1"
BATCH_ROWS = 256
"""Few, because a value of a dictionary may be long and cost nothing in the file."""


def is_parquet(raw: bytes) -> bool:
    """Tell whether the bytes begin as Parquet does."""
    return raw.startswith(MARK)


def read_parquet(raw: bytes, limit_bytes: int, limit: RowLimit, errors: RowErrors) -> Table:
    """Read all rows; numbers are spelled as Python does, dates as ISO 8601 has them.

    Raises: WorkerError: damaged, too many rows or columns, or more than `limit_bytes` once unpacked.
    """
    # Arrow's own allocator reserves a gigabyte of address space, which is what this process has little of; it is chosen
    # when the library is loaded.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    import pyarrow
    from pyarrow import parquet

    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    try:
        with parquet.ParquetFile(pyarrow.BufferReader(raw), pre_buffer=False) as file:
            names = tuple(str(name) for name in file.schema_arrow.names)
            _refuse_odd_columns(names)
            limit.expected_rows = file.metadata.num_rows
            records = [
                Record(number, values)
                for number, values in enumerate(_rows(file, limit_bytes, limit), start=1)
            ]
    except MemoryError:
        raise
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise bad_data(
            f"The Parquet file is damaged or of a kind that cannot be read ({type(error).__name__}). Write it anew, or "
            "export the rows as CSV or JSONL."
        ) from None
    return Table("Parquet", names, tuple(_whole(records, errors)))


def _refuse_odd_columns(names: tuple[str, ...]) -> None:
    if len(names) > MAX_COLUMNS:
        raise bad_data(f"The file has {len(names):,} columns; at most {MAX_COLUMNS} are read.")
    if len(set(names)) < len(names):
        raise bad_data("Two columns have the same name. Give every column a name of its own.")
    refuse_odd_names(names)


def _rows(file: Any, limit_bytes: int, limit: RowLimit) -> Iterator[dict[str, object]]:
    size_bytes = 0
    for batch in file.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
        size_bytes += batch.nbytes
        if size_bytes > limit_bytes:
            raise too_large(limit_bytes)
        for row in batch.to_pylist():
            limit.count()
            yield {name: _value(value) for name, value in row.items()}


def _whole(records: list[Record], errors: RowErrors) -> Iterator[Record]:
    for record in records:
        empty = all(value is None or value == "" for value in record.values.values())
        if empty:
            errors.add(record.row, "the row is empty")
        else:
            yield record


def _value(value: object) -> object:  # noqa: C901  # one line per type that Parquet has
    match value:
        case None | bool() | str():
            return value
        case int():
            return Number(value)
        case float():
            return (
                Number(repr(value)) if math.isfinite(value) else Unusable("a number is not finite")
            )
        case decimal.Decimal():
            return Number(f"{value:f}")
        case list():
            return [_value(one) for one in value]
        case dict():  # what a struct lacks is no key at all, as in JSON
            return {str(key): _value(one) for key, one in value.items() if one is not None}
        case bytes():
            return _text(value)
        case datetime.date() | datetime.time():
            return value.isoformat()
    return str(value)


def _text(value: bytes) -> object:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return Unusable("a value is binary, not text")
