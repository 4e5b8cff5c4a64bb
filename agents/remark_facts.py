"""What the measurements say about a person's words: counted in the answers to the sealed rows. Only counts leave this module."""

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median_low, stdev

from pydantic import BaseModel, ConfigDict

from agents.diagnosis.evidence import Z_95, difference, percent
from agents.jobs import ROWS_PER_FILE, Answered, Doubt, row_name
from agents.remarks import NAME_OF_LANGUAGE, BadRows, Confusion, Length, Phrase, Remark, Wrong
from agents.row_changes import RowsChange

FEWEST_ITEMS = 20
"""Of fewer items nothing is concluded, as of slices."""
OFF_LENGTH = 1.1
"""Times the length of the references from which on answers are longer, or shorter by as much."""
FEWEST_CONFUSED = 2


class Measured(BaseModel):
    """What became of a person's words: as it is kept, and shown at the next plan."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    understood: str
    """In our words."""
    sentence: str
    """What was counted, or that nothing can be."""
    items: int
    """Sealed rows that it rests on; of rows to learn from, those that were named."""
    is_shown: bool | None
    """The measurements show it; None: they cannot tell."""


@dataclass(frozen=True)
class Facts:
    """What remarks are measured by."""

    answers: tuple[Answered, ...] = ()
    """Of the last evaluation; empty where it left none."""
    learnt: tuple[tuple[int, str], ...] = ()
    """Rows to learn from: number and answer."""
    dev: frozenset[int] = frozenset()
    carried: RowsChange = field(default_factory=RowsChange)
    """What the try has changed in the rows already."""
    doubts: tuple[Doubt, ...] = ()
    doubts_hold: bool = False
    """Leaving the doubted rows out was seen to help, by more than chance."""
    epochs: float | None = None
    """Of the try; None where steps ended it."""

    @property
    def right_or_wrong(self) -> bool:
        """Whether a score is 0 or 1."""
        return all(answer.tuned_score in (0.0, 1.0) for answer in self.answers)


def say(remark: Remark) -> str:
    """Say a remark in our words, after "you said that"."""
    match remark:
        case Length():
            return f"answers are too {remark.too}"
        case Confusion():
            return f"“{remark.one}” and “{remark.other}” are confused"
        case Phrase():
            return f"“{remark.text}” is said too often"
        case Wrong():
            return f"{_part_name(remark)} are answered wrong"
        case BadRows(answer=None):
            return f"{rows_named(remark.rows)} {are(remark.rows)} wrong"
        case BadRows():
            return f"{rows_named(remark.rows)} should say “{remark.answer}”"


def _part_name(remark: Wrong) -> str:
    names = {
        "language": f"{NAME_OF_LANGUAGE.get(remark.name, remark.name)} rows",
        "label": f"rows with the answer “{remark.name}”",
        "file": f"rows of file {remark.name}",
        "prompt length": f"rows with {remark.name} prompts",
    }
    return names[remark.by]


def measure(remark: Remark, facts: Facts) -> Measured:
    """Count what a remark says."""
    if not isinstance(remark, BadRows) and not facts.answers:
        return Measured(
            understood=say(remark),
            sentence="The last evaluation left no answers in which I could count that.",
            items=0,
            is_shown=None,
        )
    match remark:
        case Length():
            sentence, items, is_shown = _length(remark, facts)
        case Confusion():
            sentence, items, is_shown = _confusion(remark, facts)
        case Phrase():
            sentence, items, is_shown = _phrase(remark, facts)
        case Wrong():
            sentence, items, is_shown = _part(remark, facts)
        case BadRows():
            sentence, items, is_shown = _named(remark, facts)
    return Measured(understood=say(remark), sentence=sentence, items=items, is_shown=is_shown)


def _length(remark: Length, facts: Facts) -> tuple[str, int, bool | None]:
    """Compare lengths item by item: the geometric mean of the ratios, which no single long answer decides."""
    logs = [math.log((a.tuned_chars + 1) / (a.reference_chars + 1)) for a in facts.answers]
    ratio, n = math.exp(fmean(logs)), len(logs)
    half = Z_95 * stdev(logs) / math.sqrt(n) if n > 1 else math.inf
    said = f"On {n:,} sealed rows answers are {ratio:.2g}× as long as the references"
    if n < FEWEST_ITEMS:
        return f"{said}, but these are too few rows to be sure.", n, None
    low, high = math.exp(fmean(logs) - half), math.exp(fmean(logs) + half)
    said += f" ({low:.2g} to {high:.2g} with 95 % confidence)"
    is_shown = low > OFF_LENGTH if remark.too == "long" else high < 1 / OFF_LENGTH
    if is_shown:
        return f"{said}.", n, True
    longer = "longer" if remark.too == "long" else "shorter"
    return (
        f"{said}: the measurements do not show that they are {longer} than your rows teach.",
        n,
        False,
    )


def _confusion(remark: Confusion, facts: Facts) -> tuple[str, int, bool | None]:
    parts, times, items = [], 0, 0
    for meant, said in ((remark.one, remark.other), (remark.other, remark.one)):
        having = [a for a in facts.answers if level(a.reference) == level(meant)]
        wrong = sum(level(a.tuned) == level(said) for a in having)
        before = sum(level(a.base) == level(said) for a in having)
        parts.append(
            f"of {_counted(len(having))} labelled “{meant}”, {_was(wrong)} answered “{said}” (base: {before})"
        )
        times, items = times + wrong, items + len(having)
    sentence = "; ".join(parts)
    sentence = sentence[0].upper() + sentence[1:]
    if not items:
        return f"{sentence}: no sealed row has either, so I cannot count that.", 0, None
    if times >= FEWEST_CONFUSED:
        return f"{sentence}.", items, True
    return f"{sentence}: the measurements do not show it.", items, False


def _phrase(remark: Phrase, facts: Facts) -> tuple[str, int, bool | None]:
    has, n = having(remark.text), len(facts.answers)
    tuned, base, references = (
        sum(map(has, texts))
        for texts in (
            [a.tuned for a in facts.answers],
            [a.base for a in facts.answers],
            [a.reference for a in facts.answers],
        )
    )
    said = f"{tuned:,} of {_counted(n)} have “{remark.text}” in the answer, and {references:,} in the reference (base: {base:,})"
    if n < FEWEST_ITEMS:
        return f"{said}. These are too few rows to be sure.", n, None
    _seen, low, _high = difference((tuned, n), (references, n))
    if low > 0:
        return f"{said}.", n, True
    return (
        f"{said}: the measurements do not show that it is said more often than your rows say it.",
        n,
        False,
    )


def _part(remark: Wrong, facts: Facts) -> tuple[str, int, bool | None]:
    is_in = _membership(remark, facts.answers)
    inside = [a.tuned_score for a in facts.answers if is_in(a)]
    outside = [a.tuned_score for a in facts.answers if not is_in(a)]
    if not inside:
        return "No sealed row is of that kind, so I cannot count it.", 0, None
    if facts.right_or_wrong:
        wrong, others = (sum(score < 1 for score in part) for part in (inside, outside))
        said = f"Of {_counted(len(inside))} of that kind {_was(wrong)} answered wrong, of the other {len(outside):,} {others:,}"
        _seen, low, _high = difference((wrong, len(inside)), (others, len(outside)))
    else:
        said = f"{_counted(len(inside)).capitalize()} of that kind score {_mean(inside)} on average, the other {len(outside):,} {_mean(outside)}"
        low = _lower_by(inside, outside)
    if min(len(inside), len(outside)) < FEWEST_ITEMS:
        return f"{said}. These are too few rows to be sure.", len(inside), None
    if low > 0:
        return f"{said}.", len(inside), True
    return (
        f"{said}: the measurements do not show that they are answered worse than the rest.",
        len(inside),
        False,
    )


def _lower_by(inside: Sequence[float], outside: Sequence[float]) -> float:
    """Return by how much the mean of a part lies below the others', at the nearer end of the 95 % interval (Welch's)."""
    if min(len(inside), len(outside)) < FEWEST_ITEMS:
        return -math.inf
    spread = math.hypot(
        stdev(inside) / math.sqrt(len(inside)), stdev(outside) / math.sqrt(len(outside))
    )
    return fmean(outside) - fmean(inside) - Z_95 * spread


def _named(remark: BadRows, facts: Facts) -> tuple[str, int, bool | None]:
    """Say where rows are that somebody has named: only those to learn from can be changed."""
    learnt = {row for row, _answer in facts.learnt}
    tested = {answer.row for answer in facts.answers}
    mine = [row for row in remark.rows if row in learnt]
    said = []
    if mine:
        said.append(f"{rows_named(mine)} {are(mine)} among the rows to learn from")
    if sealed := [row for row in remark.rows if row in tested]:
        said.append(
            f"{rows_named(sealed)} {are(sealed)} sealed and only judge: correct the file and start a new run"
        )
    if looked := [row for row in remark.rows if row in facts.dev]:
        said.append(
            f"{rows_named(looked)} {are(looked)} held back to choose the best step, and not learnt from"
        )
    known = learnt | tested | facts.dev
    if absent := [row for row in remark.rows if row not in known]:
        said.append(
            f"{rows_named(absent)} {are(absent)} in none of the sets: left out before, or not there"
        )
    sentence = "; ".join(said)
    return sentence[0].upper() + sentence[1:] + ".", len(mine), None if mine else False


def _membership(remark: Wrong, answers: Sequence[Answered]) -> Callable[[Answered], bool]:
    if remark.by == "label":
        return lambda answer: level(answer.reference) == level(remark.name)
    if remark.by == "language":
        return lambda answer: answer.language == remark.name
    if remark.by == "file":
        return lambda answer: str(1 + answer.row // ROWS_PER_FILE) == remark.name
    middle = median_low([answer.prompt_chars for answer in answers])
    if remark.name == "long":
        return lambda answer: answer.prompt_chars > middle
    return lambda answer: answer.prompt_chars <= middle


def having(phrase: str) -> Callable[[str], bool]:
    """Return a test for a phrase: whole words, whatever stands between them, in any case."""
    words = re.findall(r"\w+", phrase.casefold())
    if not words:
        return lambda text: phrase.casefold() in text.casefold()
    pattern = re.compile(r"(?<!\w)" + r"\W+".join(map(re.escape, words)) + r"(?!\w)")
    return lambda text: pattern.search(text.casefold()) is not None


def level(text: str) -> str:
    """Level an answer as exact match does."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _mean(scores: Sequence[float]) -> str:
    return percent(fmean(scores)) if scores else "–"


def _counted(items: int) -> str:
    return "1 sealed row" if items == 1 else f"{items:,} sealed rows"


def _was(times: int) -> str:
    return "1 was" if times == 1 else f"{times:,} were"


def are(rows: Sequence[int]) -> str:
    """Return the verb for so many rows."""
    return "is" if len(rows) == 1 else "are"


def rows_named(rows: Sequence[int]) -> str:
    """Name the first few rows of several."""
    named = [row_name(row) for row in rows[:5]]
    return ", ".join(named) + (f" and {len(rows) - 5:,} more" if len(rows) > 5 else "")
