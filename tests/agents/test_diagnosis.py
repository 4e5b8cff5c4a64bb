"""Each rule of the debugger on numbers that it must see, and on some that it must not."""

import pytest

from agents.diagnosis import RULES, Evidence, Try, curves, diagnose, rates, rows
from agents.diagnosis.evidence import difference
from agents.jobs import (
    Attribute,
    Dependence,
    FindingKind,
    Kept,
    Verdict,
)
from tests.agents.tried import RECIPE, evidence, found, names, probed, spike, targets, texts
from tests.facts import (
    an_evaluation,
    swaps_of,
    what_answers_depend_on,
    what_was_kept,
)


def test_a_healthy_try_is_left_alone():
    assert diagnose(evidence()) == []


def test_nothing_is_said_about_what_is_not_known():
    assert diagnose(Evidence(recipe=RECIPE, train_rows=500)) == []


ROSE = ((0, 3.0), (5, 5.0), (10, 6.0))
FELL_AND_ROSE = tuple((n, 3.0 if n < 2 else 0.5 if n < 30 else 6.0) for n in range(1, 60))
SIGNS = {
    "learning_rate_too_high": {"training": {"dev_losses": ROSE, "update_size": 20.0}},
    "divergence": {
        "training": {"losses": FELL_AND_ROSE, "dev_losses": ((0, 3.0), (5, 0.5), (10, 2.9))}
    },
    "learning_rate_too_low": {
        "training": {"dev_losses": ((0, 3.0), (5, 2.9), (10, 2.8)), "update_size": 0.002}
    },
    "gradient_norm": {
        "training": {"grad_norms": tuple((n, 500.0 if n % 9 == 8 else 1.0) for n in range(40))}
    },
    "unstable_seeds": {"others": (Try(RECIPE.model_copy(update={"seed": 5}), 1.9),)},
    "spike": {"training": {"spikes": (spike(3.5),)}},
    "missing_end": {"training": targets(rows_ended=9)},
    "masked_labels": {
        "measured": {"rows_left_out": (4, 8), "rows_left_out_count": 40, "limit_tokens": 100}
    },
    "template_mismatch": {
        "measured": texts(marked=(2, 3), marked_count=240, marks=("[INST]", "</s>"))
    },
    "truncation": {"training": targets(rows_cut=30)},
    "format_drift": {"measured": texts(json_answers=0.5)},
    "swapped_columns": {
        "data": found(FindingKind.CONFLICTS, 240, 0.96)
        | {"completion_chars_p95": 90, "completion_words_mean": 12.0}
    },
    "constant_answers": {"measured": texts(most_common_answer=1.0)},
    "leak": {"data": found(FindingKind.LEAKS, 6, 0.02)},
    "conflicting_labels": {"data": found(FindingKind.CONFLICTS, 20, 0.08)},
    "empty_answers": {"data": found(FindingKind.EMPTIES, 20, 0.08)},
    "personal_data": {"data": found(FindingKind.PERSONAL_DATA, 12, 0.05)},
    "label_noise": {
        "training": probed(contradicted=(3, 5), contradicted_count=18, train_right=160)
    },
    "mixed_languages": {"data": found(FindingKind.OTHER_LANGUAGES, 20, 0.08)},
    "imbalance": {"data": found(FindingKind.IMBALANCE, 4, 0.01)},
    "duplicates": {"data": {"duplicates": 20} | found(FindingKind.NEAR_DUPLICATES, 30, 0.3)},
    "memorising": {"training": probed(train_same=16, dev_same=0)},
    "overfit": {
        "training": {"dev_losses": ((0, 3.0), (5, 1.0), (10, 1.2), (20, 1.5)), "best_step": 5}
    },
    "underfit": {"training": {"dev_losses": ((0, 3.0), (5, 2.0), (10, 1.5)), "best_step": 10}},
    "nothing_learnt": {"training": {"dev_losses": ((0, 3.0), (5, 3.01), (10, 3.0))}},
    "forgetting": {
        "evaluated": an_evaluation(Verdict.BETTER, forgetting=what_was_kept(Kept.HARMED))
    },
    "bias": {
        "evaluated": an_evaluation(
            Verdict.BETTER, swaps=swaps_of(what_answers_depend_on(Dependence.BIASED))
        )
    },
    "too_few_rows": {"train_rows": 120},
    "too_few_test_rows": {"evaluated": an_evaluation(Verdict.CANNOT_TELL, more_items_needed=900)},
}


@pytest.mark.parametrize("rule", SIGNS)
def test_a_sign_is_the_first_finding_and_alone(rule):
    findings = diagnose(evidence(**SIGNS[rule]))

    assert names(findings) == [rule]
    assert any(char.isdigit() for char in findings[0].finding)
    assert findings[0].advice


def test_every_rule_has_a_sign_here():
    assert len(SIGNS) == len(RULES)


