"""Answers of base and tuned side by side, in Markdown, and how many of them tuning changed."""

from collections.abc import Sequence

from agents.jobs import EvaluateResult, ScoredItem, row_name
from bot.text import block, clip

BEST, WORST = "Best", "Worst"
CHANGED = "Changed, with the same score"
CHANGED_NOTE = "The score cannot tell which answer is better here: read them."


def blocks(title: str, items: Sequence[ScoredItem]) -> list[str]:
    """Return a title and a code block for each item; nothing where there are none."""
    if not items:
        return []
    shown = [
        block(
            f"row       {row_name(i.row).removeprefix('row ')}\n"
            f"question  {clip(' '.join(i.prompt.split()), 160)}\n"
            f"{_line('expected', i.reference)}"
            f"base      {clip(' '.join(i.base.split()), 120)}\n"
            f"{_line('earlier', i.parent)}"
            f"tuned     {clip(' '.join(i.tuned.split()), 120)}",
            700,
        )
        for i in items
    ]
    return [f"\n**{title}**", *shown]


def _line(what: str, text: str | None) -> str:
    """Return a line of an item; none where there is no such text, as rows that are rewarded may have no reference."""
    return f"{what:<10}{clip(' '.join(text.split()), 120)}\n" if text else ""


def changes(result: EvaluateResult) -> list[str]:
    """Say how many answers tuning changed, and what that did to their scores; nothing where they were not counted."""
    found = result.changes
    if found is None:
        return []
    if not found.differ:
        return [f"Tuning changed **none** of the {result.items:,} answers."]
    return [
        f"Tuning changed {found.differ:,} of the {result.items:,} answers: {found.higher:,} score higher, {found.lower:,} lower, "
        f"{found.same:,} the same."
    ]
