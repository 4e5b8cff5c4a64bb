"""Made rows in a report: whether they helped, how many they are, who made them and from what."""

from agents.jobs import RowsBackend, RowsTrial, Source, TrainResult
from agents.made_rows import MadeRows
from bot.text import plain

TITLE = "Rows that were made"
WHO = {
    RowsBackend.RULES: "by rules from your rows",
    RowsBackend.LLM: "by a language model",
    RowsBackend.CURATOR: "by a language model, through curator",
}
KINDS = {"document": "document", "page": "page", "database": "database", "notebook": "earlier run"}
MOST_SOURCES = 30


def sentences(training: TrainResult | None) -> list[str]:
    """Say whether made rows helped; nothing where none were learnt from for a first time."""
    if training is None or training.learnt_made is None:
        return []
    if training.trial is not None:
        return [_trial(training.trial)]
    learnt = "has" if training.learnt_made else "has not"
    return [
        f"The training was ended before made rows could be compared with none: this adapter **{learnt}** learnt them."
    ]


def _trial(found: RowsTrial) -> str:
    direction = "lower" if found.gain >= 0 else "higher"
    between = ", too few for an interval"
    if found.low is not None and found.high is not None:
        between = (
            f"; the gain lies between {found.low:+.3f} and {found.high:+.3f} with 95 % confidence"
        )
    numbers = (
        f"With {found.rows:,} made rows the dev loss was {direction} by {abs(found.gain):.3f} per token "
        f"({found.loss_without:.3f} → {found.loss_with:.3f} on {found.dev_rows:,} dev rows, {found.steps:,} steps each{between})"
    )
    if found.helped:
        return f"{numbers}: the made rows helped and are **kept**."
    return f"{numbers}: that they help is not shown, so they are **left out** and this is the adapter without them."


def section(made: MadeRows | None, training: TrainResult | None) -> list[str]:
    """Return what is known of the made rows of a try, as lines of Markdown; nothing where there were none."""
    if made is None:
        return []
    used = training is None or training.learnt_made is not False
    share = f", {made.share:.0%} of {made.of:,} rows to learn from" if used else "; not learnt"
    by = ", ".join(f"{count:,} {WHO[backend]}" for backend, count in made.by)
    models = f" ({plain(', '.join(made.models), 200)})" if made.models else ""
    how = ", ".join(f"{name.value.replace('_', ' ')} {count:,}" for name, count in made.strategies)
    lines = [f"{made.rows:,} rows{share}: {by}{models}. How: {how}."]
    if made.strata:
        kinds = ", ".join(f"{plain(name, 60)} {count:,}" for name, count in made.strata[:20])
        lines.append(f"By answer: {kinds}.")
    if made.drafts:
        held = ", ".join(f"{name.value} {count:,}" for name, count in made.sifted)
        lines.append(
            f"Of {made.drafts:,} drafts these were held back: {held or 'none'}. A person looked at a sample of the rest"
            + (f" and struck {len(made.struck):,} of them." if made.struck else ".")
        )
    if made.again is not None:
        lines.append(f"Some of them were made for try {made.again}.")
    if made.sources:
        lines.append(
            "Made from: " + "; ".join(map(named_source, made.sources[:MOST_SOURCES])) + "."
        )
    lines += [f"Asked: {plain(asked, 300)}." for asked in made.asked[:MOST_SOURCES]]
    return lines


def named_source(source: Source) -> str:
    """Name where a passage is from; an address in it is no live link."""
    where = f", {plain(source.where, 120)}" if source.where else ""
    return f"{KINDS[source.kind]} {plain(source.name, 100)}{where}"
