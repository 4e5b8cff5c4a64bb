"""Look for training rows whose answers are likely wrong: by what the training thought of them and, for labels, by a classifier.

Answers that are labels are judged by a classifier on the prompts' sentence embeddings, which has not seen the row. Of other
answers only those are named that the model found far less likely than all others each time.
"""

import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from agents.jobs import (
    Doubt,
    InspectResult,
    InspectSpec,
    JobOutcome,
    JobResult,
    Trial,
)
from agents.jobs.reporting import Reporter
from agents.recipe import Method
from agents.worker import cartography, learning_curve, row_log
from agents.worker.checkpoints import training_sha256
from agents.worker.checks.facts import shown
from agents.worker.row_log import Look
from agents.worker.rows import Row, read_rows
from agents.worker.shaped_rows import answered, asked
from agents.worker.suggest_metric import are_labels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agents.worker.base_model import LoadedBase
    from agents.worker.cartography import Standing

MOST_DOUBTS = 5000
PROMPT_CHARS = 160
ANSWER_CHARS = 100
CHUNK_ROWS = 64
"""Rows between two looks at the clock."""
BASE_BATCH = 8


@dataclass(frozen=True)
class _Judged:
    """What came of a search among labels."""

    doubts: list[Doubt]
    labels: int
    unjudged: int
    by: str
    agreement: float | None
    trial: Trial | None


def run(folder: Path, spec: InspectSpec) -> JobResult:
    """Look at the training rows of a supervised training.

    Raises: WorkerError: the rows are gone, or the model cannot be loaded. Stopped: the bot asked for it.
    """
    began_s = time.monotonic()
    reporter = Reporter(folder)
    reporter.stage("reading the rows")
    training = spec.training
    if training.recipe.method is not Method.SFT:
        raise ValueError(f"rows of {training.recipe.method.value} are not inspected")
    train = list({row.number: row for row in read_rows(training.train, folder)}.values())
    dev = read_rows(training.dev, folder)
    looks = row_log.read(folder / training.checkpoints_dir, training_sha256(training))
    warm_up = int(training.recipe.warmup_fraction * max(_last_step(looks), 1))
    ahead = learning_curve.forecast(looks, warm_up, training.recipe.seed)
    looks = _with_one_more(folder, spec, train, looks, reporter)
    standings = cartography.mapped(looks)
    rows = [row for row in train if not row.plain]
    answers = [answered(row.completion) for row in rows]
    judged = None
    if rows and are_labels(answers):
        judged = _judge_labels(spec, rows, dev, standings, reporter)
    regions = cartography.regions(list(standings.values()))
    doubts = judged.doubts if judged else _odd(train, standings)
    payload = InspectResult(
        rows=len(train),
        labels=judged.labels if judged else 0,
        unjudged=judged.unjudged if judged else 0,
        by=judged.by if judged else None,
        agreement=judged.agreement if judged else None,
        looks=fmean(s.looks for s in standings.values()) if standings else 0.0,
        easy=regions.easy,
        ambiguous=regions.ambiguous,
        hard=regions.hard,
        points=cartography.points(standings, [doubt.row for doubt in doubts]),
        doubts=tuple(doubts[:MOST_DOUBTS]),
        trial=judged.trial if judged else None,
        forecast=ahead,
        inspect_s=time.monotonic() - began_s,
    )
    return JobResult(job_id=folder.name, outcome=JobOutcome.SUCCEEDED, payload=payload)


def _last_step(looks: dict[int, list[Look]]) -> int:
    return max((seen[-1].step for seen in looks.values() if seen), default=0)


def _with_one_more(
    folder: Path,
    spec: InspectSpec,
    train: Sequence[Row],
    looks: dict[int, list[Look]],
    reporter: Reporter,
) -> dict[int, list[Look]]:
    """Have the tuned model look once more at rows that were seen too seldom for a map, as long as there is time."""
    seldom = [row for row in train if len(looks.get(row.number, ())) < cartography.FEWEST_LOOKS]
    if not seldom or spec.adapter_dir is None or spec.budget_s <= 0:
        return looks
    from agents.worker import train_sft, tuned_model
    from agents.worker.lessons import fitting
    from agents.worker.likelihood import mean_log_probs
    from agents.worker.shaped_rows import Said

    adapter = folder / spec.adapter_dir
    tuned_model.check_unchanged(adapter, spec.adapter_sha256)
    base = _load(spec, reporter)
    began_s = time.monotonic()
    found = fitting(lambda part: train_sft.encode(base, part, spec.training.recipe), seldom)
    tuned = replace(base, model=tuned_model.merged(base.model, adapter))
    order = list(range(len(found.rows)))
    random.Random(spec.training.recipe.seed).shuffle(order)
    reporter.stage("looking at the rows once more", len(order))
    more = dict(looks)
    for start in range(0, len(order), CHUNK_ROWS):
        if time.monotonic() - began_s > spec.budget_s:
            break
        texts = {}
        for i in order[start : start + CHUNK_ROWS]:
            lesson = found.lessons[i]
            ids, begins = lesson.columns["input_ids"], len(lesson.prompt_ids)
            if len(ids) > begins:  # of a long conversation the last answer may have been cut off
                texts[i] = Said(ids[:begins], ids[begins:], lesson.whole_tokens)
        said = list(texts.values())
        means = mean_log_probs(tuned.model, tuned.tokenizer.pad_token_id, said, reporter.beat)
        for (i, text), mean in zip(texts.items(), means, strict=True):
            number, tokens = found.rows[i].number, len(text.answer)
            more[number] = [*more.get(number, ()), Look(0, mean * tokens, tokens)]
    return more


