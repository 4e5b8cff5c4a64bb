"""What is told of a sieving: the drafts that are left, what each sieve has held back, a sample for people.

A draft that repeats a held-out row is counted and never quoted, whichever sieve has held it back.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from agents.jobs import FileRef, SampleRow, SieveName, Sifted, SiftResult, write_atomically
from agents.worker.checks.facts import shown
from agents.worker.sieve import choice, vectors
from agents.worker.sieve.drafts import Draft
from agents.worker.sieve.sieving import Embedded, Sieving

EXAMPLES = 5
SHOWN_CHARS = 160
SAMPLE_CHARS = 400
KEPT = "artifacts/made.jsonl"


def result(sieving: Sieving, embedded: Embedded, folder: Path) -> SiftResult:
    """Write the drafts that are left and return what became of all."""
    left = sieving.left
    drafts = [sieving.drafts[place] for place in left]
    strata = [_stratum(draft, sieving.spec.labels) for draft in drafts]
    chosen = choice.sampled(drafts, strata, sieving.spec.sample, sieving.spec.terms.seed)
    by_meaning = embedded.space.by_meaning
    return SiftResult(
        kept=_write(folder, [draft.line for draft in drafts]),
        rows=len(drafts),
        strata=tuple(sorted(Counter(strata).items())),
        sifted=tuple(_sifted(sieving, sieve) for sieve in SieveName),
        sample=tuple(
            _sample_row(number, drafts[at], strata[at]) for number, at in enumerate(chosen, 1)
        ),
        distinct_2=distinct_2([draft.words for draft in drafts]),
        distinct_2_train=distinct_2([row.words for row in sieving.train]),
        spread=vectors.spread(embedded.rows(left)) if by_meaning else None,
        spread_train=vectors.spread(embedded.train) if by_meaning else None,
        notes=tuple(sieving.notes),
    )


def _stratum(draft: Draft, labels: Sequence[str]) -> str:
    if labels:
        return draft.answer
    return draft.made.strategy.value if draft.made else ""


def _sifted(sieving: Sieving, sieve: SieveName) -> Sifted:
    places = [place for place, (at, _why) in sieving.why.items() if at is sieve]
    return Sifted(
        sieve=sieve,
        rows=len(places),
        examples=tuple(_example(sieving, place) for place in sorted(places)[:EXAMPLES]),
    )


def _example(sieving: Sieving, place: int) -> tuple[int, str, str]:
    draft, why = sieving.drafts[place], sieving.why[place][1]
    if draft.fault is not None or place in sieving.leaking:
        return draft.number, "", why
    return draft.number, shown(f"{draft.own} → {draft.answer}", SHOWN_CHARS), why


def _sample_row(number: int, draft: Draft, stratum: str) -> SampleRow:
    assert draft.made is not None
    return SampleRow(
        number=number,
        row=draft.number,
        stratum=stratum,
        prompt=shown(draft.own, SAMPLE_CHARS),
        completion=shown(draft.answer, SAMPLE_CHARS),
        strategy=draft.made.strategy,
        facts=draft.made.facts,
    )


def distinct_2(texts: Sequence[str]) -> float | None:
    """Return different pairs of neighbouring words ÷ all of them (Li et al. 2016); None where there are none."""
    words = [text.split() for text in texts]
    pairs = Counter(pair for text in words for pair in pairwise(text))
    return len(pairs) / pairs.total() if pairs else None


def _write(folder: Path, lines: Sequence[str]) -> FileRef:
    raw = "".join(f"{line}\n" for line in lines).encode()
    path = folder / KEPT
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, raw)
    return FileRef(path=KEPT, sha256=hashlib.sha256(raw).hexdigest(), size_bytes=len(raw))
