"""What a rule of the debugger says."""

from dataclasses import dataclass
from typing import Any

from agents.made_wishes import MadeRowsWish
from agents.recipe import RecipeChange
from agents.row_changes import RowsChange

Change = RecipeChange | RowsChange | MadeRowsWish
"""What a finding may propose: to the plan, to the rows to learn from, or to make rows."""


@dataclass(frozen=True)
class Finding:
    """One thing that was seen, and what to do about it."""

    rule: str
    finding: str
    """With its numbers."""
    advice: str
    change: Change | None = None
    """None: only a person can do it."""
    rows: tuple[int, ...] = ()
    """Numbers of rows that it rests on, as in `agents.jobs.RowError.row`; the first ones, where there are many."""
    examples: tuple[dict[str, Any], ...] = ()
    """Some of these rows, for the card (`agents.row_doubts`)."""
    telling: float = 0.5
    """0 … 1: how sure it is that this, and not something else, spoilt the training. Causes stand above their effects."""
    said: dict[str, Any] | None = None
    """What a person said, and what of it was measured (`agents.listening`); None: nobody has said it."""
