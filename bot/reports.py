"""The card of a verdict: one sentence a layman understands, the numbers, the best and the worst answers side by side."""

from collections.abc import Sequence
from typing import Any

from agents.delivery import snippet
from agents.jobs import (
    DEV_LOSS_ROSE,
    AgainstParent,
    AgainstTry,
    Comparison,
    EvaluateResult,
    LossSpike,
    Slice,
    TrainResult,
    Verdict,
    row_name,
)
from agents.made_rows import MadeRows
from bot import candidate_cards, caveats, dependence, examples, made_report, metric_tables
from bot.charts import Bar, ChartSpec, comparison_chart, sparkline
from bot.reported import Reported
from bot.surface import Card, Field
from bot.text import block, duration, inline, plain
from storage.models import Event, Job, Run

MOST_FIELDS = 40
MOST_DAMAGES = 3
SHOWN_SPIKES = 2
"""On the card; the attached report has all."""
SHOWN_EXCERPTS = 2
MOST_ROWS_NAMED = 16
MOST_WORSE = 3
"""Parts of the test rows that became worse, on the card."""
SHOWN_ITEMS = 2
"""Best and worst on the card; the attached report has five of each."""


def report_card(
    shown: dict[str, Any], training: dict[str, Any] | None, made: MadeRows | None = None
) -> Card:
    """Return the card of an evaluation, without its question."""
    result = EvaluateResult.model_validate(shown["report"])
    weak = [item for item in result.worst if item.tuned_score < 1]
    lines = conclusions(result, training)
    if shown["partial"]:
        lines.append("The training was stopped early; this measures the best step until then.")
    if shown["again"]:
        lines.append("This is the best try so far. Take it after all?")
    lines.append(f"{plain(result.verdict_reason, 400)} (test set opened {result.openings}×)")
    lines.extend(caveats.not_scored(result.contamination))
    lines.extend(evidence(result))
    lines.extend(_became_worse(result))
    lines.extend(examples.blocks("Where it got better", result.best[:SHOWN_ITEMS]))
    if not result.best:
        lines.append("\nNo answer became better.")
    lines.extend(examples.blocks("Where it is weakest", weak[:SHOWN_ITEMS]))
    if not weak:
        lines.append("\nIts weakest answer still scores full marks.")
    try_number = f" (try {shown['iteration']})" if shown["iteration"] > 1 else ""
    return Card(
        title=f"Verdict: {result.verdict.value.replace('_', ' ').upper()}{try_number}",
        body="\n".join(lines),
        fields=tuple(
            _field(c, primary=c.metric is result.primary.metric)
            for c in metric_tables.on_card(result)
        ),
        charts=(comparison(result), *loss_chart(training)),
        report=full_report(result, training, made),
    )


def reported(run: Run, event: Event, job: Job | None, made: MadeRows | None = None) -> Reported:
    """Return what the files of a report are made from, by the event that shows it and the training before it."""
    shown = event.payload
    recipe = job.spec["recipe"] if job else {}
    training = job.payload if job else None
    assert run.id is not None
    return Reported(
        run=run.id,
        iteration=shown["iteration"],
        task=run.goal,
        model=recipe.get("model", run.model),
        method=recipe.get("method", run.method),
        measured_at=event.created_at,
        partial=shown["partial"],
        result=EvaluateResult.model_validate(shown["report"]),
        training=TrainResult.model_validate(training) if training else None,
        made=made,
    )


def conclusions(
    result: EvaluateResult, training: dict[str, Any] | None, most: int = metric_tables.MOST_WARNINGS
) -> list[str]:
    """Return what a person should know first, as lines of Markdown: the verdict in one sentence, then what it leaves out."""
    return [
        sentence(result),
        *caveats.prompted(result),
        *caveats.forgot(result.forgetting),
        *dependence.warned(result.swaps),
        *metric_tables.guessed(result, training, most=most),
        *against_parent(result),
        *against_try(result),
        *made_report.sentences(TrainResult.model_validate(training) if training else None),
        *_judged_by(result),
    ]


def sentence(result: EvaluateResult) -> str:
    """Say the verdict so that somebody who never heard of a metric understands it."""
    primary = result.primary
    before, after = _percent(primary.base), _percent(primary.tuned)
    what = metric_tables.NAMES[primary.metric]
    numbers = f"{what}: base {before}, tuned {after}, on {result.items} rows it never saw"
    margin = _difference(primary)
    but = caveats.headline(result)
    match result.verdict:
        case Verdict.BETTER:
            return f"**The tuned model is better{but}.** {numbers}. That is {margin}."
        case Verdict.SMALLER_THAN_ASKED:
            asked = f"{result.target_gain_points:g}" if result.target_gain_points else "more"
            return (
                f"**The tuned model is better, but by less than you asked for{but}.** {numbers}. That is {margin}; you asked "
                f"for {asked} points."
            )
        case Verdict.WORSE:
            return f"**The tuned model is worse.** {numbers}. That is {margin}. I would not use it."
        case Verdict.CANNOT_TELL:
            return f"**I cannot tell whether the tuned model is better.** {numbers}. The difference is {margin}: it may be chance."


