"""What a model card says of made rows: how many, by whom, from what, and whether they helped. No row of them is quoted."""

from agents.jobs import RowsBackend, RowsTrial, Source, TrainResult
from agents.made_rows import MadeRows

WHO = {
    RowsBackend.RULES: "by rules from other rows",
    RowsBackend.LLM: "by a language model",
    RowsBackend.CURATOR: "by a language model, through curator",
}
MOST_SOURCES = 20
NAME_CHARS = 120


def made_rows(made: MadeRows | None, unused: MadeRows | None, trained: TrainResult) -> str:
    """Return a paragraph for each: rows that were learnt, and rows that were not; nothing where there are none."""
    return _learnt(made, trained) + _not_learnt(unused, trained)


def _learnt(made: MadeRows | None, trained: TrainResult) -> str:
    if made is None:
        return ""
    by = ", ".join(f"{count:,} {WHO[backend]}" for backend, count in made.by)
    models = f" ({', '.join(_code(name) for name in made.models)})" if made.models else ""
    text = (
        f"Of the {made.of:,} rows that it learnt from, {made.learnt:,} ({made.share:.0%}) were made by a program: {by}{models}. "
        "A person saw a sample of them and said yes; none of them chose or judged anything."
    )
    if made.sources:
        named = "; ".join(map(_source, made.sources[:MOST_SOURCES]))
        text += f" Some were made from: {named}."
    if trained.trial is not None and trained.trial.helped:
        text += f" {_trial(trained.trial)}"
    return text + "\n\n"


def _not_learnt(unused: MadeRows | None, trained: TrainResult) -> str:
    if unused is None or trained.trial is None:
        return ""
    return f"{trained.trial.rows:,} rows that a program had made were tried and left out. {_trial(trained.trial)}\n\n"


def _trial(found: RowsTrial) -> str:
    between = "without an interval on only "
    if found.low is not None and found.high is not None:
        between = f"95 % interval {found.low:+.3f} to {found.high:+.3f}, "
    return (
        f"Trained without them for as many steps ({found.steps:,}), the dev loss was {found.loss_without:.3f} per token instead "
        f"of {found.loss_with:.3f}, a gain of {found.gain:+.3f} ({between}{found.dev_rows:,} dev rows)."
    )


def _source(source: Source) -> str:
    where = f", {source.where}" if source.where else ""
    return f"{source.kind} {_code(source.name + where)}"


def _code(text: str) -> str:
    """Show what comes from outside as code: no link in it is live."""
    line = " ".join(text.split()).replace("`", "'").replace("://", "[:]//")
    return f"`{line[:NAME_CHARS]}`"
