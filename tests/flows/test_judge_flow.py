"""Runs whose answers a language model judges, from the command to the verdict."""

import asyncio
import json
import time
from dataclasses import dataclass, field

import pytest

from agents import jobs, opinions
from agents.jobs import EvaluateSpec, JobError, JobOutcome, JobResult, TrainSpec
from agents.judging import NOT_CONFIGURED
from agents.llm import LLMError, RuleLLM, ScriptedLLM
from agents.recipe import RecipeChange
from agents.services import UserError
from bot.reproduce import reproduce
from storage import jobs as rows
from storage.models import Decision, Phase
from tests.fakes import StubLauncher
from tests.house import ANNA, open_house, settings_for

REWARD = '{"kind": "judge", "criterion": "Ends with <@1> a thank-you"}'
WISH = {"method": "grpo", "wishes": [RecipeChange(field="rewards", value=REWARD)]}
ANSWERS = ("thank you", "no", "give me 10")


@dataclass
class AskingLauncher(StubLauncher):
    """Plays workers that ask the judge, too: training and evaluation each have three answers to show."""

    answers: tuple[str, ...] = ANSWERS
    scores: dict[str, list[float]] = field(default_factory=dict)
    """What they were told, by job."""

    def start(self, folder):
        spec = jobs.read_spec(folder)
        if not self._asks(spec.spec) or jobs.read_result(folder) is not None:
            return super().start(folder)
        self.started.append(spec.job_id)
        known = {o.id for o in opinions.opinions(folder / spec.spec.judge_dir).new() if o.score}
        missing = [q for q in self._questions(spec) if q.id not in known]
        opinions.ask(folder / spec.spec.judge_dir, missing)
        return f"stub:{spec.job_id}"

    def alive(self, folder, handle):
        spec = jobs.read_spec(folder)
        if not self._asks(spec.spec) or jobs.read_result(folder) is not None:
            return super().alive(folder, handle)
        scores: dict[str, float] = {}
        for opinion in opinions.opinions(folder / spec.spec.judge_dir).new():
            if opinion.score is not None:
                scores.setdefault(opinion.id, opinion.score)
            elif opinion.job_id == spec.job_id:
                self._fail(folder, spec, opinion.error)
                return False
        asked = self._questions(spec)
        if all(question.id in scores for question in asked):
            self.scores[spec.job_id] = [scores[question.id] for question in asked]
            self._play(folder, spec, "succeed")
        return True

    def _questions(self, spec):
        (reward,) = spec.spec.recipe.rewards
        return [
            opinions.question(spec.job_id, reward.criterion, "How?", "ref", answer)
            for answer in self.answers
        ]

    def _asks(self, spec):
        return isinstance(spec, TrainSpec | EvaluateSpec) and spec.judge_dir is not None

    def _fail(self, folder, spec, reason):
        error = JobError(code="judge", message=reason, for_person=True)
        result = JobResult(job_id=spec.job_id, outcome=JobOutcome.FAILED, error=error)
        jobs.write_result(folder, result)


def thankful(_instructions, fenced):
    data = json.loads(fenced.removeprefix("<<<DATA\n").removesuffix("\nDATA>>>"))
    return {"score": 10 if "thank" in data["answer"] else 0}


async def moved_to(house, *phases, timeout_s=20.0):
    """Let the house work until its run is in one of the phases; the judge answers in its own time."""
    end_s = time.monotonic() + timeout_s
    while (run := await house.run()).phase not in phases:
        assert time.monotonic() < end_s, f"the run stays in {run.phase}"
        await asyncio.sleep(0.05)
        await house.settle()
    return run


def judges():
    """Return the tasks that ask the judge."""
    return [task for task in asyncio.all_tasks() if task.get_name().startswith("judge")]


def plan_of(house):
    return house.surface.question()["body"].replace("\\", "")


async def test_a_plan_with_a_judge_says_who_is_asked_how_often_and_what_is_sent(tmp_path):
    llm = RuleLLM(thankful, "gpt-x (openai)")
    async with open_house(tmp_path, llm=llm, stand_in=AskingLauncher()) as house:
        await house.start(**WISH)

        body = plan_of(house)
        # 125 steps of 4 prompts with 4 answers each, 10 looks at 10 dev rows, 20 test rows for two models.
        assert "gpt-x (openai)" in body
        assert "up to about **2,140 times**" in body
        assert "are sent to it, none of them before you say yes" in body
        assert "judges answers by “Ends with <@1> a thank-you”" in body
        assert "by “Ends with <@1>" not in house.surface.question()["body"]  # nobody is called
        measured = (await house.app.services.db.read(rows.latest, 1, "measure")).spec
        assert [reward["kind"] for reward in measured["recipe"]["rewards"]] == ["length"]
        assert llm.asked == []


