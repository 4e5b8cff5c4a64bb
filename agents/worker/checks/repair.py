"""What is done about findings when a person asks for it: rows are left out or texts masked, and it is said how many."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from agents.jobs import Repair
from agents.worker.checks import (
    conflicts,
    duplicates,
    empties,
    injections,
    languages,
    lengths,
    private,
)
from agents.worker.checks.facts import Facts
from agents.worker.checks.masks import without_personal_data, without_secrets

DROPS: dict[Repair, tuple[Callable[[Facts], Collection[int]], str]] = {
    Repair.DROP_SECRETS: (private.with_secrets, "rows with keys or passwords"),
    Repair.DROP_PERSONAL_DATA: (private.with_personal_data, "rows with personal data"),
    Repair.DROP_INJECTIONS: (injections.places, "rows that read like orders to a model"),
    Repair.DROP_EMPTIES: (empties.places, "rows in which nothing stands"),
    Repair.DROP_LONG_ROWS: (lengths.places, "rows that are too long"),
    Repair.DROP_OTHER_LANGUAGES: (languages.places, "rows in another language"),
    Repair.DROP_CONFLICTS: (conflicts.minorities, "rows with a rarer answer to the same prompt"),
    Repair.DROP_NEAR_DUPLICATES: (duplicates.near, "near duplicates"),
}
MASKS: dict[Repair, tuple[Callable[[str], str], str]] = {
    Repair.MASK_SECRETS: (without_secrets, "keys or passwords"),
    Repair.MASK_PERSONAL_DATA: (without_personal_data, "personal data"),
}


@dataclass(frozen=True)
class Repaired:
    """Rows after repairs."""

    facts: Facts
    notes: tuple[str, ...]
    """What was changed, for the person."""
    masks: tuple[Callable[[str], str], ...]
    """To be applied to every text of the rows that are left."""


def repaired(facts: Facts, repairs: Sequence[Repair], least_rows: int) -> Repaired:
    """Do what a person asked for, masks first; rows are not left out where fewer than `least_rows` would remain."""
    notes: list[str] = []
    masks: list[Callable[[str], str]] = []
    for repair in (repair for repair in MASKS if repair in repairs):
        mask, what = MASKS[repair]
        facts, changed = _masked(facts, mask)
        masks.append(mask)
        notes.append(f"Masked: {what} (rows: {changed:,}).")
    for repair in (repair for repair in DROPS if repair in repairs):
        places_of, what = DROPS[repair]
        places = set(places_of(facts))
        left = len(facts.pairs) - len(places)
        if left < least_rows:
            notes.append(
                f"Not dropped: {what} ({len(places):,}); only {left:,} rows would be left."
            )
        else:
            facts = facts.without(places)
            notes.append(f"Dropped: {what} ({len(places):,}).")
    return Repaired(facts, tuple(notes), tuple(masks))


def _masked(facts: Facts, mask: Callable[[str], str]) -> tuple[Facts, int]:
    pairs = [
        replace(pair, prompt=mask(pair.prompt), answer=mask(pair.answer)) for pair in facts.pairs
    ]
    changed = sum(new != old for new, old in zip(pairs, facts.pairs, strict=True))
    return replace(facts, likeness=replace(facts.likeness, pairs=pairs)), changed
