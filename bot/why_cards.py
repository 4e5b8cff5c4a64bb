"""The card of an explanation: which words of the prompt an answer rests on, where the model looked, which rows taught it."""

from collections.abc import Sequence

from agents.jobs import (
    AnswerWord,
    Attribution,
    ExplainResult,
    Influence,
    LayerUpdate,
    TaughtRow,
    row_name,
)
from bot.charts import ChartSpec
from bot.heat_strips import strongest
from bot.scenes import Scene
from bot.surface import Card, Tone
from bot.text import block, inline, plain, visible
from storage.models import Job

SHOWN_PROMPT = 300
SHOWN_ANSWER = 200
NAMED_ROWS = 3
"""Of each direction."""
NAMED_ANSWER_WORDS = 3
TRUST = "This map must not be trusted"
LOOKED = "Where it looked, not why"


def explained(scene: Scene) -> Card:
    """Tell why an answer was given, as far as it is known; or why that could not be found out."""
    job, shown = scene.job, scene.event.payload
    assert job is not None
    try_number = f" (try {shown['iteration']})" if shown["iteration"] > 1 else ""
    name = row_name(shown["row"])
    if job.payload is None:
        return Card(
            title=f"{name.capitalize()} could not be explained{try_number}",
            body=f"{_cause(job)}\nNothing else is changed by that.",
            tone=Tone.BAD,
            footer=scene.marker,
        )
    found = ExplainResult.model_validate(job.payload)
    lines = [
        block(_end(found.prompt), SHOWN_PROMPT),
        *_answered(found),
        *_pushed(found),
        *_looked(found),
        *_taught(found.influence),
        *_changed(found.answer_words, found.layers),
    ]
    return Card(
        title=f"Why the tuned model answered {name} so{try_number}",
        body="\n".join(lines),
        charts=_charts(found),
        footer=scene.marker,
    )


def _cause(job: Job) -> str:
    if job.error and job.error_for_person:
        return plain(job.error, 600)
    log = f"The log is in jobs/{job.id}/log.txt on the host; `/finetune why` tries once more."
    return f"The job has ended without an answer: {plain(job.error or 'no result', 300)}. {log}"


def _end(prompt: str) -> str:
    """Return the end of a prompt, where the question usually stands."""
    text = visible(prompt).strip()
    return text if len(text) <= SHOWN_PROMPT else "…" + text[-(SHOWN_PROMPT - 1) :]


def _answered(found: ExplainResult) -> list[str]:
    said, right = inline(found.answer, SHOWN_ANSWER), inline(found.reference, SHOWN_ANSWER)
    if found.against_reference:
        lines = [f"It answered {said}; right is {right}. So this is about why not the right one."]
    else:
        lines = [f"It answered {said}."]
    if not found.is_as_reported:
        lines.append(
            "That is not word for word what the report has: another version or device can tip a close choice. This is about "
            "the answer of today."
        )
    return lines


def _pushed(found: ExplainResult) -> list[str]:
    checked = found.attribution
    if checked is None:
        return ["The prompt has no words of its own that could be weighed."]
    words = [(word.text, word.push) for word in found.prompt_words]
    lines = ["**Words that pushed towards this answer**"]
    if not checked.is_trustworthy:
        more = "" if checked.is_complete else " More time may help (`evaluation.explain_s`)."
        lines.append(f"⚠ **{TRUST}**: {_why_not(checked)}.{more}")
    for side, sign in (("towards it", 1), ("against it", -1)):
        named = ", ".join(f"{inline(w, 40)} {v:+.2f}" for w, v in strongest(words, sign))
        lines.append(f"{side}: {named or 'none'}")
    lines.append(
        f"All words together: {checked.whole:+.2f} nats (+1 makes an answer 2.7 times as likely); the parts miss that by "
        f"{100 * checked.error:.1f} % ({checked.steps} steps). {_deletion(checked)}"
    )
    return lines


def _why_not(checked: Attribution) -> str:
    if not checked.is_complete:
        return f"its parts miss the whole by {100 * checked.error:.0f} %, more than 5 %"
    return "the words that it names matter no more than as many by chance"


