"""What the bytes of an upload are: a foreign format, an encoding, or broken. The file's name is never asked."""

import codecs
from dataclasses import dataclass

from charset_normalizer import from_bytes

from agents.worker.errors import WorkerError

SAMPLE_BYTES = 32 * 2**10
WORST_CHAOS = 0.2
"""charset-normalizer's measure of "mess" above which a guess is no better than none."""

MAGIC = (
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a rar archive"),
    (b"ARROW1", "an Arrow file"),
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an Office document that is old (.xls or .doc) or locked by a password",
    ),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"GGUF", "a GGUF model"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90\x00", "a program"),
)
OFFICE_PARTS = (
    (b"word/", "a Word document (.docx)"),
    (b"content.xml", "an OpenDocument file"),
)
MARKUP = (b"<!doctype html", b"<html", b"<?xml", b"{\\rtf")
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
GUESSES = {
    "cp1252": "Windows-1252",
    "cp1250": "Windows-1250",
    "cp1251": "Windows-1251",
    "cp1253": "Windows-1253",
    "cp932": "Shift JIS",
    "gb18030": "GB 18030",
    "big5": "Big5",
    "euc_kr": "EUC-KR",
}
"""Encodings that may be guessed, the likeliest first: a tie goes to the earlier one."""


@dataclass(frozen=True)
class Encoding:
    """How to turn the bytes into text."""

    codec: str
    """Name for `bytes.decode`; removes a byte order mark."""
    title: str
    """The same for people; says when it is a guess."""


def refuse_foreign_formats(raw: bytes) -> None:
    """Refuse what is certainly no text: archives, office documents, pictures, markup.

    Raises: WorkerError: with a sentence that names what the file is.
    """
    if not raw.strip(b" \t\r\n\x00\xef\xbb\xbf"):
        raise bad_data(
            "The file is empty. Upload a table (CSV, Excel, Parquet), JSON or JSONL with rows to learn from."
        )
    found = _foreign_format(raw)
    if found:
        raise bad_data(
            f"This is {found}, whatever its name says. Export the rows as CSV, JSON or JSONL and upload that file."
        )


def find_encoding(raw: bytes) -> Encoding:
    """Find the one encoding in which all of the bytes are text.

    UTF-8 and what has a byte order mark are certain; the rest is a guess from a sample, and says so.

    Raises: WorkerError: the bytes break the encoding (names line and byte), contain NUL, or cannot be guessed.
    """
    for mark, codec, title in BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            return _verified(raw, Encoding(codec, title))
    if wide := _utf16_without_mark(raw):
        return _verified(raw, wide)
    nul_at = raw.find(b"\x00")
    if nul_at >= 0:
        raise bad_data(
            f"{_place(raw, nul_at)} is a NUL byte, so this is no text file. Export it as CSV, JSON or JSONL in UTF-8."
        )
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if _is_mostly_utf8(raw):
            raise _broken(raw, error, "UTF-8") from None
        return _verified(raw, _guess(raw, error))
    return Encoding("utf-8", "UTF-8")


def bad_data(message: str) -> WorkerError:
    """Make the error for a fault of the uploaded file."""
    return WorkerError("bad_data", message, for_person=True)


def _foreign_format(raw: bytes) -> str | None:
    if raw.startswith(b"PK\x03\x04"):
        directory = raw[:SAMPLE_BYTES] + raw[-SAMPLE_BYTES:]
        return next((what for part, what in OFFICE_PARTS if part in directory), "a zip archive")
    if raw[257:262] == b"ustar":
        return "a tar archive"
    if raw.lstrip(b" \t\r\n\xef\xbb\xbf")[:32].lower().startswith(MARKUP):
        return "a marked-up document (HTML, XML or RTF)"
    return next((what for magic, what in MAGIC if raw.startswith(magic)), None)


def _utf16_without_mark(raw: bytes) -> Encoding | None:
    sample = raw[: SAMPLE_BYTES & ~1]
    half = max(1, len(sample) // 2)
    nul_first, nul_second = sample[0::2].count(0) / half, sample[1::2].count(0) / half
    if nul_second > 0.3 and nul_first < 0.05:
        return Encoding("utf-16-le", "UTF-16 (guessed)")
    if nul_first > 0.3 and nul_second < 0.05:
        return Encoding("utf-16-be", "UTF-16 (guessed)")
    return None


def _is_mostly_utf8(raw: bytes) -> bool:
    """Tell a damaged UTF-8 file from one in an older encoding, where hardly any sequence is valid."""
    high_bytes = len(raw) - len(raw.translate(None, bytes(range(128, 256))))
    damaged = raw.decode("utf-8", "replace").count("\ufffd")
    return damaged * 2 < high_bytes


def _guess(raw: bytes, error: UnicodeDecodeError) -> Encoding:
    start = raw.rfind(b"\n", 0, error.start) + 1
    sample = raw[start : start + SAMPLE_BYTES]
    if len(sample) == SAMPLE_BYTES and b"\n" in sample:
        sample = sample[: sample.rfind(b"\n")]
    matches = [m for m in from_bytes(sample, cp_isolation=list(GUESSES)) if m.chaos <= WORST_CHAOS]
    if not matches:
        raise _broken(raw, error, "UTF-8")
    least_chaos = min(match.chaos for match in matches)
    possible = {name for m in matches if m.chaos == least_chaos for name in m.could_be_from_charset}
    codec = next((name for name in GUESSES if name in possible), None)
    if codec is None:
        raise _broken(raw, error, "UTF-8")
    return Encoding(codec, f"{GUESSES[codec]} (guessed)")


def _verified(raw: bytes, encoding: Encoding) -> Encoding:
    try:
        raw.decode(encoding.codec)
    except UnicodeDecodeError as error:
        raise _broken(raw, error, encoding.title) from None
    return encoding


def _broken(raw: bytes, error: UnicodeDecodeError, title: str) -> WorkerError:
    return bad_data(
        f"{_place(raw, error.start)} (0x{raw[error.start]:02X}) breaks the text encoding, which looks like {title}. "
        "Save the file as UTF-8 and upload it again."
    )


def _place(raw: bytes, at: int) -> str:
    line_start = raw.rfind(b"\n", 0, at) + 1
    line = raw.count(b"\n", 0, at) + 1
    return f"Line {line}, byte {at - line_start + 1} of that line"
