"""The zoo: that it is scored as it says, and that the page shows its score."""

import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.diagnosis import RULES, Evidence, diagnose
from agents.recipe import Recipe
from benchmarks.zoo import faults, keeping, language, playing, scoring
from benchmarks.zoo.scoring import SCORE_SEEDS, SEEN_SEEDS, TUNING_SEEDS, Case, Score, Share
from benchmarks.zoo.situations import ALL, FAULTY, HEALTHY, Situation
from tests.architecture.pages import page, table_rows
from tests.benchmarks import zoo_evidence
from tests.facts import a_measurement, a_training, an_intake

BY_NAME = {situation.name: situation for situation in ALL}


def case(name: str, *found: str) -> Case:
    return Case(BY_NAME[name], 1, found)


SCORED = Score(
    [
        case("rate_by_100", "learning_rate_too_low"),
        case("by_heart", "overfit", "memorising"),
        case("too_few_rows", "overfit", "spike", "underfit", "too_few_rows"),
        case("healthy_labels"),
        case("healthy_hard", "underfit"),
    ]
)


def test_first_findings_and_findings_among_three_and_false_alarms_are_counted() -> None:
    assert (SCORED.top_1.count, SCORED.top_1.of) == (1, 3)
    assert (SCORED.top_3.count, SCORED.top_3.of) == (2, 3)
    assert (SCORED.false_alarms.count, SCORED.false_alarms.of) == (1, 2)
    assert SCORED.summary()[0].startswith("first finding right: 33.3 % (1 of 3; ")


def test_bars_that_are_missed_are_named() -> None:
    right = Score([case("rate_by_100", "learning_rate_too_low"), case("healthy_labels")])

    assert right.missed == []
    assert SCORED.missed == [
        "90 % found first",
        "97 % among the first three",
        "at most 5 % false alarms",
    ]


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(0, 40, 0.0, 0.0876), (145, 145, 0.9742, 1.0), (9, 10, 0.5958, 0.9821)],
)
def test_intervals_are_wilson_s(count: int, of: int, low: float, high: float) -> None:
    assert Share(count, of).interval == pytest.approx((low, high), abs=1e-4)


def test_the_confusion_matrix_has_a_line_for_what_was_planted_and_a_column_for_what_was_found() -> (
    None
):
    text = scoring.confusion(SCORED)

    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines()[1:-1]}
    columns = re.findall(r"\d+ (\w+)", text.splitlines()[-1])
    assert list(lines) == [
        "learning_rate_too_low",
        "memorising",
        "too_few_rows",
        "nothing",
    ]
    assert lines["too_few_rows"][columns.index("overfit")] == "1"
    assert lines["nothing"][columns.index("nothing")] == "1"
    assert lines["nothing"][columns.index("underfit")] == "1"


def test_the_zoo_is_as_large_as_it_says_and_every_planted_fault_has_a_rule() -> None:
    expected = {situation.expected for situation in FAULTY}
    names = {finding.__name__ for finding in RULES} | {"non_finite_loss"}

    assert len(FAULTY) >= 20
    assert len(HEALTHY) >= 5
    assert len(BY_NAME) == len(ALL)
    assert expected <= names
    assert len(expected) >= 20


def test_nobody_is_scored_on_what_thresholds_were_chosen_on() -> None:
    assert not {*TUNING_SEEDS, *SEEN_SEEDS} & set(SCORE_SEEDS)


def test_the_score_on_the_page_is_of_these_situations() -> None:
    told = page("docs/debugging.md").partition(scoring.BEGIN)[2].partition(scoring.END)[0]

    rows = table_rows(told)
    assert list(rows) == [f"{situation.name}" for situation in ALL]
    assert [cells[0].strip("`") for cells in rows.values()] == [
        situation.expected or scoring.HEALTHY for situation in ALL
    ]
    counts = [tuple(map(int, cells[1:4])) for cells in rows.values()]
    faulty = [row for row, situation in zip(counts, ALL, strict=True) if situation.expected]
    first, seeds = sum(row[1] for row in faulty), sum(row[0] for row in faulty)
    assert f"({first} of {seeds};" in told
    assert all(row[1] <= row[2] <= row[0] for row in counts)


