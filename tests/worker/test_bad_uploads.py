import io
import resource
import time
import zipfile

import pytest

from agents.jobs import IntakeResult, JobOutcome
from agents.worker.errors import WorkerError
from agents.worker.read_dataset import read_upload
from tests.worker.intake import csv_of, read_by_worker, spec_of


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("word/document.xml", "<document/>")
    return stream.getvalue()


BAD_FILES = {
    "empty": (b"", "The file is empty"),
    "only a mark": (b"\xff\xfe", "begins with nothing but white space"),
    "white space": (b" \n" * 100_000, "The file is empty"),
    "header only": (b"prompt,completion\n", "no rows below the column names (prompt, completion)"),
    "word": (zipped(), "This is a Word document (.docx), whatever its name says"),
    "zip": (b"PK\x03\x04" + bytes(200), "This is a zip archive"),
    "pdf": (b"%PDF-1.7\n" + bytes(200), "This is a PDF document"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(200), "This is a PNG picture"),
    "html": (b"<!DOCTYPE html><p>404", "marked-up document"),
    "nul": (b"prompt,completion\na,b\nc,\x00\n", "Line 3, byte 3 of that line is a NUL byte"),
    "unclosed quote": (
        b'prompt,completion\na,b\n"c,d\n' + b"e,f\n" * 99,
        "begins in line 3 and never closed",
    ),
    "same name twice": (b"text,text,text (2)\na,b,c\n", "Two columns are called 'text (2)'"),
    "list of strings": (b'["a", "b"]', "Not one of the 2 rows can be read"),
    "json breaks off": (
        b'[{"prompt": "a", "completion": "b"}, {"pro',
        "cannot be read at line 1, column 39",
    ),
    "json and more": (b'[{"prompt": "a"}] []', "there is more text after the end"),
    "two lists": (b'{"a": [{"x": 1}], "b": [{"x": 1}]}', "lists of objects under 'a', 'b'"),
    "no list": (b'{"prompt": "a"}', "no list of objects"),
    "brackets": (b"[" * 10_000_000, "nested too deeply"),
    "objects": (b'{"a":' * 10_000_000, "nested too deeply"),
    "too many rows": (b"a,b\n" + b"c,d\n" * 10_001, "more than 10,000 rows"),
    "commas": (b"a,b\n" + b"," * 20_000_000, "no rows below"),
    "columns": (",".join(f"c{i}" for i in range(300)).encode() + b"\n1,2\n", "300 columns"),
    "keys": (
        b"[{" + b",".join(b'"k%d":1' % i for i in range(300)) + b"}]",
        "more than 256 different keys",
    ),
    "long name": (b"x" * 500 + b",b\nc,d\n", "A column name has 500 characters"),
    "surrogate name": (b'[{"a\\ud800": 1, "b": 2}]', "holds a NUL or half a character"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_gets_a_sentence_and_leaves_the_parent_alone(tmp_path, name):
    content, sentence = BAD_FILES[name]
    before_kib, began_s = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()

    result = read_by_worker(tmp_path, content)

    assert result.outcome is JobOutcome.FAILED
    assert result.error is not None
    assert (result.error.code, result.error.for_person) == ("bad_data", True)
    assert sentence in result.error.message
    assert len(result.error.message) < 600
    assert time.monotonic() - began_s < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 20 * 2**10


def test_a_file_that_needs_too_much_memory_is_refused_with_a_way_out(tmp_path):
    content = b'[{"prompt":[' + b",".join([b"[]"] * 4_000_000) + b"]}]"

    error = read_by_worker(tmp_path, content, memory_bytes=256 * 2**20).error

    assert error is not None
    assert (error.code, error.for_person) == ("out_of_memory", True)
    assert "256 MiB" in error.message


def test_a_file_that_takes_too_long_is_refused_with_a_way_out(tmp_path):
    content = ("prompt,completion\n" + "".join(f"p{i},c{i}\n" for i in range(1_000_000))).encode()

    error = read_by_worker(tmp_path, content, max_rows=2_000_000, cpu_s=1).error

    assert error is not None
    assert (error.code, error.for_person) == ("out_of_time", True)


def test_a_good_file_comes_through_the_real_process(tmp_path):
    result = read_by_worker(tmp_path, csv_of(50).encode())

    assert result.outcome is JobOutcome.SUCCEEDED
    assert isinstance(result.payload, IntakeResult)
    assert (result.job_id, result.payload.train_rows) == ("job-1", 35)


def test_an_upload_that_changed_since_it_was_stored_is_refused(tmp_path):
    spec = spec_of(tmp_path, csv_of(50).encode())
    (tmp_path / "upload").write_bytes(csv_of(51).encode())

    with pytest.raises(WorkerError, match="not the one that was uploaded"):
        read_upload(tmp_path, spec)
