"""The card of a verdict: one sentence a layman understands, the numbers, the best and the worst answers side by side."""

from collections.abc import Sequence
from typing import Any

from agents.delivery import snippet
from agents.jobs import (
    DEV_LOSS_ROSE,
    Comparison,
    EvaluateResult,
    LossSpike,
    ScoredItem,
    TrainResult,
    Verdict,
)
from agents.recipe import Metric
from bot.charts import Bar, ChartSpec, comparison_chart, sparkline
from bot.surface import Card, Field
from bot.text import block, clip, duration, inline, plain

METRICS = {
    Metric.EXACT_MATCH: "answers exactly right",
    Metric.TOKEN_F1: "words in common (token F1)",
    Metric.CHRF: "letters in common (chrF)",
    Metric.ROUGE_L: "wording in order (ROUGE-L)",
    Metric.BLEU: "phrases in common (BLEU)",
    Metric.PAIR_ACCURACY: "preferred answer of a pair found",
    Metric.VOTE_ACCURACY: "thumbs agreed with",
    Metric.REWARD: "reward of the answers",
}
MOST_DAMAGES = 3
SHOWN_SPIKES = 2
"""On the card; the attached report has all."""
SHOWN_EXCERPTS = 2
MOST_ROWS_NAMED = 16
SHOWN_ITEMS = 2
"""Best and worst on the card; the attached report has five of each."""


def report_card(shown: dict[str, Any], training: dict[str, Any] | None) -> Card:
    """Return the card of an evaluation, without its question."""
    result = EvaluateResult.model_validate(shown["report"])
    weak = [item for item in result.worst if item.tuned_score < 1]
    lines = [sentence(result), *against_parent(result), *_judged_by(result)]
    if shown["partial"]:
        lines.append("The training was stopped early; this measures the best step until then.")
    if shown["again"]:
        lines.append("This is the best try so far. Take it after all?")
    lines.append(f"{plain(result.verdict_reason, 300)} (test set opened {result.openings}×)")
    if result.more_items_needed:
        lines.append(
            f"About {result.more_items_needed:,} more test rows would show a gain of this size."
        )
    lines.extend(_items("Where it got better", result.best[:SHOWN_ITEMS]))
    if not result.best:
        lines.append("\nNo answer became better.")
    lines.extend(_items("Where it is weakest", weak[:SHOWN_ITEMS]))
    if not weak:
        lines.append("\nIts weakest answer still scores full marks.")
    try_number = f" (try {shown['iteration']})" if shown["iteration"] > 1 else ""
    return Card(
        title=f"Verdict: {result.verdict.value.replace('_', ' ').upper()}{try_number}",
        body="\n".join(lines),
        fields=tuple(
            _field(c, primary=c.metric is result.primary.metric) for c in result.comparisons
        ),
        charts=(_comparison(result), *_loss(training)),
        report=full_report(result, training),
    )


def sentence(result: EvaluateResult) -> str:
    """Say the verdict so that somebody who never heard of a metric understands it."""
    primary = result.primary
    before, after = _percent(primary.base), _percent(primary.tuned)
    what = METRICS[primary.metric]
    numbers = f"{what}: base {before}, tuned {after}, on {result.items} rows it never saw"
    margin = f"{100 * primary.gain:+.1f} points, between {100 * primary.low:+.1f} and {100 * primary.high:+.1f} with 95 % confidence"
    match result.verdict:
        case Verdict.BETTER:
            return f"**The tuned model is better.** {numbers}. That is {margin}."
        case Verdict.WORSE:
            return f"**The tuned model is worse.** {numbers}. That is {margin}. I would not use it."
        case Verdict.CANNOT_TELL:
            return f"**I cannot tell whether the tuned model is better.** {numbers}. The difference is {margin}: it may be chance."


def against_parent(result: EvaluateResult) -> list[str]:
    """Say how tuned does against the adapter that its training started from; nothing where there is none."""
    found = result.against_parent
    if found is None:
        return []
    words = {
        Verdict.BETTER: "It is better than that adapter too.",
        Verdict.WORSE: "It is **worse** than that adapter: the further training did harm.",
        Verdict.CANNOT_TELL: "I cannot tell whether it is better than that adapter.",
    }
    return [
        f"It was trained further from the adapter of run #{found.run}, which gets {_percent(found.parent)} on the same rows. "
        f"{words[found.verdict]} The difference is {100 * found.gain:+.1f} points, between {100 * found.low:+.1f} and "
        f"{100 * found.high:+.1f} with 95 % confidence."
    ]


def _judged_by(result: EvaluateResult) -> list[str]:
    """Say whose opinion the rewards are, where a language model judged; nothing where none did."""
    if result.judge is None:
        return []
    return [
        f"The rewards are opinions of the language model {plain(result.judge, 80)}, which also taught it. Answers can learn to "
        "please a judge without being better: read the samples."
    ]


def training_summary(payload: dict[str, Any]) -> str:
    """Say how a training went, and which rows to look at."""
    done = TrainResult.model_validate(payload)
    return "\n".join(
        [_went(done), *_left_out(done), *(_spike(spike) for spike in _highest(done.spikes))]
    )


def _left_out(done: TrainResult) -> list[str]:
    if not done.rows_left_out:
        return []
    rows = ", ".join(f"{row:,}" for row in done.rows_left_out)
    return [f"Rows that were too long to learn anything from were left out: {rows}."]


