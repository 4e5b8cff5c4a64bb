from agents.diagnosis import diagnose
from agents.recipe import Recipe
from tests.facts import a_training

RECIPE = Recipe(model="m", epochs=4.0)


def rules(findings):
    return [finding.rule for finding in findings]


def test_a_dev_loss_that_rises_again_is_overfitting_and_costs_epochs():
    trained = a_training(
        dev_losses=((0, 3.0), (5, 1.0), (10, 1.2), (20, 1.5)), best_step=5, steps_planned=20
    )

    findings = diagnose(RECIPE, trained, None, None, 500)

    assert rules(findings) == ["overfit"]
    assert findings[0].change.field == "epochs"
    assert findings[0].change.value < RECIPE.epochs
    assert "1.000" in findings[0].finding
    assert "1.500" in findings[0].finding


def test_a_dev_loss_that_still_falls_wants_more_training():
    trained = a_training(dev_losses=((0, 3.0), (5, 2.0), (10, 1.5)), best_step=10)

    findings = diagnose(RECIPE, trained, None, None, 500)

    assert rules(findings) == ["underfit"]
    assert findings[0].change.value == 8.0


def test_a_run_that_was_cut_by_steps_gets_more_steps():
    trained = a_training(dev_losses=((0, 3.0), (5, 2.0), (10, 1.5)), best_step=10, steps_done=10)

    findings = diagnose(RECIPE.model_copy(update={"max_steps": 10}), trained, None, None, 500)

    assert (findings[0].change.field, findings[0].change.value) == ("max_steps", 20)


def test_a_dev_loss_that_never_falls_means_nothing_was_learnt():
    trained = a_training(dev_losses=((0, 3.0), (5, 3.01), (10, 3.0)), best_step=0)

    findings = diagnose(RECIPE, trained, None, None, 500)

    assert rules(findings) == ["nothing_learnt"]
    assert findings[0].change.field == "learning_rate"
    assert findings[0].change.value > RECIPE.learning_rate


def test_a_healthy_run_is_left_alone():
    trained = a_training(dev_losses=((0, 3.0), (5, 1.0), (10, 0.995), (15, 0.994)), best_step=15)

    assert diagnose(RECIPE, trained, None, None, 500) == []


def test_few_rows_are_named_but_change_no_setting():
    trained = a_training(dev_losses=((0, 3.0), (5, 1.0), (10, 0.995)), best_step=10)

    findings = diagnose(RECIPE, trained, None, None, 60)

    assert rules(findings) == ["too_few_rows"]
    assert findings[0].change is None


def test_nan_takes_a_tenth_of_the_learning_rate_and_memory_half_of_the_rows_at_once():
    nan = diagnose(RECIPE, None, None, "non_finite_loss", 500)
    memory = diagnose(RECIPE, None, None, "out_of_memory", 500, at_once=8)
    one_row = diagnose(RECIPE, None, None, "out_of_memory", 500, at_once=1)

    assert (nan[0].change.field, nan[0].change.value) == ("learning_rate", 3e-5)
    assert (memory[0].change.field, memory[0].change.value) == ("micro_batch_size", 4)
    assert (one_row[0].change.field, one_row[0].change.value) == ("max_length_tokens", 512)
