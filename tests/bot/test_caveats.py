"""What a report says beside a gain: what it cost, what does as much, what was not scored."""

from agents.jobs import (
    AgainstTry,
    Attribute,
    Contaminated,
    Contaminates,
    Contamination,
    Dependence,
    Kept,
    LearntFrom,
    PromptedBase,
    Verdict,
)
from agents.recipe import Metric
from bot import reports
from tests.bot.test_cards import report_of
from tests.facts import an_evaluation, swaps_of, what_answers_depend_on, what_was_kept


def test_a_gain_below_what_was_asked_for_is_called_so() -> None:
    small = an_evaluation(Verdict.SMALLER_THAN_ASKED, target_gain_points=30.0)

    card = reports.report_card(report_of(small), None)

    assert card.title == "Verdict: BETTER BUT SMALLER THAN ASKED"
    assert "**The tuned model is better, but by less than you asked for.**" in card.body
    assert "you asked for 30 points." in card.body


def test_a_gain_bought_by_forgetting_is_called_so_in_the_sentence_and_in_the_table() -> None:
    harmed = an_evaluation(Verdict.BETTER, forgetting=what_was_kept(Kept.HARMED))

    card = reports.report_card(report_of(harmed), None)

    assert card.title == "Verdict: BETTER"
    assert card.body.startswith("**The tuned model is better, at the price of forgetting.**")
    assert (
        "how sure it is of right answers: 70.0 % before, 63.8 % after (-6.2 points, between -8.2 and -4.2"
        in card.body
    )
    assert "prefers the right one of four: 80.0 % before, 80.0 % after (+0.0" in card.body
    assert (
        "| everyday questions: sure of right answers | 70.0 % | 63.8 % | -6.2 | -8.2 … -4.2 | forgotten |"
        in card.report
    )
    assert "| everyday questions: right one of four | 80.0 % | 80.0 % | +0.0 |" in card.report
    assert "| arithmetic | 100 | 70.0 % | 63.8 % | 80.0 % | 80.0 % |" in card.report
    asked = an_evaluation(
        Verdict.SMALLER_THAN_ASKED,
        target_gain_points=30.0,
        forgetting=what_was_kept(Kept.HARMED),
    )
    assert "less than you asked for, at the price of forgetting.**" in reports.sentence(asked)


def test_what_is_not_shown_to_be_kept_is_not_called_kept_and_a_worse_model_has_bought_nothing() -> (
    None
):
    told = {
        outcome: reports.report_card(
            report_of(an_evaluation(Verdict.BETTER, forgetting=what_was_kept(outcome))), None
        )
        for outcome in (Kept.HELD, Kept.NOT_SHOWN)
    }
    worse = an_evaluation(Verdict.WORSE, forgetting=what_was_kept(Kept.HARMED))
    unasked = reports.report_card(report_of(an_evaluation(Verdict.BETTER)), None)

    assert "It has **kept** what the base could do" in told[Kept.HELD].body
    assert "a loss of 2 points is ruled out" in told[Kept.HELD].body
    assert "is **not shown**" in told[Kept.NOT_SHOWN].body
    assert "a loss of 2 points is not ruled out" in told[Kept.NOT_SHOWN].body
    assert all("at the price" not in card.body for card in told.values())
    assert "at the price" not in reports.sentence(worse)
    assert "It **forgot** some" in reports.report_card(report_of(worse), None).body
    assert "everyday" not in unasked.body + unasked.report


def tried(shots: int, gain: float, half: float) -> PromptedBase:
    return PromptedBase(
        shots=shots,
        words="Sort tickets\nInput: …\nAnswer:",
        score=0.9 - gain,
        gain=gain,
        low=gain - half,
        high=gain + half,
    )


def test_a_prompt_that_does_as_much_is_named_in_the_first_sentence_and_given_in_the_report() -> (
    None
):
    even = an_evaluation(Verdict.BETTER, prompted=(tried(0, 0.5, 0.1), tried(4, 0.02, 0.05)))
    better = an_evaluation(Verdict.BETTER, prompted=(tried(0, -0.1, 0.05),))
    far = an_evaluation(Verdict.BETTER, prompted=(tried(0, 0.3, 0.1), tried(1, 0.2, 0.1)))
    both = even.model_copy(update={"forgetting": what_was_kept(Kept.HARMED)})

    card = reports.report_card(report_of(even), None)
    assert card.body.startswith("**The tuned model is better; but a better prompt does as much.**")
    assert "The base with 4 examples in its prompt gets 88.0 %" in card.body
    assert "**as much** as the tuned model (+2.0 points for the tuned model, between -3.0" in (
        card.body
    )
    assert "| the base with a better prompt | 40.0 % | 90.0 % | +50.0 | +40.0 … +60.0 |" in (
        card.report
    )
    assert "Sort tickets\nInput: …\nAnswer:" in card.report
    assert "**more** than the tuned model" in reports.report_card(report_of(better), None).body
    assert "prompt" not in reports.report_card(report_of(far), None).body
    assert "| the base with 1 example in its prompt | 70.0 %" in (
        reports.report_card(report_of(far), None).report
    )
    assert "better, at the price of forgetting; but a better prompt does as much.**" in (
        reports.sentence(both)
    )