def _went(done: TrainResult) -> str:
    text = f"{done.steps_done:,} of {done.steps_planned:,} steps in {duration(done.train_s)} ({done.tokens_per_s:.0f} tokens/s)."
    if done.dev_losses:
        first, best = done.dev_losses[0][1], min(loss for _step, loss in done.dev_losses)
        text += f" Dev loss {first:.3f} → {best:.3f}, best at step {done.best_step}."
    if done.reason == DEV_LOSS_ROSE:
        text += " It ended early: the dev loss kept lying above its best, so more steps would have made it worse."
    if len(done.losses) > 2:
        text += f"\nloss {inline(sparkline([loss for _step, loss in done.losses], 40))}"
    if done.resumed_from_step is not None:
        text += f" Resumed from step {done.resumed_from_step}."
    elif done.damaged:
        text += " It was begun anew."
    text += "".join(f"\n{plain(damage, 200)}" for damage in done.damaged[:MOST_DAMAGES])
    return text


def _highest(spikes: Sequence[LossSpike]) -> list[LossSpike]:
    highest = sorted(spikes, key=lambda spike: spike.loss / spike.usual, reverse=True)
    return sorted(highest[:SHOWN_SPIKES], key=lambda spike: spike.step)


def _spike(spike: LossSpike, excerpts: int = SHOWN_EXCERPTS) -> str:
    rows = ", ".join(str(row) for row in spike.rows[:MOST_ROWS_NAMED])
    more = " …" if len(spike.rows) > MOST_ROWS_NAMED else ""
    shown = zip(spike.rows, spike.excerpts[:excerpts], strict=False)
    examples = "; ".join(f"row {row}: {plain(text, 200)}" for row, text in shown)
    return (
        f"Loss jumped at step {spike.step} ({spike.loss:.3f}, usually {spike.usual:.3f}), learning from rows {rows}{more}. "
        f"Look whether they are right. {examples}"
    )


def full_report(result: EvaluateResult, training: dict[str, Any] | None) -> str:
    """Return the whole report as Markdown."""
    done = TrainResult.model_validate(training) if training else None
    rows = "\n".join(
        f"| {METRICS[c.metric]} | {_percent(c.base)} | {_percent(c.tuned)} | {100 * c.gain:+.1f} "
        f"| {100 * c.low:+.1f} … {100 * c.high:+.1f} | {c.p_value:.2g} |"
        for c in result.comparisons
    )
    parts = [
        f"# Verdict: {result.verdict.value.replace('_', ' ').upper()}",
        sentence(result),
        *against_parent(result),
        *_judged_by(result),
        f"{plain(result.verdict_reason, 600)}. p after correction {result.adjusted_p_value:.2g}; "
        f"test set opened {result.openings}×; {result.items} items.",
        "| metric | base | tuned | gain (points) | 95 % interval | p |\n|---|---|---|---|---|---|\n"
        + rows,
        _went(done) if done else "",
        *(_spikes(done) if done else []),
        *_items("Five best", result.best),
        *_items("Five worst", result.worst),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _spikes(done: TrainResult) -> list[str]:
    if not done.spikes:
        return []
    lines = "\n".join(f"- {_spike(spike, len(spike.rows))}" for spike in done.spikes)
    return [f"## Steps whose loss jumped\n\n{lines}"]


def load_snippet(shown: dict[str, Any]) -> str:
    """Return the two lines that load a delivered adapter, as a code block."""
    return block(snippet(shown["base"], shown["folder"], scores=shown.get("scores", False)), 600)


def _items(title: str, items: Sequence[ScoredItem]) -> list[str]:
    if not items:
        return []
    shown = [
        block(
            f"question  {clip(' '.join(i.prompt.split()), 160)}\n"
            f"expected  {clip(' '.join(i.reference.split()), 120)}\n"
            f"base      {clip(' '.join(i.base.split()), 120)}\n"
            f"{_of_parent(i)}"
            f"tuned     {clip(' '.join(i.tuned.split()), 120)}",
            700,
        )
        for i in items
    ]
    return [f"\n**{title}**", *shown]


def _of_parent(item: ScoredItem) -> str:
    return "" if item.parent is None else f"earlier   {clip(' '.join(item.parent.split()), 120)}\n"


def _field(comparison: Comparison, *, primary: bool) -> Field:
    name = METRICS[comparison.metric] + (" ★" if primary else "")
    return Field(name, f"{_percent(comparison.base)} → **{_percent(comparison.tuned)}**")


def _comparison(result: EvaluateResult) -> ChartSpec:
    others = [c for c in result.comparisons if c.metric is not result.primary.metric]
    bars = [
        Bar(METRICS[c.metric], c.base, c.tuned, c.low, c.high) for c in (result.primary, *others)
    ]
    return comparison_chart(f"Base against tuned on {result.items} rows neither has seen", bars)


def _loss(training: dict[str, Any] | None) -> list[ChartSpec]:
    done = TrainResult.model_validate(training) if training else None
    if done is None or len(done.losses) < 2:
        return []
    shown = {"losses": done.losses, "dev_losses": done.dev_losses}
    return [ChartSpec("loss", "Loss over the training", shown)]


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
