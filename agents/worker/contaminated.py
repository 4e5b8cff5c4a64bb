"""Sealed rows that a model may know already: they resemble rows that it, or an adapter before it, has learnt or was chosen by.

The split keeps rows of one upload that resemble each other on one side. What it cannot see are rows that came later, rows
of an earlier adapter that say the same in other words, and groups that are too large to be kept together.

The bar is higher than that of the split, where keeping rows together costs nothing: here each row costs evidence, and of
two hundred test questions of BANKING77 sixty-three resemble a training question by the bar of the split, none by this one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from agents.jobs import (
    Contaminated,
    Contaminates,
    Contamination,
    FileRef,
    LearntFrom,
    LearntRows,
)
from agents.worker.checks import contained, near_duplicates
from agents.worker.checks.budget import Budget
from agents.worker.checks.close import Close
from agents.worker.checks.texts import normal
from agents.worker.learnt_rows import records
from agents.worker.lines import Line

GONE = (
    "Rows that were learnt from are gone or have changed, so nobody can tell whether the test rows are among them. "
    "Start a new run."
)
MOST_CPU_S = 60.0
"""After this, pairs that have not been compared are not; ten thousand rows take seconds."""
WORDS_SHARE = 0.8
"""Of that for rows that are almost the same; the rest is for prompts that stand inside others."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A row without its spelling."""

    row: int
    prompt: str
    answer: str
    set: int = -1
    """Which set of learnt rows it is of; -1: it is sealed."""


def find(
    test: LearntRows, own: Sequence[LearntRows], earlier: Sequence[LearntRows], folder: Path
) -> Contamination:
    """Compare sealed rows with those that an adapter learnt or was chosen by, and with those of adapters before it.

    Raises: WorkerError: a file is gone or is not what it was.
    """
    learnt = (*own, *earlier)
    sealed = list(_texts(folder, test.file, test.task, -1))
    known = list(chain(*(_texts(folder, s.file, s.task, place) for place, s in enumerate(learnt))))
    budget = Budget.of(MOST_CPU_S)
    worst: dict[int, Contaminated] = {}
    for at_sealed, at_known, way, likeness in _alike(known, sealed, budget):
        row, like = sealed[at_sealed].row, known[at_known]
        found = Contaminated(
            row=row,
            way=way,
            like=like.row,
            source=_source(like.set, own),
            likeness=likeness,
        )
        worst.setdefault(row, found)
    return Contamination(
        sealed=len(sealed),
        compared_with=len(known),
        items=tuple(sorted(worst.values(), key=lambda item: item.row)),
        left_out=tuple(f"{check}: {what}" for check, what in budget.left_out.items()),
    )


def _source(place: int, own: Sequence[LearntRows]) -> LearntFrom:
    if place >= len(own):
        return LearntFrom.EARLIER
    return LearntFrom.DEV if own[place].chose else LearntFrom.TRAIN


def _alike(
    known: Sequence[_Text], sealed: Sequence[_Text], budget: Budget
) -> Iterator[tuple[int, int, Contaminates, float]]:
    """Yield places of a sealed and of a known row that are alike, what is surest first."""
    at_first: dict[str, int] = {}
    for place, text in enumerate(known):
        at_first.setdefault(text.prompt, place)
    for place, text in enumerate(sealed):
        if text.prompt in at_first:
            yield place, at_first[text.prompt], Contaminates.EQUAL, 1.0
    prompts = [text.prompt for text in (*known, *sealed)]
    answers = [text.answer for text in (*known, *sealed)]
    twins = _places(prompts[len(known) :])
    close = near_duplicates.close_pairs(prompts, answers, budget.part(WORDS_SHARE))
    nearly_equal = [pair for pair in close if pair.likeness >= near_duplicates.ALIKE]
    inside = contained.contained_pairs(prompts, answers, budget)
    for way, pairs in (
        (Contaminates.CLOSE, nearly_equal),
        (Contaminates.CONTAINED, list(inside)),
    ):
        for pair in sorted(pairs, key=lambda pair: -pair.likeness):
            for at_sealed in _crossing(pair, len(known), prompts, twins):
                yield at_sealed, pair.first, way, pair.likeness


def _crossing(
    pair: Close, known: int, prompts: Sequence[str], twins: dict[str, list[int]]
) -> list[int]:
    """Return the sealed rows of a pair of a known row and a sealed one, with all that have the same prompt."""
    if not pair.first < known <= pair.second:
        return []
    return twins[prompts[pair.second]]


def _places(prompts: Iterable[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for place, prompt in enumerate(prompts):
        found.setdefault(prompt, []).append(place)
    return found


def _texts(folder: Path, ref: FileRef, task: str, place: int) -> Iterator[_Text]:
    asked = f"{task.strip()}\n\n"
    for record in records(folder, ref, GONE):
        line = Line(record["row"], {name: value for name, value in record.items() if name != "row"})
        prompt = line.asked.removeprefix(asked)
        yield _Text(line.number, normal(prompt) or prompt.strip(), normal(line.answered), place)
