"""The first sheet of an Excel workbook that has rows, into a table. Formulas count with the value Excel saved."""

import datetime
import io
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import ParseError

from agents.worker.grid import read_grid
from agents.worker.packed import too_large
from agents.worker.table import Number, RowErrors, RowLimit, Table, clipped
from agents.worker.upload_bytes import bad_data

MAX_PARTS = 1000
BROKEN = (
    zipfile.BadZipFile,
    NotImplementedError,  # a packing that Python does not know
    ParseError,
    zlib.error,
    EOFError,
    OSError,
    KeyError,
    IndexError,
    ValueError,
    TypeError,
    AttributeError,
)
"""What openpyxl raises when a workbook is not what it says."""


def is_xlsx(raw: bytes) -> bool:
    """Tell whether the bytes are a zip archive with the parts of a workbook."""
    if not raw.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            return any(name.startswith("xl/") for name in archive.namelist())
    except BROKEN:
        return b"xl/" in raw[:4096]


def read_xlsx(raw: bytes, limit_bytes: int, limit: RowLimit, errors: RowErrors) -> Table:
    """Read a sheet with names in its first row.

    Raises: WorkerError: damaged, unpacks to more than `limit_bytes`, no sheet with rows, or too many rows.
    """
    try:
        _refuse_bombs(raw, limit_bytes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and charts, which nobody reads here
            return _read(raw, limit, errors)
    except BROKEN as error:
        raise bad_data(
            f"The Excel workbook is damaged ({clipped(type(error).__name__)}). Save it anew, or export the rows as CSV."
        ) from None


def _refuse_bombs(raw: bytes, limit_bytes: int) -> None:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        parts = archive.infolist()
    # zipfile reads no more of a part than its directory entry declares, so the declared sizes are the limit.
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > limit_bytes:
        raise too_large(limit_bytes)


def _read(raw: bytes, limit: RowLimit, errors: RowErrors) -> Table:
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True, keep_links=False)
    try:
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # a workbook may lie about them
            if next(_rows(sheet, RowLimit(limit.max_rows)), None) is None:
                continue
            columns, records = read_grid(_rows(sheet, limit), limit, errors)
            more = len(book.worksheets) - 1
            others = "" if not more else f", the first of {more + 1} with rows"
            return Table(f"Excel, sheet '{clipped(sheet.title)}'{others}", columns, records, True)
    finally:
        book.close()
    raise bad_data(
        "The Excel workbook has no rows in any sheet. Put column names and rows into its first sheet."
    )


def _rows(sheet: Any, limit: RowLimit) -> Iterator[tuple[int, list[object]]]:
    for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
        values = [_value(cell) for cell in cells]
        while values and values[-1] == "":
            values.pop()
        if values:
            yield number, values
        else:
            limit.count_blank()


def _value(cell: object) -> object:
    match cell:
        case None:
            return ""
        case bool() | str():
            return cell
        case datetime.datetime() if cell.time() == datetime.time():
            return cell.date().isoformat()
        case datetime.date() | datetime.time():
            return cell.isoformat()
        case int() | float():
            return Number(repr(cell))
    return str(cell)
