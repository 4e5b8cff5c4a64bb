"""The report as a page: what it says comes from the same functions as the card, what it shows is escaped by the template engine.

Nothing is loaded and nothing but our own script can run: the page's policy names style and script by their hashes. What comes
from rows, models and people goes through `_shown`, whatever part of the template it stands in, and is escaped after that.
"""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from agents.jobs import ScoredItem, Verdict, row_name
from agents.recipe import Metric
from bot import (
    candidate_cards,
    caveats,
    charts,
    dependence,
    examples,
    made_report,
    metric_tables,
    reports,
)
from bot.page import differences, figures, spoken, tables
from bot.page.spoken import Part
from bot.page.tables import Table
from bot.reported import Reported
from bot.text import clip, plain, visible

HERE = Path(__file__).parent
MOST_CHARS = 6000
"""Of any single text, wherever it came from."""
TEXT_CHARS = 1500
"""Of a question or an answer; the worker cuts them at 600 already."""
CELL_CHARS = 160
MOST_ITEMS = 10
"""Of each kind of example; there are five."""
SYMBOLS = {
    Verdict.BETTER: "✔",
    Verdict.SMALLER_THAN_ASKED: "≈",
    Verdict.WORSE: "✘",
    Verdict.CANNOT_TELL: "?",
}


@dataclass(frozen=True)
class _Item:
    """An example, ready to be shown."""

    row: str
    prompt: str
    reference: str
    base: list[differences.Stretch]
    tuned: list[differences.Stretch]
    base_score: float
    tuned_score: float
    parent: str | None
    parent_score: float | None


@dataclass(frozen=True)
class _Examples:
    """Some examples under a heading."""

    id: str
    title: str
    items: tuple[_Item, ...]
    note: str
    none: str
    """What is said where there are none."""


@dataclass(frozen=True)
class _Chapter:
    """A part of the page that is there only where there is something to say."""

    id: str
    title: str
    lines: tuple[list[Part], ...] = ()
    tables: tuple[Table, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()


def document(told: Reported) -> bytes:
    """Return the whole page, in UTF-8."""
    return _template().render(_context(told)).encode()


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        keep_trailing_newline=True,
    )
    environment.filters["cut"] = clip
    environment.globals.update(
        style=_own("style.css"),
        script=_own("sort.js"),
        policy=_policy(),
        cell_chars=CELL_CHARS,
    )
    return environment.get_template("report.html.j2")


