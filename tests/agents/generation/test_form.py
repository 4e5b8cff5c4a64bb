import json

import jsonschema
import pytest

from agents.generation.form import Form, Unreadable

FORM = Form((("input", 20), ("answer", 10)), 3)


def rows(*given):
    return json.dumps({"rows": list(given)})


def test_what_the_schema_allows_is_read():
    said = rows({"input": " q ", "answer": "a"}, {"input": "r", "answer": "b"})
    jsonschema.validate(json.loads(said), FORM.schema())

    read = FORM.read(f"```json\n{said}\n```")

    assert read.rows == ({"input": "q", "answer": "a"}, {"input": "r", "answer": "b"})
    assert read.unusable == 0


def test_everything_in_the_schema_is_bounded():
    def unbounded(node):
        if isinstance(node, list):
            return [one for inner in node for one in unbounded(inner)]
        if not isinstance(node, dict):
            return []
        missing = {"string": "maxLength", "array": "maxItems", "object": "additionalProperties"}
        bound = missing.get(node.get("type"))
        own = [node] if bound and bound not in node else []
        return own + [one for inner in node.values() for one in unbounded(inner)]

    assert unbounded(FORM.schema()) == []
    assert unbounded({"type": "array", "items": {"type": "string"}}) != []


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("x" * 300_000, "too long"),
        ("[]", "no list"),
        ('{"rows": {}}', "no list"),
        ('{"rows": []}', "empty"),
        ('{"rows": ["a"]}', "no object"),
        (rows({"input": "q"}), "“answer” is missing"),
        (rows({"input": "q", "answer": 7}), "“answer” is missing"),
        (rows({"input": "q" * 21, "answer": "a"}), "longer than 20"),
        ('{"rows": [{"input": "\\ud800", "answer": "a"}]}', "no text"),
        ('{"rows": [{"input": "a\\u0000", "answer": "a"}]}', "no text"),
    ],
)
def test_what_is_no_row_is_told(said, why):
    with pytest.raises(Unreadable, match=why):
        FORM.read(said)


def test_single_rows_that_are_none_are_counted_and_no_more_are_read_than_were_asked_for():
    read = FORM.read(
        rows({"input": "q", "answer": ""}, *({"input": str(n), "answer": "a"} for n in range(9)))
    )

    assert [row["input"] for row in read.rows] == ["0", "1"]
    assert read.unusable == 1
    assert "extra" not in FORM.read(rows({"input": "q", "answer": "a", "extra": "x"})).rows[0]
