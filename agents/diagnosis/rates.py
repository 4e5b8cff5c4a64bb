"""Steps that were too large or too small: learning rate, divergence, gradient norm, spikes."""

from statistics import median

from agents.diagnosis.evidence import Evidence, named, percent
from agents.diagnosis.findings import Finding
from agents.planning import scaled

LARGE_UPDATE = 2.0
"""‖ΔW‖ ÷ ‖W‖ from which on an adapter shouts the base down."""
SMALL_UPDATE = 0.05
"""Below it the model has hardly moved."""
FEWEST_STEPS = 40
"""Below, it is the number of steps that is too small, not the rate."""
LITTLE_LEARNT = 0.5
"""Share of the base's dev loss that must be gone for a rate not to be too high."""
MUCH_LEFT = 0.2
"""Share of the base's dev loss that is left when a rate is too low."""
STILL_FALLING = 0.01
"""Relative fall of the dev loss between the last two looks."""
KNOWS = 0.5
"""Share of the training answers that the model must know for a large update to be fine."""
ROSE = 1.5
"""Smoothed training loss over its lowest one that counts as diverged, for `LOGS` steps at the end."""
LOGS = 3
HIGH_NORM = 100.0
USUAL_NORM = 10.0
"""Healthy ones lie below it."""
JUMP = 10.0
"""A norm over the median of those before it that counts as a jump."""
FEWEST_JUMPS = 3
WINDOW = 50
HIGHER = 1.0
"""Nats per token by which the loss of a step lies above the usual one: each token was less than half as likely."""
APART = 0.03
"""Distance of the best dev losses of tries that differ in the seed alone, in parts of what the better one gained."""
APART_NATS = 0.1
"""And in nats per token: losses near nothing lie apart by chance."""


def learning_rate_too_high(evidence: Evidence) -> Finding | None:
    """The model was moved far and knows less than before."""
    dev, moved, losses = evidence.dev, evidence.update_size, evidence.smooth
    if len(dev) < 2:
        return None
    rose = bool(losses) and losses[-1] > losses[0] and dev[-1] > dev[0]
    far = moved is not None and moved >= LARGE_UPDATE
    if not rose and not (far and _knows_little(evidence)):
        return None
    change = scaled(evidence.recipe, "learning_rate", 0.1)
    size = "" if moved is None else f" The weights were moved by {percent(moved)} of their size."
    return Finding(
        "learning_rate_too_high",
        f"A learning rate of {evidence.recipe.learning_rate:g} is far too high: the dev loss was {dev[0]:.3f} before the "
        f"training and {dev[-1]:.3f} after it.{size}",
        f"take a tenth of it: {change.value:g}",
        change,
        telling=0.95,
    )


def _knows_little(evidence: Evidence) -> bool:
    dev, probe = evidence.dev, evidence.probe
    if min(dev[1:]) >= dev[0] * (1 - LITTLE_LEARNT):
        return True
    return probe is not None and probe.train_right < KNOWS * probe.train_seen


def divergence(evidence: Evidence) -> Finding | None:
    """The loss had fallen, and then rose and stayed up."""
    losses, dev = evidence.smooth, evidence.dev
    if len(losses) <= 2 * LOGS or not dev or evidence.trained is None:
        return None
    lowest = min(losses)
    if lowest > losses[0] * (1 - LITTLE_LEARNT / 2) or min(losses[-LOGS:]) <= ROSE * lowest:
        return None
    if dev[-1] < dev[0] / 2:  # still far better than it began
        return None
    step = evidence.trained.losses[losses.index(lowest)][0]
    change = scaled(evidence.recipe, "learning_rate", 0.3)
    return Finding(
        "divergence",
        f"The training diverged: its smoothed loss was lowest at step {step} ({lowest:.3f}) and {losses[-1]:.3f} at the end.",
        f"take a third of the learning rate: {change.value:g}",
        change,
        telling=0.93,
    )