def _difference(found: Comparison | AgainstParent | AgainstTry) -> str:
    low, high = 100 * found.low, 100 * found.high
    return (
        f"{100 * found.gain:+.1f} points, between {low:+.1f} and {high:+.1f} with 95 % confidence"
    )


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
        f"{words[found.verdict]} The difference is {_difference(found)}."
    ]


def against_try(result: EvaluateResult) -> list[str]:
    """Say how tuned does against the best try before; nothing where there is none."""
    found = result.against_try
    if found is None:
        return []
    words = {
        Verdict.BETTER: f"It is **better** than try {found.iteration}, the best so far.",
        Verdict.WORSE: f"It is **worse** than try {found.iteration}, the best so far.",
        Verdict.CANNOT_TELL: f"I cannot tell whether it is better than try {found.iteration}, the best so far.",
    }
    return [
        f"{words[found.verdict]} That one gets {_percent(found.other)} on the same {found.items:,} rows, this one "
        f"{_percent(found.tuned)}: {_difference(found)}."
    ]


def evidence(result: EvaluateResult) -> list[str]:
    """Say what the verdict rests on, beside the interval: rows that differ, rows that say the same, rows that are missing."""
    primary, lines = result.primary, examples.changes(result)
    if primary.gained is not None and primary.lost is not None:
        lines.append(
            f"Only the tuned model was right on {primary.gained:,} rows, only the base on {primary.lost:,}."
        )
    if result.groups is not None:
        lines.append(
            f"Some of the {result.items:,} rows resemble each other; the {result.groups:,} groups of them count as one "
            "piece of evidence each."
        )
    if result.more_items_needed:
        lines.append(
            f"About {result.more_items_needed:,} more test rows would show a difference of this size."
        )
    return lines


def _became_worse(result: EvaluateResult) -> list[str]:
    return [
        f"⚠ It became **worse** on {_slice_name(part)}: {100 * part.gain:+.1f} points on {part.items:,} rows, between "
        f"{100 * part.low:+.1f} and {100 * part.high:+.1f}."
        for part in result.slices
        if part.verdict is Verdict.WORSE
    ][:MOST_WORSE]


def _slice_name(part: Slice) -> str:
    return f"{part.by} {inline(part.name)}"


def _slices(result: EvaluateResult) -> list[str]:
    """Return the table of the parts of the test rows; nothing where they were not parted."""
    if not result.slices:
        return []
    rows = "\n".join(
        f"| {part.by} | {plain(part.name, 80)} | {part.items:,} | {_percent(part.base)} | {_percent(part.tuned)} "
        f"| {100 * part.gain:+.1f} | {100 * part.low:+.1f} … {100 * part.high:+.1f} | {_slice_verdict(part)} |"
        for part in result.slices
    )
    return [
        "## Parts of the test rows\n\n"
        "p-values are corrected for all parts together (Holm); under 20 rows there is no verdict.\n\n"
        "| by | part | rows | base | tuned | gain (points) | 95 % interval | verdict |\n|---|---|---|---|---|---|---|---|\n"
        + rows
    ]


def _slice_verdict(part: Slice) -> str:
    if part.verdict is None or part.adjusted_p_value is None:
        return "too few rows"
    return f"{part.verdict.value.replace('_', ' ')} (p {part.adjusted_p_value:.2g})"


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
        [
            went(done),
            *candidate_cards.ended(done),
            *_left_out(done),
            *(jump(spike) for spike in _highest(done.spikes)),
        ]
    )


def _left_out(done: TrainResult) -> list[str]:
    if not done.rows_left_out:
        return []
    rows = ", ".join(row_name(row).removeprefix("row ") for row in done.rows_left_out)
    return [f"Rows that were too long to learn anything from were left out: {rows}."]


def went(done: TrainResult) -> str:
    """Say how a training went, as lines of Markdown."""
    text = f"{done.steps_done:,} of {done.steps_planned:,} steps in {duration(done.train_s)} ({done.tokens_per_s:.0f} tokens/s)."
    if done.rewards and done.dev_losses:
        dev = [reward for _step, reward in _dev_rewards(done)]
        text += f" Dev reward {dev[0]:.3f} → {max(dev):.3f}, best at step {done.best_step}."
    elif done.dev_losses:
        first, best = done.dev_losses[0][1], min(loss for _step, loss in done.dev_losses)
        text += f" Dev loss {first:.3f} → {best:.3f}, best at step {done.best_step}."
    if done.reason == DEV_LOSS_ROSE:
        text += " It ended early: the dev loss kept lying above its best, so more steps would have made it worse."
    what, curve = ("reward", done.rewards) if done.rewards else ("loss", done.losses)
    if len(curve) > 2:
        text += f"\n{what} {inline(sparkline([value for _step, value in curve], 40))}"
    if done.resumed_from_step is not None:
        text += f" Resumed from step {done.resumed_from_step}."
    elif done.damaged:
        text += " It was begun anew."
    text += "".join(f"\n{plain(damage, 200)}" for damage in done.damaged[:MOST_DAMAGES])
    return text


