import csv
import hashlib
import io
import json
import random
import unicodedata
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.jobs import RowShape
from agents.recipe import Metric
from tests.worker.intake import SHARED_DATA, csv_of, read, refusal, rows_of, written

# Python 3.11 writes a lone carriage return without quotes, where no reader can tell it from the end of a row.
TEXT = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00\r"),
    min_size=1,
    max_size=30,
).filter(str.strip)
ROWS = st.lists(
    st.tuples(TEXT, TEXT),
    min_size=5,
    max_size=12,
    unique_by=lambda row: " ".join(unicodedata.normalize("NFKC", row[0]).casefold().split()),
)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")


def test_a_csv_becomes_three_sides_that_hold_every_row_once(tmp_path):
    result = read(tmp_path, csv_of(200))

    assert (result.train_rows, result.dev_rows, result.test_rows) == (140, 20, 40)
    assert rows_of(tmp_path, result) == [
        (f"Where is order {i}?", f"order {i} is on its way") for i in range(200)
    ]
    assert written(tmp_path, result.train)[0].keys() == {"prompt", "completion", "row"}
    assert result.format == "CSV, delimiter ',', UTF-8"


def test_files_are_named_by_hash_and_the_test_set_is_sealed(tmp_path):
    result = read(tmp_path, csv_of(50))

    for side in (result.train, result.dev, result.test):
        content = (tmp_path / side.path).read_bytes()
        assert (side.sha256, side.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert (tmp_path / result.test.path).stat().st_mode & 0o777 == 0o400


def test_row_numbers_are_lines_of_the_file_even_after_values_with_line_breaks(tmp_path):
    content = 'prompt,completion\n"one\ntwo",a\n\nthree,b\n' + "".join(
        f"{i},{i}\n" for i in range(9)
    )

    result = read(tmp_path, content)

    rows = {
        r["prompt"]: r["row"]
        for s in (result.train, result.dev, result.test)
        for r in written(tmp_path, s)
    }
    assert (rows["one\ntwo"], rows["three"], rows["0"]) == (2, 5, 6)


@settings(max_examples=120, deadline=None)
@given(
    rows=ROWS,
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    newline=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(ENCODINGS),
)
def test_every_csv_dialect_is_read_back_exactly(
    tmp_path_factory, rows, delimiter, quoting, newline, encoding
):
    folder = tmp_path_factory.mktemp("csv")
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, quoting=quoting, lineterminator=newline)
    writer.writerows([("prompt", "completion"), *rows])

    result = read(folder, stream.getvalue().encode(encoding), min_rows=1, dev_fraction=0.2)

    expected = [(prompt.strip(), completion.strip()) for prompt, completion in rows]
    assert rows_of(folder, result) == expected
    assert result.row_error_count == 0


@settings(max_examples=60, deadline=None)
@given(
    rows=ROWS,
    ascii_only=st.booleans(),
    shape=st.sampled_from(["list", "pretty list", "wrapped", "pretty wrapped", "lines"]),
)
def test_every_json_shape_is_read_back_exactly(tmp_path_factory, rows, ascii_only, shape):
    folder = tmp_path_factory.mktemp("json")
    objects = [{"prompt": prompt, "completion": completion, "n": 3} for prompt, completion in rows]
    indent = 1 if "pretty" in shape else None
    if shape == "lines":
        content = "\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in objects)
    else:
        value = {"version": [1], "data": objects} if "wrapped" in shape else objects
        content = json.dumps(value, ensure_ascii=ascii_only, indent=indent)

    result = read(folder, content, min_rows=1, dev_fraction=0.2)

    assert result.format == ("JSONL, UTF-8" if shape == "lines" else "JSON, UTF-8")
    assert rows_of(folder, result) == [(p.strip(), c.strip()) for p, c in rows]


def test_numbers_and_truth_values_of_a_json_keep_their_spelling(tmp_path):
    rows = ",".join(
        f'{{"question": "q{i}", "answer": {value}}}'
        for i, value in enumerate(["3.10", "1e5", "true"] * 4)
    )

    result = read(tmp_path, f"[{rows}]")

    assert {completion for _, completion in rows_of(tmp_path, result)} == {"3.10", "1e5", "true"}


def test_an_encoding_that_must_be_guessed_is_guessed_and_said_to_be(tmp_path):
    lines = [
        f"Müßte die Verlängerung Nr. {i} möglich sein – oder nicht?,Gebühr für Ärzte {i}"
        for i in range(10)
    ]

    result = read(tmp_path, "\n".join(["prompt,completion", *lines]).encode("cp1252"))

    assert result.format == "CSV, delimiter ',', Windows-1252 (guessed)"
    assert rows_of(tmp_path, result)[3][1] == "Gebühr für Ärzte 3"


