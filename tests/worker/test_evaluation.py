"""Base against tuned on the same items, and the measurement behind an estimate, on a tiny model."""

import shutil
from pathlib import Path

import pytest

from agents.jobs import (
    Answered,
    Changes,
    EvaluateResult,
    JobOutcome,
    JobResult,
    MeasureResult,
    StopMode,
    TrainResult,
    Verdict,
    heartbeat_mark,
    read_progress,
    read_result,
    request_stop,
)
from agents.recipe import Metric
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import (
    RECIPE,
    TRAIN_ROWS,
    colours,
    evaluate_spec,
    measure_spec,
    open_job,
    train_spec,
    write_rows,
)

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def says_yes(worker: ForkServer, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that has learnt to answer everything with "yes"."""
    root = tmp_path_factory.mktemp("yes")
    rows = write_rows(root / "yes.jsonl", colours(TRAIN_ROWS, "yes"))
    recipe = RECIPE.model_copy(update={"epochs": 6.0})
    job = open_job(root / "job", train_spec(tiny, root, train=rows, dev=rows, recipe=recipe))
    result = worker.run(job)
    assert result is not None
    assert result.outcome is JobOutcome.SUCCEEDED
    return job / "artifacts/adapter"


def evaluated(result: JobResult | None) -> EvaluateResult:
    assert result is not None
    assert isinstance(result.payload, EvaluateResult), result
    return result.payload


def test_the_template_that_models_were_asked_in_is_told_and_can_be_compared_with_the_training_s(
    worker: ForkServer, tiny: Path, says_yes: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(tiny, tmp_path / "other"))
    (other / "chat_template.jinja").write_text(
        "{% for m in messages %}> {{ m['content'] }}\n{% endfor %}"
    )
    test = write_rows(tmp_path / "t.jsonl", [("is it blue?", "Yes"), ("is it red?", "Yes")])
    learnt = read_result(says_yes.parents[1])
    assert learnt is not None
    assert isinstance(learnt.payload, TrainResult)

    same, changed = (
        evaluated(
            worker.run(open_job(tmp_path / name, evaluate_spec(base, tmp_path, says_yes, test)))
        )
        for name, base in (("same", tiny), ("changed", other))
    )

    assert learnt.payload.template_sha256 is not None
    assert same.template_sha256 == learnt.payload.template_sha256
    assert changed.template_sha256 != learnt.payload.template_sha256


def test_a_tuned_model_that_answers_right_is_better(
    worker: ForkServer, tiny: Path, says_yes: Path, tmp_path: Path
) -> None:
    pairs = [(f"is it {prompt}?", "Yes") for prompt, _ in colours(40)]
    job = open_job(
        tmp_path / "job",
        evaluate_spec(tiny, tmp_path, says_yes, write_rows(tmp_path / "t.jsonl", pairs)),
    )

    payload = evaluated(worker.run(job))

    assert payload.verdict is Verdict.BETTER
    assert (payload.items, payload.openings, payload.more_items_needed) == (40, 1, None)
    assert payload.primary.metric is Metric.EXACT_MATCH
    assert (payload.primary.base, payload.primary.tuned) == (0, 1)
    assert payload.primary.low > 0.8
    assert (payload.primary.gained, payload.primary.lost, payload.groups) == (40, 0, None)
    assert [(part.by, part.items, part.verdict) for part in payload.slices] == [
        ("prompt length", 22, Verdict.BETTER),
        ("prompt length", 18, None),
    ]
    found = {c.metric: c for c in payload.comparisons}
    assert set(found) == {
        Metric.EXACT_MATCH,
        Metric.TOKEN_F1,
        Metric.CHRF,
        Metric.ROUGE_L,
        Metric.BLEU,
        Metric.BITS_PER_BYTE,
        Metric.LENGTH_RATIO,
        Metric.REFUSALS,
    }
    for metric in (Metric.EXACT_MATCH, Metric.TOKEN_F1, Metric.CHRF, Metric.ROUGE_L):
        assert found[metric].tuned > found[metric].base
    assert payload.breakdown.form == "text"
    assert payload.breakdown.tuned_answer_s > 0
    assert {item.tuned for item in payload.best} == {"yes"}
    assert all((item.reference, item.tuned_score) == ("Yes", 1) for item in payload.best)
    lines = (job / payload.answers.path).read_text().splitlines()
    both = [Answered.model_validate_json(line) for line in lines]
    assert [(said.prompt, said.tuned) for said in both] == [(prompt, "yes") for prompt, _ in pairs]
    assert all(said.base != "yes" for said in both)
    told = read_progress(job)
    for model, before in (("base", 0), ("tuned", 40)):
        steps = [line.step for line in told if line.stage == f"answering with the {model} model"]
        assert steps == sorted(steps)
        assert (steps[0], steps[-1]) == (0, before + 40)
    assert {line.steps for line in told if line.stage.startswith("answering")} == {80}


def test_best_and_worst_items_lie_side_by_side(
    worker: ForkServer, tiny: Path, says_yes: Path, tmp_path: Path
) -> None:
    pairs = [(prompt, "yes" if i % 3 else "no") for i, (prompt, _) in enumerate(colours(30))]
    test = write_rows(tmp_path / "t.jsonl", pairs)

    payload = evaluated(
        worker.run(open_job(tmp_path / "job", evaluate_spec(tiny, tmp_path, says_yes, test)))
    )

    assert {item.reference for item in payload.worst} == {"no"}
    assert {item.reference for item in payload.best} == {"yes"}
    assert len({item.row for item in (*payload.worst, *payload.best)}) == 10
    assert all(item.prompt == pairs[item.row - 2][0] for item in payload.worst)
    assert {(item.reference, item.base_score, item.tuned_score) for item in payload.changed} == {
        ("no", 0, 0)
    }
    assert len({item.row for item in (*payload.worst, *payload.changed)}) == 10
    assert payload.changes == Changes(differ=30, higher=20, lower=0, same=10)


def test_the_rows_that_were_trained_on_tell_that_answers_are_labels(
    worker: ForkServer, tiny: Path, says_yes: Path, tmp_path: Path
) -> None:
    train = write_rows(tmp_path / "train.jsonl", colours(TRAIN_ROWS))
    test = write_rows(tmp_path / "t.jsonl", [(f"is it {p}?", a) for p, a in colours(24)])
    spec = evaluate_spec(tiny, tmp_path, says_yes, test, train=train)

    payload = evaluated(worker.run(open_job(tmp_path / "job", spec)))

    (field,) = payload.breakdown.fields
    assert payload.breakdown.form == "labels"
    assert Metric.MACRO_F1 in {c.metric for c in payload.comparisons}
    assert (field.tuned, field.most_frequent, field.is_guessed) == (0, "red", True)
    assert {score.label for score in payload.breakdown.labels} == {"red", "green", "blue"}
    assert {c.said for c in payload.breakdown.confusions} == {"yes"}


def test_where_nothing_became_better_nothing_is_shown_as_better(
    worker: ForkServer, tiny: Path, says_yes: Path, tmp_path: Path
) -> None:
    test = write_rows(tmp_path / "t.jsonl", [(prompt, "no") for prompt, _ in colours(24)])

    payload = evaluated(
        worker.run(open_job(tmp_path / "job", evaluate_spec(tiny, tmp_path, says_yes, test)))
    )

    assert payload.best == ()
    assert len(payload.worst) == 5


def test_only_so_many_rows_are_scored_and_few_allow_no_verdict(
    worker: ForkServer, tiny: Path, says_yes: Path, tmp_path: Path
) -> None:
    test = write_rows(tmp_path / "t.jsonl", colours(40, "yes"))
    recipe = RECIPE.model_copy(update={"max_test_rows": 12, "primary_metric": Metric.CHRF})
    spec = evaluate_spec(tiny, tmp_path, says_yes, test, recipe=recipe, earlier_p_values=(0.5, 0.2))

    payload = evaluated(worker.run(open_job(tmp_path / "job", spec)))

    assert payload.verdict is Verdict.CANNOT_TELL
    assert (payload.items, payload.openings, payload.more_items_needed) == (12, 3, 8)
    assert payload.primary.metric is Metric.CHRF
    bits = next(c for c in payload.comparisons if c.metric is Metric.BITS_PER_BYTE)
    assert bits.tuned < 1 < bits.base
    assert bits.high < 0
    assert payload.adjusted_p_value == pytest.approx(6 * payload.primary.p_value)
    assert payload.slices == ()


def test_prompts_asked_again_are_no_more_evidence_and_a_wish_for_more_is_heard(
    worker: ForkServer, tiny: Path, says_yes: Path, tmp_path: Path
) -> None:
    pairs = colours(24, "yes")
    recipe = RECIPE.model_copy(update={"target_gain_points": 100.0})
    wish = evaluate_spec(
        tiny,
        tmp_path,
        says_yes,
        write_rows(tmp_path / "w.jsonl", [*pairs[:23], (pairs[23][0], "no")]),
        recipe=recipe,
    )
    again = evaluate_spec(tiny, tmp_path, says_yes, write_rows(tmp_path / "a.jsonl", pairs[:8] * 3))

    asked, repeated = (
        evaluated(worker.run(open_job(tmp_path / name, spec)))
        for name, spec in (("w", wish), ("a", again))
    )

    assert (asked.verdict, asked.target_gain_points) == (Verdict.SMALLER_THAN_ASKED, 100)
    assert (repeated.items, repeated.groups) == (24, 8)
    assert repeated.verdict is Verdict.CANNOT_TELL
    assert "8 groups of items that resemble each other" in repeated.verdict_reason


@pytest.mark.parametrize(
    ("mode", "outcome"),
    [
        (StopMode.CANCEL, JobOutcome.CANCELLED),
        (StopMode.FINISH, JobOutcome.CANCELLED),
        (StopMode.PAUSE, JobOutcome.PAUSED),
    ],
)
def test_an_evaluation_obeys_every_stop(
    worker: ForkServer,
    tiny: Path,
    says_yes: Path,
    tmp_path: Path,
    mode: StopMode,
    outcome: JobOutcome,
) -> None:
    test = write_rows(tmp_path / "t.jsonl", colours(24))
    job = open_job(tmp_path / "job", evaluate_spec(tiny, tmp_path, says_yes, test))
    request_stop(job, mode)

    result = worker.run(job)

    assert result is not None
    assert result.outcome is outcome
    assert result.payload is None


@pytest.mark.parametrize("damage", ["gone", "broken", "other", "exchanged"])
def test_an_adapter_that_cannot_be_used_is_told_in_a_sentence(
    worker: ForkServer, tiny: Path, says_yes: Path, tmp_path: Path, damage: str
) -> None:
    adapter = shutil.copytree(says_yes, tmp_path / "adapter")
    weights = adapter / "adapter_model.safetensors"
    if damage == "gone":
        weights.rename(adapter / "adapter_model.bin")
    elif damage == "broken":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "other":
        (adapter / "adapter_config.json").write_text('{"peft_type": "LORA", "r": "many"}')
    test = write_rows(tmp_path / "t.jsonl", colours(24))
    spec = evaluate_spec(tiny, tmp_path, adapter, test)
    if damage == "exchanged":  # whole, and yet not the one that was trained
        spec = spec.model_copy(update={"adapter_sha256": "f" * 64})

    result = worker.run(open_job(tmp_path / "job", spec))

    assert result is not None
    assert result.error is not None
    assert (result.error.code, result.error.for_person) == ("model_missing", True)


def test_base_answers_do_not_depend_on_the_adapter_or_the_company(
    worker: ForkServer, tiny: Path, says_yes: Path, tmp_path: Path
) -> None:
    pairs = colours(10)
    alone = write_rows(tmp_path / "alone.jsonl", pairs[:1])
    among = write_rows(tmp_path / "among.jsonl", pairs)

    single, many = (
        evaluated(
            worker.run(open_job(tmp_path / name, evaluate_spec(tiny, tmp_path, says_yes, test)))
        )
        for name, test in (("a", alone), ("b", among))
    )

    (answer,) = single.worst
    shown = {item.row: item for item in (*many.worst, *many.best)}
    assert (shown[2].base, shown[2].tuned) == (answer.base, answer.tuned)


def test_a_measurement_has_the_facts_of_an_estimate(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    pairs = [*colours(50), ("what?", "red" * 80)]
    train = write_rows(tmp_path / "train.jsonl", pairs)
    recipe = RECIPE.model_copy(update={"max_length_tokens": 240})
    job = open_job(tmp_path / "job", measure_spec(tiny, train, recipe))

    result = worker.run(job)

    assert result is not None
    payload = result.payload
    assert isinstance(payload, MeasureResult)
    assert (payload.parameters, payload.context_tokens, payload.device) == (27168, 256, "cpu")
    assert 35 < payload.tokens_mean < payload.tokens_p95 < 60 < 240 < payload.tokens_max
    assert (payload.completion_tokens_p95, payload.completion_tokens_max) == (7, 242)
    assert payload.rows_over_context == 1
    assert 0 < payload.decode_token_s < payload.step_s < 60
    assert payload.load_s > 0
    assert payload.peak_memory_bytes > 100 * 2**20
    assert heartbeat_mark(job)
    assert sorted(path.name for path in job.iterdir()) == [
        "heartbeat",
        "log.txt",
        "progress.jsonl",
        "result.json",
        "spec.json",
        "worker.lock",
    ]
