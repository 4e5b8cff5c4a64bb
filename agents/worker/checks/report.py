"""All checks, one after the other: what is wrong with the rows, the most serious first."""

from collections.abc import Callable

from agents.jobs import DataFinding, FindingKind
from agents.worker.checks import (
    balance,
    conflicts,
    duplicates,
    empties,
    injections,
    kin,
    languages,
    leaks,
    lengths,
    private,
)
from agents.worker.checks.facts import Facts

CHECKS: dict[FindingKind, Callable[[Facts], DataFinding | None]] = {
    FindingKind.SECRETS: private.check_secrets,
    FindingKind.LEAKS: leaks.check,
    FindingKind.KIN: kin.check,
    FindingKind.PERSONAL_DATA: private.check_personal_data,
    FindingKind.CONFLICTS: conflicts.check,
    FindingKind.NEAR_DUPLICATES: duplicates.check_near,
    FindingKind.INJECTIONS: injections.check,
    FindingKind.EMPTIES: empties.check,
    FindingKind.LONG_ROWS: lengths.check,
    FindingKind.OTHER_LANGUAGES: languages.check,
    FindingKind.IMBALANCE: balance.check,
    FindingKind.DUPLICATES: duplicates.check_equal,
    FindingKind.DATES: kin.check_dates,
}


def check(facts: Facts) -> tuple[DataFinding, ...]:
    """Return what the checks find, the most serious first; what there was no time for is the last finding."""
    found = {kind: look(facts) for kind, look in CHECKS.items()}
    findings = [f for kind in FindingKind if (f := found.get(kind)) is not None]
    if facts.budget.left_out:
        left_out = "; ".join(f"{check}: {what}" for check, what in facts.budget.left_out.items())
        sentence = f"Not checked, to save time: {left_out}."
        findings.append(facts.finding(FindingKind.INCOMPLETE, [], sentence))
    return tuple(findings)
