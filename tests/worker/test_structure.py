"""Which form answers have, and what is read out of one."""

import pytest

from agents.worker.metrics.structure import Kind, form_of, read

RECORDS = ["DLV-2;P1;QA-9121;by DUARTE, Rosa", "DMG-1;P3;QA-7;by ROE, Jo_Ann"]
LINES = [
    "Category: refund\nPriority = P1\nNote: at 12:30",
    "- category: late\n- priority: P2\n- note:",
]
JSON = ['{"order": {"id": "QA-1", "paid": true}, "items": [{"sku": 7}, {"sku": 8.0}]}'] * 2


@pytest.mark.parametrize(
    ("answers", "kind", "names"),
    [
        (RECORDS, Kind.RECORDS, ("part 1", "part 2", "part 3", "part 4")),
        (["REFUND|QA-1", "LATE|QA-2"], Kind.RECORDS, ("part 1", "part 2")),
        (["FORM[a=1]", "FORM[b=2]"], Kind.RECORDS, ("part 1", "part 2", "part 3")),
        (LINES, Kind.LINES, ("category", "priority", "note")),
        (JSON, Kind.JSON, ("order.id", "order.paid", "items.sku")),
        (['[{"name": "a", "n": 1}]'] * 3, Kind.JSON, ("name", "n")),
    ],
)
def test_a_form_is_known_by_its_fields(answers, kind, names) -> None:
    form = form_of(answers)

    assert form is not None
    assert (form.kind, form.names) == (kind, names)
    assert all(read(form, answer).alone for answer in answers)


@pytest.mark.parametrize(
    "answers",
    [
        [],
        ["refund", "late"],
        ['{"label": "refund"}', '{"label": "late"}'],  # one field is no structure
        ["[1, 2]", "[3]"],
        ["12", "true"],
        [
            "Dear Ms Roe: thank you.\nIt is: on its way.",
            "Hello Jo: no.\nSorry: gone.",
            "Hi: a\nNo: b",
        ],
        ["<yes>", "<no>"],
        ["", "", ""],
        ["one; two", "three", "four; five; six", "seven"],
        [";".join("ab" * 50)] * 4,
    ],
)
def test_answers_without_several_fields_have_no_form(answers) -> None:
    assert form_of(answers) is None


def test_a_few_answers_of_another_form_do_not_matter() -> None:
    assert form_of([*JSON * 4, "none", "none"]).kind is Kind.JSON
    assert form_of([*JSON, "none", "none"]) is None


def test_lists_are_read_in_any_order_and_numbers_by_their_value() -> None:
    form = form_of(JSON)

    one = read(
        form, '{"items": [{"sku": 8}, {"sku": 7.0}], "order": {"paid": true, "id": "qa-1 "}}'
    )

    assert one == read(form, JSON[0])
    assert one.of("items.sku") == ("7", "8")


def test_no_value_and_an_empty_one_are_told_apart() -> None:
    form = form_of(['{"a": null, "b": [], "c": ""}', '{"a": {}, "b": 1, "c": "x"}'])

    found = read(form, '{"a": null, "b": [], "c": ""}')

    assert [found.of(name) for name in ("a", "b", "c", "d")] == [("null",), ("[]",), ("",), ()]


@pytest.mark.parametrize("text", ["1e999", "-1e999", "NaN", "9" * 4000, "9" * 5000, "[" * 5000])
def test_strange_json_is_read_or_is_none(text) -> None:
    form = form_of(JSON)

    found = read(form, f'{{"a": {text}, "b": 1}}')

    assert found is None or "b" in found.names
