"""Rules that look through what chance does to dev losses and answers."""

from agents.diagnosis import diagnose
from agents.jobs import Verdict
from tests.agents.tried import evidence, names
from tests.facts import an_evaluation


def test_two_templates_are_told_apart_even_where_answers_hardly_suffer():
    asked = an_evaluation(Verdict.BETTER, template_sha256="b" * 64)

    findings = diagnose(evidence(training={"template_sha256": "a" * 64}, evaluated=asked))

    assert names(findings) == ["template_mismatch"]
    assert "(sha256 bbbbbbbb…)" in findings[0].finding
    assert "90 % of 20 word for word, against 88 % of 16" in findings[0].finding


def test_a_dev_loss_that_rises_by_what_counts_is_overfit_whatever_the_base_lost():
    little = {"dev_losses": ((0, 1.9), (5, 1.3), (10, 1.36), (15, 1.37)), "best_step": 5}
    much = {"dev_losses": ((0, 6.5), (5, 1.3), (10, 1.45), (15, 1.5)), "best_step": 5}

    assert names(diagnose(evidence(training=little))) == ["overfit"]
    assert names(diagnose(evidence(training=much))) == ["overfit"]


def test_a_rise_that_lasts_is_overfit_though_the_last_look_is_a_low_one():
    lasted = ((0, 6.9), (5, 1.4), (10, 1.5), (15, 1.56), (20, 1.51), (25, 1.49), (30, 1.5))
    short = (*lasted[:2], (30, 1.5))

    assert names(diagnose(evidence(training={"dev_losses": lasted, "best_step": 5}))) == ["overfit"]
    assert diagnose(evidence(training={"dev_losses": short, "best_step": 5})) == []


def test_a_fall_that_only_the_last_look_does_not_show_is_underfit():
    curve = ((0, 6.3), (6, 1.6), (12, 1.1), (16, 1.13))

    (finding,) = diagnose(evidence(training={"dev_losses": curve, "best_step": 12}))

    assert finding.rule == "underfit"
    assert "(1.600 → 1.100 within the last two looks)" in finding.finding
    assert (finding.change.field, finding.change.value) == ("epochs", 8.0)
