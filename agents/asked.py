"""What a person has asked for after a try, as findings of the debugger: they come before what it has found itself."""

from collections.abc import Sequence
from dataclasses import replace

from agents import listening
from agents.diagnosis import Change, Finding
from agents.made_wishes import MadeRowsWish
from agents.recipe import RecipeChange
from agents.row_changes import RowsChange

RULE = "asked"


def of_recipe(changes: Sequence[RecipeChange], words: str) -> list[Finding]:
    """Return changes of the recipe."""
    return [_finding(f"set {c.field} to {c.value}", words, c) for c in changes]


def of_rows(change: RowsChange, words: str) -> Finding:
    """Return a change of the rows to learn from."""
    what = f"change {len(change.rows):,} training rows" if change else "use all training rows"
    return _finding(what, words, change)


def of_made_rows(wish: MadeRowsWish, words: str) -> Finding:
    """Return rows that are to be made, or that none are."""
    return _finding("use no made rows" if wish.off else "make rows", words, wish)


def _finding(what: str, words: str, change: Change) -> Finding:
    return Finding("asked", f"You said: “{words[:300]}”", f"{what}, as you asked", change)


def together(
    wishes: list[Finding], said: tuple[Finding, ...], others: list[Finding]
) -> list[Finding]:
    """Put what a person asked for first, then what they complained of, and that before what the numbers say alone.

    A complaint that the measurements do not bear out comes last. A field is changed once, as the person said.
    """
    fields = {f.change.field for f in wishes if isinstance(f.change, RecipeChange)}
    rest = [
        replace(f, change=None)
        if isinstance(f.change, RecipeChange) and f.change.field in fields
        else f
        for f in listening.weighed(said, others)
    ]
    certain = [f for f in said if listening.is_certain(f)]
    return [*wishes, *certain, *rest, *(f for f in said if not listening.is_certain(f))]