def gradient_norm(evidence: Evidence) -> Finding | None:
    """The norm of the gradient was beyond what is healthy, again and again."""
    norms = evidence.grad_norms
    high = [norm for norm in norms if norm > HIGH_NORM]
    jumps = [
        norm
        for place, norm in enumerate(norms)
        if place >= FEWEST_JUMPS
        and norm > USUAL_NORM
        and norm > JUMP * median(norms[max(0, place - WINDOW) : place])
    ]
    if max(len(high), len(jumps)) < FEWEST_JUMPS:
        return None
    change = scaled(evidence.recipe, "learning_rate", 0.3)
    return Finding(
        "gradient_norm",
        f"The gradient was unsteady: its norm was {median(norms):.2g} in the middle and up to {max(norms):.3g} "
        f"({len(high)} steps above {HIGH_NORM:g}, {len(jumps)} more than {JUMP:g} times the usual).",
        f"take a third of the learning rate: {change.value:g}",
        change,
        telling=0.55,
    )


def learning_rate_too_low(evidence: Evidence) -> Finding | None:
    """The loss went down all the time, but hardly, because the model was hardly moved."""
    dev, moved, trained = evidence.dev, evidence.update_size, evidence.trained
    if trained is None or moved is None or len(dev) < 3 or trained.steps_done < FEWEST_STEPS:
        return None
    if moved >= SMALL_UPDATE or dev[-1] < dev[0] * MUCH_LEFT:
        return None
    if dev[-1] > min(dev) or dev[-1] > dev[-2] * (1 - STILL_FALLING):
        return None
    change = scaled(evidence.recipe, "learning_rate", 10)
    return Finding(
        "learning_rate_too_low",
        f"A learning rate of {evidence.recipe.learning_rate:g} is far too low: {trained.steps_done} steps moved the weights by "
        f"{100 * moved:.2g} % of their size, and the dev loss only went from {dev[0]:.3f} to {dev[-1]:.3f}.",
        f"take ten times as much: {change.value:g}",
        change,
        telling=0.75,
    )


def unstable_seeds(evidence: Evidence) -> Finding | None:
    """The order of the rows and the first weights of the adapter decide how good it gets."""
    dev, recipe = evidence.dev, evidence.recipe
    alike = [
        other.best_dev_loss
        for other in evidence.others
        if other.recipe.model_copy(update={"seed": recipe.seed}) == recipe
        and other.recipe.seed != recipe.seed
    ]
    if not alike or len(dev) < 2:
        return None
    losses = [min(dev[1:]), *alike]
    low, high = min(losses), max(losses)
    if high - low < max(APART_NATS, APART * (dev[0] - low)) or low >= dev[0]:
        return None
    change = scaled(recipe, "learning_rate", 0.5)
    return Finding(
        "unstable_seeds",
        f"Chance decides: {len(losses)} tries that differ in nothing but the seed had best dev losses from {low:.3f} to "
        f"{high:.3f} (the base: {dev[0]:.3f}).",
        f"take half the learning rate, {change.value:g}, or add rows",
        change,
        telling=0.92,  # what else one of such tries shows may be chance too
    )


def spike(evidence: Evidence) -> Finding | None:
    """Steps whose rows are not like the rest: each of their tokens was far less likely than usual."""
    spikes = evidence.trained.spikes if evidence.trained else ()
    found = [s for s in spikes if s.loss - s.usual >= HIGHER]
    if not found:
        return None
    worst = max(found, key=lambda s: s.loss)
    rows = tuple(dict.fromkeys(row for s in found for row in s.rows))
    return Finding(
        "spike",
        f"The loss jumped at step {worst.step} from about {worst.usual:.3f} to {worst.loss:.3f}. That step learnt from "
        f"{named(worst.rows, len(worst.rows))}.",
        "look at these rows: garbage among them is better left out",
        rows=rows,
        telling=0.7,
    )
