"""What cards say, from the facts that rows hold."""

from datetime import UTC, datetime
from typing import Any

from agents.jobs import DataFinding, EvaluateResult, FindingKind, Mask, Sample, Turn, Verdict
from bot import cards, reports
from bot.scenes import Scene
from storage.models import Event, Phase, Run
from tests.facts import a_training, an_evaluation, an_intake

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
    return Scene(event, run, upload=None, approval=None, job=None, place=None)


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


def test_findings_are_told_with_their_rows_the_most_serious_first_and_not_all_of_many() -> None:
    def found(kind: FindingKind, count: int) -> DataFinding:
        rows = tuple(range(2, 2 + min(count, 20)))
        sentence = f"{kind.value} was found."
        return DataFinding(kind=kind, count=count, share=0.1, rows=rows, sentence=sentence)

    every = tuple(found(kind, 7) for kind in FindingKind)

    body = data_card(findings=every)

    assert "secrets was found" in body
    assert "row 2, 3, 4, 5, 6, …" in body.replace("\\", "")
    assert body.count("⚠") == 6
    assert "4 findings of less weight" in body
    assert "⚠" not in data_card()


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


def test_a_full_mark_is_not_called_weak() -> None:
    good = an_evaluation(Verdict.BETTER)
    wrong = good.worst[0].model_copy(update={"tuned_score": 0.0, "tuned": "no idea"})

    praised = reports.report_card(report_of(good), None).body
    blamed = reports.report_card(report_of(good.model_copy(update={"worst": (wrong,)})), None).body

    assert "weakest answer still scores full marks" in praised
    assert "Where it is weakest" not in praised
    assert "Where it is weakest" in blamed
    assert "no idea" in blamed
