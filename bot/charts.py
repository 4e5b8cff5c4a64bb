"""Pictures for a thread, drawn by a child program, so that the bot never holds a plotting library in memory.

python -m bot.charts < spec.json > picture.png
"""

import asyncio
import json
import logging
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from textwrap import fill
from typing import Any, Literal

from bot import heat_strips

log = logging.getLogger(__name__)

TIMEOUT_S = 60.0
ALT_LIMIT = 1024
BLOCKS = "▁▂▃▄▅▆▇█"
BACKGROUND = "#2b2d31"
"""Discord's dark theme."""
SKY, ORANGE, GREEN, PINK = "#56b4e9", "#e69f00", "#2fbf94", "#cc79a7"
"""After Okabe and Ito: told apart without seeing colours, together with marks and patterns."""
MOST_BARS = 6
REGIONS = {"easy": ("o", GREEN), "ambiguous": ("s", SKY), "hard": ("^", ORANGE)}
"""Mark and colour of each region of a map."""
BEST = {"loss": "lowest", "reward": "highest"}

Series = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class ChartSpec:
    """A picture still to be drawn."""

    kind: Literal[
        "loss", "reward", "comparison", "map", "attribution", "attention", "layers", "rounds"
    ]
    title: str
    data: dict[str, Any]
    """Of a loss or a reward: `training` and `dev`, lists of (step, value). Of a comparison: `bars`, see `Bar`. Of a map: `points`,
    lists of (confidence, variability, region, doubted), and how many rows are `easy`, `ambiguous` and `hard`. Of what words
    weigh: `strips`, each with a `name` and `words`, lists of (text, weight). Of layers: `sizes`, a list of (layer, size). Of rounds: `rates`, lists of (label, share, low, high)."""


@dataclass(frozen=True)
class Bar:
    """Base and tuned model in one metric, 0 … 1."""

    name: str
    base: float
    tuned: float
    low: float
    """Lower end of the 95 % interval of the gain."""
    high: float


@dataclass(frozen=True)
class Chart:
    """A picture and what it shows in words."""

    name: str
    """Of the file."""
    png: bytes
    alt: str
    """At most 1024 characters: the trend and the end values."""


def comparison_chart(title: str, bars: Sequence[Bar]) -> ChartSpec:
    """Describe bars of base against tuned, with the interval of the gain; the first few are drawn."""
    return ChartSpec("comparison", title, {"bars": [asdict(bar) for bar in bars[:MOST_BARS]]})


def round_chart(title: str, rates: Sequence[tuple[str, float, float, float]]) -> ChartSpec:
    """Describe a share by round, each with its label and the ends of its interval, 0 … 1."""
    return ChartSpec("rounds", title, {"rates": [list(rate) for rate in rates]})


