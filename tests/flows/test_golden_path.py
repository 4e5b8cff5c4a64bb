import json
import zipfile
from pathlib import Path

import aiosqlite
import pytest

from agents.services import UserError
from bot.answering import Effect
from bot.schedule import sweep
from configs.schema import ApprovalSettings, GateKind, LimitSettings, TrainingSettings
from storage import approvals, datasets, events, jobs
from storage.models import Decision, Phase
from tests.fakes import SetClock
from tests.house import ANNA, BEN, EVERY_GATE, open_house


async def test_an_upload_becomes_an_evaluated_adapter_behind_a_link(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        assert (await house.run()).phase is Phase.APPROVING
        assert house.surface.question()["title"] == "The plan"

        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.REVIEWING
        assert house.surface.question()["title"] == "Verdict: BETTER"

        await house.answer(Decision.APPROVE)
        run = await house.run()
        assert run.phase is Phase.DELIVERED
        assert house.titles() == [
            "Run #1: done: the adapter is ready",
            "Reading your data: done",
            "Your data",
            "Measuring model and machine: done",
            "The plan",
            "Training: done",
            "Measuring base against tuned: done",
            "Verdict: BETTER",
            "Your adapter is ready",
        ]
        link = house.surface.messages()[-1]["body"].splitlines()[0]
        assert link.startswith("http://127.0.0.1:8765/d/")
        artifact = await house.app.services.db.read(datasets.artifact, 1, "adapter")
        with zipfile.ZipFile(house.app.services.files.path(artifact.sha256)) as archive:
            names = {Path(name).name for name in archive.namelist()}
            lock = json.loads(
                archive.read(next(n for n in archive.namelist() if n.endswith("run.lock.json")))
            )
        assert names == {
            "adapter_config.json",
            "adapter_model.safetensors",
            "README.md",
            "run.lock.json",
        }
        assert set(lock["data_sha256"]) == {"upload", "train", "dev", "test"}


async def test_the_same_command_twice_is_one_run(tmp_path):
    async with open_house(tmp_path) as house:
        first = await house.start("log:1")
        second = await house.start("log:1")

        assert first == second
        assert len([t for t in house.titles() if t.startswith("Run #")]) == 1


async def test_a_standing_permission_answers_every_gate_and_says_so(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start(policy=EVERY_GATE)

        assert (await house.run()).phase is Phase.DELIVERED
        answered = [
            m
            for m in house.surface.messages()
            if "automatically (standing permission)" in m["body"]
        ]
        assert [m["title"] for m in answered] == ["The plan", "Verdict: BETTER"]


async def test_a_reply_amends_the_plan_and_asks_again(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        await house.reply("2 epochs, use 100 rows")

        question = house.surface.question()
        assert question["title"] == "The plan, version 2"
        assert "`epochs` 4 → **2**" in question["body"]
        assert "`max_train_rows` all → **100**" in question["body"].replace("\\_", "_")
        old = next(m for m in house.surface.messages() if m["title"] == "The plan")
        assert "Changes asked for by Anna" in old["body"]
        assert house.launcher.started.count("run1-i1-measure-a1") == 1

        await house.answer(Decision.APPROVE)
        spec = (await house.app.services.db.read(jobs.latest, 1, "train")).spec
        assert (spec["recipe"]["epochs"], spec["recipe"]["max_train_rows"]) == (2, 100)


async def test_a_refused_plan_asks_what_to_change_and_a_second_no_ends_the_run(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        await house.answer(Decision.REJECT)
        assert house.surface.question()["title"] == "What should be different?"

        await house.reply("2 epochs")
        assert house.surface.question()["title"] == "The plan, version 2"

        await house.answer(Decision.REJECT)
        await house.answer(Decision.REJECT)
        assert (await house.run()).phase is Phase.CANCELLED
        assert [job for job in house.launcher.started if "train" in job] == []


async def test_a_refused_report_leads_to_a_diagnosis_and_a_second_try(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.reply("more rows please, 200 rows, and 3 epochs")

        run = await house.run()
        assert (run.phase, run.iteration) == (Phase.APPROVING, 2)
        question = house.surface.question()
        assert question["title"] == "Plan for try 2"
        assert "`epochs` 4 → **3**" in question["body"]

        await house.answer(Decision.APPROVE)
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.DELIVERED
        report = await house.app.services.db.read(datasets.report_of, 1, 2)
        assert report.payload["openings"] == 2


async def test_without_an_idea_the_best_so_far_is_offered_once_more(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.answer(Decision.REJECT)
        assert house.surface.question()["title"] == "Verdict: BETTER"
        assert "Take it after all?" in house.surface.question()["body"]

        await house.answer(Decision.REJECT)
        assert (await house.run()).phase is Phase.FAILED

        await house.app.commands.resume(1, ANNA)
        await house.settle()
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.DELIVERED


async def test_one_gate_has_one_decision_and_the_loser_is_told(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        question = house.surface.question()["question"]

        first = await house.app.commands.decide(question, None, ANNA, Decision.APPROVE)
        second = await house.app.commands.decide(question, None, ANNA, Decision.REJECT)

        assert first.effect is Effect.DECIDED
        assert second.effect is Effect.TOO_LATE
        assert "approve by Anna" in second.text


async def test_a_decision_on_something_else_than_what_was_shown_does_not_count(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        question = house.surface.question()["question"]

        reaction = await house.app.commands.decide(question, "0" * 12, ANNA, Decision.APPROVE)

        assert reaction.effect is Effect.TOO_LATE
        assert (await house.app.services.db.read(approvals.get, question)).decision is Decision.OPEN


async def test_a_stranger_is_told_once_and_decides_nothing(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()

        first = await house.answer(Decision.APPROVE, BEN)
        second = await house.answer(Decision.APPROVE, BEN)

        assert (first.effect, second.effect) == (Effect.NOT_ALLOWED, Effect.NOT_ALLOWED_AGAIN)
        assert "Anna" in first.text
        assert (await house.run()).phase is Phase.APPROVING
        with pytest.raises(UserError, match="Only Anna"):
            await house.app.commands.cancel(1, BEN)


async def test_the_half_time_question_stops_the_training_on_a_no(tmp_path):
    async with open_house(tmp_path, script={"run1-i1-train-a1": "half"}) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        assert house.surface.question()["title"] == "50 % done, continue?"

        unclear = await house.reply("maybe")
        assert unclear.effect is Effect.UNCLEAR
        await house.answer(Decision.REJECT)

        report = await house.app.services.db.read(datasets.report_of, 1, 1)
        assert report.partial
        assert "stopped early" in house.surface.question()["body"]


async def test_the_half_time_question_is_void_when_training_ends_first(tmp_path):
    async with open_house(tmp_path, script={"run1-i1-train-a1": "half"}) as house:
        await house.start()
        await house.answer(Decision.APPROVE)

        house.launcher.finish("run1-i1-train-a1", house.app.services.job_folder("run1-i1-train-a1"))
        await house.settle()

        assert (await house.run()).phase is Phase.REVIEWING
        asked = next(m for m in house.surface.messages() if m["title"] == "50 % done, continue?")
        assert "No longer needs an answer" in asked["body"]


@pytest.mark.parametrize(
    ("decision", "partial"), [(Decision.APPROVE, False), (Decision.REJECT, True)]
)
async def test_in_hold_mode_the_worker_leaves_and_a_new_attempt_follows_the_answer(
    tmp_path, decision, partial
):
    async with open_house(tmp_path, training=TrainingSettings(checkpoint_mode="hold")) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        assert house.surface.question()["title"] == "50 % done, continue?"
        assert house.launcher.started[-1] == "run1-i1-train-a1"

        await house.answer(decision)

        assert "run1-i1-train-a2" in house.launcher.started
        report = await house.app.services.db.read(datasets.report_of, 1, 1)
        assert report.partial is partial


async def test_pause_saves_and_resume_opens_a_new_attempt(tmp_path):
    async with open_house(tmp_path, script={"run1-i1-train-a1": "half"}) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.app.commands.pause(1, ANNA)
        await house.settle()
        job = await house.app.services.db.read(jobs.latest, 1, "train")
        assert (job.attempt, job.outcome) == (1, "paused")

        await house.app.commands.resume(1, ANNA)
        await house.settle()

        assert (await house.run()).phase is Phase.REVIEWING
        assert (await house.app.services.db.read(jobs.latest, 1, "train")).attempt == 2


async def test_cancel_stops_the_worker_and_voids_the_questions(tmp_path):
    async with open_house(tmp_path, script={"run1-i1-train-a1": "half"}) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.app.commands.cancel(1, ANNA)
        await house.settle()

        assert (await house.run()).phase is Phase.CANCELLED
        assert (await house.app.services.db.read(jobs.latest, 1, "train")).outcome == "cancelled"
        assert await house.app.services.db.read(approvals.all_open) == []


async def test_a_worker_that_dies_is_tried_again_and_in_the_end_explained(tmp_path):
    script = {f"run1-i1-train-a{n}": "die" for n in (1, 2, 3)}
    async with open_house(tmp_path, script=script) as house:
        await house.start()
        await house.answer(Decision.APPROVE)

        run = await house.run()
        assert run.phase is Phase.FAILED
        assert "died" in run.failure
        assert [j for j in house.launcher.started if "train" in j] == list(script)

        await house.app.commands.resume(1, ANNA)
        await house.settle()
        assert (await house.run()).phase is Phase.REVIEWING


async def test_nan_goes_to_the_debugger_and_comes_back_with_a_lower_rate(tmp_path):
    async with open_house(tmp_path, script={"run1-i1-train-a1": "non_finite_loss"}) as house:
        await house.start()
        await house.answer(Decision.APPROVE)

        assert house.surface.question()["title"] == "Plan for try 2"
        assert "NaN" in house.surface.question()["body"]
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.REVIEWING


async def test_bad_data_is_the_persons_to_mend_and_told_word_for_word(tmp_path):
    async with open_house(tmp_path, script={"run1-i1-intake-a1": "bad_data"}) as house:
        await house.start()

        run = await house.run()
        assert (run.phase, run.failure) == (Phase.FAILED, "scripted bad_data")
        assert house.titles()[-1] == "This run has failed"


async def test_a_deleted_question_is_asked_again_and_a_deleted_thread_moves_to_the_channel(
    tmp_path,
):
    async with open_house(tmp_path) as house:
        await house.start()
        first = house.surface.question()
        house.surface.delete(first["id"])
        await house.app.services.db.write(events.forget_message, "log", first["id"])
        await house.settle()
        assert house.surface.question()["question"] == first["question"]
        assert house.surface.question()["id"] != first["id"]

        house.surface.close_place("log:channel/1")
        await house.answer(Decision.APPROVE)
        assert house.surface.question()["place"] == "log:channel"
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.DELIVERED


async def test_limits_of_open_runs_are_kept(tmp_path):
    async with open_house(tmp_path, limits=LimitSettings(open_per_user=1)) as house:
        await house.start("log:1")
        with pytest.raises(UserError, match="1 runs open already"):
            await house.start("log:2")
        await house.start("log:3", BEN)


async def test_an_unanswered_question_reminds_expires_and_can_be_asked_again(tmp_path):
    clock = SetClock()
    settings = ApprovalSettings(remind_after_h=1, expire_after_h=2)
    async with open_house(tmp_path, clock=clock, approvals=settings) as house:
        await house.start()
        clock.move(hours=1.5)
        await sweep(house.app.services)
        await sweep(house.app.services)
        await house.settle()
        reminders = [m for m in house.surface.messages() if m["title"] == "Still waiting for you"]
        assert [reminder["notify"] for reminder in reminders] == [[ANNA.id]]

        clock.move(hours=1)
        await sweep(house.app.services)
        await house.settle()
        assert (await house.run()).phase is Phase.FAILED

        await house.app.commands.resume(1, ANNA)
        await house.settle()
        assert house.surface.question()["title"] == "The plan, version 2"


async def test_deleting_every_checkpoint_between_any_two_steps_changes_nothing(tmp_path):
    async def forget(house):
        async with aiosqlite.connect(tmp_path / "data" / "checkpoints.sqlite") as connection:
            for table in ("checkpoints", "writes"):
                await connection.execute(f"DELETE FROM {table}")  # two names of ours
            await connection.commit()

    async with open_house(tmp_path) as house:
        await house.start()
        await forget(house)
        await house.answer(Decision.APPROVE)
        await forget(house)
        await house.answer(Decision.APPROVE)
        await forget(house)

        assert (await house.run()).phase is Phase.DELIVERED
        kinds = [event.kind for event in await house.app.services.db.read(events.of_run, 1)]
        assert kinds.count(GateKind.PLAN) == 1


async def test_two_people_queue_fairly_for_one_slot(tmp_path):
    script = {f"run{n}-i1-train-a1": "half" for n in (1, 2, 3)}
    async with open_house(tmp_path, script=script) as house:
        for key, person in (("log:1", ANNA), ("log:2", ANNA), ("log:3", BEN)):
            await house.start(key, person, policy=(GateKind.PLAN,))

        queued = [m for m in house.surface.messages() if "queued" in m["title"]]
        assert len(queued) == 2
        order = {m["footer"].split()[1]: m["body"] for m in queued}
        assert order["#3"].startswith("Number 1 in line")
        assert order["#2"].startswith("Number 2 in line")


async def test_damaged_checkpoints_are_made_anew_and_the_run_goes_on(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
    (tmp_path / "data" / "checkpoints.sqlite").write_bytes(b"not a database" * 1000)

    async with open_house(tmp_path) as house:
        await house.app.catch_up()
        await house.settle()
        await house.answer(Decision.APPROVE)
        await house.answer(Decision.APPROVE)

        assert (await house.run()).phase is Phase.DELIVERED
