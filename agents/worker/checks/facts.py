"""What all checks look at, and how a finding is put together."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from agents.jobs import DataFinding, FindingKind, Repair
from agents.worker.beside import Beside
from agents.worker.checks.budget import Budget
from agents.worker.checks.likeness import Likeness
from agents.worker.checks.masks import safe
from agents.worker.checks.texts import Pair
from agents.worker.suggest_metric import are_labels

MOST_ROWS_NAMED = 20
EXAMPLE_CHARS = 120


@dataclass(frozen=True)
class Facts:
    """The usable rows and what is known about them."""

    likeness: Likeness
    budget: Budget
    sides: Mapping[int, str] = field(default_factory=dict)
    """`train`, `dev` or `test` by row number; a row that was folded into another one has none."""
    beside: Beside = field(default_factory=Beside)
    """What other columns say of the rows."""

    @property
    def pairs(self) -> Sequence[Pair]:
        """The rows."""
        return self.likeness.pairs

    @cached_property
    def labels(self) -> bool:
        """Whether the answers are labels."""
        return bool(self.pairs) and are_labels([pair.answer for pair in self.pairs])

    def without(self, places: Collection[int]) -> "Facts":
        """Return the facts about the other rows."""
        return replace(self, likeness=self.likeness.without(places)) if places else self

    def finding(
        self,
        kind: FindingKind,
        places: Sequence[int],
        sentence: str,
        *,
        example: str = "",
        repairs: tuple[Repair, ...] = (),
    ) -> DataFinding:
        """Return a finding about the rows at these places."""
        rows = sorted(self.pairs[place].row for place in places)
        return DataFinding(
            kind=kind,
            count=len(rows),
            share=len(rows) / max(1, len(self.pairs)),
            rows=tuple(rows[:MOST_ROWS_NAMED]),
            sentence=sentence,
            example=example,
            repairs=repairs,
        )

    def quoted(self, place: int) -> str:
        """Return the prompt and answer of a row for an example."""
        pair = self.pairs[place]
        return f"{pair.where}: “{shown(pair.prompt)}” → “{shown(pair.answer)}”"


def shown(text: str, limit: int = EXAMPLE_CHARS) -> str:
    """Return a text as an example shows it: one line, cut, with secrets and personal data masked."""
    line = " ".join(safe(text[: 20 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def counted(count: int, one: str, more: str) -> str:
    """Say "1 row is" or "12 rows are"."""
    return f"1 {one}" if count == 1 else f"{count:,} {more}"
