"""The numbers, words and messages on the pages against the code that they come from."""

import ast
from typing import get_args

import pytest
from pydantic import BaseModel

from agents import diagnosis, jobs, planning
from agents.recipe import Metric, Recipe
from tests.architecture.pages import coded, page, prose, section, table_rows
from tests.worker.intake import refusal


def test_every_rule_of_the_debugger_has_a_row():
    findings = []
    for module in ("agents/diagnosis.py", "agents/debugger.py"):
        for node in ast.walk(ast.parse(page(module))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding":
                assert isinstance(node.args[0], ast.Constant)
                findings.append(node.args[0].value)

    rows = table_rows(page("docs/debugging.md").partition("## ")[0])

    assert len(set(findings)) >= 8
    assert set(findings) == set(rows)
    for rule, threshold in {
        "too_few_rows": diagnosis.FEW_ROWS,
        "overfit": diagnosis.OVERFIT_RATIO,
        "underfit": f"{diagnosis.STILL_FALLING:.0%}".replace("%", " %"),
        "nothing_learnt": f"{diagnosis.STILL_FALLING:.0%}".replace("%", " %"),
    }.items():
        assert f"{threshold} " in rows[rule][0]
    assert f"at most {diagnosis.MOST_EPOCHS:g}" in rows["underfit"][1]


def test_the_table_of_smallest_gains_is_that_of_the_planner():
    rows = table_rows(section(page("docs/evaluation.md"), "Smallest gain"))
    told = {int(items): float(cells[0]) for items, cells in rows.items() if items.isdigit()}

    assert len(told) >= 5
    for items, points in told.items():
        gain = planning.smallest_gain(items)
        assert gain is not None
        assert round(100 * gain, 1) == points


def test_every_metric_and_every_verdict_has_a_row():
    metrics = table_rows(section(page("docs/evaluation.md"), "Metrics"))
    verdicts = table_rows(section(page("docs/evaluation.md"), "Verdict"))

    assert {metric.value for metric in Metric} <= set(metrics)
    assert {verdict.value for verdict in jobs.Verdict} == set(verdicts)


def messages() -> dict[str, set[str]]:
    """Return the fields of specs and results by kind of job, with those of the messages inside them."""
    found: dict[str, set[str]] = {}
    for union in (jobs.Spec, jobs.Payload):
        for message in get_args(get_args(union)[0]):
            kind = message.model_fields["kind"].default.value
            found.setdefault(f"{kind} of {union is jobs.Spec}", set()).update(message.model_fields)
    return found


def test_the_contract_of_the_job_folder_names_every_field_and_word():
    text = page("docs/job-folder.md")
    rows = {True: section(text, "`spec.json`"), False: section(text, "`result.json`")}

    assert len(messages()) == 12
    for name, fields in messages().items():
        kind, _, is_spec = name.partition(" of ")
        told = table_rows(rows[is_spec == "True"])[kind][0]
        assert fields - {"kind"} <= coded(told), name
    inner: list[type[BaseModel]] = [jobs.Progress, jobs.JobResult, jobs.JobError, jobs.FileRef]
    inner += [
        jobs.Baseline,
        jobs.Candidate,
        jobs.ModelRef,
        jobs.Comparison,
        jobs.ScoredItem,
        jobs.RowError,
        Recipe,
    ]
    for message in inner:
        assert set(message.model_fields) <= coded(text), message.__name__
    for words in (jobs.StopMode, jobs.JobOutcome, jobs.JobKind):
        assert {word.value for word in words} <= coded(text)


ROWS = "\n".join(f"question {n},answer {n}" for n in range(40))
REFUSED: dict[str, tuple[bytes, dict[str, int]]] = {
    "nothing": (b"", {}),
    "a document": (b"PK\x03\x04word/document.xml", {}),
    "a NUL": (b"prompt,completion\nhel\x00lo,a\n", {}),
    "an open quote": (b'prompt,completion\n"hello,a\nworld,b\n', {}),
    "half a JSON": (b'[{"prompt": "a", "completion": "b"}, {"prompt": ', {}),
    "brackets": (b"[" * 100_000, {}),
    "no text": (b"id,number\n1,10\n2,20\n3,30\n", {}),
    "few rows": (b"prompt,completion\na,b\nc,d\n", {}),
    "many rows": (f"prompt,completion\n{ROWS}".encode(), {"max_rows": 20}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_message_on_the_page_is_the_one_that_people_get(what, tmp_path):
    content, limits = REFUSED[what]

    message = refusal(tmp_path, content, **({"min_rows": 30} | limits)).message

    assert f'"{prose(message)}"' in prose(page("docs/data.md"))
