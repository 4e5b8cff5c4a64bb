"""Metrics of a person's own: rules as data, and plugins that only the settings can let in."""

# ruff: noqa: PLC0415  # importing `evaluate` takes seconds, which only these tests should pay

import sys
import time
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from agents.own_metric import OwnMetric, Rule, describe
from agents.worker.errors import WorkerError

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
READ: TypeAdapter[tuple[Rule, ...]] = TypeAdapter(OwnMetric)


def scores(
    folder: Path, rules: object, said: list[str], meant: list[str], allowed: tuple[str, ...] = ()
) -> list[float]:
    from agents.worker.metrics.own import Own, card

    module = Own(folder, card(READ.validate_python(rules), "package:no_such", allowed))
    return module.score(said, meant).items.tolist()


ORDER = '{"order": {"id": "QA-1", "price": 100, "items": ["a", "b"]}, "paid": true}'


@pytest.mark.parametrize(
    ("rule", "said", "expected"),
    [
        ({"kind": "json_path", "path": "order.id"}, '{"order": {"id": " qa-1"}}', 1),
        ({"kind": "json_path", "path": "$.order.id"}, '{"order": {"id": "QA-2"}}', 0),
        ({"kind": "json_path", "path": "order.items[1]"}, '{"order": {"items": [0, "b"]}}', 1),
        ({"kind": "json_path", "path": "order.items[1]"}, '{"order": {"items": ["b"]}}', 0),
        ({"kind": "json_path", "path": "order.items[9]"}, "{}", 1),  # neither has it
        (
            {"kind": "json_path", "path": "order.price", "relative": 0.05},
            '{"order": {"price": 104.9}}',
            1,
        ),
        (
            {"kind": "json_path", "path": "order.price", "relative": 0.05},
            '{"order": {"price": 106}}',
            0,
        ),
        (
            {"kind": "json_path", "path": "order.price", "absolute": 6},
            '{"order": {"price": 106}}',
            1,
        ),
        ({"kind": "json_path", "path": "order.price"}, '{"order": {"price": 100.0}}', 1),
        ({"kind": "json_path", "path": "order.price"}, '{"order": {"price": %s}}' % ("9" * 400), 0),
        ({"kind": "json_path", "path": "paid"}, '{"paid": 1}', 0),
        ({"kind": "json_path", "path": "paid"}, "yes", 0),
        ({"kind": "json_path", "path": "paid"}, "", 0),
        ({"kind": "regex", "pattern": "QA-[0-9]+"}, "It is QA-77.", 1),
        ({"kind": "number", "relative": 0.1}, "true", 0),
    ],
)
def test_a_rule_scores_an_answer(rule, said, expected, tmp_path: Path) -> None:
    assert scores(tmp_path, rule, [said], [ORDER]) == [expected]


def test_several_rules_are_averaged_by_weight(tmp_path: Path) -> None:
    rules = '[{"kind": "regex", "pattern": "^A", "weight": 3}, {"kind": "length", "max_words": 1}]'

    assert scores(tmp_path, rules, ["A", "A b", "b c d"], [""] * 3) == [1, 0.75, 0]
    assert describe(READ.validate_python(rules)) == "regex + length"


def test_an_expression_that_never_ends_is_cut_off(tmp_path: Path) -> None:
    began_s = time.monotonic()

    assert scores(tmp_path, {"kind": "regex", "pattern": "^(a+)+$"}, ["a" * 40 + "!"], [""]) == [0]
    assert time.monotonic() - began_s < 60


@pytest.mark.parametrize(
    "rules",
    [
        "accuracy",
        {"kind": "python", "code": "1"},
        {"kind": "judge", "criterion": "be nice"},
        {"kind": "json_path", "path": "a..b"},
        {"kind": "json_path", "path": "a[?(@.b=~/(x+)+/)]"},
        {"kind": "plugin", "name": "os:system"},
        {"kind": "plugin", "name": "a", "path": "/tmp/a.py"},
        [{"kind": "exact_match"}] * 9,
    ],
)
def test_what_is_no_rule_is_refused_where_it_is_named(rules) -> None:
    with pytest.raises(ValidationError):
        READ.validate_python(rules)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that offers metrics, as a wheel would leave it."""
    site = tmp_path / "site"
    info = site / "house_metrics-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: house-metrics\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[tunewright.metrics]\nprefix = house_metrics:prefix\nbroken = house_metrics:broken\n"
    )
    (site / "house_metrics.py").write_text(
        "LOADED = True\n"
        "def prefix(answers, references):\n"
        "    return [a[:1] == r[:1] for a, r in zip(answers, references)]\n"
        "def broken(answers, references):\n"
        "    return [2.0] * len(answers)\n"
    )
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "house_metrics", raising=False)
    return site


def test_a_plugin_that_the_settings_name_scores_answers(package, tmp_path: Path) -> None:
    rule = {"kind": "plugin", "name": "prefix"}

    assert scores(tmp_path, rule, ["ab", "b"], ["ac", "c"], ("prefix",)) == [1, 0]


def test_a_plugin_that_they_do_not_name_is_not_even_loaded(package, tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"not among evaluation\.metric_plugins") as refused:
        scores(tmp_path, {"kind": "plugin", "name": "prefix"}, ["a"], ["a"])

    assert refused.value.for_person
    assert "house_metrics" not in sys.modules


@pytest.mark.parametrize(
    ("name", "why"), [("gone", "No installed package"), ("broken", "has to return")]
)
def test_a_plugin_that_cannot_be_used_is_told_in_a_sentence(package, name, why, tmp_path) -> None:
    with pytest.raises(WorkerError, match=why) as refused:
        scores(tmp_path, {"kind": "plugin", "name": name}, ["a"], ["a"], ("prefix", name))

    assert (refused.value.code, refused.value.for_person) == ("metric", True)
