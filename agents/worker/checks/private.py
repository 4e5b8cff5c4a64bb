"""Rows with secrets or personal data: reported by row, never quoted, masked wherever a text is shown."""

from collections import Counter
from collections.abc import Callable

from agents.jobs import DataFinding, FindingKind, Repair
from agents.worker.checks import personal_data, secrets
from agents.worker.checks.facts import Facts, counted, shown
from agents.worker.checks.marks import Mark
from agents.worker.checks.masks import safe

Look = Callable[[str], list[Mark]]
SHOWN_AROUND = 40
CHUNK = 500


def with_secrets(facts: Facts) -> dict[int, list[str]]:
    """Return the places of rows with secrets, and of which kinds."""
    return _found(facts, secrets.marks, "keys and passwords")


def with_personal_data(facts: Facts) -> dict[int, list[str]]:
    """Return the places of rows with personal data, and of which kinds."""
    return _found(facts, personal_data.marks, "personal data")


def check_secrets(facts: Facts) -> DataFinding | None:
    """Report rows with keys, tokens or passwords that look live."""
    found = with_secrets(facts)
    if not found:
        return None
    what = counted(len(found), "row holds", "rows hold")
    return facts.finding(
        FindingKind.SECRETS,
        list(found),
        f"{what} keys or passwords that look live ({_kinds(found)}). A model can learn them by heart and give them away; "
        "whoever owns them should also replace them.",
        example=_example(facts, next(iter(found))),
        repairs=(Repair.MASK_SECRETS, Repair.DROP_SECRETS),
    )


def check_personal_data(facts: Facts) -> DataFinding | None:
    """Report rows with personal data."""
    found = with_personal_data(facts)
    if not found:
        return None
    what = counted(len(found), "row holds", "rows hold")
    return facts.finding(
        FindingKind.PERSONAL_DATA,
        list(found),
        f"{what} personal data ({_kinds(found)}). A model can learn it by heart; use it only if you may.",
        example=_example(facts, next(iter(found))),
        repairs=(Repair.MASK_PERSONAL_DATA, Repair.DROP_PERSONAL_DATA),
    )


def _found(facts: Facts, look: Look, check: str) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    known: dict[str, list[Mark]] = {}  # labels: a few texts, many times
    for place, pair in enumerate(facts.pairs):
        if place % CHUNK == 0 and facts.budget.spent():
            facts.budget.stop(check, f"rows from {pair.where} on")
            break
        if pair.answer not in known:
            known[pair.answer] = look(pair.answer)
        kinds = [mark.kind for mark in (*look(pair.prompt), *known[pair.answer])]
        if kinds:
            found[place] = kinds
    return found


def _kinds(found: dict[int, list[str]]) -> str:
    times = Counter(kind for kinds in found.values() for kind in set(kinds))
    listed = [
        f"{count:,} × {kind.replace('_', ' ').lower()}" for kind, count in times.most_common(4)
    ]
    return ", ".join(listed) + (", …" if len(times) > len(listed) else "")


def _example(facts: Facts, place: int) -> str:
    pair = facts.pairs[place]
    text = safe(pair.prompt)
    if text == pair.prompt:
        text = safe(pair.answer)
    begin = max(0, text.find("[") - SHOWN_AROUND)
    return f"{pair.where}: “{shown(text[begin:])}”"
