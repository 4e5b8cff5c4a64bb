"""What a person wants of a workflow beside that it is right, as weights that can be shown back; and whether a change keeps to it.

`robustness=0.5,clarity=0.2,latency=0.3`, or plain words such as “faster and cheaper”. Each goal is something measured. The
pass rate comes first, whatever is wanted: a goal never buys a case. The other goals that are named may not fall by more than is
tolerated, and between two workflows that are equally right, the one that clearly does better in a goal wins.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from agents.workflow.acceptance import Beside
from agents.workflow.problems import nearest
from agents.workflow.round_metrics import Metrics

TOLERATED_FACTOR = 1.2
"""Seconds, tokens and the length of prompts may grow by so much."""
CLEAR_FACTOR = 0.8
"""They are clearly less from here on."""
LEAST_SECONDS = 0.05
"""Smaller differences in time are the machine's."""
TOLERATED_POINTS, CLEAR_POINTS = 0.05, 0.1
"""Of rates, 0 to 1."""


class Goal(StrEnum):
    """What can be wanted."""

    PERFORMANCE = "performance"
    """The pass rate. It comes first anyway."""
    ROBUSTNESS = "robustness"
    """The pass rate of cases at the edge, and how often a state fails."""
    CLARITY = "clarity"
    """Findings of the lint, and how long the prompts are."""
    LATENCY = "latency"
    """Seconds of the middle run."""
    COST = "cost"
    """Tokens of a run."""


WORDS: tuple[tuple[Goal, str], ...] = (
    (Goal.LATENCY, r"fast(er|est)?|quick(er|ly)?|speed|slow(er)?|latency|seconds|delay"),
    (Goal.COST, r"cheap(er|est)?|costs?|tokens?|money|expensive|price|budget"),
    (Goal.CLARITY, r"clear(er|ly)?|clarity|readable|simpler?|short(er)?|concise|tid(y|ier)|maintainable"),
    (Goal.ROBUSTNESS, r"robust(ness|er)?|reliab(le|ility|ly)|stable|stability|edge|fail(s|ures?|ing)?|errors?|noisy|crash(es)?"),
    (Goal.PERFORMANCE, r"better|accurate|accuracy|correct|correctness|correctly|quality|right|performance|pass(es)?|good"),
)  # fmt: skip
"""Plain words for each goal, as patterns."""
PATTERNS = tuple((goal, re.compile(rf"(?i)\b(?:{words})\b")) for goal, words in WORDS)
_WEIGHTS = re.compile(r"\s*([A-Za-z_-]+)\s*[=:]\s*([^\s,;]+)\s*")


class NoGoal(ValueError):
    """Words that name no goal. `str()` says which there are, for a person."""


@dataclass(frozen=True)
class Goals:
    """Weights by goal; together 1."""

    weights: Mapping[Goal, float]

    def __str__(self) -> str:
        """Say them back, in the form in which they can be given."""
        return ",".join(f"{goal.value}={weight:.2g}" for goal, weight in self.weights.items())

    @property
    def words(self) -> str:
        """Say what is measured for them, a sentence each."""
        return " ".join(f"{goal.value}: {MEASURED[goal]}." for goal in self.weights)


MEASURED: Mapping[Goal, str] = {
    Goal.PERFORMANCE: "the share of cases that pass",
    Goal.ROBUSTNESS: "the share of edge cases that pass, and of runs in which a state fails",
    Goal.CLARITY: "findings of the lint, and the length of all prompts",
    Goal.LATENCY: "seconds of the middle run",
    Goal.COST: "tokens of a run",
}


def parse(text: str) -> Goals:
    """Return the goals that are written as weights, or meant by plain words.

    Raises: NoGoal: it is neither.
    """
    if "=" in text or _WEIGHTS.fullmatch(text):
        return _weights(text)
    meant = [goal for goal, pattern in PATTERNS if pattern.search(text)]
    if not meant:
        raise NoGoal(f"“{text.strip()[:80]}” names no goal. {_how()}")
    in_order = [goal for goal in Goal if goal in meant]
    return Goals({goal: 1 / len(in_order) for goal in in_order})


def measured(text: str) -> Goals | None:
    """Return the goals that words name; None where they name none: then they are for who proposes changes, and only that."""
    try:
        return parse(text)
    except NoGoal:
        return None


def _weights(text: str) -> Goals:
    found: dict[Goal, float] = {}
    for part in filter(str.strip, re.split(r"[,;]|\s+(?=[A-Za-z])", text)):
        pair = _WEIGHTS.fullmatch(part)
        if pair is None:
            raise NoGoal(f"“{part.strip()[:80]}” is no goal with a weight. {_how()}")
        name, weight = pair[1].lower(), _number(pair[2])
        if name not in set(Goal):
            meant = nearest(name, Goal)
            hint = f" Did you mean “{meant}”?" if meant else ""
            raise NoGoal(f"There is no goal “{name}”.{hint} {_how()}")
        if weight is None or Goal(name) in found:
            what = "given twice" if weight is not None else "no weight above 0"
            raise NoGoal(f"“{part.strip()[:80]}” is {what}. {_how()}")
        found[Goal(name)] = weight
    whole = math.fsum(found.values())
    return Goals({goal: weight / whole for goal, weight in found.items()})


