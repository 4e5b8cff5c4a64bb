"""Columns as the rules see them: names without case, a sample of the values, and the task sentence."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from agents.worker.conversations import is_conversation
from agents.worker.table import Record
from agents.worker.values import plain

NUMBERING = frozenset(
    ("id", "idx", "index", "no", "nr", "number", "row", "unnamed: 0", "_id", "uuid")
)
ABOUT = frozenset(
    (
        "url",
        "link",
        "date",
        "time",
        "timestamp",
        "created",
        "created_at",
        "meta",
        "metadata",
        "lang",
        "language",
        "license",
        "licence",
        "author",
        "split",
        "dataset",
        "data_source",
        "source",
    )
)
"""Columns that say where a row comes from."""
SAMPLE_RECORDS = 2000
SHORT_CHARS = 60
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Columns:
    """The columns of a table and what is in some of their rows."""

    names: tuple[str, ...]
    records: Sequence[Record]
    task: str
    has_header: bool = False
    """The names stood in a row of the file, which may have been a row of data."""

    @cached_property
    def by_key(self) -> dict[str, str]:
        """Names by name without case."""
        return {name.strip().casefold(): name for name in self.names}

    @cached_property
    def sample(self) -> Sequence[Record]:
        """Rows from all over the file."""
        return self.records[:: max(1, len(self.records) // SAMPLE_RECORDS)]

    @cached_property
    def words(self) -> list[str]:
        """The words of the task sentence."""
        return WORD.findall(self.task.casefold())

    def values(self, name: str) -> list[object]:
        """Return the values of a column in the sample that are there at all."""
        found = (record.values.get(name) for record in self.sample)
        return [value for value in found if value is not None and value != ""]

    def texts(self, name: str) -> list[str]:
        """Return the values of a column in the sample as texts, "" for nothing."""
        return [_shown(record.values.get(name)) for record in self.sample]

    def first(self, keys: Sequence[str]) -> str | None:
        """Return the first column that is called one of these."""
        return next((self.by_key[key] for key in keys if key in self.by_key), None)

    def mostly_conversations(self, name: str) -> bool:
        """Tell whether most values of a column are lists of messages."""
        return self._mostly(name, is_conversation)

    def mostly_nested(self, name: str) -> bool:
        """Tell whether most values of a column are lists or objects."""
        return self._mostly(name, lambda value: isinstance(value, list | dict))

    def usable(self) -> list[str]:
        """Return the columns that hold text: at least half filled, not all the same, no numbering."""
        return [name for name in self.names if self._can_be_text(name)]

    def is_short(self, name: str) -> bool:
        """Tell whether nearly all values are short, as labels, names and numbers are."""
        lengths = sorted(len(text) for text in self.texts(name) if text)
        return bool(lengths) and lengths[int(0.95 * (len(lengths) - 1))] <= SHORT_CHARS

    def mean_chars(self, name: str) -> float:
        """Return the mean length of the values."""
        texts = self.texts(name)
        return sum(map(len, texts)) / max(1, len(texts))

    def distinct(self, name: str) -> int:
        """Return how many different values the sample has."""
        return len(set(self.texts(name)))

    def mentioned(self, names: Sequence[str]) -> list[str]:
        """Return those of the columns that the task sentence names, in its order."""
        at = {name: self._place(name) for name in names}
        return sorted((name for name in names if at[name] >= 0), key=lambda name: at[name])

    def _place(self, name: str) -> int:
        key = name.strip().casefold()
        if key in self.words:
            return self.words.index(key)
        plural = f"{key}s" if f"{key}s" in self.words else key.removesuffix("s")
        return self.words.index(plural) if plural in self.words else -1

    def _mostly(self, name: str, test: Callable[[object], bool]) -> bool:
        values = self.values(name)
        return bool(values) and sum(map(test, values)) * 2 > len(values)

    def _can_be_text(self, name: str) -> bool:
        texts = self.texts(name)
        filled = [text for text in texts if text]
        key = name.strip().casefold()
        numbers = (
            key.startswith("column ") and all(map(str.isdecimal, filled)) and self._counts(filled)
        )
        varied = len(set(filled)) > 1 or len(texts) == 1
        return len(filled) * 2 >= len(texts) and varied and key not in NUMBERING and not numbers

    @staticmethod
    def _counts(numbers: list[str]) -> bool:
        return len(set(numbers)) == len(numbers)


def _shown(value: object) -> str:
    return json.dumps(value, default=str) if isinstance(value, list | dict) else plain(value)
