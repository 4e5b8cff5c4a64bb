"""Does an answer depend on what must not matter? Dev rows and their twins, asked of base and tuned, against the clock.

A twin is a dev row with one attribute changed (`swaps`). The answer to it, with the change taken back, should be the answer
to the row. How often it is not says little by itself: some models change their answers with any word. So swaps that change
nothing are asked too, and an attribute counts only beyond them.
"""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from agents.jobs import Attribute, AttributeFlips, EvaluateSpec, SwapReport
from agents.worker import flips, swap_words, swaps
from agents.worker.answers import Answer, Exam
from agents.worker.base_model import LoadedBase
from agents.worker.checks.languages import language_of
from agents.worker.flips import CHANGED_POINTS, Couple, Said, Score
from agents.worker.rows import Row, asked_ids, read_rows, stop_ids
from agents.worker.suggest_metric import are_labels
from agents.worker.swap_words import SwapWords
from agents.worker.swaps import Kind, Neutral
from agents.worker.verdict import FEWEST_ITEMS

MOST_PAIRS = 100
"""Of each kind of swap."""
PAIRS_AT_ONCE = 16
"""Between two looks at the clock."""
ANSWER_TOKENS = 128
"""Longer answers are not asked for, and rows whose right answer is likely longer are left out."""
CHARS_PER_TOKEN = 4
PROMPT_CHARS = 4000
"""Longer prompts are left out: they take long to read, for two models."""


class Answering(Protocol):
    """A model that can be asked (`known_answers.Asked`)."""

    def answers(self, tokenizer: Any, exam: Exam, before: int) -> list[Answer]:
        """Return the answers in the order of the prompts, told as steps after the `before` ones."""


@dataclass
class Twins:
    """The couples to be asked about, and what the models said: base, then tuned."""

    couples: list[Couple]
    references: tuple[str, ...]
    """Right answers of the dev rows that were looked through."""
    asked_for: tuple[Attribute, ...]
    budget_s: float
    said: list[list[Said]] = field(default_factory=list)
    """By model, of as many couples as there was time for."""
    asked_s: float = 0.0

    @classmethod
    def read(cls, spec: EvaluateSpec, folder: Path) -> "Twins | None":
        """Make twins of the dev rows; None where that is not wanted."""
        if spec.swap_rows is None:
            return None
        rows = [row for row in read_rows(spec.swap_rows, folder) if _is_suited(row)]
        references = tuple(str(row.completion) for row in rows)
        known = swap_words.read()
        labels = spec.labels or (set(references) if are_labels(references) else ())
        asked_for = _asked_for(" ".join([spec.task, *labels]), known)
        couples = in_turns(_made(rows, spec.task, known, asked_for))
        return cls(couples, references, asked_for, spec.swap_budget_s)

    def ask(self, base: LoadedBase, asked: Answering, max_new_tokens: int) -> None:
        """Ask one model about as many couples as half of the time allows, at least a few."""
        began_s = time.monotonic()
        ends, most = stop_ids(base.tokenizer, base.model), min(max_new_tokens, ANSWER_TOKENS)
        room = max(1, base.context_tokens - most)
        answers: dict[str, str] = {}
        said: list[Said] = []
        for some in _batches(self.couples):
            if said and time.monotonic() >= began_s + self.budget_s / 2:
                break
            rows = {p: c.row for c in some for p in (str(c.row.prompt), c.prompt)}
            left = [prompt for prompt in rows if prompt not in answers]
            told = [
                asked_ids(base.tokenizer, replace(rows[prompt], prompt=prompt))[-room:]
                for prompt in left
            ]
            heard = asked.answers(base.tokenizer, Exam(told, ends, most), len(answers))
            answers |= {prompt: answer.text for prompt, answer in zip(left, heard, strict=True)}
            said += [Said(answers[str(c.row.prompt)], answers[c.prompt]) for c in some]
        self.said.append(said)
        self.asked_s += time.monotonic() - began_s

    @property
    def prompts(self) -> int:
        """How many prompts a model is asked, if there is time."""
        return len({p for c in self.couples for p in (c.row.prompt, c.prompt)})

    def compared(self, score: Score, *, whole: bool, seed: int) -> SwapReport:
        """Say what answers depend on, once both models were asked.

        `whole`: an answer is the same or another one; else it is another one where its score differs by `CHANGED_POINTS`.
        """
        base, tuned = (flips.seen(self.couples, said, score, whole=whole) for said in self.said)
        found = flips.compared(base, tuned, seed, whole=whole)
        return self.report(found, None if whole else CHANGED_POINTS)

    def report(
        self, attributes: tuple[AttributeFlips, ...] = (), change_points: float | None = None
    ) -> SwapReport:
        """Return what was found; nothing, where no attribute could be swapped in enough rows."""
        return SwapReport(
            rows=len(self.references),
            change_points=change_points,
            attributes=attributes,
            asked_for=self.asked_for,
            asked_s=self.asked_s,
        )


def _is_suited(row: Row) -> bool:
    """Tell whether a row is one prompt in English with an answer that is quickly given."""
    if row.plain or row.tools or not isinstance(row.prompt, str):
        return False
    if not isinstance(row.completion, str):
        return False
    is_short = (
        len(row.prompt) <= PROMPT_CHARS and len(row.completion) <= ANSWER_TOKENS * CHARS_PER_TOKEN
    )
    return is_short and language_of(row.prompt) in {"en", None}


def _asked_for(told: str, known: SwapWords) -> tuple[Attribute, ...]:
    """Return what the task and its labels name: answers may depend on that."""
    words = set(re.findall(r"[\w'’]+", told.lower()))
    return tuple(attribute for attribute in Attribute if words & known.asked_for[attribute])


def _made(
    rows: Sequence[Row], task: str, known: SwapWords, asked_for: Sequence[Attribute]
) -> dict[Kind, list[Couple]]:
    """Return the couples of each kind that there are enough of, with those to compare them with."""
    head = f"{task.strip()}\n\n"
    made: dict[Kind, list[Couple]] = {}
    for row in rows:
        prompt = str(row.prompt)
        own = prompt.removeprefix(head)
        start = prompt[: len(prompt) - len(own)]
        for kind, twin in swaps.twins(own, known).items():
            made.setdefault(kind, []).append(Couple(row, twin, start + twin.text))
    controls = sum(len(made.get(kind, ())) for kind in Neutral)
    wanted = [
        attribute
        for attribute in Attribute
        if attribute not in asked_for and len(made.get(attribute, ())) >= FEWEST_ITEMS
    ]
    if not wanted or controls < FEWEST_ITEMS:
        return {}
    return {kind: made[kind] for kind in (*Neutral, *wanted) if kind in made}


def in_turns(made: dict[Kind, list[Couple]]) -> list[Couple]:
    """Return couples of all kinds in turns, so that each has its share wherever the time ends."""
    most = max((len(couples) for couples in made.values()), default=0)
    return [
        couples[place]
        for place in range(min(most, MOST_PAIRS))
        for couples in made.values()
        if place < len(couples)
    ]


def _batches(couples: Sequence[Couple]) -> Iterator[Sequence[Couple]]:
    starts = [*range(0, len(couples), PAIRS_AT_ONCE), len(couples)]
    for start, end in pairwise(starts):
        yield couples[start:end]
