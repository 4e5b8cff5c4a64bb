"""The debugger's rules: what the numbers of a try say, and which single change answers it.

Each rule is one function from `Evidence` to a `Finding` or None. Thresholds, their sources and how often the rules are
right: docs/debugging.md.
"""

from collections.abc import Callable
from dataclasses import replace

from agents.diagnosis import broken, curves, fairness, lessons, rates, rows
from agents.diagnosis.evidence import Evidence, Try
from agents.diagnosis.findings import Change, Finding

__all__ = ["RULES", "Change", "Evidence", "Finding", "Try", "diagnose"]

Rule = Callable[[Evidence], Finding | None]

BROKEN: tuple[Rule, ...] = (broken.non_finite, broken.out_of_memory)
"""Of a training that broke off only these are asked."""
RULES: tuple[Rule, ...] = (
    rates.learning_rate_too_high,
    rates.divergence,
    rates.learning_rate_too_low,
    rates.unstable_seeds,
    rates.gradient_norm,
    rates.spike,
    lessons.missing_end,
    lessons.masked_labels,
    lessons.template_mismatch,
    lessons.truncation,
    lessons.format_drift,
    rows.swapped_columns,
    rows.constant_answers,
    rows.leak,
    rows.conflicting_labels,
    rows.empty_answers,
    rows.personal_data,
    rows.label_noise,
    fairness.bias,
    rows.mixed_languages,
    rows.imbalance,
    rows.duplicates,
    curves.memorising,
    curves.overfit,
    curves.underfit,
    curves.nothing_learnt,
    curves.forgetting,
    rows.too_few_rows,
    rows.too_few_test_rows,
)
EXPLAINED_BY: dict[str, frozenset[str]] = {
    "learning_rate_too_high": frozenset(
        {"divergence", "forgetting", "gradient_norm", "nothing_learnt", "overfit"}
    ),
    "divergence": frozenset({"forgetting", "gradient_norm", "overfit"}),
    "learning_rate_too_low": frozenset({"nothing_learnt", "underfit"}),
    "overfit": frozenset({"memorising"}),
    "memorising": frozenset({"overfit"}),
    "swapped_columns": frozenset({"conflicting_labels", "duplicates"}),
}
"""What a finding accounts for: these are left out beside it, where they tell less."""


def diagnose(evidence: Evidence) -> list[Finding]:
    """Return findings, the most telling first, each rule once; a change that was proposed already is not proposed again."""
    rules = BROKEN if evidence.error_code is not None else RULES
    found = [finding for rule in rules if (finding := rule(evidence)) is not None]
    kept: dict[str, Finding] = {}
    explained: set[str] = set()
    proposed: list[Change] = []
    for finding in sorted(found, key=lambda finding: -finding.telling):
        if finding.rule in kept or finding.rule in explained:
            continue
        explained |= EXPLAINED_BY.get(finding.rule, frozenset())
        is_new = finding.change is not None and finding.change not in proposed
        kept[finding.rule] = finding if is_new else replace(finding, change=None)
        proposed += [finding.change] if finding.change is not None else []
    return list(kept.values())
