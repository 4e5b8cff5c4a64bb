"""What a base model can do without training: a good prompt with examples in it, measured on dev rows against the clock."""

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, stdev

from agents.jobs import Baseline
from agents.jobs.reporting import Reporter
from agents.recipe import Metric
from agents.worker.answers import Exam, answer
from agents.worker.base_model import LoadedBase
from agents.worker.rows import Pair, prompt_ids, stop_ids

MOST_SHOTS = 6
SHOT_TOKENS = 512
"""Room for the examples: every dev row reads them again."""
MOST_LABELS = 30
ROWS_AT_ONCE = 8
Z_95 = 1.96


@dataclass(frozen=True)
class Prompting:
    """The words around a row: what is to be done, which answers there are, examples."""

    task: str
    labels: tuple[str, ...]
    shots: tuple[Pair, ...]

    def text(self, prompt: str) -> str:
        """Return the whole prompt for one row."""
        lines = [self.task.strip()]
        if 0 < len(self.labels) <= MOST_LABELS:
            lines.append("Answer with one of: " + ", ".join(self.labels))
        lines += [f"\nInput: {shot.prompt}\nAnswer: {shot.completion}" for shot in self.shots]
        return "\n".join([*lines, f"\nInput: {prompt}\nAnswer:"])


@dataclass(frozen=True)
class Test:
    """Which rows are asked, with what before them, how they are scored, and until when."""

    prompting: Prompting
    rows: Sequence[Pair]
    metric: Metric
    max_new_tokens: int
    deadline_s: float
    """On the monotonic clock; what is not asked by then is not asked."""


def choose_shots(base: LoadedBase, train: Sequence[Pair], room_tokens: int) -> tuple[Pair, ...]:
    """Return examples of middling length, of as many different answers as there is room for."""
    middle = median(len(row.prompt) for row in train)
    ordered = sorted(train, key=lambda row: (abs(len(row.prompt) - middle), row.number))
    first_of_answer: dict[str, Pair] = {}
    for row in ordered:
        first_of_answer.setdefault(row.completion, row)
    different = list(first_of_answer.values())
    chosen: list[Pair] = []
    used = 0
    for row in [*different, *(row for row in ordered if row not in different)][: 4 * MOST_SHOTS]:
        tokens = len(base.tokenizer(f"{row.prompt}\n{row.completion}")["input_ids"])
        if len(chosen) < MOST_SHOTS and used + tokens <= room_tokens:
            chosen.append(row)
            used += tokens
    return tuple(chosen)


def prompting_for(
    base: LoadedBase,
    train: Sequence[Pair],
    asked: Sequence[Pair],
    task: str,
    labels: tuple[str, ...],
) -> Prompting:
    """Return the best prompt that we know how to write for these rows and this model."""
    longest = max(len(prompt_ids(base.tokenizer, row.prompt)) for row in asked)
    room_tokens = min(SHOT_TOKENS, (base.context_tokens - longest) // 2)
    return Prompting(task, labels, choose_shots(base, train, room_tokens))


def measure(base: LoadedBase, test: Test, reporter: Reporter) -> Baseline | None:
    """Ask as many rows as there is time for and score the answers; None where there was time for none."""
    ends = stop_ids(base.tokenizer, base.model)
    room = max(1, base.context_tokens - test.max_new_tokens)
    said: list[str] = []
    while len(said) < len(test.rows) and time.monotonic() < test.deadline_s:
        part = test.rows[len(said) : len(said) + ROWS_AT_ONCE]
        prompts = [
            prompt_ids(base.tokenizer, test.prompting.text(row.prompt))[-room:] for row in part
        ]
        answers: dict[int, str] = {}
        for batch in answer(
            base.model, base.tokenizer, Exam(prompts, ends, test.max_new_tokens), reporter.beat
        ):
            answers |= {i: found.text for i, found in batch.items()}
        said += [own_part(answers[i]) for i in range(len(part))]
    if not said:
        return None
    return _score(said, test)


def own_part(answer: str) -> str:
    """Return an answer up to where a base model goes on with an example of its own."""
    return answer.split("\nInput:")[0].strip()


def _score(said: list[str], test: Test) -> Baseline:
    from agents.worker.metrics import (
        table,
    )  # takes seconds to import: the memory was measured before

    references = [row.completion for row in test.rows[: len(said)]]
    with tempfile.TemporaryDirectory() as cache_dir:
        items = table.score_items(test.metric, said, references, Path(cache_dir))
    scores = [float(score) for score in items]
    low, high = interval(scores, right_or_wrong=test.metric is Metric.EXACT_MATCH)
    return Baseline(
        metric=test.metric,
        score=fmean(scores),
        low=low,
        high=high,
        items=len(scores),
        shots=len(test.prompting.shots),
    )


def interval(scores: Sequence[float], *, right_or_wrong: bool) -> tuple[float, float]:
    """Return the 95 % interval of a mean score: Wilson's for right or wrong, else the normal one, within 0 … 1."""
    n, mean = len(scores), fmean(scores)
    if right_or_wrong:
        shrink = 1 + Z_95**2 / n
        centre = (mean + Z_95**2 / (2 * n)) / shrink
        half = Z_95 * math.sqrt(mean * (1 - mean) / n + Z_95**2 / (4 * n * n)) / shrink
        return max(0.0, centre - half), min(1.0, centre + half)
    half = Z_95 * stdev(scores) / math.sqrt(n) if n > 1 else 1.0
    return max(0.0, mean - half), min(1.0, mean + half)