def test_one_broken_byte_in_a_utf8_file_is_named_by_line_and_byte(tmp_path):
    content = "prompt,completion\ngrün,é\nblau,".encode() + b"\xfc\n"

    assert (
        "Line 3, byte 6 of that line (0xFC)"
        in refusal(tmp_path, content + csv_of(50).encode()).message
    )


def test_bad_rows_are_left_out_by_number_and_the_rest_is_used(tmp_path):
    content = (
        csv_of(30)
        + 'only one value\n,no prompt\nno completion, \na,b,c\n"quote" in the middle,x\n'
        + "y" * 1001
        + ",z\n"
    )

    result = read(tmp_path, content)

    assert (result.rows_read, result.rows_usable, result.row_error_count) == (36, 30, 6)
    assert {error.row: error.reason for error in result.row_errors} == {
        32: "1 value where row 1 names 2 columns",
        33: "'prompt' is empty",
        34: "'completion' is empty",
        35: "3 values where row 1 names 2 columns",
        36: 'text follows a closing quote; inside a quoted value write " as ""',
        37: "a text is longer than 1,000 characters",
    }


def test_bad_lines_of_a_jsonl_are_left_out_by_number(tmp_path):
    good = [json.dumps({"prompt": f"p{i}", "completion": f"c{i}"}) for i in range(10)]
    bad = [
        '{"prompt": "a", "prompt": "b", "completion": "c"}',
        '{"prompt": "a", "completion": NaN}',
        '{"prompt": "a", "completion": "b"',
        '{"prompt": "a", "completion": ["b"]}',
        '{"prompt": "a"}',
        '{"prompt": "a\\ud800", "completion": "b"}',
        '["a", "b"]',
        '{"prompt": ' + "[" * 5000,
        '{"prompt": "a", "completion": "b"} {}',
    ]

    result = read(tmp_path, "\n".join(good + bad))

    reasons = [error.reason for error in result.row_errors]
    assert [error.row for error in result.row_errors] == list(range(11, 20))
    assert reasons[:2] == [
        "the key 'prompt' appears twice in one object",
        "NaN is not a value that JSON knows",
    ]
    assert reasons[2].startswith("not JSON at column 34")
    assert reasons[3:6] == [
        "'completion' is a list, not text",
        "'completion' is empty",
        "'prompt' holds a NUL or half a character",
    ]
    assert reasons[6:8] == ["not an object with named values", "brackets are nested too deeply"]
    assert reasons[8].startswith("more text after the object")


def test_duplicates_are_folded_and_no_prompt_is_on_two_sides(tmp_path):
    rows = [(f"How do I reset  {i}?", f"answer {i}") for i in range(60)]
    again = [(f" how do I RESET {i}\uff1f", f"Answer {i}") for i in range(0, 60, 2)]
    other = [(f"How do I reset {i}?", f"another answer {i}") for i in range(0, 60, 3)]
    content = "prompt,completion\n" + "".join(f"{p},{c}\n" for p, c in rows + again + other)

    result = read(tmp_path, content)

    sides = [
        {" ".join(r["prompt"].split()) for r in written(tmp_path, s)}
        for s in (result.train, result.dev, result.test)
    ]
    assert (result.rows_usable, result.duplicates, result.conflicts) == (110, 30, 20)
    assert [left & right for left, right in combinations(sides, 2)] == [set()] * 3
    assert result.train_rows + result.dev_rows + result.test_rows == 80


def test_the_order_of_the_rows_does_not_decide_who_is_tested_but_the_seed_does(tmp_path):
    header, *lines = csv_of(120).splitlines()
    random.Random(1).shuffle(lines)

    tested = [
        {row["prompt"] for row in written(tmp_path, read(tmp_path, content, seed=seed).test)}
        for content, seed in ((csv_of(120), 1), ("\n".join([header, *lines]), 1), (csv_of(120), 2))
    ]

    assert tested[0] == tested[1] != tested[2]


def test_the_first_rows_of_the_test_set_are_a_fair_sample_of_it(tmp_path):
    content = "prompt,completion\n" + "".join(f"p{i % 100},c{i}\n" for i in range(800))

    first = written(tmp_path, read(tmp_path, content).test)[:20]

    assert len({row["prompt"] for row in first}) >= 10


