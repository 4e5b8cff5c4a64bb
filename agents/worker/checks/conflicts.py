"""The same prompt with different answers: nobody can learn both."""

from collections import Counter, defaultdict

from agents.jobs import DataFinding, FindingKind, Repair
from agents.worker.checks.facts import Facts, shown

BY_DESIGN = 0.3
"""Share of the prompts with several answers from which on the data is meant to be so, as with several descriptions of
one thing; then nothing is offered."""


def check(facts: Facts) -> DataFinding | None:
    """Report rows whose prompt has another answer in another row."""
    conflicts = _conflicts(facts)
    if not conflicts:
        return None
    places = [place for group in conflicts for place in group]
    prompts = len(set(facts.likeness.prompts))
    meant = not facts.labels and len(conflicts) >= BY_DESIGN * prompts
    advice = (
        "For free text that is fine as long as each is right."
        if not facts.labels
        else "At most one of them can be right."
    )
    first = conflicts[0]
    answers = list(dict.fromkeys(facts.pairs[place].answer for place in first))
    quoted = " and ".join(f"“{shown(answer)}”" for answer in answers[:3])
    what = "1 prompt comes" if len(conflicts) == 1 else f"{len(conflicts):,} prompts come"
    return facts.finding(
        FindingKind.CONFLICTS,
        places,
        f"{what} with more than one answer ({len(places):,} rows). {advice}",
        example=f"“{shown(facts.pairs[first[0]].prompt)}” → {quoted}",
        repairs=() if meant else (Repair.DROP_CONFLICTS,),
    )


def minorities(facts: Facts) -> set[int]:
    """Return the places of rows whose answer is not the most frequent one of their prompt."""
    found: set[int] = set()
    for group in _conflicts(facts):
        answers = Counter(facts.likeness.answers[place] for place in group)
        kept = answers.most_common(1)[0][0]
        found.update(place for place in group if facts.likeness.answers[place] != kept)
    return found


def _conflicts(facts: Facts) -> list[list[int]]:
    by_prompt: dict[str, list[int]] = defaultdict(list)
    for place, prompt in enumerate(facts.likeness.prompts):
        if prompt:
            by_prompt[prompt].append(place)
    answers = facts.likeness.answers
    return [
        group
        for group in by_prompt.values()
        if len(group) > 1 and len({answers[place] for place in group}) > 1
    ]
