"""Several files in one upload: each read by its own columns, merged, split by its share, used by its weight."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agents.jobs import ROWS_PER_FILE, FileRef, FindingKind, IntakeResult, MoreRows, RowShape
from agents.worker.errors import WorkerError
from agents.worker.read_dataset import read_upload
from tests.worker.intake import spec_of, written

Files = dict[str, str]


def a_csv(begin: int, end: int, header: str = "prompt,completion") -> str:
    rows = [f"Wort{n} bla{n * 7} {n}?,answer {n}" for n in range(begin, end)]
    return "\n".join([header, *rows]) + "\n"


def a_jsonl(begin: int, end: int) -> str:
    rows = ({"question": f"Frage{n} tja{n * 3} {n}?", "answer": f"{n}!"} for n in range(begin, end))
    return "".join(json.dumps(row) + "\n" for row in rows)


def read(folder: Path, files: Files, *weights: float, **changes: Any) -> IntakeResult:
    refs = []
    for name, content in files.items():
        path = folder / name
        path.write_text(content)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        size = path.stat().st_size
        refs.append(FileRef(path=str(path), sha256=digest, size_bytes=size, name=name))
    first, *others = weights or (1.0,) * len(files)
    more = [MoreRows(file=r, weight=w) for r, w in zip(refs[1:], others, strict=True)]
    spec = spec_of(folder, b"", **changes)
    named = {"upload": refs[0], "weight": first, "more": tuple(more)}
    return read_upload(folder, spec.model_copy(update=named))


def refusal(folder: Path, files: Files, **changes: Any) -> str:
    with pytest.raises(WorkerError) as caught:
        read(folder, files, **changes)
    assert caught.value.for_person
    return str(caught.value)


def by_file(folder: Path, ref: FileRef) -> Counter[int]:
    return Counter(row["row"] // ROWS_PER_FILE for row in written(folder, ref))


def test_files_with_other_columns_become_rows_of_one_kind(tmp_path):
    result = read(tmp_path, {"a.csv": a_csv(0, 150), "b.jsonl": a_jsonl(0, 50)})

    assert result.shape is RowShape.PROMPT_COMPLETION
    assert (result.rows_usable, result.test_rows, result.dev_rows) == (200, 40, 20)
    assert by_file(tmp_path, result.test) == {0: 30, 1: 10}
    assert by_file(tmp_path, result.dev) == {0: 15, 1: 5}
    assert by_file(tmp_path, result.train) == {0: 105, 1: 35}
    told = [(f.name, f.rows_usable, f.train_rows, f.dev_rows, f.test_rows) for f in result.files]
    assert told == [("a.csv", 150, 105, 15, 30), ("b.jsonl", 50, 35, 5, 10)]
    assert "a.csv: " in result.roles_reason
    assert "b.jsonl: JSONL" in result.format


def test_one_file_is_read_as_ever(tmp_path):
    result = read(tmp_path, {"a.csv": a_csv(0, 100)})

    assert result.files == ()
    assert by_file(tmp_path, result.train) == {0: 70}


def test_a_weight_says_how_often_training_rows_are_used(tmp_path):
    files = {"a.csv": a_csv(0, 100), "b.jsonl": a_jsonl(0, 100)}
    (tmp_path / "again").mkdir()

    result = read(tmp_path, files, 0.5, 2.5)
    again = read(tmp_path / "again", files, 0.5, 2.5)
    other = read(tmp_path, files, 0.5, 2.5, seed=5)

    assert by_file(tmp_path, result.test) == {0: 20, 1: 20}
    assert [share.train_rows for share in result.files] == [35, 175]
    assert result.train_rows == 210
    assert again.train.sha256 == result.train.sha256
    assert other.train.sha256 != result.train.sha256


def test_rows_used_twice_stand_apart_and_each_row_gets_its_share(tmp_path):
    files = {"a.csv": a_csv(0, 100), "b.jsonl": a_jsonl(0, 100)}

    result = read(tmp_path, files, 1, 2.5)

    rows = [row["row"] for row in written(tmp_path, result.train)]
    times = Counter(row for row in rows if row >= ROWS_PER_FILE)
    assert Counter(times.values()) == {2: 35, 3: 35}
    assert set(Counter(row for row in rows if row < ROWS_PER_FILE).values()) == {1}
    assert {0, 1} == {row // ROWS_PER_FILE for row in rows[:20]}


def test_duplicates_and_rows_that_resemble_each_other_are_found_across_files(tmp_path):
    alike = "Where can I find the invoice for my last order please?"
    files = {
        "a.csv": a_csv(0, 60) + f"{alike},invoice\nWort1 bla7 1?,other\n",
        "b.csv": a_csv(30, 60) + f"{alike.replace('order', 'orders')},invoice\n",
    }
    held = set()
    for seed in range(8):
        result = read(tmp_path, files, seed=seed)
        side = {
            name: {row["prompt"] for row in written(tmp_path, getattr(result, name))}
            for name in ("train", "dev", "test")
        }
        held |= {
            name for name, prompts in side.items() if any("invoice" in prompt for prompt in prompts)
        }
        assert sum(any("invoice" in p for p in prompts) for prompts in side.values()) == 1, seed
        assert result.duplicates == 30

    assert len(held) > 1
    found = {finding.kind: finding for finding in result.findings}
    assert "row 32 of b.csv" in found[FindingKind.NEAR_DUPLICATES].example
    assert found[FindingKind.DUPLICATES].rows[0] >= ROWS_PER_FILE
    assert "row 2 of b.csv" in found[FindingKind.DUPLICATES].example


def test_files_with_rows_of_different_kinds_are_refused(tmp_path):
    pairs = "prompt,chosen,rejected\n" + "".join(f"q{n},good {n},bad {n}\n" for n in range(40))

    said = refusal(tmp_path, {"a.csv": a_csv(0, 40), "b.csv": pairs})

    assert "'a.csv' holds prompts with one answer each" in said
    assert "'b.csv' holds pairs of a better and a worse answer" in said


def unclear(names: str) -> str:
    return names + "\n" + "".join(f"one {n},two {n},three {n}\n" for n in range(40))


def test_one_unclear_file_among_others_is_asked_about_by_name(tmp_path):
    files = {"a.csv": a_csv(0, 40), "odd.csv": unclear("aa,bb,cc")}

    asked = read(tmp_path, files)
    settled = read(tmp_path, files, reading=asked.readings[1])

    assert len(asked.readings) > 1
    assert all(reading.reason.startswith("'odd.csv': ") for reading in asked.readings)
    assert set(asked.columns) == {"prompt", "completion", "aa", "bb", "cc"}
    answers = asked.readings[1].answer
    assert settled.completion_column == f"completion / {' + '.join(answers)}"


def test_two_files_that_are_unclear_in_different_ways_are_refused(tmp_path):
    files = {"odd.csv": unclear("aa,bb,cc"), "odder.csv": unclear("dd,ee,ff")}

    said = refusal(tmp_path, files)

    assert "unclear how to read 'odder.csv' ('dd', 'ee', 'ff')" in said


def test_files_with_the_same_unclear_columns_are_asked_about_once(tmp_path):
    one = unclear("aa,bb,cc")
    files = {"a.csv": one, "b.csv": one.replace("one", "uno").replace("three", "tres")}

    asked = read(tmp_path, files)
    second = asked.readings[1]
    settled = read(tmp_path, files, reading=second)

    assert len(asked.readings) > 1
    assert settled.readings == ()
    assert settled.prompt_column == " + ".join(second.prompt)
    assert {row["row"] // ROWS_PER_FILE for row in written(tmp_path, settled.train)} == {0, 1}


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    assert refusal(tmp_path, {"a.csv": a_csv(0, 40), "b.json": "{"}).startswith("'b.json': ")


def test_row_errors_of_every_file_are_told_with_its_rows(tmp_path):
    files = {"a.csv": a_csv(0, 40) + ",no prompt\n", "b.csv": a_csv(40, 80) + ",none here\n"}

    result = read(tmp_path, files)

    assert [error.row for error in result.row_errors] == [42, ROWS_PER_FILE + 42]
    assert [share.rows_read for share in result.files] == [41, 41]


def test_the_limit_of_rows_is_for_all_files_together(tmp_path):
    files = {"a.csv": a_csv(0, 40), "b.csv": a_csv(40, 80)}

    assert "more than 60 rows" in refusal(tmp_path, files, max_rows=60)
