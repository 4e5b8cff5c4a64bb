"""A test set that is met again: its openings are counted, and what models said to it is not asked twice."""

import json
from pathlib import Path

import pytest

from agents.jobs import EvaluateSpec, JobKind, RowShape
from configs.schema import EvaluationSettings
from storage import datasets, jobs
from storage.models import Decision, Phase
from tests.facts import an_answer, an_intake
from tests.fakes import StubLauncher
from tests.house import House, open_house


async def spec_of_evaluation(house: House, run_id: int, iteration: int) -> EvaluateSpec:
    job = await house.app.services.db.read(jobs.latest, run_id, JobKind.EVALUATE, iteration)
    return EvaluateSpec.model_validate(job.spec)


def known_from(spec: EvaluateSpec) -> str:
    return json.loads(Path(spec.known_answers.path).read_bytes())["job"]


async def test_what_was_answered_to_a_test_set_goes_to_the_next_evaluation_of_it(tmp_path):
    async with open_house(tmp_path) as house:
        store = house.app.services.files
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.reply("3 epochs")
        await house.answer(Decision.APPROVE)
        await house.start("log:2")
        await house.answer(Decision.APPROVE)

        first, second = [await spec_of_evaluation(house, 1, iteration) for iteration in (1, 2)]
        other_run = await spec_of_evaluation(house, 2, 1)

        assert first.known_answers is None
        assert known_from(second) == "run1-i1-evaluate-a1"
        assert known_from(other_run) == "run1-i2-evaluate-a1"
        assert store.verify(other_run.known_answers.sha256)


async def test_a_try_is_compared_with_the_best_one_before_it(tmp_path):
    said = tuple(an_answer(row, "a", "a") for row in range(30))
    async with open_house(tmp_path, stand_in=StubLauncher(said=said)) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.reply("3 epochs")
        await house.answer(Decision.APPROVE)

        first, second = [await spec_of_evaluation(house, 1, iteration) for iteration in (1, 2)]

        assert first.rival is None
        assert (second.rival.iteration, second.rival.metric) == (1, "exact_match")
        kept = (
            house.app.services.job_folder("run1-i2-evaluate-a1") / second.rival.answers.path
        ).read_bytes()
        assert [json.loads(line)["row"] for line in kept.splitlines()] == list(range(30))


async def test_answers_that_have_changed_on_the_disk_are_not_kept_and_nothing_is_lost(tmp_path):
    stand_in = StubLauncher(wrong_answers=True)
    async with open_house(tmp_path, stand_in=stand_in) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.reply("3 epochs")
        await house.answer(Decision.APPROVE)

        assert (await house.run()).phase is Phase.REVIEWING
        assert (await spec_of_evaluation(house, 1, 2)).known_answers is None


async def test_a_second_run_on_the_same_file_opens_the_same_test_set_once_more(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        assert "test set opened 1×" in house.surface.question()["body"]
        await house.answer(Decision.APPROVE)

        await house.start(key="log:2", goal="Sort tickets once more")
        await house.answer(Decision.APPROVE)

        assert "test set opened 2×" in house.surface.question()["body"]
        job = await house.app.services.db.read(jobs.latest, 2, JobKind.EVALUATE)
        assert job.spec["earlier_p_values"] == [0.01]


@pytest.mark.parametrize(
    ("settings", "method", "margin"),
    [
        ({}, "sft", 2.0),
        ({"general_margin_points": 5}, "dpo", 5.0),
        ({"general_suite": False}, "sft", None),
        ({}, "reward", None),  # it answers nothing
    ],
)
async def test_everyday_questions_are_asked_unless_they_are_switched_off_or_make_no_sense(
    tmp_path, settings, method, margin
):
    evaluation = EvaluationSettings(**settings)
    async with open_house(tmp_path, evaluation=evaluation) as house:
        house.launcher.shape = (
            RowShape.PROMPT_COMPLETION if method == "sft" else RowShape.PREFERENCE
        )
        await house.start(method=method)
        await house.answer(Decision.APPROVE)

        assert (await spec_of_evaluation(house, 1, 1)).general_margin_points == margin


async def test_an_evaluation_is_given_all_rows_that_its_adapter_and_those_before_it_may_know(
    tmp_path,
):
    async with open_house(tmp_path) as house:
        await house.deliver()
        await house.start("log:2", goal="Sort tickets again", continue_from=1)
        await house.answer(Decision.APPROVE)

        first, second = [await spec_of_evaluation(house, run_id, 1) for run_id in (1, 2)]

        assert [(s.file.name, s.task, s.chose) for s in first.learnt] == [
            ("train.jsonl", "Sort tickets", False),
            ("dev.jsonl", "Sort tickets", True),
        ]
        assert (first.task, first.learnt_before) == ("Sort tickets", ())
        assert [s.task for s in second.learnt] == ["Sort tickets again"] * 2
        assert second.learnt_before == first.learnt
        assert all(house.app.services.files.verify(s.file.sha256) for s in second.learnt)


@pytest.mark.parametrize(
    ("settings", "method", "prompted"),
    [({}, "sft", True), ({"prompted_base": False}, "sft", False), ({}, "dpo", False)],
)
async def test_a_better_prompt_is_tried_on_the_sealed_rows_with_the_labels_of_the_data(
    tmp_path, settings, method, prompted
):
    async with open_house(tmp_path, evaluation=EvaluationSettings(**settings)) as house:
        house.launcher.shape = (
            RowShape.PROMPT_COMPLETION if method == "sft" else RowShape.PREFERENCE
        )
        await house.start(method=method)
        await house.answer(Decision.APPROVE)

        spec = await spec_of_evaluation(house, 1, 1)
        assert (spec.prompted, spec.task) == (prompted, "Sort tickets")
        assert spec.labels == tuple(an_intake().labels)


@pytest.mark.parametrize(
    ("settings", "method", "asked"),
    [
        ({"swap_budget_s": 9}, "sft", True),
        ({"swapped_prompts": False}, "sft", False),
        ({}, "dpo", False),
    ],
)
async def test_dev_rows_are_asked_with_one_word_changed_and_never_the_sealed_ones(
    tmp_path, settings, method, asked
):
    async with open_house(tmp_path, evaluation=EvaluationSettings(**settings)) as house:
        house.launcher.shape = (
            RowShape.PROMPT_COMPLETION if method == "sft" else RowShape.PREFERENCE
        )
        await house.start(method=method)
        await house.answer(Decision.APPROVE)

        spec = await spec_of_evaluation(house, 1, 1)
        dev = await house.app.services.db.read(datasets.find, 1, "dev")
        assert (spec.swap_rows is not None) == asked
        if asked:
            assert (spec.swap_rows.sha256, spec.swap_budget_s) == (dev.sha256, 9)
            assert spec.swap_rows.sha256 != spec.test.sha256
