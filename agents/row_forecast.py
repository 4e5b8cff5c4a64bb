"""What more rows would buy, said only where the interval of the forecast says something, with what they would cost."""

from agents.diagnosis.findings import Finding
from agents.jobs import RowsForecast
from agents.recipe import Recipe

RULE = "more_rows"
HARDLY = 0.02
"""Share of the loss below which nobody would notice the gain."""
WORTH = 0.05
"""Share that the middle of the forecast must reach to be worth new rows."""


def finding(ahead: RowsForecast | None, recipe: Recipe, step_s: float) -> Finding | None:
    """Return what a forecast is worth to a person; None where its interval leaves everything open.

    `step_s` are the measured seconds of a step.
    """
    if ahead is None or ahead.loss <= 0:
        return None
    share = ahead.gain / ahead.loss
    seen = f"By how likely each of {ahead.rows:,} rows was found before it was learnt, {ahead.more:,} more of the same kind would"
    interval = f"{ahead.low:.2g} to {ahead.high:.2g} with 95 % confidence"
    if ahead.high < HARDLY * ahead.loss:
        return Finding(
            "more_rows",
            f"{seen} hardly help: they would lower the loss of new rows ({ahead.loss:.3f} per token) by {max(ahead.gain, 0):.2g} "
            f"({interval}).",
            "spend the time on better rows, or on another model, rather than on more rows of this kind",
            telling=0.1,
        )
    if ahead.low <= 0 or share < WORTH:
        return None
    minutes = ahead.more * recipe.epochs / recipe.batch_size * step_s / 60
    longer = (
        f"; each try takes about {max(minutes, 0.1):.2g} minutes longer then"
        if recipe.max_steps is None
        else ""
    )
    half = (ahead.high - ahead.low) / 2
    return Finding(
        "more_rows",
        f"{seen} lower the loss of new rows from {ahead.loss:.3f} per token by about {ahead.gain:.2g} ± {half:.2g} ({interval}; "
        f"{share:.0%}). That is of one pass over them, and says nothing of the score.",
        f"start a new run with {ahead.more:,} more rows{longer}",
        telling=0.1,
    )