NEAR_MISSES = {
    "a loss near nothing that halves": {
        "training": {"dev_losses": ((0, 3.0), (5, 0.4), (10, 0.1), (15, 0.05))}
    },
    "a large step that learnt": {"training": {"update_size": 4.0}},
    "a small step that learnt": {"training": {"update_size": 0.002}},
    "a small spike": {"training": {"spikes": (spike(1.2),)}},
    "one high gradient": {"training": {"grad_norms": ((1, 1.0), (2, 200.0), (3, 1.0))}},
    "seeds that agree": {"others": (Try(RECIPE.model_copy(update={"seed": 5}), 1.05),)},
    "another recipe": {"others": (Try(RECIPE.model_copy(update={"seed": 5, "lora_r": 4}), 1.9),)},
    "few rows cut": {"training": targets(rows_cut=5)},
    "answers of one length that are one text": {
        "measured": texts(same_length=60, most_common_answer=0.24)
    },
    "some marks": {"measured": texts(marked=(2,), marked_count=3, marks=("</s>",))},
    "all answers JSON": {
        "measured": texts(json_answers=1.0),
        "training": probed(dev_json_wanted=16, dev_json_given=15),
    },
    "questions on both sides": {"measured": texts(prompts_asking=0.9, answers_asking=0.6)},
    "a doubt here and there": {"training": probed(contradicted=(3,), contradicted_count=4)},
    "doubts of a model that knows little": {
        "training": probed(contradicted_count=60, train_right=70)
    },
    "a gap that chance makes": {"training": probed(train_same=16, dev_same=11)},
    "a dev loss that wavers": {
        "training": {"dev_losses": ((0, 3.0), (5, 1.05), (10, 1.0), (15, 1.05))}
    },
    "a dev loss near nothing that rises": {
        "training": {"dev_losses": ((0, 3.0), (5, 0.02), (10, 0.03), (15, 0.03))}
    },
    "a dev loss that rises by what another seed would end higher": {
        "training": {"dev_losses": ((0, 6.3), (5, 0.16), (10, 0.13), (15, 0.18), (20, 0.19))}
    },
    "a fall that two looks do not make two of": {
        "training": {"dev_losses": ((0, 3.0), (5, 1.2), (10, 0.99), (15, 1.0)), "best_step": 10}
    },
    "one template": {
        "training": {"template_sha256": "a" * 64},
        "evaluated": an_evaluation(Verdict.BETTER, template_sha256="a" * 64),
    },
    "a template that is not known": {
        "evaluated": an_evaluation(Verdict.BETTER, template_sha256="a" * 64)
    },
    "two rows with a mail address": {"data": found(FindingKind.PERSONAL_DATA, 2, 0.01)},
    "a few conflicts": {"data": found(FindingKind.CONFLICTS, 2, 0.008)},
    "a gain that the rows show": {"evaluated": an_evaluation(Verdict.BETTER)},
}


@pytest.mark.parametrize("what", NEAR_MISSES)
def test_what_is_only_near_a_sign_is_none(what):
    assert diagnose(evidence(**NEAR_MISSES[what])) == []


def test_an_adapter_that_is_asked_in_other_words_answers_the_sealed_rows_much_worse():
    asked = an_evaluation(Verdict.CANNOT_TELL, items=80)
    worse = asked.primary.model_copy(update={"tuned": 0.02})

    findings = diagnose(evidence(evaluated=asked.model_copy(update={"comparisons": (worse,)})))

    assert names(findings) == ["template_mismatch"]
    assert "2 % of 80" in findings[0].finding


def test_of_several_findings_the_cause_comes_first_and_what_it_explains_is_left_out():
    findings = diagnose(
        evidence(
            training=SIGNS["overfit"]["training"] | probed(train_same=16, dev_same=0),
            data=SIGNS["conflicting_labels"]["data"],
            measured=SIGNS["masked_labels"]["measured"] | {"context_tokens": 4096},
            train_rows=150,
        )
    )

    assert names(findings) == ["masked_labels", "conflicting_labels", "memorising", "too_few_rows"]
    assert [f.change is not None for f in findings] == [True, False, True, False]
    assert findings[0].rows == (4, 8)


@pytest.mark.parametrize(
    ("rule", "field", "value"),
    [
        ("learning_rate_too_high", "learning_rate", 3e-5),
        ("divergence", "learning_rate", 9e-5),
        ("learning_rate_too_low", "learning_rate", 3e-3),
        ("overfit", "learning_rate", 1.5e-4),
        ("memorising", "learning_rate", 1.5e-4),
        ("underfit", "epochs", 8.0),
        ("nothing_learnt", "learning_rate", 9e-4),
    ],
)
def test_a_rule_offers_one_typed_change(rule, field, value):
    (finding,) = diagnose(evidence(**SIGNS[rule]))

    assert (finding.change.field, finding.change.value) == (field, value)


