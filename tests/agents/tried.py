"""A healthy try as the debugger sees it, and what may be different in it."""

from agents.diagnosis import Evidence
from agents.jobs import (
    DataFinding,
    LossSpike,
    Probe,
    Repair,
    RowFacts,
    Targets,
)
from agents.recipe import Recipe
from tests.facts import a_measurement, a_training, an_intake

RECIPE = Recipe(model="m", epochs=4.0)
CURVE = ((0, 3.0), (5, 1.0), (10, 0.995), (15, 0.994))
PROBE = Probe(
    train_asked=16,
    train_same=15,
    dev_asked=16,
    dev_same=14,
    ended=32,
    dev_json_wanted=0,
    dev_json_given=0,
    train_seen=200,
    train_right=190,
)
TARGETS = Targets(rows=250, tokens=5000, learnt_tokens=900, rows_cut=0, rows_ended=250)
TEXTS = RowFacts(
    rows=250,
    most_common_answer=0.3,
    json_answers=0.0,
    same_length=3,
    longest_chars=90,
    prompts_asking=0.1,
    answers_asking=0.0,
)


def evidence(training=None, *, data=None, measured=None, evaluated=None, **changes):
    """What is known about a healthy try, with what is different."""
    trained = {"dev_losses": CURVE, "best_step": 15, "steps_done": 100, "steps_planned": 100}
    trained |= {"probe": PROBE, "targets": TARGETS, "update_size": 0.1} | (training or {})
    known = {
        "recipe": RECIPE,
        "train_rows": 250,
        "data": an_intake(distinct_completions=4, **(data or {})),
        "measured": a_measurement(**({"row_facts": TEXTS} | (measured or {}))),
        "trained": a_training(**trained),
        "evaluated": evaluated,
    }
    return Evidence(**(known | changes))


def found(kind, count, share, **facts):
    """What a check of the rows would have found."""
    repairs = (Repair.DROP_CONFLICTS,)
    values = {"rows": tuple(range(2, 8)), "sentence": f"{count} rows. So.", "repairs": repairs}
    return {"findings": (DataFinding(kind=kind, count=count, share=share, **(values | facts)),)}


def probed(**facts):
    return {"probe": PROBE.model_copy(update=facts)}


def targets(**facts):
    return {"targets": TARGETS.model_copy(update=facts)}


def texts(**facts):
    return {"row_facts": TEXTS.model_copy(update=facts)}


def spike(loss):
    return LossSpike(step=40, loss=loss, usual=0.4, rows=(7, 9), excerpts=("a → b",))


def names(findings):
    return [finding.rule for finding in findings]