def _judge_labels(
    spec: InspectSpec,
    rows: Sequence[Row],
    dev: Sequence[Row],
    standings: "dict[int, Standing]",
    reporter: Reporter,
) -> _Judged | None:
    reporter.stage("learning which labels fit")
    import numpy as np

    from agents.worker import wrong_labels

    every = [answered(row.completion) for row in rows]
    common = wrong_labels.common(every)
    judged = [row for row in rows if answered(row.completion) in common]
    if len(common) < 2:
        return None
    names = sorted(common)
    number_of = {name: place for place, name in enumerate(names)}
    vectors, by = _vectors(spec, [*judged, *dev], reporter)
    seen, dev_seen = vectors[: len(judged)], vectors[len(judged) :]
    labels = np.array([number_of[answered(row.completion)] for row in judged])
    confidence = None
    if standings:
        confidence = np.array(
            [
                standings[row.number].confidence if row.number in standings else np.nan
                for row in judged
            ]
        )
    seed = spec.training.recipe.seed
    found = wrong_labels.find(seen, labels, seed, confidence, reporter.beat)
    trial = None
    if dev and found.doubted.any():
        reporter.stage("trying out what leaving them out does")
        meant = np.array([number_of.get(answered(row.completion), -1) for row in dev])
        trial = wrong_labels.trial(
            (seen, labels), (dev_seen, meant), found.doubted, seed, reporter.beat
        )
    places = sorted(np.flatnonzero(found.doubted), key=lambda i: -found.score[i])
    doubts = [
        _doubt(judged[i], standings.get(judged[i].number), float(found.score[i])).model_copy(
            update={
                "likelier": shown(names[found.likelier[i]], ANSWER_CHARS),
                "label": names[found.likelier[i]],
                "p_given": round(float(found.probabilities[i, labels[i]]), 4),
                "p_likelier": round(float(found.probabilities[i, found.likelier[i]]), 4),
            }
        )
        for i in places[:MOST_DOUBTS]
    ]
    return _Judged(doubts, len(names), len(rows) - len(judged), by, found.agreement, trial)


def _odd(train: Sequence[Row], standings: "dict[int, Standing]") -> list[Doubt]:
    by_number = {row.number: row for row in train}
    odd = cartography.odd_ones({n: s for n, s in standings.items() if n in by_number})
    return [
        _doubt(by_number[number], standings[number], 1 - standings[number].confidence)
        for number in odd
    ]


def _doubt(row: Row, known: "Standing | None", score: float) -> Doubt:
    return Doubt(
        row=row.number,
        prompt=shown(asked(row.prompt), PROMPT_CHARS),
        given=shown(answered(row.completion), ANSWER_CHARS),
        confidence=round(known.confidence, 4) if known else None,
        variability=round(known.variability, 4) if known else None,
        score=round(score, 4),
    )


def _vectors(
    spec: InspectSpec, rows: Sequence[Row], reporter: Reporter
) -> "tuple[NDArray[np.float64], str]":
    """Return a unit vector for each prompt, and what made it: a sentence model, or the base model where there is none."""
    import torch

    from agents.worker.sentences import embedder

    torch.set_num_threads(spec.training.threads or os.cpu_count() or 1)
    texts = _own_words([asked(row.prompt) for row in rows])
    embed = embedder(spec.training.embedding, reporter.beat)
    by = "sentences" if embed is not None else "base"
    if embed is None:
        embed = _base_embedder(_load(spec, reporter), reporter.beat)
    return embed(texts).double().numpy(), by


def _own_words(texts: Sequence[str]) -> list[str]:
    """Return texts without the words that all of them begin with: a task sentence says nothing about a row."""
    first, last = min(texts), max(texts)
    same = next(
        (i for i, pair in enumerate(zip(first, last, strict=False)) if len(set(pair)) > 1), 0
    )
    words = max(first.rfind(" ", 0, same), first.rfind("\n", 0, same)) + 1
    return [text[words:] for text in texts]


def _base_embedder(base: "LoadedBase", beat: Callable[[], None]) -> Any:
    """Return what turns texts into the means of a language model's last hidden states, centred."""
    import torch

    from agents.worker.sentences import mean_over

    backbone = getattr(base.model, base.model.base_model_prefix)
    pad = base.tokenizer.pad_token_id

    def embed(texts: Sequence[str]) -> torch.Tensor:
        ids = [base.tokenizer(text)["input_ids"][: base.context_tokens] or [pad] for text in texts]
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        parts = []
        for start in range(0, len(order), BASE_BATCH):
            part = [ids[i] for i in order[start : start + BASE_BATCH]]
            width = len(part[0])
            padded = torch.tensor([[*row, *[pad] * (width - len(row))] for row in part])
            mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in part])
            with torch.no_grad():
                hidden = backbone(
                    input_ids=padded.to(base.device), attention_mask=mask.to(base.device)
                ).last_hidden_state
            parts.append(mean_over(hidden.float().cpu(), mask))
            beat()
        found = torch.empty(len(ids), parts[0].shape[1])
        found[torch.tensor(order)] = torch.cat(parts)
        return torch.nn.functional.normalize(found - found.mean(dim=0), dim=1)

    return embed


def _load(spec: InspectSpec, reporter: Reporter) -> "LoadedBase":
    reporter.stage("loading the model")
    import torch

    from agents.worker import base_model, course

    torch.set_num_threads(spec.training.threads or os.cpu_count() or 1)
    folder = base_model.resolve(spec.training.model, reporter)
    return course.load(folder, spec.training.recipe, reporter)