def _shown(value: Any) -> Any:
    """Make a text safe to look at before it is escaped: no controls, no marks that turn the writing around, no endless text."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(clip(value, MOST_CHARS))
    return value


def _own(name: str) -> Markup:
    """Return a file of ours as it is."""
    return Markup((HERE / name).read_text(encoding="utf-8"))  # not from outside


def _policy() -> Markup:
    """Forbid everything but our own style and script; attributes cannot bring either."""
    style, script = (
        base64.b64encode(hashlib.sha256((HERE / name).read_bytes()).digest()).decode()
        for name in ("style.css", "sort.js")
    )
    return Markup(  # hashes of our own files
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; base-uri 'none'; form-action 'none'"
    )


def _context(told: Reported) -> dict[str, Any]:
    result = told.result
    training = told.training.model_dump(mode="json") if told.training else None
    conclusions = reports.conclusions(result, training, most=reports.MOST_FIELDS)
    chapters = [chapter for chapter in _chapters(told) if chapter is not None]
    learnt = _training(told)
    drawn = figures.bars(result)
    curve = reports.loss_chart(training)
    return {
        "told": told,
        "result": result,
        "title": f"Run #{told.run}, try {told.iteration}: {result.verdict.value.replace('_', ' ')}",
        "symbol": SYMBOLS[result.verdict],
        "conclusions": [spoken.parts(line) for line in conclusions],
        "reason": clip(result.verdict_reason, 600),
        "evidence": [
            spoken.parts(line)
            for line in (*caveats.not_scored(result.contamination), *reports.evidence(result))
        ],
        "facts": _facts(told),
        "bars": {
            "width": figures.WIDTH,
            "left": figures.LEFT,
            "height": drawn.height,
            "groups": drawn.groups,
            "ticks": drawn.ticks,
        },
        "bars_words": charts.describe(reports.comparison(result)),
        "metrics": tables.metrics(result),
        "examples_shown": _examples(told),
        "chapters": chapters,
        "training": learnt,
        "plot": {
            "width": figures.WIDTH,
            "height": figures.PLOT_HEIGHT,
            "left": figures.PLOT_LEFT,
            "right": figures.PLOT_RIGHT,
            "bottom": figures.PLOT_BOTTOM,
        },
        "curve_words": charts.describe(curve[0]) if curve else "",
        "measured": [spoken.parts(line) for line in _measured(told)],
        "versions": sorted(told.training.versions.items()) if told.training else [],
        "sections": [
            ("verdict", "Verdict"),
            ("metrics", "Metrics"),
            ("evidence", "Evidence"),
            ("examples", "Answers"),
            *((chapter.id, chapter.title) for chapter in chapters),
            *([("training", "Training")] if learnt else []),
            ("measured", "How it was measured"),
        ],
    }


def _facts(told: Reported) -> list[tuple[str, str]]:
    """Return the numbers of the verdict by name."""
    result, primary = told.result, told.result.primary
    gain = f"{100 * primary.gain:+.1f} points"
    found = [
        ("decides", metric_tables.NAMES[primary.metric]),
        ("gain", gain),
        ("95 % interval", f"{100 * primary.low:+.1f} … {100 * primary.high:+.1f}"),
        ("p-value", f"{primary.p_value:.2g}"),
        ("p-value, corrected for all openings", f"{result.adjusted_p_value:.2g}"),
        ("test rows", f"{result.items:,}"),
        ("test set opened", f"{result.openings}×"),
    ]
    if primary.gained is not None and primary.lost is not None:
        found.append(
            ("only tuned right : only base right", f"{primary.gained:,} : {primary.lost:,}")
        )
    if result.groups is not None:
        found.append(("groups of rows that resemble each other", f"{result.groups:,}"))
    if result.target_gain_points is not None:
        found.append(("gain that was asked for", f"{result.target_gain_points:g} points"))
    if result.more_items_needed:
        found.append(
            ("further test rows that would show it", f"about {result.more_items_needed:,}")
        )
    return found


def _examples(told: Reported) -> list[_Examples]:
    result = told.result
    return [
        _Examples("best", examples.BEST, _items(result.best), "", "No answer became better."),
        _Examples(
            "worst",
            examples.WORST,
            _items(result.worst),
            "Those first that tuning made worse.",
            "None.",
        ),
        _Examples(
            "changed",
            examples.CHANGED,
            _items(result.changed),
            examples.CHANGED_NOTE if result.changed else "",
            "No answer changed without its score."
            if result.changes
            else "Not looked for by the version that measured this.",
        ),
    ]


def _items(items: tuple[ScoredItem, ...]) -> tuple[_Item, ...]:
    return tuple(
        _Item(
            row=row_name(item.row),
            prompt=_cut(item.prompt),
            reference=_cut(item.reference),
            base=_marked(item.base, item.reference or item.tuned),
            tuned=_marked(item.tuned, item.reference or item.base),
            base_score=item.base_score,
            tuned_score=item.tuned_score,
            parent=None if item.parent is None else _cut(item.parent),
            parent_score=item.parent_score,
        )
        for item in items[:MOST_ITEMS]
    )


def _marked(answer: str, other: str) -> list[differences.Stretch]:
    return differences.stretches(_cut(answer), _cut(other))


def _cut(text: str) -> str:
    return visible(clip(text, TEXT_CHARS))


def _chapters(told: Reported) -> list[_Chapter | None]:
    result = told.result
    behind = result.breakdown
    left_out = [plain(sentence) for sentence in behind.left_out] if behind else []
    return [
        _chapter("right", "What is right in the answers", tables.answers(behind), left_out),
        _chapter("parts", "Parts of the test rows", tables.slices(result)),
        _chapter("kept", "What was forgotten", tables.everyday(result.forgetting)),
        _chapter(
            "untrained",
            "Without training",
            tables.prompted(result),
            texts=[(f"The base {caveats.with_prompt(t.shots)}", t.words) for t in result.prompted],
        ),
        _chapter(
            "swapped",
            "With one word changed",
            tables.swapped(result.swaps),
            [*dependence.besides(result.swaps), *dependence.examples(result.swaps)],
        ),
        _chapter("known", "Rows that may be known", tables.contaminated(result.contamination)),
        _chapter("made", made_report.TITLE, [], made_report.section(told.made, told.training)),
    ]


def _chapter(
    name: str,
    title: str,
    found: list[Table],
    lines: list[str] | None = None,
    texts: list[tuple[str, str]] | None = None,
) -> _Chapter | None:
    if not found and not lines:
        return None
    said = tuple(spoken.parts(line) for line in lines or ())
    return _Chapter(name, title, said, tuple(found), tuple(texts or ()))


def _training(told: Reported) -> dict[str, Any] | None:
    done = told.training
    if done is None:
        return None
    drawn = figures.curves(done)
    # the line of blocks that a card has is drawn here
    lines = [line for line in reports.went(done).splitlines() if "`" not in line]
    lines += candidate_cards.ended(done)
    lines += [reports.jump(spike, len(spike.rows)) for spike in done.spikes]
    curves = [drawn.training, drawn.dev] if drawn else []
    return {
        "lines": [spoken.parts(line) for line in lines],
        "curves": drawn,
        "tables": [tables.curve(f"{c.name} {drawn.what}", c.values) for c in curves if drawn],
    }


def _measured(told: Reported) -> list[str]:
    """Say in a few lines how the numbers came about, without a formula."""
    result, metric = told.result, told.result.primary.metric
    counted = result.primary.gained is not None
    how = f"Base and tuned answered the same {result.items:,} sealed rows, with the same prompts, greedily."
    if metric in {Metric.PAIR_ACCURACY, Metric.VOTE_ACCURACY}:
        how = f"Base and tuned were asked what they think of the answers of the same {result.items:,} sealed rows."
    return [
        f"{how} No row of them was trained on, and none chose anything.",
        f"“{plain(metric_tables.NAMES[metric])}” was fixed before as the one that decides. Each row gives a pair of scores; the verdict "
        "is about their differences.",
        "The interval is Bonett and Price's for pairs that are right or wrong, the p-value McNemar's mid-p."
        if counted
        else "The interval is a paired bootstrap of 10,000 resamples, the p-value comes from 10,000 random swaps of base and tuned.",
        "Better needs both: an interval above zero and a corrected p-value under 0.05.",
        f"This test set has been opened {result.openings}×; each opening needs stronger evidence than the one before.",
        *filter(None, [reports.answered(result)]),
        "One data set, one seed, greedy answers: nothing is said about other tasks, languages or safety.",
    ]
