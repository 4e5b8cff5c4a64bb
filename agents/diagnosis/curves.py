"""What the curve of the dev loss says, too long, too short, or for nothing; and what was forgotten meanwhile."""

import math
from statistics import mean

from agents.diagnosis.evidence import Evidence, difference, percent
from agents.diagnosis.findings import Finding
from agents.diagnosis.rates import LARGE_UPDATE
from agents.jobs import Kept
from agents.planning import scaled
from agents.recipe import RecipeChange

OVERFIT_RATIO = 1.02
"""Dev loss over the best one, at the last two looks."""
OVERFIT_AT_ONCE = 1.1
"""The same at the last look alone."""
LOST_NATS = 0.02
"""Per token; a smaller rise is none that anybody would notice."""
GIVEN_BACK = 0.03
"""Share of what was gained over the base that a rise takes back; another seed alone makes up to half of that."""
LEARNT = 0.01
"""Relative fall of the dev loss below which nothing was learnt."""
STILL_FALLING = 0.1
"""Relative fall of the dev loss from one look to the next that says the training was cut short."""
MUCH_LEFT = 0.1
"""Share of the base's dev loss that must be left for that: a loss near nothing may halve for ever."""
MOST_EPOCHS = 20.0
BY_HEART = 0.2
"""Training answers repeated word for word beyond the share of dev answers."""
GENTLER = 0.5
"""Of the learning rate, where a model has learnt its rows too well. The rate is constant after its warm-up and the best step
is what is kept, so fewer epochs would take the same steps and keep the same adapter."""


def nothing_learnt(evidence: Evidence) -> Finding | None:
    """No dev loss after the base model's is below it."""
    curve, recipe = evidence.dev, evidence.recipe
    if len(curve) < 2 or min(curve[1:]) < curve[0] * (1 - LEARNT):
        return None
    moved = evidence.update_size
    low = recipe.learning_rate < 5e-4 if moved is None else moved < LARGE_UPDATE
    change = scaled(recipe, "learning_rate", 3 if low else 0.3)
    return Finding(
        "nothing_learnt",
        f"Nothing was learnt: the dev loss was {curve[0]:.3f} before the training, the best after it {min(curve[1:]):.3f}.",
        f"try a learning rate of {change.value:g}",
        change,
        telling=0.6,
    )


def overfit(evidence: Evidence) -> Finding | None:
    """The dev loss was lower than it is at the end."""
    curve, trained, recipe = evidence.dev, evidence.trained, evidence.recipe
    if trained is None or len(curve) < 3 or trained.best_step == 0:
        return None
    best = min(curve)
    rose = curve[-1] > best * OVERFIT_AT_ONCE or min(curve[-2:]) > best * OVERFIT_RATIO
    if not rose or not _stayed_up(curve):
        return None
    change = scaled(recipe, "learning_rate", GENTLER)
    return Finding(
        "overfit",
        f"Overfitting: the dev loss was best at step {trained.best_step} ({best:.3f}) and rose to {curve[-1]:.3f} "
        "by the end.",
        f"take half of the learning rate, {change.value:g}: fewer epochs would end where the adapter that was kept was taken, "
        "and be no better",
        change,
        telling=0.65,
    )


def underfit(evidence: Evidence) -> Finding | None:
    """The dev loss was still falling at the end."""
    curve, trained, recipe = evidence.dev, evidence.trained, evidence.recipe
    if trained is None or len(curve) < 3 or curve[-1] < MUCH_LEFT * curve[0]:
        return None
    falls = _last_fall(curve)
    if falls is None:
        return None
    finding = f"Underfitting: the dev loss was still falling at the end ({falls})."
    if recipe.max_steps is not None and trained.steps_done >= recipe.max_steps:
        change = scaled(recipe, "max_steps", 2)
        advice = f"train for {change.value} steps instead of {recipe.max_steps}"
        return Finding("underfit", finding, advice, change, telling=0.6)
    if recipe.epochs >= MOST_EPOCHS:
        return None
    epochs = float(min(recipe.epochs * 2, MOST_EPOCHS))
    advice = f"train for {epochs:g} epochs instead of {recipe.epochs:g}"
    change = RecipeChange(field="epochs", value=epochs)
    return Finding("underfit", finding, advice, change, telling=0.6)


def _last_fall(curve: list[float]) -> str | None:
    """Say how a curve was falling at its end; None where it was not.

    At a constant learning rate a look may lie above the one before by chance while the loss falls. So two looks are taken
    together where there are enough: the lower one must have fallen as far as two falls, and the last rise must be one that
    nobody would call a rise.
    """
    if curve[-1] <= min(curve) and curve[-1] <= curve[-2] * (1 - STILL_FALLING):
        return f"{curve[-2]:.3f} → {curve[-1]:.3f} at the last look"
    if len(curve) < 4:
        return None
    before, low = min(curve[:-2]), min(curve[-2:])
    if low > before * (1 - STILL_FALLING) ** 2 or curve[-1] >= low + _noticed(curve):
        return None
    return f"{before:.3f} → {low:.3f} within the last two looks"


def _stayed_up(curve: list[float]) -> bool:
    """Tell whether the last look, or all looks after the best together, rose by more than chance."""
    best = min(curve)
    after = curve[curve.index(best) + 1 :]
    return bool(after) and (
        after[-1] >= best + _noticed(curve) or mean(after) >= best + _noticed(curve, len(after))
    )


def _noticed(curve: list[float], looks: int = 1) -> float:
    """Return the smallest rise of a dev loss, in nats per token, that is not left to chance.

    A small part of what was learnt is: the same training with another seed ends as far away. The mean of several looks
    wavers less than one of them, by the square root of their number.
    """
    return max(LOST_NATS, GIVEN_BACK * (curve[0] - min(curve)) / math.sqrt(looks))


def memorising(evidence: Evidence) -> Finding | None:
    """Training answers are repeated word for word, others are not known."""
    probe, recipe = evidence.probe, evidence.recipe
    if probe is None or not probe.train_asked or not probe.dev_asked:
        return None
    train, dev = (probe.train_same, probe.train_asked), (probe.dev_same, probe.dev_asked)
    _gap, low, _high = difference(train, dev)
    if low <= BY_HEART:
        return None
    change = scaled(recipe, "learning_rate", GENTLER)
    return Finding(
        "memorising",
        f"The rows were learnt by heart: {percent(train[0] / train[1])} of {train[1]} training answers came back word for "
        f"word, but {percent(dev[0] / dev[1])} of {dev[1]} dev answers.",
        f"take half of the learning rate, {change.value:g}, and add rows that differ: fewer epochs would be no better, as the "
        "adapter that was kept is that of the best step",
        change,
        telling=0.67,
    )


def forgetting(evidence: Evidence) -> Finding | None:
    """Everyday things are answered worse than before."""
    found = evidence.evaluated.forgetting if evidence.evaluated else None
    if found is None or found.outcome is not Kept.HARMED:
        return None
    lost = min(
        (score for score in found.scores if score.outcome is Kept.HARMED), key=lambda s: s.high
    )
    change = scaled(evidence.recipe, "learning_rate", 0.3)
    return Finding(
        "forgetting",
        f"It forgot what the base could do: {found.items} everyday questions went from {percent(lost.base)} to "
        f"{percent(lost.tuned)} by {lost.measure.words}, {100 * lost.gain:+.1f} points (95 % interval "
        f"{100 * lost.low:+.1f} to {100 * lost.high:+.1f}).",
        f"take a third of the learning rate, {change.value:g}, or mix general rows into yours, one of them to ten or twenty",
        change,
        telling=0.5,
    )
