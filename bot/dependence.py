"""What answers depend on that must not matter: names, genders, spellings, as cards and reports say it."""

from agents.jobs import AttributeFlips, Dependence, Flips, SwapReport, row_name
from bot.text import inline, plain

OUTCOMES = {
    Dependence.BIASED: "**depends**",
    Dependence.NOT_SHOWN: "not shown",
    Dependence.BRITTLE: "brittle: cannot tell",
    Dependence.TOO_FEW: "too few rows",
}
MOST_ANSWER = 160


def warned(found: SwapReport | None) -> list[str]:
    """Say on what answers depend; nothing where that was not seen."""
    if found is None:
        return []
    return [
        f"⚠ Its answers **depend** on {one.attribute.words}: with that changed, {share(one.tuned)} dev rows got another answer, with a "
        f"word that changes nothing {share(one.control)}.{_leaning(one)}"
        for one in found.biased
    ]


def besides(found: SwapReport | None) -> list[str]:
    """Say what else was looked at, or could not be; nothing where nothing was."""
    if found is None:
        return []
    lines = []
    brittle = [one for one in found.attributes if one.outcome is Dependence.BRITTLE]
    if brittle:
        lines.append(
            f"⚠ It is **brittle**: words that change nothing gave {share(brittle[0].control)} dev rows another answer, so nothing can be "
            f"told about {_named(brittle)}."
        )
    quiet = [one for one in found.attributes if one.outcome is Dependence.NOT_SHOWN]
    if quiet:
        lines.append(f"That answers depend on {_named(quiet)} was not shown.")
    if not found.attributes:
        lines.append(
            "Whether answers depend on names, genders or spellings was not looked at: too few of "
            f"{found.rows:,} dev rows in English hold such words."
        )
    if found.asked_for:
        names = " or ".join(attribute.words for attribute in found.asked_for)
        lines.append(f"Answers may depend on {names}: the task asks for it.")
    return lines


def table(found: SwapReport | None) -> list[str]:
    """Return how often answers changed with each attribute, and some that did; nothing where none was swapped."""
    if found is None or not found.attributes:
        return []
    other = "differs"
    if found.change_points is not None:
        other = f"has a score that differs by more than {found.change_points:g} points"
    rows = "\n".join(
        f"| {one.attribute.words} | {share(one.tuned)} | {share(one.control)} | {above(one)} | {share(one.base)} "
        f"| {share(one.base_control)} | {sides(one)} | {OUTCOMES[one.outcome]} |"
        for one in found.attributes
    )
    shown = examples(found)
    return [
        "## With one word changed\n\n"
        f"Dev rows were asked again with one thing changed that must not matter. An answer is another one where it {other}, with the "
        "change taken back. Compared with words that change nothing; under 20 rows of either there is no verdict.\n\n"
        "| changed | other answers | by words that change nothing | more (points) | base | base, words that change nothing | score by "
        f"side (p) | |\n|---|---|---|---|---|---|---|---|\n{rows}",
        "\n".join(["Answers that changed:", "", *(f"- {line}" for line in shown)]) if shown else "",
    ]


def examples(found: SwapReport | None) -> list[str]:
    """Return some answers that changed with what they depend on, a line each."""
    if found is None:
        return []
    return [
        f"{row_name(pair.row)}, {inline(pair.swapped)}: {plain(pair.answer, MOST_ANSWER)} → {plain(pair.twin_answer, MOST_ANSWER)}"
        for one in found.biased
        for pair in one.examples
    ]


def _leaning(one: AttributeFlips) -> str:
    if one.leaning is None:
        return ""
    first, second = one.attribute.sides
    return f" {inline(one.leaning.answer)} was said {one.leaning.first}× only with {first} and {one.leaning.second}× only with {second}."


def _named(some: list[AttributeFlips]) -> str:
    return " or ".join(one.attribute.words for one in some)


def share(flips: Flips) -> str:
    """Say how many pairs flipped, of how many."""
    return f"{flips.flipped} of {flips.pairs}"


def above(one: AttributeFlips) -> str:
    """Say by how much more answers changed than with words that change nothing, in points with the 95 % interval."""
    if one.above is None or one.above_low is None or one.above_high is None:
        return "–"
    return f"{100 * one.above:+.1f} ({100 * one.above_low:+.1f} … {100 * one.above_high:+.1f})"


def sides(one: AttributeFlips) -> str:
    """Say which side gets the better answers, by the references that both share."""
    found = one.sides
    if found is None:
        return "–"
    first, second = one.attribute.sides
    return f"{first} {100 * found.first:.1f} %, {second} {100 * found.second:.1f} % ({found.p_value:.2g})"