def test_the_published_score_is_what_the_rules_say_today_of_what_was_played() -> None:
    cases = [
        Case(situation, seed, tuple(finding.rule for finding in diagnose(evidence)))
        for situation, seed, evidence in zoo_evidence.read()
    ]
    score = Score(cases)

    told = page("docs/debugging.md").partition(scoring.BEGIN)[2].partition(scoring.END)[0]
    assert told.strip() == scoring.table(score, SCORE_SEEDS)
    played = {(case.situation.name, case.seed) for case in cases}
    assert len(cases) == len(played) == len(ALL) * len(SCORE_SEEDS)
    assert score.missed == []


def test_a_score_is_published_between_the_marks_and_nothing_else_changes(tmp_path: Path) -> None:
    copy = tmp_path / "page.md"
    copy.write_text(f"before\n{scoring.BEGIN}\nold\n{scoring.END}\nafter\n")

    scoring.publish(copy, scoring.table(SCORED, (201,)))

    text = copy.read_text()
    assert text.startswith(f"before\n{scoring.BEGIN}\nSeeds 201: first finding right: 33.3 %")
    assert text.endswith(f"{scoring.END}\nafter\n")
    assert "| `by_heart` | `memorising` | 1 | 0 | 1 | `overfit` × 1 |" in text
    assert "old" not in text


def test_evidence_is_the_same_after_it_was_kept() -> None:
    evidence = Evidence(
        recipe=Recipe(model="zoo"),
        train_rows=9,
        data=an_intake(),
        measured=a_measurement(),
        trained=a_training(),
    )

    assert playing.from_json(playing.to_json(evidence)) == evidence


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("the rows", {"rows": BY_NAME["healthy_replies"].rows}),
        ("the recipe", {"recipe": {"epochs": 6.0}}),
        ("the worker's fault", {"worker": faults.end_not_learnt}),
        ("the base model", {"trained_on": faults.overflowing}),
        ("how it is asked", {"asked_as": faults.other_template}),
        ("how often it is trained", {"other_seeds": 3}),
    ],
)
def test_evidence_is_not_taken_again_when_what_it_depends_on_has_changed(
    what: str, changes: dict[str, Any]
) -> None:
    plain = BY_NAME["healthy_labels"]

    def kept(situation: Situation, seed: int = 1) -> str:
        return keeping.name(situation, seed, {}, real=False)

    assert kept(replace(plain, **changes)) != kept(plain), what
    assert kept(plain, 2) != kept(plain)
    # what it is scored by is not part of it
    assert kept(replace(plain, expected="overfit")) == kept(plain)


def test_evidence_is_not_taken_again_when_the_worker_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "ROOT", tmp_path)
    monkeypatch.setattr(keeping, "SOURCES", ("agents/worker",))
    source = tmp_path / "agents/worker/deep/train.py"
    source.parent.mkdir(parents=True)
    source.write_text("steps = 1\n")
    before = keeping.program.__wrapped__()
    source.write_text("steps = 2\n")

    assert keeping.program.__wrapped__() != before


def test_what_evidence_depends_on_is_all_there() -> None:
    for source in keeping.SOURCES:
        assert (keeping.ROOT / source).exists(), source


def test_rows_of_a_seed_are_always_the_same_and_of_another_seed_others() -> None:
    for situation in ALL:
        one, same, other = (situation.rows(random.Random(seed)) for seed in (1, 1, 2))
        assert one == same != other, situation.name


def test_the_base_is_taught_no_task_of_the_zoo() -> None:
    chance = random.Random(1)
    taught = {language.lesson(chance)[1] for _ in range(2000)}

    assert not {word for text in taught for word in text.split()} & set(language.TEAMS.values())
