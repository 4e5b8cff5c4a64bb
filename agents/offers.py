"""The debugger's changes as a person sees them: numbered, one of them taken, the others to be had by a reply."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents import made_wishes, row_changes
from agents.candidates import CHOICE
from agents.made_wishes import NOTHING, MadeRowsWish
from agents.recipe import Recipe, RecipeChange, is_done
from agents.row_changes import RowsChange
from storage.models import Suggestion

_LIST = (
    r"(?:number\s*|no\.?\s*|#)?(\d{1,2}(?:\s*(?:,|;|and|&|\+)\s*(?:number\s*|no\.?\s*|#)?\d{1,2})*)"
)
_END = r"(?=\s*(?:$|[.,;:!?\n]|\b(?:and|but|please|instead|only|too|as\s+well|with)\b))"
_TAKE = re.compile(
    rf"\b(?P<also>also\s+)?(?:(?P<add>add)|take|apply)\s+(?P<too>also\s+)?(?:only\s+|just\s+|suggestions?\s+|"
    rf"changes?\s+)*{_LIST}{_END}(?P<after>\s+(?:too|as\s+well|instead|only))?",
    re.IGNORECASE,
)
_ALL = re.compile(
    rf"\b(?:take|apply)\s+(?:them\s+all|all(?:\s+of\s+(?:them|these))?|everything|both){_END}",
    re.IGNORECASE,
)
_NONE = re.compile(
    rf"\b(?:take|apply)\s+none(?:\s+of\s+(?:them|these))?{_END}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Taking:
    """Which of the offered changes a reply wants."""

    numbers: frozenset[int]
    """All that the plan has now."""
    rest: str
    """The words without it."""
    notes: tuple[str, ...] = ()


def numbered(suggestions: Sequence[Suggestion]) -> dict[int, Suggestion]:
    """Return the suggestions that change something, by the number under which a person sees them."""
    offered = [suggestion for suggestion in suggestions if suggestion.change is not None]
    return dict(enumerate(offered, start=1))


def taken(suggestions: Sequence[Suggestion]) -> frozenset[int]:
    """Return the numbers of those that the plan has."""
    return frozenset(n for n, suggestion in numbered(suggestions).items() if suggestion.taken)


def wished(words: str, suggestions: Sequence[Suggestion]) -> Taking | None:
    """Return which changes a reply takes; None where it says nothing about them, or none are on offer.

    "take 2" is that one alone, "also take 2" and "take 2 too" are that one beside those that are taken.
    """
    there = numbered(suggestions)
    if not there:
        return None
    now = taken(suggestions)
    for pattern, numbers in ((_ALL, frozenset(there)), (_NONE, frozenset[int]())):
        if match := pattern.search(words):
            return Taking(numbers, _without(words, match))
    match = _TAKE.search(words)
    if match is None:
        return None
    said = list(map(int, re.findall(r"\d+", match[4])))
    unknown = [number for number in said if number not in there]
    if unknown and len(unknown) == len(said):
        listed = ", ".join(map(str, there))
        return Taking(
            now, _without(words, match), (f"There is no change {said[0]}: there are {listed}.",)
        )
    beside = match["also"] or match["too"] or match["add"] or "too" in (match["after"] or "")
    beside = beside or "well" in (match["after"] or "")
    numbers = frozenset(said) & frozenset(there) | (now if beside else frozenset())
    notes = tuple(f"There is no change {number}." for number in unknown)
    return Taking(numbers, _without(words, match), notes)


def recipe_changes(
    suggestions: Sequence[Suggestion], numbers: frozenset[int], plan: Recipe, tried: Recipe
) -> tuple[list[RecipeChange], list[RecipeChange], list[str]]:
    """Return what takes changes up, what takes others back to the try before, and notes.

    Of two that set the same field the first counts. What a person has set meanwhile is not taken back.
    """
    there, before = numbered(suggestions), taken(suggestions)
    up: dict[str, RecipeChange] = {}
    notes = []
    for number in sorted(numbers):
        change = of_recipe(there[number])
        if change is None:
            continue
        setting = _setting(change)
        if setting in up:
            notes.append(f"Change {number} sets {setting} too, so it is left out.")
        else:
            up[setting] = change
    back = {}
    for number in sorted(before - numbers):
        change = of_recipe(there[number])
        if change is not None and is_done(change, plan):
            setting = _setting(change)
            if setting not in up:
                back[setting] = RecipeChange.model_validate(
                    {"field": setting, "value": getattr(tried, setting)}
                )
    new = [change for change in up.values() if not is_done(change, plan)]
    return new, list(back.values()), notes


def rows(
    suggestions: Sequence[Suggestion],
    numbers: frozenset[int],
    now: RowsChange,
    carried: RowsChange,
) -> RowsChange:
    """Return what is changed in the rows: those of the plan, without what is not taken any more, with what is taken anew."""
    there, before = numbered(suggestions), taken(suggestions)
    for number in sorted(before - numbers):
        if (change := _of_rows(there[number])) is not None:
            mine = set(change.rows) - set(carried.rows)
            now = now.keeping(sorted(mine))
    for number in sorted(numbers - before):
        if (change := _of_rows(there[number])) is not None:
            now = _merged(now, change)
    return now


def made_rows(suggestions: Sequence[Suggestion], numbers: frozenset[int]) -> MadeRowsWish:
    """Return which rows are to be made by the changes with these numbers."""
    wish = NOTHING
    there = numbered(suggestions)
    for number in sorted(numbers):
        if (change := _of_made_rows(there[number])) is not None:
            wish = change.after(wish)
    return wish


def made_rows_taken(
    suggestions: Sequence[Suggestion], numbers: frozenset[int], now: MadeRowsWish
) -> MadeRowsWish:
    """Return which rows are to be made: those of the plan, without what is not taken any more, with what is taken anew."""
    there, before = numbered(suggestions), taken(suggestions)
    given_back = made_rows(suggestions, before - numbers)
    labels = {stratum.label for stratum in given_back.strata}
    now = now.model_copy(
        update={"strata": tuple(stratum for stratum in now.strata if stratum.label not in labels)}
    )
    return made_rows(suggestions, (numbers - before) & frozenset(there)).after(now)


def _merged(one: RowsChange, other: RowsChange) -> RowsChange:
    known = {row for row, _answer in one.relabelled}
    added = tuple((row, answer) for row, answer in other.relabelled if row not in known)
    both = RowsChange(dropped=one.dropped, relabelled=(*one.relabelled, *added))
    return both.dropping(other.dropped)


def is_taken(suggestion: Suggestion, recipe: Recipe) -> bool:
    """Tell whether a plan has what a suggestion says of its recipe; of rows what was said stands."""
    change = of_recipe(suggestion)
    return change is None or is_done(change, recipe)


def shown(suggestions: Sequence[Suggestion], recipe: Recipe) -> list[dict[str, Any]]:
    """Return what the card says about suggestions, and what an approval is bound to."""
    number_of = {id(suggestion): n for n, suggestion in numbered(suggestions).items()}
    return [
        {
            "finding": suggestion.finding,
            "advice": suggestion.advice,
            "number": number_of.get(id(suggestion)),
            "taken": suggestion.taken and is_taken(suggestion, recipe),
            "said": suggestion.evidence,
        }
        for suggestion in suggestions
    ]


def of_recipe(suggestion: Suggestion) -> RecipeChange | None:
    """Return the change of the recipe that a suggestion proposes; None where it proposes none."""
    change = suggestion.change
    if change is None or row_changes.is_of_rows(change) or made_wishes.is_wish(change):
        return None
    return RecipeChange.model_validate(suggestion.change)


def _setting(change: RecipeChange) -> str:
    """Return the setting that a change is about: of candidates, the one that they try values of."""
    named = CHOICE.validate_python(change.value) if change.field == "candidates" else None
    return change.field if named is None else named.field


def _of_rows(suggestion: Suggestion) -> RowsChange | None:
    if suggestion.change is None or not row_changes.is_of_rows(suggestion.change):
        return None
    return RowsChange.model_validate(suggestion.change)


def _of_made_rows(suggestion: Suggestion) -> MadeRowsWish | None:
    if not made_wishes.is_wish(suggestion.change):
        return None
    return MadeRowsWish.model_validate(suggestion.change)


def _without(words: str, match: re.Match[str]) -> str:
    rest = f"{words[: match.start()]} {words[match.end() :]}"
    rest = re.sub(r"^(?:[\s,;.]|\b(?:and|please)\b)+|(?:[\s,;.]|\b(?:and|please)\b)+$", "", rest)
    return " ".join(rest.split())
