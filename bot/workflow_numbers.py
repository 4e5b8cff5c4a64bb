"""Numbers about a workflow in words, the same on every card: how often it passes, what a run takes, which cases changed."""

from collections.abc import Mapping, Sequence
from typing import Any

from agents.workflow.words import counted
from bot.charts import ChartSpec, round_chart
from bot.text import duration, plain

NAME_CHARS = 60
MOST_NAMES = 8

Metrics = Mapping[str, Any]
"""As a measurement tells them (`agents.workflow.round_metrics.Metrics`); empty where nothing was measured."""


def rate(metrics: Metrics) -> str:
    """Say how often a workflow passes, with its interval."""
    if not metrics.get("runs"):
        return "nothing could be measured"
    low, high = metrics.get("pass_low"), metrics.get("pass_high")
    between = f"95 % interval {100 * low:.0f} to {100 * high:.0f}; " if low is not None and high is not None else ""  # fmt: skip
    return f"**{100 * metrics['pass_rate']:.0f} %** of its runs pass ({between}{counted(metrics['cases'], 'case')}, {counted(metrics['runs'], 'run')})"


def points(gain: float) -> str:
    """Say a difference of scores."""
    return f"{100 * gain:+.1f} points"


def takes(before: Metrics, after: Metrics) -> str:
    """Say what a run takes, before and after; nothing where one of them was not measured."""
    told = []
    for name, form in (("p50_s", "{:,.1f} s"), ("tokens", "{:,.0f} tokens"), ("calls", "{:,.1f} calls")):  # fmt: skip
        old, new = before.get(name), after.get(name)
        if old is not None and new is not None:
            told.append(f"{form.format(old)} → {form.format(new)}")
    return f"A run takes {' · '.join(told)}." if told else ""


def names(cases: Sequence[str]) -> str:
    """List cases by name, the first few."""
    shown = ", ".join(plain(case, NAME_CHARS) for case in cases[:MOST_NAMES])
    more = len(cases) - MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def moved(told: Mapping[str, Any]) -> str:
    """Say which cases a change has fixed and which it broke."""
    sides = [(told.get("fixed") or (), "fixed"), (told.get("broke") or (), "broke")]
    return " · ".join(f"{what}: {names(cases)}" for cases, what in sides if cases)


def spent(used: Mapping[str, Any]) -> str:
    """Say what a run has used so far."""
    time = f", {duration(used['seconds'])}" if used.get("seconds") else ""
    return f"{counted(used['calls'], 'call')} of models, {counted(used['tokens'], 'token')}{time}"


def strategies(found: Mapping[str, Sequence[int]]) -> str:
    """Say how strategies have fared, given how often each was tried and kept; those that were kept most first."""
    ranked = sorted(found.items(), key=lambda pair: (-pair[1][1], pair[1][0], pair[0]))
    told = ", ".join(f"{name} {kept} of {tried}" for name, (tried, kept) in ranked)
    return f"Strategies, kept of tried: {told}" if told else ""


def chart(rounds: Sequence[Mapping[str, Any]], after: Metrics) -> ChartSpec | None:
    """Describe how the pass rate went from round to round; None where fewer than two were measured."""
    measured = [(str(one["round"]), one["metrics"]) for one in rounds if one["metrics"].get("runs")]
    if after.get("runs"):
        measured.append(("end", after))
    if len(measured) < 2:
        return None
    drawn = [(label, m["pass_rate"], m["pass_low"], m["pass_high"]) for label, m in measured]
    return round_chart("How often the workflow that stood passed", drawn)
