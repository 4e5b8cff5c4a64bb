"""An evaluation's numbers as people read them, and what is still guessed in plain words."""

from agents.jobs import Breakdown, Comparison, Confusion, FieldScore, LabelScore, Verdict
from agents.recipe import Metric
from bot import metric_tables, reports
from tests.facts import a_training, an_evaluation

PRIORITY = FieldScore(
    name="priority",
    items=120,
    base=0.0,
    tuned=0.33,
    always=0.35,
    most_frequent="p2",
    is_guessed=True,
)
NUMBER = PRIORITY.model_copy(update={"name": "order", "tuned": 1.0, "is_guessed": False})
NEARLY = PRIORITY.model_copy(update={"tuned": 0.4})


def evaluation(**behind):
    found = Breakdown(form="records", score_s=0.1, **behind)
    return an_evaluation(Verdict.BETTER, breakdown=found)


def shown(result):
    return {
        "report": result.model_dump(mode="json"),
        "iteration": 1,
        "partial": False,
        "again": False,
    }


def comparison(metric, base, tuned) -> Comparison:
    gain = tuned - base
    return Comparison(
        metric=metric,
        base=base,
        tuned=tuned,
        gain=gain,
        low=gain - 0.01,
        high=gain + 0.01,
        p_value=0.01,
    )


def test_a_guessed_field_is_called_out_on_the_card_and_in_the_report() -> None:
    training = a_training().model_dump(mode="json")
    result = evaluation(fields=(NUMBER, PRIORITY))

    card = reports.report_card(shown(result), training)

    for text in (card.body, card.report or ""):
        assert (
            "The loss fell, but the field `priority` is still guessed: 33 % right, always saying `p2` would get 35 %."
            in text
        )
        assert "`order` is still" not in text
    assert "| `priority` | 120 | 0 % | 33 % | 35 % | `p2` | still guessed |" in (card.report or "")


def test_a_small_lead_over_guessing_is_said_to_be_no_proof() -> None:
    (sentence,) = metric_tables.guessed(evaluation(fields=(NEARLY,)), None)

    assert "The field `priority` is not shown to be better than a guess: 40 % right" in sentence
    assert "with 120 rows that difference may be chance" in sentence


def test_a_loss_that_did_not_fall_is_not_said_to() -> None:
    rising = a_training(dev_losses=((0, 1.0), (5, 1.2))).model_dump(mode="json")

    (sentence,) = metric_tables.guessed(evaluation(fields=(PRIORITY,)), rising)

    assert sentence.startswith("⚠ The field `priority` is still guessed")


def test_many_guessed_fields_are_cut_on_the_card_only() -> None:
    result = evaluation(fields=(PRIORITY,) * 7)

    assert metric_tables.guessed(result, None)[-1] == "… and 4 more fields; the report has all."
    assert len(metric_tables.guessed(result, None, most=40)) == 7


def test_a_report_says_which_way_a_metric_is_better_and_shows_what_is_no_share_as_it_is() -> None:
    table = metric_tables.table(
        [
            comparison(Metric.CHRF, 0.5, 0.9),
            comparison(Metric.TER, 1.25, 0.5),
            comparison(Metric.LENGTH_RATIO, 3.0, 1.0),
            comparison(Metric.REFUSALS, 0.5, 0.25),
        ]
    )

    assert "| letters in common (chrF) | 50.0 % | 90.0 % | +40.0 | +39.0 … +41.0 | 0.01 |" in table
    assert (
        "| edits per word (TER) (lower is better) | 1.25 | 0.50 | -0.75 | -0.76 … -0.74 |" in table
    )
    assert "length against the right answer (1 is best) | 3.00 | 1.00 | -2.00" in table
    assert "| refusals (lower is better) | 50.0 % | 25.0 % | -25.0 |" in table


def test_a_card_shows_few_metrics_and_the_one_that_decides_first() -> None:
    others = [comparison(m, 0.1, 0.2) for m in Metric if m is not Metric.EXACT_MATCH]
    result = evaluation().model_copy(update={"comparisons": tuple(others)})

    on_card = [c.metric for c in metric_tables.on_card(result)]

    assert on_card[0] is Metric.EXACT_MATCH
    assert {Metric.BLEU, Metric.ROUGE_L} < set(on_card)
    assert all(metric.is_share and metric.better == "higher" for metric in on_card)
    assert set(metric_tables.NAMES) == set(Metric)


def test_labels_and_confusions_stand_in_the_report() -> None:
    score = LabelScore(
        label="refund|x", items=10, found_by_base=0.0, found=0.3, base=0.0, tuned=0.46
    )
    labels = (score,) * 32
    result = evaluation(
        labels=labels,
        confusions=(Confusion(meant="refund", said="charge`back", times=7),),
        left_out=("Not measured: @everyone",),
        base_answer_s=0.5,
        tuned_answer_s=0.125,
    )

    text = "\n\n".join(metric_tables.details(result))

    assert "| `refund¦x` | 10 | 0 % | 30 % | 0 % | 46 % |" in text
    assert "… and 2 labels that do better." in text
    assert "- `refund` → `charge'back` 7×" in text
    assert "An answer took 0.50 s of base and 0.12 s of tuned" in text
    assert r"Not measured\: \@everyone" in text  # what comes from elsewhere is no mention
    assert metric_tables.details(an_evaluation(Verdict.BETTER)) == []
