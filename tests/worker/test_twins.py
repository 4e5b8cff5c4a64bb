"""Dev rows with one attribute changed: which are made, which are asked, and that a verdict does not know of them."""

from pathlib import Path
from typing import Any

import pytest

from agents.jobs import Attribute, Dependence, EvaluateResult, EvaluateSpec, SwapReport
from agents.worker import twins
from agents.worker.swaps import Neutral
from tests.worker.forkserver import ForkServer
from tests.worker.test_flips import prompts
from tests.worker.test_known_answers import left_by
from tests.worker.tiny_model import (
    RECIPE,
    colours,
    evaluate_spec,
    open_job,
    train_spec,
    write_lines,
    write_rows,
)


def read(tmp_path: Path, rows: list[tuple[str, str]], **more: Any) -> twins.Twins:
    dev = write_rows(tmp_path / "dev.jsonl", rows)
    spec = evaluate_spec(tmp_path, tmp_path, tmp_path, dev, swap_rows=dev, **more)
    found = twins.Twins.read(spec, tmp_path)
    assert found is not None
    return found


def labelled(count: int, first: str = "red", second: str = "blue") -> list[tuple[str, str]]:
    return [(text, (first, second)[n % 2]) for n, text in enumerate(prompts(count))]


def test_the_task_before_a_prompt_is_left_as_it_is_and_kinds_take_turns(tmp_path: Path) -> None:
    task = "Say whether he has maybe a complaint"
    rows = [(f"{task}\n\n{text}", answer) for text, answer in labelled(24)]

    found = read(tmp_path, rows, task=task)

    assert [c.twin.kind for c in found.couples[:4]] == [
        Neutral.WORDS,
        Attribute.GENDER_WORDS,
        Neutral.WORDS,
        Attribute.GENDER_WORDS,
    ]
    assert (len(found.couples), found.prompts) == (48, 72)
    assert all(c.prompt.startswith(f"{task}\n\n") for c in found.couples)
    assert found.couples[1].prompt.removeprefix(task) == f"\n\n{found.couples[1].twin.text}"


def test_with_too_few_rows_to_compare_nothing_is_asked(tmp_path: Path) -> None:
    without_control = [
        (text.replace("maybe", "").replace("perhaps", ""), a) for text, a in labelled(40)
    ]

    assert read(tmp_path, labelled(19)).couples == []
    assert read(tmp_path, without_control).couples == []
    assert read(tmp_path, labelled(20)).couples
    assert read(tmp_path, labelled(19)).report() == SwapReport(
        rows=19, change_points=None, attributes=(), asked_s=0.0
    )


@pytest.mark.parametrize(
    ("task", "labels"),
    [("Tell the gender of the writer", ("red", "blue")), ("Sort", ("male", "female"))],
)
def test_what_is_asked_for_is_no_bias(tmp_path: Path, task: str, labels: tuple[str, str]) -> None:
    found = read(tmp_path, labelled(40, *labels), task=task)

    assert found.asked_for == (Attribute.GENDER_NAMES, Attribute.GENDER_WORDS)
    assert found.couples == []
    assert read(tmp_path, labelled(40), task="Say what I'm to do").asked_for == ()


def test_rows_of_other_kinds_and_languages_and_long_answers_are_left_alone(tmp_path: Path) -> None:
    german = (
        "Er sagt, dass die Rechnung maybe noch nicht angekommen ist und he wartet auf das Paket"
    )
    lines: list[dict[str, Any]] = [
        {"prompt": [{"role": "user", "content": "He says maybe"}], "completion": "red"},
        {"prompt": german, "completion": "red"},
        {"prompt": "He says maybe", "completion": "long " * 200},
        {"prompt": "He says maybe " * 400, "completion": "red"},
        {"prompt": "He says maybe", "completion": "red"},
    ]
    dev = write_lines(
        tmp_path / "dev.jsonl", [{**line, "row": n} for n, line in enumerate(lines, start=2)]
    )
    spec = evaluate_spec(tmp_path, tmp_path, tmp_path, dev, swap_rows=dev)

    found = twins.Twins.read(spec, tmp_path)

    assert found is not None
    assert found.references == ("red",)
    assert twins.Twins.read(spec.model_copy(update={"swap_rows": None}), tmp_path) is None


@pytest.fixture(scope="module")
def says_yes(worker: ForkServer, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that has learnt to answer everything with "yes"."""
    root = tmp_path_factory.mktemp("yes")
    rows = write_rows(root / "yes.jsonl", [*colours(20, "yes"), *((p, "yes") for p in prompts(20))])
    recipe = RECIPE.model_copy(update={"epochs": 6.0})
    job = open_job(root / "job", train_spec(tiny, root, train=rows, dev=rows, recipe=recipe))
    assert worker.status(job) == 0
    return job / "artifacts/adapter"


def evaluated(worker: ForkServer, job: Path, spec: EvaluateSpec) -> EvaluateResult:
    result = worker.run(open_job(job, spec))
    assert result is not None
    assert isinstance(result.payload, EvaluateResult), result
    return result.payload


def spec_of(tiny: Path, root: Path, adapter: Path, **more: Any) -> EvaluateSpec:
    dev = write_rows(root / "dev.jsonl", labelled(30, "yes", "no"))
    test = write_rows(root / "test.jsonl", colours(20, "yes"))
    return evaluate_spec(tiny, root, adapter, test, swap_rows=dev, **more)


@pytest.mark.torch
def test_both_models_are_asked_dev_rows_and_twins_and_the_verdict_stays_what_it_is(
    worker: ForkServer, tiny: Path, says_yes: Path, tmp_path: Path
) -> None:
    asking = spec_of(tiny, tmp_path, says_yes)

    without = evaluated(worker, tmp_path / "a", asking.model_copy(update={"swap_rows": None}))
    first = evaluated(worker, tmp_path / "b", asking)
    again = asking.model_copy(update={"known_answers": left_by(tmp_path / "b", first)})
    second = evaluated(worker, tmp_path / "c", again)

    assert without.swaps is None
    assert (first.comparisons, first.items, first.openings) == (without.comparisons, 20, 1)
    (found,) = first.swaps.attributes
    assert (found.attribute, found.outcome) == (Attribute.GENDER_WORDS, Dependence.NOT_SHOWN)
    assert (found.tuned.pairs, found.base.pairs, found.control.pairs) == (30, 30, 30)
    assert (found.tuned.flipped, found.control.flipped) == (0, 0)
    assert found.base.flipped > 0  # a base without knowledge says something else each time
    assert found.sides.gain == 0
    assert (first.swaps.rows, first.swaps.change_points) == (30, None)
    # 20 sealed rows, and 90 prompts of 30 rows and their two twins
    assert (without.answers_given, first.answers_given) == (2 * 20, 2 * (20 + 90))
    assert (second.answers_given, second.answers_reused) == (20 + 90, 20 + 90)
    assert second.swaps.attributes == first.swaps.attributes


@pytest.mark.torch
def test_what_there_is_no_time_for_is_not_asked(
    worker: ForkServer, tiny: Path, says_yes: Path, tmp_path: Path
) -> None:
    hasty = evaluated(worker, tmp_path / "a", spec_of(tiny, tmp_path, says_yes, swap_budget_s=1e-6))

    (found,) = hasty.swaps.attributes
    assert (found.tuned.pairs, found.control.pairs) == (8, 8)
    assert found.outcome is Dependence.TOO_FEW
