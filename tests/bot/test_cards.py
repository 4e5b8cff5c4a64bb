"""What cards say, from the facts that rows hold."""

from datetime import UTC, datetime
from typing import Any

from agents import row_doubts
from agents.jobs import (
    AgainstParent,
    DataFinding,
    EvaluateResult,
    FindingKind,
    Mask,
    Repair,
    Sample,
    Slice,
    Turn,
    Verdict,
)
from agents.recipe import Metric
from bot import cards, question_cards, reports
from bot.scenes import Scene
from storage.models import Event, Phase, Run
from tests.facts import a_training, an_evaluation, an_inspection, an_intake

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def scene(kind: str, payload: dict[str, Any]) -> Scene:
    event = Event(id=2, run_id=1, key="k", kind=kind, payload=payload, created_at=NOW)
    run = Run(
        id=1,
        origin_key="o",
        goal="Sort tickets",
        model="m",
        owner="log:anna",
        home="log:channel",
        phase=Phase.PREPARING,
        created_at=NOW,
    )
    return Scene(event, run, uploads=(), approval=None, job=None, place=None)


def report_of(result: EvaluateResult) -> dict[str, Any]:
    return {
        "report": result.model_dump(mode="json"),
        "partial": False,
        "again": False,
        "iteration": 1,
    }


def data_card(**facts: Any) -> str:
    return cards.render(scene("data", an_intake(**facts).model_dump(mode="json"))).body


def test_too_few_rows_for_a_verdict_are_named_before_anything_is_trained() -> None:
    assert "there can be no verdict" in data_card(test_rows=3)
    assert "verdict" not in data_card(test_rows=20)


def test_the_data_card_marks_what_is_learnt_and_says_what_the_marks_mean() -> None:
    turns = (
        Turn(who="user", text="Where\nis it?", mask=Mask.READ),
        Turn(who="assistant", text="On its\nway.", mask=Mask.LEARNT),
        Turn(who="assistant", text="No idea.", mask=Mask.AVOIDED),
    )

    body = data_card(samples=(Sample(row=3, turns=turns),))

    assert "  user: Where\n  is it?\n▶ assistant: On its\n▶ way.\n✗ assistant: No idea." in body
    assert "▶ is learnt, ✗ is learnt to be avoided; the rest is read" in body
    assert "compared" not in body


def test_a_report_shows_base_against_tuned_and_how_the_loss_went() -> None:
    training = a_training().model_dump(mode="json")

    card = reports.report_card(report_of(an_evaluation(Verdict.BETTER)), training)

    bars = card.charts[0].data["bars"]
    assert [chart.kind for chart in card.charts] == ["comparison", "loss"]
    assert (bars[0]["base"], bars[0]["tuned"]) == (0.5, 0.9)


def test_rewards_are_shown_where_a_training_learnt_from_them() -> None:
    rewarded = a_training(
        rewards=((1, 0.2), (2, 0.3), (3, 0.4)), dev_losses=((0, 0.75), (3, 0.7)), best_step=3
    ).model_dump(mode="json")
    known = an_evaluation(Verdict.BETTER)
    free = known.worst[0].model_copy(update={"reference": "", "tuned_score": 0.0})

    card = reports.report_card(report_of(known.model_copy(update={"worst": (free,)})), rewarded)
    told = reports.training_summary(rewarded)

    chart = card.charts[1]
    assert (chart.kind, chart.data["dev"]) == ("reward", [(0, 0.25), (3, 1 - 0.7)])
    assert "Dev reward 0.250 → 0.300, best at step 3." in told
    assert "\nreward `" in told
    assert "loss" not in told.lower()
    assert "expected" not in card.body.split("weakest")[1]


def test_a_full_mark_is_not_called_weak() -> None:
    good = an_evaluation(Verdict.BETTER)
    wrong = good.worst[0].model_copy(update={"tuned_score": 0.0, "tuned": "no idea"})

    praised = reports.report_card(report_of(good), None).body
    blamed = reports.report_card(report_of(good.model_copy(update={"worst": (wrong,)})), None).body

    assert "weakest answer still scores full marks" in praised
    assert "Where it is weakest" not in praised
    assert "Where it is weakest" in blamed
    assert "no idea" in blamed


def test_findings_stand_on_the_data_card_with_rows_and_the_words_that_repair_them() -> None:
    keys = DataFinding(
        kind=FindingKind.SECRETS,
        count=7,
        share=0.07,
        rows=(2, 3, 5, 7, 11, 13, 17),
        sentence="7 rows hold keys.",
        example="row 2: “my token [HUGGING_FACE_TOKEN]”",
        repairs=(Repair.MASK_SECRETS, Repair.DROP_SECRETS),
    )
    rare = keys.model_copy(update={"kind": FindingKind.IMBALANCE, "repairs": (), "example": ""})

    body = data_card(findings=(keys, *[rare] * 7)).replace("\\", "")

    assert "7 rows hold keys. (row 2, 3, 5, 7, 11, …)" in body
    assert "[HUGGING_FACE_TOKEN]" in body
    assert "→ “mask keys” or “drop rows with keys”" in body
    assert "… and 2 findings of less weight." in body
    assert "repair all" in body
    assert "repair all" not in data_card(findings=(rare,))


def test_the_fullest_data_card_fits_into_one_message() -> None:
    long = DataFinding(
        kind=FindingKind.SECRETS,
        count=999_999,
        share=1.0,
        rows=tuple(range(100_000, 100_020)),
        sentence="x" * 600,
        example="y" * 600,
        repairs=(Repair.MASK_PERSONAL_DATA, Repair.DROP_PERSONAL_DATA),
    )

    sample = Sample(row=2, turns=(Turn(who="user", text="z" * 400, mask=Mask.READ),) * 3)

    body = data_card(findings=(long,) * 12, samples=(sample,) * 3)

    assert len(body) <= 4096 + 900  # the samples, which come last, may be cut
    assert "repair all" in body[:4096]


