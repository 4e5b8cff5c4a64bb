"""What follows from a person's words: a change that rests on the rows to learn from and on what was found doubtful in them.

No text of a sealed row decides one.
"""

from collections.abc import Sequence
from statistics import fmean

from agents.diagnosis.curves import MOST_EPOCHS
from agents.diagnosis.findings import Change, Finding
from agents.recipe import RecipeChange
from agents.remark_facts import Facts, Measured, having, level, measure, rows_named
from agents.remarks import NAME_OF_LANGUAGE, BadRows, Confusion, Length, Phrase, Remark, Wrong
from agents.row_changes import FEWEST_LEFT, RowsChange

LEFT_OUT = 4
"""One of so many rows is left out where the references themselves are what is too long or too short."""
MORE_EPOCHS = 1.5
MOST_LEFT_OUT = 0.5
"""Share of the rows to learn from that a change of this module leaves out at most."""


def finding(remark: Remark, facts: Facts) -> tuple[Finding, Measured]:
    """Return what is said at the next plan about a remark, with a change where one follows from it."""
    measured = measure(remark, facts)
    change, advice = _change(remark, measured, facts)
    rows = change.rows if isinstance(change, RowsChange) else ()
    told = f"You said that {measured.understood}. {measured.sentence}"
    return Finding("said", told, advice, change, rows=rows), measured


def _change(remark: Remark, measured: Measured, facts: Facts) -> tuple[Change | None, str]:
    """Return what follows from a remark, and the advice that says so."""
    match remark:
        case BadRows():
            return _mended(remark, facts)
        case Phrase():
            return _without(remark, facts)
        case Length() if measured.is_shown is False:
            return _other_lengths(remark, facts)
        case Length(too="long") if measured.is_shown and facts.epochs:
            return _longer(facts.epochs)
        case Confusion() | Wrong(by="label"):
            return _doubtful(remark, facts)
        case _:
            return None, _more_rows(remark)


def _longer(epochs: float) -> tuple[Change | None, str]:
    """Train longer: where an answer ends is learnt from the ends of the rows."""
    more = min(round(epochs * MORE_EPOCHS, 1), MOST_EPOCHS)
    if more <= epochs:
        return None, "give rows whose answers end where they should"
    advice = f"train for {more:g} epochs instead of {epochs:g}: where an answer ends is learnt late"
    return RecipeChange(field="epochs", value=more), advice


def _mended(remark: BadRows, facts: Facts) -> tuple[Change | None, str]:
    mine = [row for row, _answer in facts.learnt if row in remark.rows]
    mine = list(dict.fromkeys(mine))
    if not mine:
        return None, "nothing to change here in the rows to learn from"
    if remark.answer is None:
        return _dropping(facts, mine), f"leave out {rows_named(mine)}"
    kept = [(row, answer) for row, answer in facts.carried.relabelled if row not in mine]
    change = RowsChange(
        dropped=tuple(row for row in facts.carried.dropped if row not in mine),
        relabelled=(*kept, *((row, remark.answer) for row in mine)),
    )
    return change, f"let {rows_named(mine)} say “{remark.answer}”"


def _without(remark: Phrase, facts: Facts) -> tuple[Change | None, str]:
    has = having(remark.text)
    saying = [row for row, answer in facts.learnt if has(answer)]
    share = len(saying) / max(1, len(facts.learnt))
    told = f"{len(saying):,} of the {len(facts.learnt):,} rows to learn from say it"
    if not saying:
        return (
            None,
            "no row to learn from says it, so it is the base model's habit: more rows or epochs drive it out",
        )
    if share > MOST_LEFT_OUT or len(facts.learnt) - len(saying) < FEWEST_LEFT:
        return None, f"{told}: that is what they teach, so give other answers in the file"
    return _dropping(facts, saying), f"leave them out: {told} ({rows_named(saying)})"


def _other_lengths(remark: Length, facts: Facts) -> tuple[Change | None, str]:
    """Leave out the rows that teach the length, where answers are as long as the references."""
    ranked = sorted(facts.learnt, key=lambda row: len(row[1]), reverse=remark.too == "long")
    gone = ranked[: len(ranked) // LEFT_OUT]
    kept = ranked[len(gone) :]
    lengths = [
        fmean(len(answer) for _row, answer in part) if part else 0.0 for part in (ranked, kept)
    ]
    if not gone or len(kept) < FEWEST_LEFT or round(lengths[0]) == round(lengths[1]):
        return None, "give rows with the length that you want"
    most = f"{remark.too}est"
    advice = (
        f"leave out the {len(gone):,} rows with the {most} answers of {len(ranked):,} to learn from: the mean goes from "
        f"{lengths[0]:,.0f} to {lengths[1]:,.0f} characters"
    )
    return _dropping(facts, [row for row, _answer in gone]), advice


def _doubtful(remark: Confusion | Wrong, facts: Facts) -> tuple[Change | None, str]:
    """Leave out rows with these labels that are doubted, where leaving out all doubted rows was seen to help."""
    labels = {remark.one, remark.other} if isinstance(remark, Confusion) else {remark.name}
    levelled = {level(label) for label in labels}
    of_label = [row for row, answer in facts.learnt if level(answer) in levelled]
    named = set(of_label)
    both = isinstance(remark, Confusion)
    doubted = [
        doubt.row
        for doubt in facts.doubts
        if doubt.row in named and (not both or level(doubt.label or "") in levelled)
    ]
    counts = ", ".join(
        f"{sum(level(answer) == level(label) for _row, answer in facts.learnt):,} with “{label}”"
        for label in sorted(labels)
    )
    if not doubted or len(facts.learnt) - len(doubted) < FEWEST_LEFT:
        return None, f"add rows that tell them apart; to learn from there are {counts}"
    if not facts.doubts_hold:
        return None, (
            f"look at {rows_named(doubted)}, whose labels are doubted: leaving out doubted rows was not seen to help more than "
            f"as many at random, so reply “drop row …” for those that are wrong; to learn from there are {counts}"
        )
    return (
        _dropping(facts, doubted),
        f"leave out {len(doubted):,} of the rows with {'these labels' if both else 'this label'} whose label is doubted "
        f"({rows_named(doubted)}); to learn from there are {counts}",
    )


def _more_rows(remark: Remark) -> str:
    match remark:
        case Length(too="long"):
            return "train longer, or give rows whose answers end where they should"
        case Length():
            return "give rows with longer answers"
        case Wrong(by="language"):
            return f"add {NAME_OF_LANGUAGE.get(remark.name, remark.name)} rows"
        case _:
            return "add rows of that kind"


def _dropping(facts: Facts, rows: Sequence[int]) -> RowsChange:
    return facts.carried.dropping(list(dict.fromkeys(rows)))
