"""Labels that hardly occur beside ones that occur all the time: a model learns to ignore the rare ones."""

from collections import Counter

from agents.jobs import DataFinding, FindingKind
from agents.worker.checks.facts import Facts, shown

MOST_TIMES = 10


def check(facts: Facts) -> DataFinding | None:
    """Report labels that are more than ten times rarer than the most frequent one."""
    if not facts.labels:
        return None
    times = Counter(pair.answer for pair in facts.pairs).most_common()
    (frequent, most), (rarest, least) = times[0], times[-1]
    if most <= MOST_TIMES * least:
        return None
    rare = {label for label, count in times if most > MOST_TIMES * count}
    places = [place for place, pair in enumerate(facts.pairs) if pair.answer in rare]
    labels = "1 label is" if len(rare) == 1 else f"{len(rare):,} labels are"
    return facts.finding(
        FindingKind.IMBALANCE,
        places,
        f"{labels} more than {MOST_TIMES} times rarer than the most frequent one. Accuracy will hardly show how well "
        "they are learnt; more rows of them help.",
        example=f"“{shown(frequent)}” {most:,} times, “{shown(rarest)}” {least:,} times",
    )