def _number(text: str) -> float | None:
    percent = text.endswith("%")
    try:
        number = float(text.rstrip("%")) / (100 if percent else 1)
    except ValueError:
        return None
    return number if math.isfinite(number) and 0 < number <= 1000 else None


def _how() -> str:
    return f"There are {', '.join(Goal)}, written as `robustness=0.5,latency=0.3`, or say it in words: “faster and cheaper”."


@dataclass(frozen=True)
class _Change:
    """How something that should be small has changed."""

    name: str
    before: float
    after: float
    unit: str = ""
    least: float = 0.0
    """A difference below is none."""

    @property
    def too_much(self) -> bool:
        return self._moved and self.after > TOLERATED_FACTOR * self.before

    @property
    def clearly_less(self) -> bool:
        return self._moved and self.after <= CLEAR_FACTOR * self.before

    @property
    def _moved(self) -> bool:
        return abs(self.after - self.before) > self.least

    def __str__(self) -> str:
        return f"{self.name} {self.before:.3g}{self.unit} → {self.after:.3g}{self.unit}"


def compare(before: Metrics, after: Metrics, goals: Goals) -> Beside:
    """Return what a change does to the goals beside the pass rate.

    Args:
        before: Of the workflow that stands.
        after: Of the changed one, measured in the same batch.
        goals: Those that were named; nothing else is looked at.
    """
    worse: list[str] = []
    better: list[str] = []
    for goal in goals.weights:
        fallen, risen = LOOKS[goal](before, after)
        worse += [f"{goal.value}: {one}" for one in fallen]
        better += [f"{goal.value}: {one}" for one in risen]
    return Beside(tuple(worse), tuple(better))


def gain(before: Metrics, after: Metrics, goals: Goals) -> float:
    """Return how much better a change does in all goals together, as weighted shares of what was there; for showing and sorting.

    It decides nothing: a sum would let a goal buy a case.
    """
    return math.fsum(weight * GAINS[goal](before, after) for goal, weight in goals.weights.items())


Found = tuple[list[str], list[str]]


def _less_is_more(*changes: _Change) -> Found:
    """Return what grew too much, and what is clearly less while nothing else of the goal grew too much."""
    worse = [str(one) for one in changes if one.too_much]
    better = [str(one) for one in changes if one.clearly_less and not worse]
    return worse, better


def _latency(before: Metrics, after: Metrics) -> Found:
    return _less_is_more(_Change("the middle run", before.p50_s, after.p50_s, " s", LEAST_SECONDS))


def _cost(before: Metrics, after: Metrics) -> Found:
    return _less_is_more(_Change("tokens of a run", before.tokens, after.tokens))


def _clarity(before: Metrics, after: Metrics) -> Found:
    worse, better = _less_is_more(
        _Change("characters of all prompts", before.prompt_chars, after.prompt_chars)
    )
    findings = f"findings of the lint {before.lint_findings} → {after.lint_findings}"
    if after.lint_findings > before.lint_findings:
        return [findings, *worse], []
    if after.lint_findings < before.lint_findings and not worse:
        better = [findings, *better]
    return worse, better


def _robustness(before: Metrics, after: Metrics) -> Found:
    found: Found = ([], [])
    edge = (before.edge_pass_rate, after.edge_pass_rate)
    if edge[0] is not None and edge[1] is not None:
        _points(found, "edge cases that pass", edge[1] - edge[0], (edge[0], edge[1]))
    rates = (before.fallback_rate, after.fallback_rate)
    _points(found, "runs in which a state fails", rates[0] - rates[1], rates)
    return (found[0], [] if found[0] else found[1])


def _points(found: Found, name: str, gained: float, rates: tuple[float, float]) -> None:
    told = f"{name} {rates[0]:.0%} → {rates[1]:.0%}"
    if gained < -TOLERATED_POINTS:
        found[0].append(told)
    elif gained >= CLEAR_POINTS:
        found[1].append(told)


def _performance(_before: Metrics, _after: Metrics) -> Found:
    return [], []  # the acceptance rule is about nothing else


LOOKS: Mapping[Goal, Callable[[Metrics, Metrics], Found]] = {
    Goal.PERFORMANCE: _performance,
    Goal.ROBUSTNESS: _robustness,
    Goal.CLARITY: _clarity,
    Goal.LATENCY: _latency,
    Goal.COST: _cost,
}


def _saved(before: float, after: float) -> float:
    return 1 - after / before if before else 0.0


GAINS: Mapping[Goal, Callable[[Metrics, Metrics], float]] = {
    Goal.PERFORMANCE: lambda before, after: after.pass_rate - before.pass_rate,
    Goal.ROBUSTNESS: lambda before, after: (
        (after.edge_pass_rate or 0.0) - (before.edge_pass_rate or 0.0)
        + before.fallback_rate - after.fallback_rate
    ),
    Goal.CLARITY: lambda before, after: _saved(before.prompt_chars, after.prompt_chars),
    Goal.LATENCY: lambda before, after: _saved(before.p50_s, after.p50_s),
    Goal.COST: lambda before, after: _saved(before.tokens, after.tokens),
}  # fmt: skip
