"""Rows that belong together by a column beside the texts, and rows with dates."""

import json
import random
from datetime import date, timedelta

import pytest

from agents.jobs import FindingKind, Reading, RowShape
from agents.worker.beside import beside, tied
from agents.worker.table import Record, Table
from tests.worker.intake import read, written
from tests.worker.planted import bank

READING = Reading(shape=RowShape.PROMPT_COMPLETION, prompt=("prompt",), answer=("completion",))


def rows_of(customers: int, rows: int = 300):
    chance = random.Random(7)
    return [
        {
            "prompt": text,
            "completion": f"{answer} {i}",
            "Customer_ID": f"c{chance.randrange(customers)}",
        }
        for i, (text, answer) in enumerate(bank(rows, seed=12))
    ]


def table_of(name: str, values: list[object]) -> Table:
    records = tuple(
        Record(
            i, {"prompt": f"p {i}", "completion": "c", name: None if value is None else str(value)}
        )
        for i, value in enumerate(values, start=2)
    )
    return Table("JSON", ("prompt", "completion", name), records)


def sides_of(folder, result, rows):
    customer = {row["completion"]: row["Customer_ID"] for row in rows}
    return [
        {customer[row["completion"]] for row in written(folder, side)}
        for side in (result.train, result.dev, result.test)
    ]


def test_rows_of_one_customer_are_dealt_to_one_side_and_the_card_says_so(tmp_path):
    rows = rows_of(60)

    result = read(tmp_path, json.dumps(rows))

    train, dev, test = sides_of(tmp_path, result, rows)
    assert not train & test
    assert not train & dev
    assert not dev & test
    assert result.test_rows >= 48
    assert "Rows with the same 'Customer_ID' stay on one side of the split." in result.roles_reason
    assert FindingKind.KIN not in {finding.kind for finding in result.findings}


def test_customers_that_cannot_be_kept_apart_are_reported_with_the_test_rows(tmp_path):
    """Eleven customers with a ninth of the rows each: no test set of a fifth can be made of whole ones but by luck."""
    frame = [
        {
            "prompt": f"Where is my parcel number {i}?",
            "completion": f"There {i}",
            "user_id": f"u{i % 11}",
        }
        for i in range(66)
    ]
    alike = [
        dict(row, prompt=f"Hello, where is the parcel {i % 6}?") for i, row in enumerate(frame)
    ]

    result = read(tmp_path, json.dumps(frame + alike))

    found = {finding.kind: finding for finding in result.findings}
    owner = {row["completion"]: row["user_id"] for row in frame}
    learnt = {owner[row["completion"]] for row in written(tmp_path, result.train)}
    shared = [
        row["row"] for row in written(tmp_path, result.test) if owner[row["completion"]] in learnt
    ]
    assert shared
    assert found[FindingKind.KIN].count == len(shared)
    assert "'user_id'" in found[FindingKind.KIN].sentence


@pytest.mark.parametrize(
    ("name", "values", "is_kin"),
    [
        ("customer_id", [i % 40 for i in range(200)], True),
        ("URL", [f"https://example.org/{i // 4}" for i in range(200)], True),
        ("customer_id", list(range(200)), False),
        ("source", [i % 3 for i in range(200)], False),
        ("customer_id", ["one"] * 150 + [f"c{i // 2}" for i in range(50)], False),
        ("customer_id", [None] * 120 + [f"c{i // 2}" for i in range(80)], True),
        ("colour", [i % 40 for i in range(200)], False),
    ],
)
def test_a_column_puts_rows_together_where_it_has_many_values_that_come_again(name, values, is_kin):
    found = beside(table_of(name, values), READING, begin=1000)

    assert bool(found.kin) is is_kin
    assert found.kin_column == (name if is_kin else "")
    assert all(row > 1000 for row in found.kin)


def test_a_column_that_is_learnt_from_puts_nothing_together():
    reading = READING.model_copy(update={"answer": ("author",)})

    assert beside(table_of("author", [i % 40 for i in range(200)]), reading, 0).kin == {}


def test_groups_are_joined_by_what_they_share_up_to_a_size():
    apart = {row: row for row in range(40)}
    kin = {0: "a", 1: "a", 5: "b", 6: "b", 7: "b"}

    found = tied({**apart, 8: 7}, kin)

    assert found[0] == found[1] != found[5]
    assert found[5] == found[6]
    # row 7 has pulled row 8 in: with four rows they would be more than a tenth, and more than the largest value
    assert found[7] == found[8]
    assert sorted(map(list(found.values()).count, {found[0], found[2]})) == [1, 2]
    assert max(map(list(found.values()).count, found.values())) <= 4


@pytest.mark.parametrize(
    "spelled",
    [
        date.isoformat,
        lambda day: f"{day.isoformat()}T12:30:00Z",
        lambda day: 1_700_000_000 + 86_400 * day.toordinal() % 10**7,
    ],
)
def test_dated_rows_are_reported_once_with_their_span(tmp_path, spelled):
    begin = date(2023, 1, 5)
    rows = [
        {"prompt": text, "completion": answer, "created_at": spelled(begin + timedelta(days=i))}
        for i, (text, answer) in enumerate(bank(200, seed=3))
    ]

    result = read(tmp_path, json.dumps(rows))

    (found,) = [f for f in result.findings if f.kind is FindingKind.DATES]
    assert found.count > result.test_rows / 2
    assert "('created_at', 2023-" in found.sentence
    assert result.findings[-1] is found


@pytest.mark.parametrize(
    "values", [["2024-01-01"] * 200, ["soon"] * 200, list(range(200)), ["2024-01-01", "?"] * 100]
)
def test_what_is_no_date_or_always_the_same_is_not_reported(values):
    assert beside(table_of("date", values), READING, 0).dates == {}
