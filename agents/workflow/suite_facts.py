"""What was so in every run of a scenario, as assertions: which way was taken, what came through, the form of replies.

Never what a reply says in its own words: a better workflow says it in others.
"""

from collections.abc import Iterator, Sequence

from agents.workflow import js_patterns
from agents.workflow.assertions import BLANK, Assertion, Check
from agents.workflow.flow import writes
from agents.workflow.model import END, Kind, Workflow
from agents.workflow.outcome import Ended, Outcome
from agents.workflow.suite import Scenario

MAX_FACTS = 12
MIN_ECHO_CHARS = 3
MAX_VALUE_CHARS = 200
"""A longer value is asserted by its name, or in part."""
MAX_ECHO_CHARS = 2000
LENGTH_SHARE = 4
"""A reply is asserted to be at least this part as long as the shortest that was seen: ¼."""
MIN_LENGTH_CHARS, MAX_LENGTH_CHARS = 10, 200
"""A length below is no fact, and more than the latter is not asked for."""
FORMS = (
    ("a JSON object", r"^\{[\s\S]*\}$"),
    ("a JSON list", r"^\[[\s\S]*\]$"),
    ("a number", r"^-?\d+([.,]\d+)?$"),
    ("points", r"^\s*[-*•] .*\n\s*[-*•] "),
    ("a numbered list", r"^\s*1[.)] [\s\S]*\n\s*2[.)] "),
    ("one word", r"^\S+$"),
)
"""Forms that a reply may have, in the order in which they are looked for; at most one is asserted."""


def facts(
    workflow: Workflow, scenario: Scenario, outcomes: Sequence[Outcome]
) -> tuple[Assertion, ...]:
    """Return what was so in all runs, the most telling first.

    Args:
        workflow: That was run.
        scenario: What was said in it.
        outcomes: Of its runs.
    """
    found = [
        *_reached(workflow, outcomes),
        *_kept_answers(workflow, outcomes),
        *_replies(workflow, scenario, outcomes),
    ]
    return tuple(dict.fromkeys(found))[:MAX_FACTS]


def _reached(workflow: Workflow, outcomes: Sequence[Outcome]) -> Iterator[Assertion]:
    """Yield that it ended, and where it went where it might have gone elsewhere."""
    if all(outcome.ended is Ended.FINISHED for outcome in outcomes):
        yield Assertion(Check.STATE_REACHED, None, END)
    targets = {
        to for one in workflow.states.values() if len(one.leads_to()) > 1 for to in one.leads_to()
    }
    targets |= {one.on_error for one in workflow.states.values() if one.on_error is not None}
    everywhere = [set(outcome.reached) for outcome in outcomes]
    for name in dict.fromkeys(outcomes[0].reached):
        if name in targets and name != END and all(name in reached for reached in everywhere):
            yield Assertion(Check.STATE_REACHED, None, name)


def _kept_answers(workflow: Workflow, outcomes: Sequence[Outcome]) -> Iterator[Assertion]:
    """Yield that what a person said, or the default instead, is known at the end."""
    for state in workflow.states.values():
        name = writes(state)
        if name is None or state.kind is Kind.PROMPT:
            continue
        value = _alike(_values(name, outcomes))
        if value and "{{" not in value:
            if len(value) <= MAX_VALUE_CHARS:
                yield Assertion(Check.EQUALS, name, value)
            else:
                yield Assertion(Check.CONTAINS, name, value[:MAX_VALUE_CHARS].strip(BLANK))


def _replies(
    workflow: Workflow, scenario: Scenario, outcomes: Sequence[Outcome]
) -> Iterator[Assertion]:
    """Yield which replies say what was known before, and which form they have."""
    said = [answer.value.strip(BLANK) for answer in scenario.answers]
    names = [*workflow.variables, *filter(None, map(writes, workflow.states.values()))]
    forms: list[Assertion] = []
    for state in workflow.states.values():
        name = writes(state)
        if name is None or state.kind is not Kind.PROMPT:
            continue
        replies = _values(name, outcomes)
        if not all(replies):
            continue
        for value in dict.fromkeys(said):
            short = len(value) <= MAX_VALUE_CHARS and _can_echo(value)
            if short and all(value in reply for reply in replies):
                yield Assertion(Check.CONTAINS, name, value)
        for other in dict.fromkeys(names):
            values = _values(other, outcomes)
            pairs = zip(values, replies, strict=True)
            if other == name or not all(_can_echo(v) and v in reply for v, reply in pairs):
                continue
            same = _alike(values) or ""
            # one that is long, or changes from run to run, is meant by its name
            meant = same if 0 < len(same) <= MAX_VALUE_CHARS else f"{{{{{other}}}}}"
            yield Assertion(Check.CONTAINS, name, meant)
        forms.extend(_form(name, replies))
    yield from forms


def _values(name: str, outcomes: Sequence[Outcome]) -> list[str]:
    return [outcome.variables.get(name, "").strip(BLANK) for outcome in outcomes]


def _can_echo(value: str) -> bool:
    return MIN_ECHO_CHARS <= len(value) <= MAX_ECHO_CHARS and "{{" not in value


def _alike(values: Sequence[str]) -> str | None:
    return values[0] if len(set(values)) == 1 else None


def _form(name: str, replies: Sequence[str]) -> Iterator[Assertion]:
    for about, pattern in FORMS:
        if all(_fits(pattern, reply) for reply in replies):
            yield Assertion(Check.REGEX, name, pattern, about)
            break
    least = min(MAX_LENGTH_CHARS, min(map(len, replies)) // LENGTH_SHARE)
    if least >= MIN_LENGTH_CHARS:
        yield Assertion(Check.REGEX, name, rf"[\s\S]{{{least}}}", f"at least {least} characters")
    else:
        yield Assertion(Check.REGEX, name, r"\S", "something")


def _fits(pattern: str, text: str) -> bool:
    try:
        return js_patterns.found(pattern, text)
    except js_patterns.TooSlow:
        return False
