"""Which words of a prompt an answer rests on: integrated gradients, and whether they may be believed.

The path leads from the same conversation with a line break for each token of what is said in it to the prompt itself, in
the embeddings. The parts must add up to the difference between its two ends (Sundararajan 2017, arXiv 1703.01365): steps
are doubled until they do. Then the tokens that push most are taken away, or left alone, against as many by chance
(comprehensiveness and sufficiency, DeYoung 2020, arXiv 1911.03429).
"""

import random
import time
from dataclasses import dataclass
from statistics import fmean

from captum.attr import IntegratedGradients

from agents.jobs import Attribution
from agents.worker.why.case import Case

TOLERANCE = 0.05
"""Share of the whole by which the parts may miss it."""
LEAST_WHOLE = 0.1
"""In nats; below it the share is of this."""
FIRST_STEPS, FEWEST_STEPS = 16, 4
MOST_STEPS = 1024
STEP_LOOKS = 3
"""How often as long as a look at the model a step takes, about: there and back."""
TOKENS_AT_ONCE = 1024
"""Of all steps that go through the model together."""
DELETED_SHARE = 0.2
DRAWS, FEWEST_DRAWS = 10, 3


@dataclass(frozen=True)
class Pushes:
    """The part of each token of the prompt, and what that is worth."""

    of_token: list[float]
    checked: Attribution


def attribute(case: Case, deadline_s: float, seed: int) -> Pushes | None:
    """Attribute the height of an answer to the tokens of its prompt; None where none of them can be taken away.

    `deadline_s` is monotonic: no further doubling is begun that would end later. With little time it begins with fewer steps.
    """
    if not case.movable:
        return None
    end, start = case.embedded(case.prompt), case.embedded(case.without(case.movable))
    began_s = time.monotonic()
    high, low = case.heights([case.prompt, case.without(case.movable)]).tolist()
    look_s = max((time.monotonic() - began_s) / 2, 1e-6)
    whole = high - low
    gradients = IntegratedGradients(case.height)
    at_once = max(1, TOKENS_AT_ONCE // (len(case.prompt) + len(case.answer)))
    steps = FIRST_STEPS
    while steps > FEWEST_STEPS and began_s + steps * STEP_LOOKS * look_s > deadline_s:
        steps //= 2
    while True:
        began_s = time.monotonic()
        found = gradients.attribute(
            end, baselines=start, n_steps=steps, internal_batch_size=min(at_once, steps)
        )
        parts = found[0].double().sum(dim=-1)
        error = abs(float(parts.sum()) - whole) / max(abs(whole), LEAST_WHOLE)
        took_s = time.monotonic() - began_s
        late = time.monotonic() + 2 * took_s > deadline_s
        if error <= TOLERANCE or steps >= MOST_STEPS or late:
            break
        steps *= 2
    draws = int((deadline_s - time.monotonic()) / (2 * look_s)) - 1
    checked = _deleted(case, parts.tolist(), high, max(FEWEST_DRAWS, min(DRAWS, draws)), seed)
    update = {"whole": whole, "error": error, "steps": steps, "is_complete": error <= TOLERANCE}
    return Pushes(parts.tolist(), checked.model_copy(update=update))


def _deleted(case: Case, parts: list[float], high: float, draws: int, seed: int) -> Attribution:
    """Take the strongest tokens away, then all others, and the same with tokens by chance."""
    places = case.movable
    count = max(1, round(DELETED_SHARE * len(places)))
    strongest = sorted(places, key=lambda place: -parts[place])[:count]
    chance = random.Random(seed)
    drawn = [chance.sample(places, count) for _ in range(draws)]
    without, alone = [], []
    for gone in [strongest, *drawn]:
        kept = set(gone)
        without.append(case.without(gone))
        alone.append(case.without([place for place in places if place not in kept]))
    falls = [high - value for value in case.heights([*without, *alone]).tolist()]
    losing, keeping = falls[: len(without)], falls[len(without) :]
    return Attribution(
        whole=0.0,
        error=0.0,
        steps=0,
        is_complete=False,
        deleted=count,
        comprehensiveness=losing[0],
        comprehensiveness_by_chance=fmean(losing[1:]),
        sufficiency=keeping[0],
        sufficiency_by_chance=fmean(keeping[1:]),
    )