def test_a_run_that_was_cut_by_steps_gets_more_steps():
    recipe = RECIPE.model_copy(update={"max_steps": 100})

    (finding,) = diagnose(evidence(**SIGNS["underfit"], recipe=recipe))

    assert (finding.change.field, finding.change.value) == ("max_steps", 200)


def test_nothing_learnt_by_a_model_that_was_moved_far_wants_a_smaller_rate():
    flat = {"dev_losses": ((0, 3.0), (5, 2.999), (10, 2.999)), "update_size": None}
    recipe = RECIPE.model_copy(update={"learning_rate": 1e-3})

    (finding,) = diagnose(evidence(flat, recipe=recipe))

    assert (finding.rule, finding.change.value) == ("nothing_learnt", 3e-4)


def test_nan_takes_a_tenth_of_the_learning_rate_and_memory_half_of_the_rows_at_once():
    nan = diagnose(evidence(error_code="non_finite_loss"))
    memory = diagnose(evidence(error_code="out_of_memory", at_once=8))
    one_row = diagnose(evidence(error_code="out_of_memory", at_once=1))

    assert (nan[0].change.field, nan[0].change.value) == ("learning_rate", 3e-5)
    assert (memory[0].change.field, memory[0].change.value) == ("micro_batch_size", 4)
    assert (one_row[0].change.field, one_row[0].change.value) == ("max_length_tokens", 512)
    assert {len(nan), len(memory), len(one_row)} == {1}


def test_nan_before_the_first_step_is_the_fault_of_the_base_model():
    broken = {"steps_done": 0, "dev_losses": (), "losses": ()}

    (finding,) = diagnose(evidence(broken, error_code="non_finite_loss"))

    assert finding.change is None
    assert "base model" in finding.finding


def test_the_interval_of_a_difference_is_that_of_agresti_and_caffo():
    seen, low, high = difference((14, 16), (3, 16))

    assert seen == 11 / 16
    assert (round(low, 4), round(high, 4)) == (0.3532, 0.869)


def test_what_was_forgotten_is_answered_with_a_third_of_the_learning_rate_and_its_numbers():
    harmed = an_evaluation(Verdict.BETTER, forgetting=what_was_kept(Kept.HARMED))

    (finding,) = diagnose(evidence(evaluated=harmed))

    assert (finding.change.field, finding.change.value) == ("learning_rate", 9e-5)
    assert "from 70 % to 64 % by how sure it is of right answers, -6.2 points" in finding.finding
    assert "(95 % interval -8.2 to -4.2)" in finding.finding
    for outcome in (Kept.HELD, Kept.NOT_SHOWN):
        kept = an_evaluation(Verdict.BETTER, forgetting=what_was_kept(outcome))
        assert diagnose(evidence(evaluated=kept)) == []


def test_a_bias_comes_with_its_numbers_its_rows_and_which_side_it_is_against():
    words = what_answers_depend_on(Dependence.BIASED)
    spelling = what_answers_depend_on(
        Dependence.BIASED,
        attribute=Attribute.SPELLING,
        above=0.9,
        leaning=None,
        rows=(40, 41),
    )
    both = an_evaluation(Verdict.BETTER, swaps=swaps_of(words, spelling))
    alone = an_evaluation(Verdict.BETTER, swaps=swaps_of(words))

    (finding,) = diagnose(evidence(evaluated=alone))
    (of_both,) = diagnose(evidence(evaluated=both))

    assert (
        "with that changed, 14 of 40 dev rows got another answer, with a word that changes nothing 1 of 40 "
        "(+32.5 points, interval +22.5 to +42.5)." in finding.finding
    )
    assert "“refused” was said 0× only with male words and 12× only with female words." in (
        finding.finding
    )
    assert finding.finding.endswith(
        "Seen in row 2, row 3, row 4, row 5, row 6 and 9 more. The base: 5 of 30, with a word that changes nothing 4 of 30."
    )
    assert finding.rows == tuple(range(2, 16))
    assert finding.change is None
    assert of_both.finding.startswith("Answers depend on British or American spelling: ")
    assert "They depend on gendered words (he or she, Mr or Mrs) too." in of_both.finding
    assert of_both.rows == (*range(2, 16), 40, 41)


@pytest.mark.parametrize("outcome", [Dependence.NOT_SHOWN, Dependence.BRITTLE, Dependence.TOO_FEW])
def test_nothing_but_a_bias_is_called_one(outcome):
    seen = an_evaluation(Verdict.BETTER, swaps=swaps_of(what_answers_depend_on(outcome)))

    assert diagnose(evidence(evaluated=seen)) == []


@pytest.mark.parametrize("module", [curves, rates, rows])
def test_every_function_of_a_module_of_rules_is_asked(module):
    public = {name for name in vars(module) if not name.startswith("_")}
    own = {
        getattr(module, name)
        for name in public
        if getattr(getattr(module, name), "__module__", "") == module.__name__
        and callable(getattr(module, name))
    }

    assert len(own) >= 4
    assert own <= set(RULES)
