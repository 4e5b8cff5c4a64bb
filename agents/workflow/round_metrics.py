"""What is told of a workflow after a measurement, beside whether it is better: how often, how long, how dear, which ways."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import fmean
from typing import Any

from agents.workflow.edge_cases import is_edge
from agents.workflow.lint import lint
from agents.workflow.load import Loaded
from agents.workflow.measuring import Measured, Play
from agents.workflow.suite import Scenario


@dataclass(frozen=True)
class Metrics:
    """Of one workflow in one measurement. Shares are 0 to 1."""

    cases: int = 0
    """That could be judged."""
    runs: int = 0
    """That could be judged."""
    pass_rate: float = 0.0
    """Mean over cases of the share of their runs in which all was so."""
    pass_low: float = 0.0
    """95 % interval of what it would be over all cases of this kind."""
    pass_high: float = 1.0
    by_case: Mapping[str, float] | None = None
    """Share of the runs that passed."""
    edge_cases: int = 0
    edge_pass_rate: float | None = None
    """Of the cases at the edge; None where there are none."""
    p50_s: float = 0.0
    """Seconds of a run, the middle one; a person's time not counted."""
    p95_s: float = 0.0
    tokens: float = 0.0
    """Of a run, in the mean."""
    calls: float = 0.0
    """Of models, of a run, in the mean."""
    entropy_bits: Mapping[str, float] | None = None
    """By state that chooses a way: 0 where it is always the same one."""
    undecided_rate: float = 0.0
    """Share of the choices for which no reply named a way."""
    fallback_rate: float = 0.0
    """Share of the runs in which a state failed and that was handled."""
    unjudged_share: float = 0.0
    """Of all runs, those that could not be judged."""
    prompt_chars: int = 0
    """Of all prompts of the workflow."""
    lint_findings: int = 0

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Metrics":
        """Return it from plain data, also of an earlier or later version: what is unknown is left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in plain.items() if name in known})


def metrics(
    measured: Measured, side: str, loaded: Loaded, scenarios: Mapping[str, Scenario]
) -> Metrics:
    """Return the figures of one side of a measurement.

    Args:
        measured: All its runs.
        side: Which workflow.
        loaded: That workflow.
        scenarios: The cases by name.
    """
    plays = [play for play in measured.plays if play.side == side]
    judged = [play for play in plays if play.score is not None]
    passed = by_case(judged)
    edge = [case for case in passed if case in scenarios and is_edge(scenarios[case], loaded.workflow)]  # fmt: skip
    low, high = interval(list(passed.values()))
    routes = [route for play in judged for route in play.routes]
    seconds = [play.seconds for play in judged]
    prompts = (state.prompt or "" for state in loaded.workflow.states.values())
    return Metrics(
        cases=len(passed),
        runs=len(judged),
        pass_rate=_mean(passed.values()),
        pass_low=low,
        pass_high=high,
        by_case=passed,
        edge_cases=len(edge),
        edge_pass_rate=_mean(passed[case] for case in edge) if edge else None,
        p50_s=percentile(seconds, 0.5),
        p95_s=percentile(seconds, 0.95),
        tokens=_mean(play.tokens for play in judged),
        calls=_mean(play.calls for play in judged),
        entropy_bits=entropies(routes),
        undecided_rate=sum(play.undecided for play in judged) / max(1, len(routes)),
        fallback_rate=_mean(play.fallbacks > 0 for play in judged),
        unjudged_share=1 - len(judged) / len(plays) if plays else 0.0,
        prompt_chars=sum(map(len, prompts)),
        lint_findings=len(lint(loaded)),
    )


def by_case(plays: Iterable[Play]) -> dict[str, float]:
    """Return the share of the runs of each case in which all was so."""
    found: dict[str, list[bool]] = {}
    for play in plays:
        if play.score is not None:
            found.setdefault(play.case, []).append(play.score >= 1)
    return {case: fmean(passed) for case, passed in found.items()}


def interval(shares: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of a pass rate, from the shares of its cases; the unit is the case, however often it was run.

    Source: C. J. Clopper and E. S. Pearson, Biometrika 26 (1934), with the sum of the shares as the count of successes: a share
    varies less than a yes or no of the same mean, so the interval is rather too wide. Resampling would be certain where all
    cases pass.
    """
    count = len(shares)
    if not count:
        return 0.0, 1.0
    from scipy import stats

    passed = math.fsum(shares)
    low = float(stats.beta.ppf(0.025, passed, count - passed + 1)) if passed > 0 else 0.0
    high = float(stats.beta.ppf(0.975, passed + 1, count - passed)) if passed < count else 1.0
    return low, high


def entropies(routes: Iterable[tuple[str, str]]) -> dict[str, float]:
    """Return in bits how much the ways out of each state vary."""
    taken: dict[str, Counter[str]] = {}
    for state, to in routes:
        taken.setdefault(state, Counter())[to] += 1
    return {state: _entropy(ways) for state, ways in taken.items()}


def _entropy(ways: Counter[str]) -> float:
    shares = (number / ways.total() for number in ways.values())
    return abs(math.fsum(share * math.log2(share) for share in shares))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies, between two of them in proportion; 0 for none."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return fmean(found) if found else 0.0
