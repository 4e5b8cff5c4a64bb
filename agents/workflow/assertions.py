"""What a test says about a run, and whether it is so."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from agents.workflow import js_patterns
from agents.workflow.outcome import Outcome
from agents.workflow.placeholders import filled
from agents.workflow.problems import shown

OUTPUT = "output"
"""Legacy: what was seen of a run. Here: what its states have saved, one below the other."""
BLANK = "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
"""What JavaScript trims."""


class Check(StrEnum):
    """What is looked at."""

    EQUALS = "equals"
    """The value is this."""
    CONTAINS = "contains"
    """The value has this in it."""
    NOT_CONTAINS = "not_contains"
    """There is a value, and it has this not in it."""
    REGEX = "regex"
    """A pattern fits somewhere in the value."""
    STATE_REACHED = "state_reached"
    """The state was entered; `end`: it came to the end."""
    VARIABLE_SET = "variable_set"
    """Legacy: there is a value."""


NEEDS_NO_TARGET = frozenset({Check.STATE_REACHED})
NEEDS_NO_VALUE = frozenset({Check.VARIABLE_SET})


@dataclass(frozen=True)
class Assertion:
    """One thing that should be so after a run."""

    check: Check
    target: str | None
    """The name whose value is looked at."""
    value: str = ""
    """May hold names in double braces."""
    description: str | None = None
    case_sensitive: bool = True
    regex: bool = False
    """`contains` and `not_contains`: the value is a pattern."""
    line: int = 0

    @property
    def is_pattern(self) -> bool:
        """Tell whether the value is a JavaScript pattern."""
        contains = self.check in {Check.CONTAINS, Check.NOT_CONTAINS}
        return self.check is Check.REGEX or (contains and self.regex)


@dataclass(frozen=True)
class Judged:
    """An assertion after a run."""

    assertion: Assertion
    passed: bool
    message: str
    """For a person: what was found."""


def judge(assertion: Assertion, outcome: Outcome) -> Judged:
    """Hold an assertion against a run."""
    quote = js_patterns.quoted if assertion.is_pattern else None
    expected = filled(assertion.value, outcome.variables, quote).strip(BLANK)
    if assertion.check is Check.STATE_REACHED:
        passed = expected in outcome.reached
        path = " → ".join(shown(name) for name in outcome.reached)
        return Judged(assertion, passed, f"the path was {path}" if path else "no state was entered")
    actual = _actual(assertion.target or "", outcome)
    if actual is None:
        return Judged(assertion, False, f"“{shown(assertion.target or '')}” has no value")
    actual = actual.strip(BLANK)
    try:
        passed = CHECKS[assertion.check](assertion, actual, expected)
    except (js_patterns.NotPossible, js_patterns.TooSlow) as error:
        return Judged(assertion, False, str(error))
    return Judged(assertion, passed, f"the value is “{shown(actual)}”")


def _actual(target: str, outcome: Outcome) -> str | None:
    if target == OUTPUT and OUTPUT not in outcome.variables:
        return "\n".join(outcome.variables.values())
    return outcome.variables.get(target)


def _contains(assertion: Assertion, actual: str, expected: str) -> bool:
    if assertion.is_pattern:
        return js_patterns.found(expected, actual, case_sensitive=assertion.case_sensitive)
    if not assertion.case_sensitive:
        return expected.lower() in actual.lower()
    return expected in actual


CHECKS: dict[Check, Callable[[Assertion, str, str], bool]] = {
    Check.EQUALS: lambda _, actual, expected: actual == expected,
    Check.CONTAINS: _contains,
    Check.NOT_CONTAINS: lambda assertion, actual, expected: (
        not _contains(assertion, actual, expected)
    ),
    Check.REGEX: lambda _, actual, expected: js_patterns.found(expected, actual),
    Check.VARIABLE_SET: lambda *_: True,
}
