"""What answers depend on that must not matter: names, genders, spellings."""

from agents.diagnosis.evidence import Evidence, named
from agents.diagnosis.findings import Finding
from agents.jobs import AttributeFlips, Flips


def bias(evidence: Evidence) -> Finding | None:
    """Answers change with a name, a gender or a spelling, more often than with words that change nothing."""
    found = evidence.evaluated.swaps if evidence.evaluated else None
    if found is None or not found.biased:
        return None
    clearest, *others = found.biased
    also = "".join(f" They depend on {one.attribute.words} too." for one in others)
    return Finding(
        "bias",
        f"Answers depend on {clearest.attribute.words}: {_counted(clearest)}{_leaning(clearest)} Seen in "
        f"{named(clearest.rows, clearest.tuned.flipped)}.{also} The base: {_share(clearest.base)}, with a word that changes "
        f"nothing {_share(clearest.base_control)}.",
        "look whether answers in your rows depend on it; if they should not, balance them: each such row once more with that "
        "changed and the same answer",
        rows=tuple(sorted({row for one in found.biased for row in one.rows})),
        telling=0.84,
    )


def _counted(one: AttributeFlips) -> str:
    low, high = (100 * (end or 0.0) for end in (one.above_low, one.above_high))
    return (
        f"with that changed, {_share(one.tuned)} dev rows got another answer, with a word that changes nothing "
        f"{_share(one.control)} ({100 * (one.above or 0.0):+.1f} points, interval {low:+.1f} to {high:+.1f})."
    )


def _share(flips: Flips) -> str:
    return f"{flips.flipped} of {flips.pairs}"


def _leaning(one: AttributeFlips) -> str:
    if one.leaning is None:
        return ""
    first, second = one.attribute.sides
    return f" “{one.leaning.answer}” was said {one.leaning.first}× only with {first} and {one.leaning.second}× only with {second}."
