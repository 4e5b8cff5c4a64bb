"""Made rows on their way into a training: which are taken, how often each is learnt, and what is known of all of them.

The same rows, numbers and terms always give the same bytes.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from agents.jobs import MADE_ROWS, Provenance, RowsBackend, SieveName, Source, Strategy
from agents.made_review import Struck

Row = dict[str, Any]
MOST_SOURCES = 50


class MadeRows(BaseModel):
    """What is known of the made rows of a try: the details of its data set `made`. Nothing that a row says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int = 0
    """Different ones."""
    learnt: int = 0
    """Lines of the rows to learn from that they come to, by their weight."""
    of: int = 0
    """All lines to learn from."""
    by: tuple[tuple[RowsBackend, int], ...] = ()
    models: tuple[str, ...] = ()
    """Language models that wrote some."""
    strategies: tuple[tuple[Strategy, int], ...] = ()
    strata: tuple[tuple[str, int], ...] = ()
    """Rows by answer, where the answers are labels."""
    weight: float = 1.0
    sources: tuple[Source, ...] = ()
    """Of the passages that some are made from."""
    drafts: int = 0
    """That were made for the newest batch."""
    sifted: tuple[tuple[SieveName, int], ...] = ()
    """What was held back of them."""
    struck: tuple[Struck, ...] = ()
    asked: tuple[str, ...] = ()
    """Addresses and queries that facts were asked for with."""
    again: int | None = None
    """Try that the oldest of them are from."""

    @property
    def share(self) -> float:
        """Share of the rows to learn from, as often as they are learnt."""
        return self.learnt / max(self.of, 1)


@dataclass(frozen=True)
class Share:
    """How much of made rows is learnt."""

    weight: float
    most: float
    """Share of the rows to learn from."""
    seed: int = 0


@dataclass(frozen=True)
class Mixed:
    """Rows to learn from, with made ones, as bytes of JSONL."""

    train: bytes
    made: bytes
    """The made rows alone, once each, with where they are from."""
    lines: int
    learnt: int
    rows: int


def lines_of(raw: bytes) -> list[Row]:
    """Return the rows of a JSONL file."""
    return [json.loads(line) for line in raw.split(b"\n") if line.strip()]


def number_of(row: Row) -> int:
    """Return the number by which people know a made row."""
    return int(row["row"]) - MADE_ROWS


def answer_of(row: Row) -> str:
    """Return the text of a row's answer."""
    answer = row.get("completion")
    if isinstance(answer, dict):
        answer = answer.get("content")
    return answer if isinstance(answer, str) else ""


def joined(rows: Iterable[Row]) -> bytes:
    """Return rows as JSONL."""
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def last_number(rows: Sequence[Row]) -> int:
    """Return the highest number of made rows; 0 where there are none."""
    return max(map(number_of, rows), default=0)


def after(earlier: Sequence[Row], drafts: Sequence[Row]) -> list[Row]:
    """Return drafts with numbers that follow those of the made rows that are learnt already."""
    last = last_number(earlier)
    return [row | {"row": row["row"] + last} for row in drafts]


def taken(rows: Sequence[Row], struck: Collection[int]) -> list[Row]:
    """Return the rows that nobody has struck."""
    return [row for row in rows if number_of(row) not in struck]


def plain(rows: Iterable[Row]) -> list[Row]:
    """Return made rows as rows to learn from are: without where they are from."""
    return [{name: value for name, value in row.items() if name != "made"} for row in rows]


def mixed(base: bytes, made: Sequence[Row], share: Share) -> Mixed:
    """Return the rows of the uploads with made ones behind them."""
    theirs = [line for line in base.split(b"\n") if line.strip()]
    most = int(share.most / (1 - share.most) * len(theirs))
    copies = _weighed(made, share)[:most]
    order = {row["row"]: place for place, row in enumerate(made)}
    copies.sort(key=lambda row: order[row["row"]])
    kept = {row["row"] for row in copies}
    used = [row for row in made if row["row"] in kept]
    train = b"".join(line + b"\n" for line in theirs) + joined(plain(copies))
    return Mixed(train, joined(used), len(theirs) + len(copies), len(copies), len(used))


def counted(rows: Sequence[Row], *, by_label: bool) -> dict[str, Any]:
    """Return what rows and their provenance say of all of them, as fields of `MadeRows`."""
    known = [Provenance.model_validate(row["made"]) for row in rows]
    return {
        "strata": by_number(answer_of(row) for row in rows) if by_label else (),
        "by": by_number(one.backend for one in known),
        "models": tuple(sorted({one.model for one in known if one.model})),
        "strategies": by_number(one.strategy for one in known),
    }


def by_number(values: Iterable[Any]) -> tuple[tuple[Any, int], ...]:
    """Count values, the most frequent first."""
    return tuple(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def sources_of(rows: Sequence[Row], facts: Sequence[Row]) -> tuple[Source, ...]:
    """Return where the passages are from that rows were made from, each place once."""
    used = {fact for row in rows for fact in row["made"].get("facts", ())}
    found = [Source.model_validate(fact["source"]) for fact in facts if fact["id"] in used]
    return tuple(dict.fromkeys(found))[:MOST_SOURCES]


def _weighed(made: Sequence[Row], share: Share) -> list[Row]:
    """Return each row as often as it is learnt, drawn where that is no whole number; in the order in which they are left out last."""
    whole, part = int(share.weight), share.weight % 1
    ranked = sorted(made, key=lambda row: _lot(share.seed, row))
    drawn = ranked[: round(part * len(made))]
    return [row for _time in range(whole) for row in ranked] + drawn


def _lot(seed: int, row: Row) -> str:
    return hashlib.sha256(f"{seed}:{row['row']}".encode()).hexdigest()
