"""What the card of a training says, while it runs and after it."""

from dataclasses import replace
from typing import Any

from agents.jobs import CandidateEnd, CandidateOutcome, LossSpike, Progress, Verdict
from bot import reports, status_cards
from tests.bot.test_cards import scene
from tests.facts import a_training, an_evaluation


def summary(**facts: Any) -> str:
    text = reports.training_summary(a_training(**facts).model_dump(mode="json"))
    return text.replace("\\", "")


def test_damaged_checkpoints_are_named_with_where_the_training_went_on() -> None:
    damage = "The checkpoint of step 30 was damaged and was not used: optimizer.pt is missing."

    resumed = summary(damaged=(damage,), resumed_from_step=28)
    anew = summary(damaged=(damage,) * 9)

    assert "Resumed from step 28." in resumed
    assert damage in resumed
    assert "begun anew" not in resumed
    assert "It was begun anew." in anew
    assert anew.count(damage) == reports.MOST_DAMAGES


def spike(step: int, loss: float, rows: int = 4) -> LossSpike:
    numbers = tuple(range(10 * step, 10 * step + rows))
    excerpts = tuple(f"“question {n}” → “answer {n} <@1>”" for n in numbers[:8])
    return LossSpike(step=step, loss=loss, usual=0.5, rows=numbers, excerpts=excerpts)


def test_steps_whose_loss_jumped_are_named_with_their_rows() -> None:
    spikes = (spike(12, 2.0), spike(20, 9.0), spike(31, 4.0, rows=40))

    card = summary(spikes=spikes)

    lines = [line for line in card.splitlines() if line.startswith("Loss jumped")]
    assert [line.split(",")[0] for line in lines] == [
        "Loss jumped at step 20 (9.000",
        "Loss jumped at step 31 (4.000",
    ]
    assert "from rows 200, 201, 202, 203. " in lines[0]
    assert "row 200: “question 200” → “answer 200" in lines[0]
    assert "row 202:" not in lines[0]
    assert "325 …" in lines[1]


def test_the_report_has_every_jump_and_what_stands_in_the_rows_is_not_live() -> None:
    training = a_training(spikes=(spike(12, 2.0), spike(20, 9.0), spike(31, 4.0)))

    report = reports.full_report(an_evaluation(Verdict.BETTER), training.model_dump(mode="json"))

    assert report.count("Loss jumped at step") == 3
    assert report.replace("\\", "").count("row 203:") == 1
    assert "<@1>" not in report


def test_a_training_that_ended_early_says_why() -> None:
    assert "ended early" in summary(reason="dev_loss_rose", steps_done=6)
    assert "ended early" not in summary()


def test_a_running_training_shows_the_newest_of_each_number() -> None:
    told = (
        Progress(stage="loading the model", loss=99.0),
        Progress(stage="training", step=4, steps=10, dev_loss=0.7),
        Progress(
            stage="training",
            step=5,
            steps=10,
            loss=0.5,
            tokens_per_s=1234.5,
            peak_memory_bytes=1_500_000_000,
            eta_s=120.0,
        ),
        Progress(stage="training", step=5, steps=10, dev_loss=0.6),
    )

    body = status_cards.progress(replace(scene("status", {}), progress=told))

    assert "training · loss 0.500 · dev loss 0.600 · about 2 minutes left" in body
    assert "1,234 tokens/s · 1.50 GB of memory at most" in body


def test_a_job_that_is_at_something_else_shows_no_old_numbers() -> None:
    told = (Progress(stage="training", loss=1.0), Progress(stage="packing"))

    assert status_cards.progress(replace(scene("status", {}), progress=told)) == "packing"


def test_steps_that_a_restarted_worker_did_twice_are_drawn_once() -> None:
    once = [Progress(stage="training", step=n, steps=4, loss=4.0 - n) for n in range(1, 4)]
    shown = replace(scene("status", {}), progress=tuple(once))
    again = replace(shown, progress=(*once[:2], *once))

    assert "3.00 → 1.00" in status_cards.progress(shown)
    assert status_cards.progress(again) == status_cards.progress(shown)


def outcome(value: float, steps: int, losses: dict[int, float], **facts: Any) -> CandidateOutcome:
    known = tuple(losses.items())
    return CandidateOutcome(
        field="learning_rate", value=value, steps_done=steps, train_s=1.0, dev_losses=known, **facts
    )


def test_the_card_of_a_race_says_what_became_of_each_candidate() -> None:
    candidates = (
        outcome(1e-4, 8, {4: 0.9}, out=CandidateEnd.DEV_LOSS, out_at_step=4),
        outcome(0.3, 2, {}, out=CandidateEnd.NOT_FINITE, out_at_step=2),
        outcome(3e-4, 10, {4: 0.5, 10: 0.25}, chosen=True),
        outcome(1e-3, 6, {4: 0.6}),
        outcome(2e-3, 0, {}),
    )

    lines = summary(candidates=candidates).splitlines()

    assert [line for line in lines if "**" in line] == [
        "• **0.0001**: 0.900 at step 4; out after step 4",
        "• **0.3**: out after step 2, its numbers became infinite or not a number",
        "✔ **0.0003**: 0.500 at step 4, 0.250 at step 10; kept, 10 of 10 steps",
        "• **0.001**: 0.600 at step 4; still in at step 6",
        "• **0.002**: not begun",
    ]
    report = reports.full_report(
        an_evaluation(Verdict.BETTER), a_training(candidates=candidates).model_dump(mode="json")
    )
    assert "✔ **0.0003**" in report


def test_while_candidates_train_the_curve_is_of_the_one_that_trains() -> None:
    told = tuple(
        Progress(
            stage=f"training candidate {n} of 2", step=4 * (n - 1) + step, steps=12, loss=n / step
        )
        for n in (1, 2)
        for step in (1, 2, 3, 4)
    )

    text = status_cards.progress(replace(scene("status", {}), progress=told))

    assert "8 of 12" in text
    assert "training candidate 2 of 2" in text
    assert "2.00 → 0.50" in text