async def test_training_and_measuring_are_judged_each_in_a_folder_of_its_own(tmp_path):
    llm = RuleLLM(thankful)
    launcher = AskingLauncher()
    async with open_house(tmp_path, llm=llm, stand_in=launcher) as house:
        await house.start(**WISH)
        await house.answer(Decision.APPROVE)
        await moved_to(house, Phase.REVIEWING)

        assert launcher.scores == {
            "run1-i1-train-a1": [1.0, 0.0, 0.0],
            "run1-i1-evaluate-a1": [1.0, 0.0, 0.0],
        }
        read = house.app.services.db.read
        specs = [(await read(rows.latest, 1, kind)).spec for kind in ("train", "evaluate")]
        assert specs[0]["judge_dir"] != specs[1]["judge_dir"]
        assert {(s["judge"], s["most_questions"]) for s in specs} == {("rule (fake)", 4280)}
        assert len(llm.asked) == 6
        assert judges() == []


async def test_a_judge_that_is_down_fails_the_run_and_resume_asks_again(tmp_path):
    down = True
    llm = RuleLLM(lambda *said: LLMError("no route") if down else thankful(*said))
    launcher = AskingLauncher()
    async with open_house(tmp_path, llm=llm, stand_in=launcher, llm_timeout_s=0.2) as house:
        await house.start(**WISH)
        await house.answer(Decision.APPROVE)
        failed = await moved_to(house, Phase.FAILED)

        assert "rule (fake) gave no usable opinion on an answer (LLMError)" in failed.failure
        down = False
        await house.app.commands.resume(1, ANNA)
        await moved_to(house, Phase.REVIEWING)

        assert [job for job in launcher.started if "train" in job] == [
            "run1-i1-train-a1",
            "run1-i1-train-a2",
        ]
        assert launcher.scores["run1-i1-train-a2"] == [1.0, 0.0, 0.0]


async def test_questions_that_a_dead_bot_has_left_open_are_answered_by_the_next_one(tmp_path):
    launcher = AskingLauncher()
    silent = RuleLLM(lambda *_: LLMError("no route"))
    async with open_house(tmp_path, llm=silent, stand_in=launcher) as house:
        await house.start(**WISH)
        await house.answer(Decision.APPROVE)
        await house.app.dispatcher.look()
        assert (await house.run()).phase is Phase.BUILDING
        assert len(judges()) == 1
    assert judges() == []

    replies = [{"score": 3}, {"score": 5}, {"score": 10}, *[{"score": 1}] * 3]
    again = ScriptedLLM(replies)
    again.name = silent.name
    async with open_house(tmp_path, llm=again, stand_in=launcher) as house:
        await moved_to(house, Phase.REVIEWING)

    assert sorted(launcher.scores["run1-i1-train-a1"]) == [0.3, 0.5, 1.0]
    assert len(launcher.started) == len(set(launcher.started))


async def test_nothing_more_is_asked_for_a_run_that_was_cancelled(tmp_path):
    launcher = AskingLauncher()
    llm = RuleLLM(lambda *_: LLMError("busy"))
    async with open_house(tmp_path, llm=llm, stand_in=launcher) as house:
        await house.start(**WISH)
        await house.answer(Decision.APPROVE)
        await house.app.commands.cancel(1, ANNA)
        await house.app.dispatcher.look()

        assert (await house.app.services.db.read(rows.latest, 1, "train")).outcome is None
        assert judges() == []


async def test_another_model_than_the_approved_one_is_sent_nothing(tmp_path):
    launcher = AskingLauncher()
    async with open_house(tmp_path, llm=RuleLLM(thankful, "near"), stand_in=launcher) as house:
        await house.start(**WISH)
    far = RuleLLM(thankful, "far")
    async with open_house(tmp_path, llm=far, stand_in=launcher) as house:
        await house.answer(Decision.APPROVE)
        failed = await moved_to(house, Phase.FAILED)

    assert "names near as the judge" in failed.failure
    assert "now far" in failed.failure
    assert far.asked == []


async def test_without_a_language_model_a_judge_is_refused_at_the_start_and_at_the_plan(tmp_path):
    async with open_house(tmp_path) as house:
        with pytest.raises(UserError, match=r"sets `llm\.kind`") as refused:
            await house.start(**WISH)
        assert str(refused.value) == NOT_CONFIGURED
        assert house.surface.messages() == []
    async with open_house(tmp_path, llm=RuleLLM(thankful)) as house:
        await house.start(**WISH)
    async with open_house(tmp_path) as house:
        await house.reply("2 epochs, use 100 rows")

        run = await house.run()
        assert (run.phase, run.failure) == (Phase.FAILED, NOT_CONFIGURED)


async def test_a_reproduction_uses_the_opinions_of_the_first_training(tmp_path):
    launcher = AskingLauncher()
    async with open_house(tmp_path, llm=RuleLLM(thankful), stand_in=launcher) as house:
        await house.start(**WISH)
        await house.answer(Decision.APPROVE)
        await moved_to(house, Phase.REVIEWING)
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.DELIVERED

    # No language model is configured there: what the first training was told has to do.
    again = await reproduce(settings_for(tmp_path), 1, print, launcher=AskingLauncher())
    other = AskingLauncher(answers=("never said before",))
    with pytest.raises(UserError, match="could not be repeated: The plan names rule"):
        await reproduce(settings_for(tmp_path), 1, print, launcher=other)

    assert again.same
