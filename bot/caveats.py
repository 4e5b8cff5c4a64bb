"""What a verdict does not say by itself: what was forgotten, what a prompt does as well, which sealed rows could not count."""

from agents.jobs import (
    Contaminates,
    Contamination,
    EvaluateResult,
    Forgetting,
    Kept,
    LearntFrom,
    row_name,
)
from bot.text import block, plain

MOST_ROWS_NAMED = 16
MOST_WORDS = 4000
"""Characters of a prompt in the report."""
WAYS = {
    Contaminates.EQUAL: "the same prompt",
    Contaminates.CLOSE: "almost the same words",
    Contaminates.CONTAINED: "one stands in the other",
}
SOURCES = {
    LearntFrom.TRAIN: "{} to learn from",
    LearntFrom.DEV: "{} to choose by",
    LearntFrom.EARLIER: "{} of an earlier adapter",
}


def headline(result: EvaluateResult) -> str:
    """Return what the first sentence about a better model must not leave out."""
    found = []
    if result.is_bought_by_forgetting:
        found.append(", at the price of forgetting")
    if result.a_prompt_does_as_much:
        found.append("; but a better prompt does as much")
    return "".join(found)


def prompted(result: EvaluateResult) -> list[str]:
    """Say how tuned does against the base with a better prompt, where that is as good; nothing elsewhere."""
    as_much = [tried for tried in result.prompted if tried.does_as_much]
    if not as_much:
        return []
    best = max(as_much, key=lambda tried: tried.score)
    margin = (
        f"{100 * best.gain:+.1f} points for the tuned model, between {100 * best.low:+.1f} and {100 * best.high:+.1f} with 95 % "
        "confidence"
    )
    start = f"⚠ The base {with_prompt(best.shots)} gets {percent(best.score)} on the same rows without any training"
    if best.high < 0:
        return [
            f"{start}: **more** than the tuned model ({margin}). Use the prompt: it is in the report."
        ]
    return [f"{start}: as far as these rows can tell, **as much** as the tuned model ({margin})."]


def prompt_table(result: EvaluateResult) -> list[str]:
    """Return the table of the base with a better prompt; nothing where it was not tried."""
    if not result.prompted:
        return []
    rows = "\n".join(
        f"| the base {with_prompt(tried.shots)} | {percent(tried.score)} | {percent(result.primary.tuned)} | {100 * tried.gain:+.1f} "
        f"| {100 * tried.low:+.1f} … {100 * tried.high:+.1f} |"
        for tried in result.prompted
    )
    return [
        "## Without training\n\nThe same rows, metric and decoding, and no verdict of its own.\n\n"
        f"| | score | tuned | gain (points) | 95 % interval |\n|---|---|---|---|---|\n{rows}",
        *(
            f"The base {with_prompt(t.shots)}:\n\n{block(t.words, MOST_WORDS)}"
            for t in result.prompted
        ),
    ]


def with_prompt(shots: int) -> str:
    """Say with what the base was asked."""
    if not shots:
        return "with a better prompt"
    return f"with {shots} example{'s' if shots > 1 else ''} in its prompt"


def forgot(found: Forgetting | None) -> list[str]:
    """Say what became of what the base could do before; nothing where it was not measured."""
    if found is None:
        return []
    change = "; ".join(
        f"{score.measure.words}: {percent(score.base)} before, {percent(score.tuned)} after ({100 * score.gain:+.1f} points, between "
        f"{100 * score.low:+.1f} and {100 * score.high:+.1f} with 95 % confidence)"
        for score in found.scores
    )
    asked = f"On {found.items} everyday questions that have nothing to do with your task, {change}."
    margin = f"{found.margin_points:g} points"
    match found.outcome:
        case Kept.HELD:
            return [
                f"It has **kept** what the base could do: a loss of {margin} is ruled out. {asked}"
            ]
        case Kept.NOT_SHOWN:
            return [
                f"Whether it forgot something is **not shown**: a loss of {margin} is not ruled out. {asked}"
            ]
        case Kept.HARMED:
            return [
                f"⚠ It **forgot** some of what the base could do. {asked} Use it for its task only, or train more gently: a lower "
                "learning rate, fewer epochs, or some general rows among yours."
            ]


def not_scored(found: Contamination | None) -> list[str]:
    """Say which sealed rows may be known already; nothing where none is, and all were compared."""
    if found is None:
        return []
    lines = []
    if found.items:
        rows = ", ".join(row_name(item.row) for item in found.items[:MOST_ROWS_NAMED])
        more = len(found.items) - MOST_ROWS_NAMED
        lines.append(
            f"⚠ {len(found.items):,} of {found.sealed:,} sealed rows got **no score**: each resembles a row that was learnt from, so it "
            f"would flatter the model ({rows}{f' and {more:,} more' if more > 0 else ''}; the report says which)."
        )
    if found.left_out:
        lines.append(
            f"Not all sealed rows were compared with all that was learnt: {plain('; '.join(found.left_out), 300)}."
        )
    return lines


def contaminated(found: Contamination | None) -> list[str]:
    """Return the table of the rows without a score; nothing where there are none."""
    if found is None or not found.items:
        return []
    rows = "\n".join(
        f"| {row_name(item.row)} | {SOURCES[item.source].format(row_name(item.like))} | {WAYS[item.way]} | {100 * item.likeness:.0f} % |"
        for item in found.items
    )
    return [
        f"## Sealed rows without a score\n\nCompared with {found.compared_with:,} rows.\n\n"
        f"| sealed | resembles | how | in common |\n|---|---|---|---|\n{rows}"
    ]


def percent(value: float) -> str:
    """Return a share in percent."""
    return f"{100 * value:.1f} %"