def test_rows_without_a_score_are_counted_and_named_and_the_report_says_what_each_resembles() -> (
    None
):
    items = tuple(
        Contaminated(row=row, way=way, like=7, source=source, likeness=0.9)
        for row, way, source in zip(
            range(2, 22),
            [Contaminates.EQUAL, *[Contaminates.CLOSE] * 19],
            [LearntFrom.EARLIER, LearntFrom.DEV, *[LearntFrom.TRAIN] * 18],
            strict=True,
        )
    )
    known = Contamination(sealed=40, compared_with=1200, items=items, left_out=("rows: 3",))
    clean = Contamination(sealed=20, compared_with=1200, items=())

    card = reports.report_card(report_of(an_evaluation(Verdict.BETTER, contamination=known)), None)
    quiet = reports.report_card(report_of(an_evaluation(Verdict.BETTER, contamination=clean)), None)

    assert "20 of 40 sealed rows got **no score**" in card.body
    assert "row 2, row 3, " in card.body
    assert "row 17 and 4 more;" in card.body
    assert "Not all sealed rows were compared" in card.body
    assert "| row 2 | row 7 of an earlier adapter | the same prompt | 90 % |" in card.report
    assert "| row 3 | row 7 to choose by | almost the same words | 90 % |" in card.report
    assert "| row 21 | row 7 to learn from | almost the same words | 90 % |" in card.report
    assert "no score" not in quiet.body
    assert "without a score" not in quiet.report


def test_what_answers_depend_on_stands_on_the_card_and_with_examples_in_the_report() -> None:
    seen = swaps_of(what_answers_depend_on(Dependence.BIASED), asked_for=(Attribute.TONE,))

    card = reports.report_card(report_of(an_evaluation(Verdict.BETTER, swaps=seen)), None)

    warning = (
        "⚠ Its answers **depend** on gendered words (he or she, Mr or Mrs): with that changed, 14 of 40 dev rows got another answer, "
        "with a word that changes nothing 1 of 40. `refused` was said 0× only with male words and 12× only with female words."
    )
    assert warning in card.body
    assert warning in card.report
    assert (
        "| gendered words (he or she, Mr or Mrs) | 14 of 40 | 1 of 40 | +32.5 (+22.5 … +42.5) | 5 of 30 | 4 of 30 "
        "| male words 90.0 %, female words 60.0 % (0.004) | **depends** |" in card.report
    )
    assert "where it differs, with the change taken back" in card.report
    assert "- row 2, `he → she`: \\*granted\\* → \\[refused\\]\\(http" in card.report
    assert "depend on contractions (do not or don't): the task asks for it" in card.report


def test_what_answers_are_not_seen_to_depend_on_is_in_the_report_alone() -> None:
    told = {
        outcome: reports.report_card(
            report_of(
                an_evaluation(
                    Verdict.BETTER,
                    swaps=swaps_of(what_answers_depend_on(outcome), change_points=10.0),
                )
            ),
            None,
        )
        for outcome in (Dependence.NOT_SHOWN, Dependence.BRITTLE, Dependence.TOO_FEW)
    }
    unasked = reports.report_card(report_of(an_evaluation(Verdict.BETTER)), None)
    too_few = reports.report_card(report_of(an_evaluation(Verdict.BETTER, swaps=swaps_of())), None)

    assert all("depend" not in card.body for card in (*told.values(), too_few, unasked))
    assert "That answers depend on gendered words (he or she, Mr or Mrs) was not shown." in (
        told[Dependence.NOT_SHOWN].report
    )
    assert "It is **brittle**: words that change nothing gave 18 of 40 dev rows" in (
        told[Dependence.BRITTLE].report
    )
    assert "| 3 of 12 | 0 of 12 | – | 5 of 30 | 4 of 30 | – | too few rows |" in (
        told[Dependence.TOO_FEW].report
    )
    assert "a score that differs by more than 10 points" in told[Dependence.TOO_FEW].report
    assert "was not looked at: too few of 90 dev rows" in too_few.report
    assert "With one word changed" not in too_few.report
    assert "depend" not in unasked.report


def test_a_report_says_how_a_try_does_against_the_best_one_before_it() -> None:
    rival = AgainstTry(
        iteration=1,
        verdict=Verdict.BETTER,
        metric=Metric.EXACT_MATCH,
        items=100,
        other=0.6,
        tuned=0.7,
        gain=0.1,
        low=0.02,
        high=0.18,
        p_value=0.01,
        adjusted_p_value=0.01,
    )

    card = reports.report_card(report_of(an_evaluation(Verdict.BETTER, against_try=rival)), None)

    assert (
        "It is **better** than try 1, the best so far. That one gets 60.0 % on the same 100 rows, this one 70.0 %: "
        "+10.0 points, between +2.0 and +18.0 with 95 % confidence." in card.body
    )
