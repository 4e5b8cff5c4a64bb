"""The general suite: what it holds, what its numbers allow to say, and base and tuned on it in real evaluations."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from agents.jobs import EvaluateResult, GeneralMeasure, JobOutcome, JobResult, Kept
from agents.recipe import Method
from agents.worker import general, verdict
from agents.worker.general import FILE, General, outcome, scores
from tests.worker.forkserver import ForkServer
from tests.worker.test_known_answers import left_by
from tests.worker.tiny_model import (
    RECIPE,
    colours,
    evaluate_spec,
    method_recipe,
    method_spec,
    open_job,
    shaped,
    train_spec,
    write_records,
    write_rows,
)

SUITE = "939da259a83fd1e208eda98715e14823d16984952878361395cf0118595c8e9f"
MARGIN = 2.0


def test_the_suite_is_the_one_that_figures_are_quoted_for() -> None:
    suite = General.read()

    assert suite.sha256 == hashlib.sha256(FILE.read_bytes()).hexdigest() == SUITE
    assert Counter(question.ability for question in suite.questions) == dict.fromkeys(
        ("facts", "arithmetic", "instructions", "reading", "completion"), 20
    )
    assert len({question.prompt for question in suite.questions}) == 100
    assert all(len({q.right, *q.wrong}) == 4 for q in suite.questions)


def judged(base: list[float], tuned: list[float], margin_points: float = MARGIN) -> Kept:
    suite = General.read()
    suite.scores = [
        {GeneralMeasure.SURE: np.array(s), GeneralMeasure.CHOICE: np.full(100, 0.8)}
        for s in (base, tuned)
    ]
    return suite.compared(margin_points).outcome


def test_how_sure_a_model_is_and_whether_it_knows_better_are_two_things() -> None:
    half = float(np.log(0.5))
    lengths = np.full((2, 4), 2.0)

    found = scores(np.array([[half, half, half, half], [half, half - 50, -999, -9999]]), lengths)

    assert found[GeneralMeasure.SURE] == pytest.approx([0.5, 0.5])
    assert found[GeneralMeasure.CHOICE] == pytest.approx([0.25, 1.0])


def test_kept_is_what_is_kept_by_both_measures_and_harm_by_one_is_harm() -> None:
    same, lower = np.full(100, 0.8), np.full(100, 0.7)
    wide = same + np.tile([0.2, -0.2], 50)
    found = {}
    for name, sure, choice in (
        ("both", same, same),
        ("sure", lower, same),
        ("choice", same, lower),
        ("open", same, wide),
        ("open and worse", lower, wide),
    ):
        suite = General.read()
        suite.scores = [
            {GeneralMeasure.SURE: same, GeneralMeasure.CHOICE: same},
            {GeneralMeasure.SURE: sure, GeneralMeasure.CHOICE: choice},
        ]
        found[name] = suite.compared(MARGIN)

    assert {name: forgetting.outcome for name, forgetting in found.items()} == {
        "both": Kept.HELD,
        "sure": Kept.HARMED,
        "choice": Kept.HARMED,
        "open": Kept.NOT_SHOWN,
        "open and worse": Kept.HARMED,
    }
    assert [score.outcome for score in found["choice"].scores] == [Kept.HELD, Kept.HARMED]
    facts = found["choice"].abilities[0]
    assert (facts.name, facts.items) == ("facts", 20)
    assert facts.tuned_sure == pytest.approx(0.8)
    assert facts.tuned_choice == pytest.approx(0.7)


def test_only_a_loss_that_is_ruled_out_counts_as_kept() -> None:
    chance = np.random.default_rng(3)
    base = chance.uniform(0.4, 0.9, 100)
    jitter = chance.normal(0, 0.05, 100)
    jitter -= jitter.mean()

    found = {
        loss: judged(base.tolist(), (base + jitter - loss).tolist())
        for loss in (-0.05, 0.0, 0.005, 0.012, 0.02, 0.05)
    }

    assert found == {
        -0.05: Kept.HELD,
        0.0: Kept.HELD,
        0.005: Kept.HELD,
        0.012: Kept.HARMED,  # 1.2 points for certain, and 2 are not ruled out
        0.02: Kept.HARMED,
        0.05: Kept.HARMED,
    }
    wide = 5 * jitter
    assert judged(base.tolist(), (base + wide).tolist()) is Kept.NOT_SHOWN
    assert judged(base.tolist(), (base + jitter - 0.05).tolist(), 10.0) is Kept.HELD


def test_with_right_or_wrong_not_even_equal_models_would_pass() -> None:
    same = np.ones(100)

    binary = verdict.compare_right_or_wrong(same, same)

    assert outcome(binary, MARGIN / 100) is Kept.NOT_SHOWN
    assert judged([0.7] * 100, [0.7] * 100) is Kept.HELD


# ---- with models ----------------------------------------------------------------------------------------------------


def taught(worker: ForkServer, tiny: Path, root: Path, place: int) -> Path:
    """Return an adapter that has learnt the answers at a place of each question of the suite by heart."""
    items = json.loads(FILE.read_bytes())
    pairs = [(i["prompt"], [i["right"], *i["wrong"]][place]) for i in items]
    root.mkdir()
    rows = write_rows(root / "rows.jsonl", pairs)
    recipe = RECIPE.model_copy(update={"epochs": 12.0, "batch_size": 8, "lora_dropout": 0.0})
    job = open_job(root / "job", train_spec(tiny, root, train=rows, dev=rows, recipe=recipe))
    result = worker.run(job)
    assert result is not None
    assert result.outcome is JobOutcome.SUCCEEDED, result
    return job / "artifacts/adapter"


def evaluated(result: JobResult | None) -> EvaluateResult:
    assert result is not None
    assert isinstance(result.payload, EvaluateResult), result
    return result.payload


@pytest.mark.torch
def test_a_model_that_learnt_the_right_answers_scores_higher_than_one_that_learnt_wrong_ones(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    test = write_rows(tmp_path / "t.jsonl", colours(24))
    found = {}
    for name, place in (("right", 0), ("wrong", 1)):
        adapter = taught(worker, tiny, tmp_path / name, place)
        spec = evaluate_spec(tiny, tmp_path, adapter, test, general_margin_points=MARGIN)
        found[name] = evaluated(worker.run(open_job(tmp_path / f"{name}-job", spec))).forgetting

    right, wrong = found["right"], found["wrong"]
    assert (right.items, right.suite, right.margin_points) == (100, SUITE[:12], MARGIN)
    by_right, by_wrong = ({s.measure: s for s in f.scores} for f in (right, wrong))
    for measure in GeneralMeasure:
        assert by_right[measure].base == by_wrong[measure].base
    # so small a model learns what answers look like, whichever they are, and little of which is right
    choice = GeneralMeasure.CHOICE
    assert by_right[choice].tuned > by_wrong[choice].tuned
    assert by_right[GeneralMeasure.SURE].low > 0
    assert by_right[GeneralMeasure.SURE].outcome is Kept.HELD


@pytest.mark.torch
def test_the_suite_neither_counts_as_answers_nor_changes_the_verdict_and_the_base_is_asked_once(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    job = open_job(tmp_path / "train", train_spec(tiny, tmp_path))
    assert worker.status(job) == 0
    test = write_rows(tmp_path / "t.jsonl", colours(24))
    plain = evaluate_spec(tiny, tmp_path, job / "artifacts/adapter", test)
    asking = plain.model_copy(update={"general_margin_points": MARGIN})

    without = evaluated(worker.run(open_job(tmp_path / "a", plain)))
    first = evaluated(worker.run(open_job(tmp_path / "b", asking)))
    known = left_by(tmp_path / "b", first)
    again = asking.model_copy(update={"known_answers": known})
    second = evaluated(worker.run(open_job(tmp_path / "c", again)))

    assert without.forgetting is None
    assert (first.comparisons, first.answers_given) == (without.comparisons, without.answers_given)
    assert second.forgetting == first.forgetting
    lines = (tmp_path / "b" / first.known_answers.path).read_text().count("mean_log_prob")
    assert lines == 24 + 4 * len(general.General.read().questions)


@pytest.mark.torch
def test_methods_without_references_are_asked_too(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    root = tmp_path
    for method in (Method.DPO, Method.GRPO):
        job = open_job(root / f"{method}-train", method_spec(tiny, root / method, method))
        assert worker.status(job) == 0
        rows = write_records(root / f"{method}.jsonl", shaped(method, 24))
        spec = evaluate_spec(
            tiny,
            root,
            job / "artifacts/adapter",
            rows,
            recipe=method_recipe(method),
            general_margin_points=MARGIN,
        )
        found = evaluated(worker.run(open_job(root / f"{method}-job", spec)))
        assert found.forgetting.items == 100
        assert all(0 < score.base < 1 for score in found.forgetting.scores)
