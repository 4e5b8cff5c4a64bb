"""A language model as judge, seen from the worker: it waits, asks nothing twice, and resumes to the same adapter."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from agents import opinions
from agents.jobs import (
    EvaluateResult,
    JobOutcome,
    JobResult,
    StopMode,
    TrainResult,
    TrainSpec,
    heartbeat_mark,
    request_stop,
)
from agents.opinions import Opinion, Question
from agents.recipe import Method, Recipe
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import (
    evaluate_spec,
    method_recipe,
    method_spec,
    open_job,
    shaped,
    write_records,
)

pytestmark = pytest.mark.torch

KILLED = -9
CRITERION = "has many vowels"


class Bot(threading.Thread):
    """Plays the bot: gives an opinion on every question that has no score yet, for as long as the test wants.

    A fickle one thinks otherwise when it is asked again, as language models do.
    """

    def __init__(self, judge_dir: Path, opinion: Callable[[Question, int], Opinion]) -> None:
        super().__init__()
        self.judge_dir = judge_dir
        self.opinion = opinion
        self.asked: Counter[str] = Counter()
        self.ended = threading.Event()

    def __enter__(self) -> "Bot":
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.ended.set()
        self.join()

    def run(self) -> None:
        questions = opinions.questions(self.judge_dir)
        scored = {o.id for o in opinions.opinions(self.judge_dir).new() if o.score is not None}
        while not self.ended.wait(0.01):
            for question in questions.new():
                if question.id not in scored:
                    self.asked[question.id] += 1
                    found = self.opinion(question, self.asked[question.id])
                    opinions.answer(self.judge_dir, [found])
                    if found.score is not None:
                        scored.add(question.id)


def vowels(question: Question, time_asked: int = 1) -> Opinion:
    found = sum(question.answer.count(letter) for letter in "aeiou")
    score = min(1.0, found / 4) if time_asked == 1 else 0.0
    return Opinion(id=question.id, job_id=question.job_id, score=score)


def silent(question: Question, _time_asked: int) -> Opinion:
    return Opinion(id=question.id, job_id=question.job_id, error="The model is asleep.")


def judged_recipe(**changes: object) -> Recipe:
    rewards = [{"kind": "judge", "criterion": CRITERION}]
    return method_recipe(Method.GRPO, rewards=rewards, **changes)


def judged_spec(tiny: Path, root: Path, **changes: object) -> TrainSpec:
    where = {"judge_dir": str(root / "judge"), "judge": "fake", "most_questions": 10**6}
    return method_spec(tiny, root, Method.GRPO, recipe=judged_recipe(**changes), **where)


def trained(result: JobResult | None) -> TrainResult:
    assert result is not None
    assert isinstance(result.payload, TrainResult), result
    return result.payload


def lines(root: Path) -> Counter[str]:
    """Return how often each question stands in the file."""
    return Counter(q.id for q in opinions.questions(root / "judge").new())


def test_a_killed_training_asks_nothing_twice_and_ends_with_the_same_adapter(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    with Bot(tmp_path / "w/judge", vowels) as bot:
        job = open_job(tmp_path / "w/job", judged_spec(tiny, tmp_path / "w"))
        whole = trained(worker.run(job))
    spec = judged_spec(tiny, tmp_path / "k")
    with Bot(tmp_path / "k/judge", vowels) as first:
        killed = worker.status(open_job(tmp_path / "k/first", spec), kill_at_step=7)
    for name in ("questions", "opinions"):
        with (tmp_path / f"k/judge/{name}.jsonl").open("ab") as torn:
            torn.write(b'{"id": "half a li')
    with Bot(tmp_path / "k/judge", vowels) as second:
        resumed = trained(worker.run(open_job(tmp_path / "k/second", spec)))

    assert killed == KILLED
    assert resumed.resumed_from_step == 4
    assert resumed.adapter_sha256 == whole.adapter_sha256
    assert (resumed.rewards, resumed.dev_losses) == (whole.rewards, whole.dev_losses)
    assert whole.dev_losses[-1][1] < whole.dev_losses[0][1]
    assert len(bot.asked) > 30
    assert first.asked + second.asked == bot.asked
    assert set(bot.asked.values()) == {1}
    assert set(lines(tmp_path / "k").values()) == {1}


def test_what_was_scored_is_kept_whatever_is_said_about_it_later(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    spec = judged_spec(tiny, tmp_path, max_steps=2)
    with Bot(tmp_path / "judge", vowels):
        whole = trained(worker.run(open_job(tmp_path / "first", spec)))
    again = spec.model_copy(update={"checkpoints_dir": str(tmp_path / "elsewhere")})
    for known in list(opinions.opinions(tmp_path / "judge").new()):
        opinions.answer(tmp_path / "judge", [known.model_copy(update={"score": 0.0})])

    with Bot(tmp_path / "judge", silent) as idle:
        repeated = trained(worker.run(open_job(tmp_path / "second", again)))

    assert idle.asked == {}
    assert (repeated.rewards, repeated.adapter_sha256) == (whole.rewards, whole.adapter_sha256)


def test_a_worker_waits_for_a_bot_that_is_down_and_shows_that_it_lives(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    job = open_job(tmp_path / "job", judged_spec(tiny, tmp_path, max_steps=2))
    marks: list[int | None] = []

    def late(question: Question, _time_asked: int) -> Opinion:
        if not marks:
            marks.append(heartbeat_mark(job))
            time.sleep(1.0)
            marks.append(heartbeat_mark(job))
        return vowels(question)

    with Bot(tmp_path / "judge", late):
        assert trained(worker.run(job)).adapter_sha256

    assert marks[0] != marks[1]


def test_without_an_opinion_the_training_fails_with_what_to_do_and_a_resumed_one_asks_again(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    spec = judged_spec(tiny, tmp_path, max_steps=2)
    with Bot(tmp_path / "judge", silent) as asleep:
        failed = worker.run(open_job(tmp_path / "first", spec))

    def after_a_late_error(question: Question, _time_asked: int) -> Opinion:
        late = Opinion(id=question.id, job_id="first", error="The model is asleep.")
        opinions.answer(tmp_path / "judge", [late])
        time.sleep(0.3 if question.id in asleep.asked else 0)
        return vowels(question)

    with Bot(tmp_path / "judge", after_a_late_error) as awake:
        resumed = trained(worker.run(open_job(tmp_path / "second", spec)))

    assert failed is not None
    assert failed.error is not None
    assert (failed.outcome, failed.error.code) == (JobOutcome.FAILED, "judge")
    assert failed.error.for_person
    for words in ("The model is asleep.", "`llm`", "`tunewright doctor`", "`resume`"):
        assert words in failed.error.message
    assert asleep.asked.keys() <= awake.asked.keys()
    assert resumed.adapter_sha256


@pytest.mark.parametrize("mode", [StopMode.CANCEL, StopMode.PAUSE])
def test_a_stop_is_obeyed_while_nobody_answers(
    worker: ForkServer, tiny: Path, tmp_path: Path, mode: StopMode
) -> None:
    job = open_job(tmp_path / "job", judged_spec(tiny, tmp_path, max_steps=2))

    def stops(question: Question, _time_asked: int) -> Opinion:
        request_stop(job, mode)
        if mode is StopMode.CANCEL:
            time.sleep(0.5)
        return vowels(question)

    with Bot(tmp_path / "judge", stops):
        result = worker.run(job)

    assert result is not None
    assert (
        result.outcome
        is {
            StopMode.CANCEL: JobOutcome.CANCELLED,
            StopMode.PAUSE: JobOutcome.PAUSED,
        }[mode]
    )
    assert lines(tmp_path)
    assert (result.payload is None) == (mode is StopMode.CANCEL)


def test_base_and_tuned_are_judged_once_and_the_report_names_the_judge(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    training = judged_spec(tiny, tmp_path)
    with Bot(tmp_path / "judge", vowels):
        trained(worker.run(open_job(tmp_path / "training", training)))
    test = write_records(tmp_path / "test.jsonl", shaped(Method.GRPO, 20))
    spec = evaluate_spec(
        tiny,
        tmp_path,
        tmp_path / "training/artifacts/adapter",
        test,
        recipe=judged_recipe(),
        judge_dir=str(tmp_path / "second judge"),
        judge="fake",
    )
    with Bot(tmp_path / "second judge", vowels) as bot:
        result = worker.run(open_job(tmp_path / "evaluation", spec))
    with Bot(tmp_path / "second judge", silent) as idle:
        again = worker.run(open_job(tmp_path / "evaluation again", spec))

    assert idle.asked == {}
    assert result is not None
    assert again is not None
    assert isinstance(result.payload, EvaluateResult), result
    assert isinstance(again.payload, EvaluateResult), again
    assert result.payload.primary.tuned > result.payload.primary.base
    assert result.payload.judge == "fake"
    assert again.payload.primary == result.payload.primary
    assert 20 < sum(bot.asked.values()) <= 40
