"""The numbers, words and messages on the pages against the code that they come from."""

import ast
from typing import get_args

import pytest
from pydantic import BaseModel

from agents import jobs, planning
from agents.diagnosis import RULES, curves, lessons, rates, rows
from agents.recipe import Metric, Recipe
from tests.architecture.pages import ROOT, coded, page, prose, section, table_rows
from tests.worker.intake import refusal


def test_every_rule_of_the_debugger_has_a_row():
    findings = []
    modules = sorted((ROOT / "agents/diagnosis").glob("*.py"))
    others = ("asked", "rows_wanted", "row_doubts", "row_forecast", "remark_changes")
    for module in (*modules, *(ROOT / f"agents/{name}.py" for name in others)):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding":
                assert isinstance(node.args[0], ast.Constant)
                findings.append(node.args[0].value)

    told = table_rows(page("docs/debugging.md").partition("## ")[0])

    assert len(set(findings)) >= len(RULES) + 5
    assert set(findings) == set(told)


THRESHOLDS = {
    "learning_rate_too_high": (f"by {rates.LARGE_UPDATE:g} times",),
    "divergence": (f"{rates.ROSE:g} × its lowest", f"last {rates.LOGS} steps"),
    "learning_rate_too_low": (
        f"{rates.FEWEST_STEPS} steps",
        f"less than {rates.SMALL_UPDATE:g} of",
    ),
    "gradient_norm": (
        f"{rates.FEWEST_JUMPS} steps",
        f"above {rates.HIGH_NORM:g}",
        f"{rates.JUMP:g} × the median of the {rates.WINDOW}",
    ),
    "unstable_seeds": (f"by {rates.APART:g} or", f"by {rates.APART_NATS:g} nats"),
    "spike": (f"{rates.HIGHER:g} nat ",),
    "masked_labels": (f"{lessons.LEFT_OUT:.0%} of",),
    "template_mismatch": (f"{lessons.MARKED:.0%} of", f"{100 * lessons.OTHERWISE:g} points"),
    "truncation": (
        f"{lessons.CUT:.0%} of",
        f"{lessons.CUT_WORDS} words",
        f"{lessons.CUT_CHARS} characters",
    ),
    "format_drift": (
        f"between {100 * lessons.MIXED:g} and {1 - lessons.MIXED:.0%}",
        f"under {lessons.DRIFTED:.0%}",
    ),
    "swapped_columns": (f"{rows.SWAPPED_LENGTH} × as long",),
    "constant_answers": (f"{rows.CONSTANT:.0%} of",),
    "leak": (f"{rows.LEAKS:.0%} of",),
    "conflicting_labels": (f"{rows.CONFLICTS:.0%} of", f"text {rows.CONFLICTS_OF_TEXTS:.0%}"),
    "empty_answers": (f"{rows.EMPTIES:.0%} of",),
    "personal_data": (f"{rows.PRIVATE_ROWS} rows",),
    "label_noise": (f"in {rows.FEWEST_CONTRADICTED} rows or", f"{rows.CONTRADICTED:.0%}"),
    "mixed_languages": (f"{rows.OTHER_LANGUAGES:.0%} of",),
    "duplicates": (f"{rows.DUPLICATES:.0%} of",),
    "memorising": (f"{100 * curves.BY_HEART:g} points",),
    "overfit": (
        f"{curves.OVERFIT_RATIO:g} × the best",
        f"{curves.OVERFIT_AT_ONCE:g} × it",
        f"{curves.LOST_NATS:g} nats",
    ),
    "underfit": (f"{curves.STILL_FALLING:.0%} or more", f"and {curves.MUCH_LEFT:g} of"),
    "nothing_learnt": (f"{curves.LEARNT:.0%} or more",),
    "too_few_rows": (f"than {rows.FEW_ROWS} ",),
}


@pytest.mark.parametrize("rule", THRESHOLDS)
def test_a_threshold_of_the_debugger_is_the_one_on_the_page(rule):
    seen_when = table_rows(page("docs/debugging.md").partition("## ")[0])[rule][0]

    for words in THRESHOLDS[rule]:
        assert words.replace("%", " %") in seen_when


def test_the_changes_of_the_debugger_are_those_on_the_page():
    rules = table_rows(page("docs/debugging.md").partition("## ")[0])

    assert f"at most {curves.MOST_EPOCHS:g}" in rules["underfit"][1]


def test_the_table_of_smallest_gains_is_that_of_the_planner():
    gains = table_rows(section(page("docs/evaluation.md"), "Smallest gain"))
    told = {int(items): float(cells[0]) for items, cells in gains.items() if items.isdigit()}

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
    parts = {True: section(text, "`spec.json`"), False: section(text, "`result.json`")}

    assert len(messages()) == 30
    for name, fields in messages().items():
        kind, _, is_spec = name.partition(" of ")
        told = table_rows(parts[is_spec == "True"])[kind][0]
        assert fields - {"kind"} <= coded(told), name
    inner: list[type[BaseModel]] = [jobs.Progress, jobs.JobResult, jobs.JobError, jobs.FileRef]
    inner += [
        jobs.RowFacts,
        jobs.Targets,
        jobs.Probe,
        jobs.Baseline,
        jobs.Candidate,
        jobs.CandidateOutcome,
        jobs.ModelRef,
        jobs.Comparison,
        jobs.Slice,
        jobs.ScoredItem,
        jobs.RowError,
        jobs.Doubt,
        jobs.Trial,
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
