"""The two charts of a page as places on a drawing: the template draws them as SVG, styles and words come from the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from agents.jobs import Comparison, EvaluateResult, TrainResult
from bot import metric_tables

WIDTH = 720
LEFT, RIGHT = 4, 660
"""Where 0 % and 100 % lie in the bar chart; what is right of it is for the numbers."""
GROUP, TOP = 62, 26
MOST_GROUPS = 10
PLOT_HEIGHT, PLOT_LEFT, PLOT_RIGHT, PLOT_TOP, PLOT_BOTTOM = 300, 62, 700, 14, 256
MOST_TICKS = 6
MOST_POINTS = 400
"""Of a curve."""


@dataclass(frozen=True)
class Group:
    """Base and tuned in one metric, one bar below the other."""

    name: str
    y: float
    base: float
    """Where its bar ends."""
    tuned: float
    low: float
    """Where the interval of the gain, beside the base, begins."""
    high: float
    base_words: str
    tuned_words: str
    words: str
    """All of it in one sentence."""


@dataclass(frozen=True)
class Bars:
    """The chart of base against tuned."""

    groups: tuple[Group, ...]
    height: float
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Point:
    """A point of a curve."""

    x: float
    y: float
    words: str


@dataclass(frozen=True)
class Line:
    """A curve of a training."""

    name: str
    points: tuple[Point, ...]
    values: tuple[tuple[int, float], ...]

    @property
    def path(self) -> str:
        """Return it as the points of an SVG polyline."""
        return " ".join(f"{p.x:.1f},{p.y:.1f}" for p in self.points)


@dataclass(frozen=True)
class Curves:
    """The chart of a training."""

    what: str
    """`loss` or `reward`."""
    training: Line
    dev: Line
    best: Point | None
    """What was kept, by the dev rows."""
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]


def bars(result: EvaluateResult) -> Bars:
    """Return the chart of the metrics that are shares and better when they are higher, what decides first."""
    others = [c for c in result.comparisons if c.metric is not result.primary.metric]
    drawn = [
        c for c in (result.primary, *others) if c.metric.is_share and c.metric.better == "higher"
    ]
    groups = tuple(_group(place, c, result) for place, c in enumerate(drawn[:MOST_GROUPS]))
    ticks = tuple((_across(share / 100), f"{share} %") for share in range(0, 101, 20))
    return Bars(groups, TOP + GROUP * len(groups) + 22, ticks)


def _group(place: int, found: Comparison, result: EvaluateResult) -> Group:
    star = " ★" if found.metric is result.primary.metric else ""
    return Group(
        name=metric_tables.NAMES[found.metric] + star,
        y=TOP + GROUP * place,
        base=_across(found.base),
        tuned=_across(found.tuned),
        low=_across(found.base + found.low),
        high=_across(found.base + found.high),
        base_words=f"{100 * found.base:.1f} %",
        tuned_words=f"{100 * found.tuned:.1f} %",
        words=f"base {100 * found.base:.1f} %, tuned {100 * found.tuned:.1f} %: {100 * found.gain:+.1f} points, between "
        f"{100 * found.low:+.1f} and {100 * found.high:+.1f}",
    )


def _across(share: float) -> float:
    return LEFT + (RIGHT - LEFT) * min(max(share, 0.0), 1.0)


def curves(done: TrainResult | None) -> Curves | None:
    """Return the chart of a training; None where it was too short for one."""
    if done is None:
        return None
    what = "reward" if done.rewards else "loss"
    training = _finite(done.rewards or done.losses)
    dev = _finite([(s, 1 - v) for s, v in done.dev_losses] if done.rewards else done.dev_losses)
    both = [*training, *dev]
    if len(training) < 2:
        return None
    steps = max(1, *(step for step, _value in both))
    most, least = max(0.0, *(v for _s, v in both)), min(0.0, *(v for _s, v in both))
    rise = _round_step(max(most, -least) or 1.0)
    top, bottom = rise * (math.ceil(most / rise) or 1), rise * math.floor(least / rise)

    def place(name: str, step: int, value: float) -> Point:
        x = PLOT_LEFT + (PLOT_RIGHT - PLOT_LEFT) * step / steps
        y = PLOT_BOTTOM - (PLOT_BOTTOM - PLOT_TOP) * (value - bottom) / (top - bottom)
        return Point(x, y, f"{name} {what} {value:.3f} at step {step:,}")

    def line(name: str, points: list[tuple[int, float]]) -> Line:
        return Line(name, tuple(place(name, *point) for point in points), tuple(points))

    best = [point for point in dev if point[0] == done.best_step]
    marks = [bottom + rise * n for n in range(round((top - bottom) / rise) + 1)]
    stride = max(1, math.ceil(_round_step(steps)))
    return Curves(
        what=what,
        training=line("training", training),
        dev=line("dev", dev),
        best=place("best dev", *best[-1]) if best else None,
        x_ticks=tuple(
            (place("", step, bottom).x, f"{step:,}") for step in range(0, steps + 1, stride)
        ),
        y_ticks=tuple((place("", 0, mark).y, f"{mark:g}") for mark in marks),
    )


def _round_step(most: float) -> float:
    """Return a round number that goes into a range from 0 a few times."""
    power = 10.0 ** math.floor(math.log10(most / MOST_TICKS))
    return next((n * power for n in (1, 2, 5) if most <= MOST_TICKS * n * power), 10 * power)


def _finite(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    found = [(step, value) for step, value in points if math.isfinite(value)]
    skip = -(-len(found) // MOST_POINTS) or 1
    return found[::skip] if skip == 1 else [*found[::skip], found[-1]]