async def draw(spec: ChartSpec) -> Chart | None:
    """Draw a picture; None where that failed, which is logged and costs only the picture."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.charts"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        asked = json.dumps(asdict(spec)).encode()
        png, errors = await asyncio.wait_for(child.communicate(asked), TIMEOUT_S)
    except TimeoutError:
        log.warning("a chart was not drawn within %.0f s", TIMEOUT_S)
        return None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0 or not png.startswith(b"\x89PNG"):
        log.warning("a chart was not drawn: %s", errors.decode(errors="replace").strip()[-300:])
        return None
    return Chart(f"{spec.kind}.png", png, describe(spec))


def describe(spec: ChartSpec) -> str:
    """Say in words what a chart shows."""
    if spec.kind == "comparison":
        sentences = [f"Bar chart: {spec.title}."]
        sentences += [_difference(Bar(**bar)) for bar in spec.data["bars"]]
    elif spec.kind == "map":
        sentences = [f"Scatter chart: {spec.title}.", *_regions(spec.data)]
    elif spec.kind in {"attribution", "attention"}:
        sentences = [f"Heat map over the words of a prompt: {spec.title}."]
        for strip in spec.data["strips"]:
            sentences += _heaviest(spec.kind, strip["name"], strip["words"])
    elif spec.kind == "layers":
        sentences = [f"Bar chart: {spec.title}.", *_extremes(spec.data["sizes"])]
    elif spec.kind == "rounds":
        told = (f"{label}: {100 * share:.0f} %" for label, share, _low, _high in spec.data["rates"])
        sentences = [f"Line chart: {spec.title}. By round {', '.join(told)}."]
    else:
        sentences = [f"Line chart: {spec.title}."]
        sentences += _trend(f"Training {spec.kind}", spec.data["training"], spec.kind)
        sentences += _trend(f"Dev {spec.kind}", spec.data["dev"], spec.kind)
    text = " ".join(sentences)
    return text if len(text) <= ALT_LIMIT else text[: ALT_LIMIT - 1] + "…"


def _regions(data: dict[str, Any]) -> list[str]:
    counts = {region: data[region] for region in REGIONS}
    total = max(1, sum(counts.values()))
    shares = ", ".join(
        f"{count:,} {region} ({count / total:.0%})" for region, count in counts.items()
    )
    doubted = sum(bool(point[3]) for point in data["points"])
    marked = [f"Doubted rows, which are marked: {doubted}."] if doubted else []
    return [
        f"Up: how likely the model found a row's answer; right: by how much that varied. Of {total:,} rows {shares}.",
        *marked,
    ]


def _trend(name: str, points: Series, kind: str) -> list[str]:
    finite = _finite(points)
    if len(finite) < 2:
        return []
    (first_step, first), (last_step, last) = finite[0], finite[-1]
    best_step, best = _best(finite, kind)
    trend = "falls" if last < first else "rises" if last > first else "stays the same"
    return [
        f"{name} {trend} from {first:.3f} at step {first_step} to {last:.3f} at step {last_step}, "
        f"{BEST[kind]} {best:.3f} at step {best_step}."
    ]


def _best(points: Series, kind: str) -> tuple[int, float]:
    choose = min if BEST[kind] == "lowest" else max
    return choose(points, key=lambda point: point[1])


def _difference(bar: Bar) -> str:
    return (
        f"{bar.name}: base {100 * bar.base:.1f} %, tuned {100 * bar.tuned:.1f} %; the gain lies between "
        f"{100 * bar.low:+.1f} and {100 * bar.high:+.1f} points."
    )


def _heaviest(kind: str, name: str, words: heat_strips.Words) -> list[str]:
    if kind == "attention":
        named = ", ".join(f"“{w}” {100 * v:.0f} %" for w, v in heat_strips.strongest(words))
        return [f"{name}: {named}."] if named else []
    sides = {"Most towards it": 1, "Most against it": -1}
    found = {side: heat_strips.strongest(words, sign) for side, sign in sides.items()}
    return [
        f"{side}: {', '.join(f'“{word}” {value:+.2f}' for word, value in heaviest)}."
        for side, heaviest in found.items()
        if heaviest
    ]


def _extremes(sizes: Series) -> list[str]:
    finite = _finite(sizes)
    if not finite:
        return []
    (least, low), (most, high) = (choose(finite, key=lambda size: size[1]) for choose in (min, max))
    return [
        f"Layer {most} moved most, by {high:.4f} of its size, layer {least} least, by {low:.4f}."
    ]


def _finite(points: Series) -> list[tuple[int, float]]:
    return [(step, value) for step, value in points if math.isfinite(value)]


def sparkline(values: Sequence[float], width: int) -> str:
    """Draw a line of block characters, at most `width` wide: the means of equal parts, low to high.

    What is not finite is left out.
    """
    finite = [value for value in values if math.isfinite(value)]
    parts = min(width, len(finite))
    means = []
    for part in range(parts):
        start, end = part * len(finite) // parts, (part + 1) * len(finite) // parts
        means.append(sum(finite[start:end]) / (end - start))
    if not means:
        return ""
    low, span = min(means), (max(means) - min(means)) or 1.0
    return "".join(BLOCKS[round((mean - low) / span * (len(BLOCKS) - 1))] for mean in means)


# ---- the child program ----------------------------------------------------------------------------------------------


def paint(spec: ChartSpec) -> None:
    """Draw a picture and write it to stdout as PNG."""
    import matplotlib  # noqa: PLC0415  # only the child program draws

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    pyplot.style.use("dark_background")
    pyplot.rcParams.update(
        {"font.size": 12, "figure.facecolor": BACKGROUND, "axes.facecolor": BACKGROUND}
    )
    strips = spec.data.get("strips")
    height = heat_strips.height_inches(spec.title, strips) if strips else 3.8
    layout = None if strips else "constrained"  # words know their places
    figure, axes = pyplot.subplots(figsize=(7, height), dpi=120, layout=layout)
    axes.spines[["top", "right"]].set_visible(False)
    if strips:
        colours = (GREEN, GREEN) if spec.kind == "attention" else (ORANGE, SKY)
        heat_strips.paint(axes, spec.title, strips, colours)
    elif spec.kind == "layers":
        _paint_layers(axes, spec.data["sizes"])
    elif spec.kind == "comparison":
        _paint_bars(axes, [Bar(**bar) for bar in spec.data["bars"]])
    elif spec.kind == "map":
        _paint_map(axes, spec.data)
    elif spec.kind == "rounds":
        _paint_rounds(axes, spec.data["rates"])
    else:
        _paint_curves(axes, spec.kind, spec.data["training"], spec.data["dev"])
    if not strips:
        # Titles may come from people: a dollar sign is no formula.
        axes.set_title(spec.title, parse_math=False, wrap=True)
    figure.savefig(sys.stdout.buffer, format="png")


def _paint_curves(axes: Any, kind: str, training: Series, dev: Series) -> None:
    dev = _finite(dev)
    if training:
        axes.plot(*zip(*training, strict=True), color=SKY, linewidth=1.8, label=f"training {kind}")
    if dev:
        axes.plot(
            *zip(*dev, strict=True), color=ORANGE, marker="o", linestyle="--", label=f"dev {kind}"
        )
        step, best = _best(dev, kind)
        star: dict[str, Any] = {
            "color": ORANGE,
            "marker": "*",
            "markersize": 17,
            "markeredgecolor": "white",
        }
        axes.plot([step], [best], linestyle="", label=f"{BEST[kind]}: step {step}", **star)
    axes.set_xlabel("step")
    axes.set_ylabel(kind)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.2)
    axes.legend(frameon=False)


def _paint_rounds(axes: Any, rates: list[tuple[str, float, float, float]]) -> None:
    places = range(len(rates))
    shares = [100 * share for _label, share, _low, _high in rates]
    reach = [
        [max(0.0, 100 * (share - low)) for _label, share, low, _high in rates],
        [max(0.0, 100 * (high - share)) for _label, share, _low, high in rates],
    ]
    axes.errorbar(
        places, shares, yerr=reach, color=SKY, marker="o", capsize=5, ecolor="white",
        label="pass rate, with its 95 % interval",
    )  # fmt: skip
    axes.set_xticks(list(places), [label for label, *_rest in rates], parse_math=False)
    axes.set_xlabel("as it stood in round")
    axes.set_ylabel("runs that pass, %")
    axes.set_ylim(0, 105)
    axes.grid(axis="y", alpha=0.2)
    axes.legend(frameon=False, loc="lower right")


def _paint_bars(axes: Any, bars: list[Bar]) -> None:
    places = range(len(bars))
    base, tuned = [100 * bar.base for bar in bars], [100 * bar.tuned for bar in bars]
    reach = [
        [max(0.0, bar.tuned - bar.base - bar.low) * 100 for bar in bars],
        [max(0.0, bar.high - bar.tuned + bar.base) * 100 for bar in bars],
    ]
    left, right = [place - 0.2 for place in places], [place + 0.2 for place in places]
    axes.bar(left, base, 0.38, color=SKY, hatch="//", edgecolor=BACKGROUND, label="base")
    axes.bar(right, tuned, 0.38, color=GREEN, edgecolor=BACKGROUND, label="tuned")
    axes.errorbar(
        right,
        tuned,
        yerr=reach,
        fmt="none",
        ecolor="white",
        capsize=5,
        label="95 % interval of the gain",
    )
    tops = [value + above for value, above in zip(tuned, reach[1], strict=True)]
    for place, value, top in [
        *zip(left, base, base, strict=True),
        *zip(right, tuned, tops, strict=True),
    ]:
        axes.text(place, top + 1.5, f"{value:.0f}", ha="center", fontweight="bold")
    axes.set_xticks(list(places), [fill(bar.name, 14) for bar in bars], parse_math=False)
    axes.set_ylabel("%")
    axes.set_ylim(0, max(100.0, *tops) + 10)
    axes.set_yticks(range(0, 101, 20))
    axes.figure.legend(frameon=False, ncols=3, loc="outside lower center", fontsize=10)


def _paint_map(axes: Any, data: dict[str, Any]) -> None:
    for region, (mark, colour) in REGIONS.items():
        here = [point for point in data["points"] if point[2] == region]
        _scatter(
            axes, here, marker=mark, s=22, c=colour, alpha=0.65, label=f"{region}: {data[region]:,}"
        )
    doubted = [point for point in data["points"] if point[3]]
    ring = {"s": 90, "facecolors": "none", "edgecolors": PINK, "linewidths": 1.8}
    _scatter(axes, doubted, marker="o", label="doubted", **ring)
    axes.set_xlabel("variability: by how much that varied")
    axes.set_ylabel("confidence: how likely\nit found the answer")
    axes.set_xlim(-0.01, max(0.3, *(point[1] for point in data["points"])) + 0.02)
    axes.set_ylim(-0.03, 1.03)
    axes.grid(alpha=0.2)
    axes.figure.legend(frameon=False, ncols=4, loc="outside lower center", fontsize=10)


def _scatter(axes: Any, points: Sequence[Sequence[Any]], **how: Any) -> None:
    if points:
        axes.scatter([point[1] for point in points], [point[0] for point in points], **how)


def _paint_layers(axes: Any, sizes: Series) -> None:
    layers, moved = zip(*_finite(sizes), strict=True)
    axes.bar(layers, moved, color=SKY, edgecolor=BACKGROUND)
    axes.set_xlabel("layer")
    axes.set_ylabel("size of the update ÷ size of the weights", fontsize=9)
    axes.grid(axis="y", alpha=0.2)


if __name__ == "__main__":
    paint(ChartSpec(**json.load(sys.stdin)))