def _highest(spikes: Sequence[LossSpike]) -> list[LossSpike]:
    highest = sorted(spikes, key=lambda spike: spike.loss / spike.usual, reverse=True)
    return sorted(highest[:SHOWN_SPIKES], key=lambda spike: spike.step)


def jump(spike: LossSpike, excerpts: int = SHOWN_EXCERPTS) -> str:
    """Say at which step the loss jumped, learning from which rows."""
    rows = ", ".join(row_name(row).removeprefix("row ") for row in spike.rows[:MOST_ROWS_NAMED])
    more = " …" if len(spike.rows) > MOST_ROWS_NAMED else ""
    shown = zip(spike.rows, spike.excerpts[:excerpts], strict=False)
    examples = "; ".join(f"{row_name(row)}: {plain(text, 200)}" for row, text in shown)
    return (
        f"Loss jumped at step {spike.step} ({spike.loss:.3f}, usually {spike.usual:.3f}), learning from rows {rows}{more}. "
        f"Look whether they are right. {examples}"
    )


def full_report(
    result: EvaluateResult, training: dict[str, Any] | None, made: MadeRows | None = None
) -> str:
    """Return the whole report as Markdown."""
    done = TrainResult.model_validate(training) if training else None
    about_made = made_report.section(made, done)
    parts = [
        f"# Verdict: {result.verdict.value.replace('_', ' ').upper()}",
        *conclusions(result, training, most=MOST_FIELDS),
        *dependence.besides(result.swaps),
        f"{plain(result.verdict_reason, 600)} p after correction {result.adjusted_p_value:.2g}; "
        f"test set opened {result.openings}×; {result.items} items.",
        *caveats.not_scored(result.contamination),
        *evidence(result),
        answered(result),
        metric_tables.table(result.comparisons, result.forgetting),
        *caveats.prompt_table(result),
        *metric_tables.abilities(result.forgetting),
        *metric_tables.details(result),
        *_slices(result),
        *dependence.table(result.swaps),
        *caveats.contaminated(result.contamination),
        "\n\n".join([f"## {made_report.TITLE}", *about_made]) if about_made else "",
        went(done) if done else "",
        "\n".join(candidate_cards.ended(done)) if done else "",
        *(_spikes(done) if done else []),
        *examples.blocks(examples.BEST, result.best),
        *examples.blocks(examples.WORST, result.worst),
        *examples.blocks(examples.CHANGED, result.changed),
        examples.CHANGED_NOTE if result.changed else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def answered(result: EvaluateResult) -> str:
    """Say how fast the models answered; nothing of results of older versions."""
    if result.answers_per_s is None:
        return ""
    reused = ""
    if result.answers_reused:
        reused = f" {result.answers_reused:,} more were known already and not asked for again."
    return (
        f"{result.answers_given:,} answers of all models together in {duration(result.evaluate_s)}, "
        f"{result.answers_per_s:.1f} in a second of answering.{reused}"
    )


def _spikes(done: TrainResult) -> list[str]:
    if not done.spikes:
        return []
    lines = "\n".join(f"- {jump(spike, len(spike.rows))}" for spike in done.spikes)
    return [f"## Steps whose loss jumped\n\n{lines}"]


def load_snippet(shown: dict[str, Any]) -> str:
    """Return the two lines that load a delivered adapter, as a code block."""
    return block(snippet(shown["base"], shown["folder"], scores=shown.get("scores", False)), 600)


def _field(comparison: Comparison, *, primary: bool) -> Field:
    name = metric_tables.NAMES[comparison.metric] + (" ★" if primary else "")
    before, after = (
        metric_tables.value(comparison.metric, n) for n in (comparison.base, comparison.tuned)
    )
    return Field(name, f"{before} → **{after}**")


def comparison(result: EvaluateResult) -> ChartSpec:
    """Describe the chart of base against tuned."""
    bars = [
        Bar(metric_tables.NAMES[c.metric], c.base, c.tuned, c.low, c.high)
        for c in metric_tables.on_card(result)
    ]
    return comparison_chart(f"Base against tuned on {result.items} rows neither has seen", bars)


def loss_chart(training: dict[str, Any] | None) -> list[ChartSpec]:
    """Describe the chart of a training; nothing where it was too short for one."""
    done = TrainResult.model_validate(training) if training else None
    if done is None or len(done.losses) < 2:
        return []
    if done.rewards:
        shown = {"training": done.rewards, "dev": _dev_rewards(done)}
        return [ChartSpec("reward", "Reward over the training", shown)]
    shown = {"training": done.losses, "dev": done.dev_losses}
    return [ChartSpec("loss", "Loss over the training", shown)]


def _dev_rewards(done: TrainResult) -> list[tuple[int, float]]:
    """Return the dev rewards of a training whose dev loss is what they lack to 1."""
    return [(step, 1 - loss) for step, loss in done.dev_losses]


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