@pytest.mark.parametrize(("rows", "expected"), [(60, 12), (100, 20), (150, 30), (3000, 200)])
def test_the_test_set_has_its_share_within_bounds(tmp_path, rows, expected):
    assert read(tmp_path, csv_of(rows)).test_rows == expected


def test_a_hundred_rows_are_tested_on_twenty_whatever_the_share(tmp_path):
    assert read(tmp_path, csv_of(100), test_fraction=0.05).test_rows == 20


def test_rows_whose_answer_equals_the_question_all_survive(tmp_path):
    result = read(
        tmp_path, "prompt,completion\n" + "".join(f"echo {i},echo {i}\n" for i in range(40))
    )

    assert len(rows_of(tmp_path, result)) == 40


def test_too_few_rows_are_refused_with_what_is_missing_and_why(tmp_path):
    error = refusal(tmp_path, csv_of(20) + csv_of(4).split("\n", 1)[1] + "lonely\n", min_rows=30)

    assert error.code == "too_few_rows"
    assert error.message == (
        "20 rows can be used and at least 30 are needed: add 10 more. Left out: 4 rows (the same as an earlier one); "
        "1 row (1 value where row 1 names 2 columns). The first with a problem is row 26."
    )


LONG = "the parcel has left our house and will be with you in two weeks from now at the latest, we hope, number"


def test_rows_that_share_one_prompt_cannot_be_tested_and_say_so(tmp_path):
    content = "prompt,completion\n" + "".join(f"same,answer {i}\n" for i in range(40))

    assert "share only 1 different prompts" in refusal(tmp_path, content).message


@pytest.mark.parametrize(
    ("answers", "metric"),
    [
        (["refund", "delivery", "other one"], Metric.EXACT_MATCH),
        ([f"DAMAGE|QA-{i}" for i in range(60)], Metric.FIELD_F1),
        ([f'"{{""kind"": ""late"", ""order"": {i}}}"' for i in range(60)], Metric.FIELD_F1),
        ([f'"kind: late\npriority: P{i % 3}"' for i in range(60)], Metric.FIELD_F1),
        ([f'"{{""kind"": ""late"", ""text"": ""{LONG} {i}""}}"' for i in range(60)], Metric.CHRF),
        (["DAMAGE|A", "LATE|B", "LATE|A"], Metric.EXACT_MATCH),
        ([f"A-{i}" for i in range(60)], Metric.EXACT_MATCH),
        ([f"the town of number {i}" for i in range(60)], Metric.TOKEN_F1),
        (
            [
                f"Please send the parcel number {i} back to us within two weeks of arrival."
                for i in range(60)
            ],
            Metric.CHRF,
        ),
    ],
)
def test_the_metric_suits_the_answers(tmp_path, answers, metric):
    content = "prompt,completion\n" + "".join(
        f"p{i},{answers[i % len(answers)]}\n" for i in range(60)
    )

    assert read(tmp_path, content).suggested_metric is metric


# ---- files as they are found ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "columns", "metric", "labels"),
    [
        ("banking77_train.csv", ("text", "category"), Metric.EXACT_MATCH, 77),
        ("banking77_test.csv", ("text", "category"), Metric.EXACT_MATCH, 77),
        ("e2e_dev.csv", ("mr", "ref"), Metric.CHRF, 0),
        ("alpaca_en_demo.json", ("instruction + input", "output"), Metric.CHRF, 0),
    ],
)
def test_well_known_data_sets_get_the_right_roles(tmp_path, name, columns, metric, labels):
    path = SHARED_DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not on this machine")

    result = read(tmp_path, path.read_bytes(), max_rows=200_000, max_field_chars=100_000)

    assert (result.prompt_column, result.completion_column) == columns
    assert (result.suggested_metric, len(result.labels)) == (metric, labels)
    assert result.row_error_count == 0
    assert 190 <= result.test_rows <= 200


@pytest.mark.parametrize(
    ("name", "shape", "rows"),
    [
        ("dpo_en_demo.json", RowShape.PREFERENCE, 300),
        ("kto_en_demo.json", RowShape.UNPAIRED, 300),
        ("glaive_toolcall_en_demo.json", RowShape.PROMPT_COMPLETION, 300),
    ],
)
def test_data_for_other_methods_are_read_without_a_question(tmp_path, name, shape, rows):
    path = SHARED_DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not on this machine")

    result = read(tmp_path, path.read_bytes(), max_field_chars=100_000)

    assert (result.shape, result.rows_usable, result.readings) == (shape, rows, ())