def _deletion(checked: Attribution) -> str:
    return (
        f"Without the {checked.deleted} strongest tokens it falls by {checked.comprehensiveness:.2f} (by chance "
        f"{checked.comprehensiveness_by_chance:.2f}), with them alone by {checked.sufficiency:.2f} (by chance "
        f"{checked.sufficiency_by_chance:.2f})."
    )


def _looked(found: ExplainResult) -> list[str]:
    if found.attention is None:
        return []
    lines = [f"**{LOOKED}** (attention is not a reason)"]
    for name, words in _attention(found):
        named = ", ".join(f"{inline(w, 40)} {100 * v:.0f} %" for w, v in strongest(words, 1, 3))
        lines.append(f"{name}: {named}")
    return lines


def _taught(found: Influence | None) -> list[str]:
    if found is None:
        return ["There was no time to look at training rows; `evaluation.explain_s` gives more."]
    chosen = (
        f", {found.nearest:,} of them because their prompts are nearest" if found.nearest else ""
    )
    lines = [
        "**Rows that taught it this**",
        f"{found.looked_at:,} of {found.rows:,} training rows were looked at{chosen}.",
    ]
    for side, rows in (("towards it", found.towards), ("against it", found.against)):
        if rows:
            lines += [f"{side}:", *(_row(row) for row in rows[:NAMED_ROWS])]
    return lines


def _row(row: TaughtRow) -> str:
    return f"    {row_name(row.row)}: “{plain(row.prompt, 110)}” is {inline(row.given, 60)} ({row.score:+.2f})"


def _changed(words: Sequence[AnswerWord], layers: Sequence[LayerUpdate]) -> list[str]:
    """Say where the training has changed the answer, and the model."""
    lines = ["**What the training changed**"]
    moved = sorted(words, key=lambda word: -word.kl)[:NAMED_ANSWER_WORDS]
    lines += [
        f"{inline(word.text, 40)}: {_chance(word.log_prob_base)} likely for the base, {_chance(word.log_prob_tuned)} now "
        f"(KL {word.kl:.2f} nats)"
        for word in moved
    ]
    if layers:
        most = sorted(layers, key=lambda layer: -layer.size)[:3]
        named = ", ".join(f"layer {layer.layer} ({100 * layer.size:.1f} %)" for layer in most)
        lines.append(f"Of {len(layers)} layers, moved most against their size: {named}.")
    return lines


def _chance(log_prob: float) -> str:
    share = 100 * 2.718281828459045**log_prob
    return f"{share:.1f} %" if share >= 0.1 else "under 0.1 %"


def _attention(found: ExplainResult) -> list[tuple[str, list[tuple[str, float]]]]:
    if found.attention is None:
        return []
    words = found.prompt_words
    return [
        (f"layer {found.attention.middle}", [(visible(w.text), w.looked_middle) for w in words]),
        (f"layer {found.attention.last}", [(visible(w.text), w.looked_last) for w in words]),
    ]


def _charts(found: ExplainResult) -> tuple[ChartSpec, ...]:
    charts = []
    cut = f", {found.words_left_out:,} other words have no room" if found.words_left_out else ""
    checked = found.attribution
    if checked is not None:
        words = [(visible(word.text), word.push) for word in found.prompt_words]
        warned = "" if checked.is_trustworthy else f"{TRUST}: {_why_not(checked)}. "
        title = f"{warned}What pushed towards the answer (▲) and against it (▼){cut}"
        strip = {"name": f"towards “{visible(found.answer)[:60]}”", "words": words}
        charts.append(ChartSpec("attribution", title, {"strips": [strip]}))
    if found.attention is not None:
        strips = [{"name": name, "words": words} for name, words in _attention(found)]
        charts.append(ChartSpec("attention", f"{LOOKED}{cut}", {"strips": strips}))
    if found.layers:
        sizes = [(layer.layer, layer.size) for layer in found.layers]
        charts.append(
            ChartSpec("layers", "How far the training moved each layer", {"sizes": sizes})
        )
    return tuple(charts)
