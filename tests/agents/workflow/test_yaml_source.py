from pathlib import Path

import pytest

from agents.workflow.problems import Problem, WorkflowError
from agents.workflow.yaml_source import MAX_SIZE_BYTES, parse, read


def problems_of(content: str | bytes) -> list[Problem]:
    with pytest.raises(WorkflowError) as caught:
        parse(content, "w.yaml")
    return list(caught.value.problems)


def test_values_are_read_as_yaml_1_2_reads_them():
    tree = parse("a: yes\nb: 010\nc: 1:30\nd: 2020-01-01\n1: on\ne: 0x10\n", "w.yaml").tree

    assert tree == {"a": "yes", "b": 10, "c": "1:30", "d": "2020-01-01", "1": "on", "e": 16}


def test_lines_are_those_of_keys_and_items():
    source = parse("a: 1\n\nlist:\n  # first\n  - x\n  - y: 2\n", "w.yaml")

    assert source.line(("a",)) == 1
    assert source.line(("list",)) == 3
    assert source.line(("list", 0)) == 5
    assert source.line(("list", 1, "y")) == 6
    assert source.line(("list", 1, "missing")) == 6


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        ("a: &x 1\nb: 2\n", "anchor", 1),
        ("a: [1]\nb: *x\n", "anchor", 2),
        ("b: !!python/object/apply:os.system [ls]\n", "tag", 1),
        ("a: !x 1\n", "tag", 1),
        ("a:\n  <<: {b: 1}\n", "merge-key", 2),
        ("a: 1\na: 2\n", "duplicate-key", 2),
        ("a: [1\n", "not-yaml", 2),
        ("a: 1\n---\nb: 2\n", "not-yaml", 2),
        ("- 1\n", "not-a-map", 0),
        ("", "not-a-map", 0),
        ("a: " + "[" * 40 + "]" * 40 + "\n", "too-deep", 1),
        (b"a: \xff\n", "not-utf8", 0),
        (b"a: " + b"x" * MAX_SIZE_BYTES, "too-large", 0),
    ],
)
def test_what_is_refused_is_named_with_its_line(content, code, line):
    found = problems_of(content)

    assert (found[0].code, found[0].line) == (code, line)


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path):
    with pytest.raises(WorkflowError, match="cannot be read: No such file"):
        read(tmp_path / "w.yaml")


def test_a_billion_laughs_are_refused_before_they_are_built():
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]

    assert {problem.code for problem in problems_of("\n".join(lines))} == {"anchor"}