def test_a_repaired_data_set_says_what_was_changed() -> None:
    card = cards.render(
        scene(
            "data",
            an_intake(repaired=("Dropped: near duplicates (12).",)).model_dump(mode="json"),
        )
    )

    assert card.title == "Your data, repaired"
    assert "near duplicates" in card.body


def test_a_report_compares_with_the_earlier_adapter_too_and_says_when_it_got_worse() -> None:
    against = AgainstParent(
        run=12,
        verdict=Verdict.WORSE,
        metric=Metric.EXACT_MATCH,
        parent=0.95,
        tuned=0.9,
        gain=-0.05,
        low=-0.08,
        high=-0.02,
        p_value=0.001,
        adjusted_p_value=0.001,
    )
    good = an_evaluation(Verdict.BETTER)
    item = good.worst[0].model_copy(update={"parent": "what run 12 said", "parent_score": 1.0})
    result = good.model_copy(update={"against_parent": against, "best": (item,)})

    card = reports.report_card(report_of(result), None)

    assert "The tuned model is better" in card.body
    assert "from the adapter of run #12, which gets 95.0 %" in card.body
    assert "**worse** than that adapter" in card.body
    assert "earlier   what run 12 said" in card.body
    assert "**worse** than that adapter" in (card.report or "")
    assert "earlier" not in reports.report_card(report_of(good), None).body


def test_rows_that_an_earlier_adapter_has_learnt_are_told_on_the_data_card() -> None:
    assert "1,200 rows were part of the training" in data_card(learnt_before=1200)
    assert "goes on from" not in data_card()


def test_a_plan_names_rows_that_are_longer_than_the_model_reads() -> None:
    found = {"limit_tokens": 1024, "cut": 2, "left_out": 7, "rows": [3, 9, 17, 21, 40, 41, 77]}

    (both,) = question_cards.long_row_sentences(found)
    (cut,) = question_cards.long_row_sentences(found | {"left_out": 0, "rows": []})

    assert "longer than 1,024 tokens, 2 are cut at their end and 7 are left out" in both
    assert "(row 3, 9, 17, 21, 40, …)" in both
    assert cut.endswith("2 are cut at their end.")
    assert question_cards.long_row_sentences(None) == []


def test_a_report_says_whose_opinions_the_rewards_are() -> None:
    judged = an_evaluation(Verdict.BETTER, judge="gpt_x (openai)")

    card = reports.report_card(report_of(judged), None)

    for text in (card.body, card.report or ""):
        assert "opinions of the language model gpt\\_x \\(openai\\)" in text
        assert "read the samples" in text
    assert (
        "opinions" not in reports.report_card(report_of(an_evaluation(Verdict.BETTER)), None).body
    )


def test_a_report_says_what_the_verdict_rests_on() -> None:
    found = an_evaluation(Verdict.CANNOT_TELL, items=200, groups=150, more_items_needed=1234)
    counted = found.primary.model_copy(update={"gained": 17, "lost": 9})

    card = reports.report_card(report_of(found.model_copy(update={"primary": counted})), None)
    bare = reports.report_card(report_of(an_evaluation(Verdict.BETTER)), None)

    for text in (card.body, card.report or ""):
        assert "Only the tuned model was right on 17 rows, only the base on 9." in text
        assert "the 150 groups of them count as one piece of evidence each" in text
        assert "About 1,234 more test rows would show a difference of this size." in text
    assert "Only the tuned model" not in bare.body
    assert "groups" not in bare.body
    assert "more test rows" not in bare.body


def test_a_part_that_became_worse_is_on_the_card_and_all_parts_are_in_the_report() -> None:
    worse = Slice(
        by="label",
        name="refund | `now`",
        items=34,
        base=0.9,
        tuned=0.7,
        gain=-0.2,
        low=-0.35,
        high=-0.05,
        adjusted_p_value=0.012,
        verdict=Verdict.WORSE,
    )
    better = worse.model_copy(update={"name": "charge", "gain": 0.1, "verdict": Verdict.BETTER})
    rare = worse.model_copy(
        update={"name": "loan", "items": 7, "adjusted_p_value": None, "verdict": None}
    )

    result = an_evaluation(Verdict.BETTER, slices=(better, worse, rare))
    card = reports.report_card(report_of(result), None)

    assert (
        "⚠ It became **worse** on label `refund | 'now'`: -20.0 points on 34 rows, between -35.0 and -5.0."
    ) in card.body
    assert card.body.count("became **worse**") == 1
    report = card.report or ""
    assert "| label | charge | 34 | 90.0 % | 70.0 % | +10.0 |" in report
    assert "| worse (p 0.012) |" in report
    assert "| label | loan | 7 |" in report
    assert "| too few rows |" in report
    assert "Parts of the test rows" not in (
        reports.report_card(report_of(an_evaluation(Verdict.BETTER)), None).report or ""
    )


def test_the_debugger_shows_a_map_of_the_rows_where_somebody_looked_at_them() -> None:
    told = {"iteration": 1, "findings": [], "notes": [], "next": None}
    drawn = row_doubts.map_of(an_inspection(2))

    card = cards.render(scene("debug", told | {"map": drawn}))
    old = cards.render(scene("debug", told))

    assert [chart.kind for chart in card.charts] == ["map"]
    assert "found 200 easy, 20 hard, and changed its mind on 30" in card.body
    assert "`▁" in card.body
    assert old.charts == ()
    assert "easy" not in old.body
    assert row_doubts.map_of(None) is None
    assert row_doubts.map_of(an_inspection(points=())) is None
