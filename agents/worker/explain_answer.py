"""Find out why a tuned model gave one answer, as far as that can be told in the time there is."""

import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from agents.jobs import (
    AnswerWord,
    ExplainResult,
    ExplainSpec,
    Influence,
    JobOutcome,
    JobResult,
    LayerUpdate,
    PromptWord,
    TaughtRow,
    row_name,
)
from agents.jobs.reporting import Reporter
from agents.worker import base_model, moved_weights, sft_lessons
from agents.worker.answers import Answer, Exam, answer
from agents.worker.base_model import LoadedBase
from agents.worker.checks.facts import shown
from agents.worker.checks.masks import safe
from agents.worker.errors import WorkerError
from agents.worker.lessons import Fitting, drawn
from agents.worker.related import own_parts
from agents.worker.rows import Row, asked_ids, encode, prompt_text, read_rows, reference, stop_ids
from agents.worker.sentences import embedder
from agents.worker.shaped_rows import answered, asked
from agents.worker.tuned_model import check_unchanged, with_adapter
from agents.worker.why import attention, attribution, influence, words
from agents.worker.why.attention import Looks
from agents.worker.why.attribution import Pushes
from agents.worker.why.case import MOST_ANSWER_TOKENS, MOST_PROMPT_TOKENS, Case, blank_of, frame
from agents.worker.why.influence import Scores

SHOWN_CHARS = 600
PROMPT_CHARS, ANSWER_CHARS = 160, 100
KEPT_CHARS = 4000
"""That an evaluation keeps of an answer."""
MOST_WORDS = 160
"""Of a prompt, in the result."""
NAMED_ROWS = 5
NEAREST_ROWS = 64
"""Looked at first."""
COMPARED_ROWS = 2000
"""Whose prompts are compared with the asked one; of more, so many by chance."""
SHARE_FOR_PROMPT = 0.5
"""Of the time."""


def run(folder: Path, spec: ExplainSpec) -> JobResult:
    """Explain one answer.

    Raises: WorkerError: rows, model or adapter cannot be used, or the prompt is too long. Stopped: the bot asked for it.
    """
    began_s = time.monotonic()
    torch.set_num_threads(spec.threads or os.cpu_count() or 1)
    reporter = Reporter(folder)
    adapter = folder / spec.adapter_dir
    check_unchanged(adapter, spec.adapter_sha256)
    reporter.stage("reading the rows")
    row = _sealed(folder, spec)
    train = read_rows(spec.train, folder)
    reporter.stage("loading the model")
    base = base_model.load(base_model.resolve(spec.model, reporter))
    ids = _prompt(base, row, spec)
    model = with_adapter(base.model, adapter).eval()
    model.get_input_embeddings().register_forward_pre_hook(lambda *_: reporter.beat())
    loaded_s = time.monotonic()
    reporter.stage("answering once more")
    said = _say(model, base, ids, spec, reporter)
    case = _case(model, base, row, ids, said, spec, reporter)
    told = _answer_words(case, base)
    looks = attention.looks(case)
    reporter.stage("weighing the words of the prompt")
    pushes = attribution.attribute(
        case, loaded_s + SHARE_FOR_PROMPT * spec.budget_s, spec.recipe.seed
    )
    reporter.stage("looking at the rows it learnt from")
    taught = _influence(case, base, (row, train), spec, loaded_s + spec.budget_s)
    prompt_words, left_out = _prompt_words(case, base, pushes, looks)
    payload = ExplainResult(
        row=spec.row,
        prompt=safe(prompt_text(row))[:SHOWN_CHARS],
        reference=safe(reference(base.tokenizer, row))[:SHOWN_CHARS],
        answer=safe(said.text)[:SHOWN_CHARS],
        is_as_reported=safe(said.text)[:KEPT_CHARS] == spec.said,
        against_reference=case.right is not None,
        answer_words=tuple(told),
        prompt_words=tuple(prompt_words),
        words_left_out=left_out,
        attribution=pushes.checked if pushes else None,
        attention=looks.where if looks else None,
        influence=taught,
        layers=tuple(
            LayerUpdate(layer=layer + 1, size=size)
            for layer, size in moved_weights.by_layer(model).items()
        ),
        explain_s=time.monotonic() - began_s,
    )
    return JobResult(job_id=folder.name, outcome=JobOutcome.SUCCEEDED, payload=payload)


def _sealed(folder: Path, spec: ExplainSpec) -> Row:
    found = next((row for row in read_rows(spec.test, folder) if row.number == spec.row), None)
    if found is None:
        raise WorkerError("bad_data", f"There is no sealed {row_name(spec.row)}.", for_person=True)
    return found


def _prompt(base: LoadedBase, row: Row, spec: ExplainSpec) -> list[int]:
    """Return what the model was asked, as the evaluation asks it."""
    room = max(1, base.context_tokens - spec.recipe.max_new_tokens)
    ids = asked_ids(base.tokenizer, row)[-room:]
    if len(ids) > MOST_PROMPT_TOKENS:
        raise WorkerError(
            "bad_data",
            f"The prompt of {row_name(row.number)} has {len(ids):,} tokens; up to {MOST_PROMPT_TOKENS:,} can be explained. "
            "Ask about a shorter row.",
            for_person=True,
        )
    return ids


def _say(
    model: Any, base: LoadedBase, ids: list[int], spec: ExplainSpec, reporter: Reporter
) -> Answer:
    ends = stop_ids(base.tokenizer, base.model)
    exam = Exam([ids], ends, spec.recipe.max_new_tokens)
    (said,) = (
        given
        for batch in answer(model.get_base_model(), base.tokenizer, exam, reporter.beat)
        for given in batch.values()
    )
    return said


def _case(  # noqa: PLR0913  # a case is made of all of it
    model: Any,
    base: LoadedBase,
    row: Row,
    ids: list[int],
    said: Answer,
    spec: ExplainSpec,
    reporter: Reporter,
) -> Case:
    ends = stop_ids(base.tokenizer, base.model)
    whole = encode(base.tokenizer, row, ends)
    given = list(said.ids)[:MOST_ANSWER_TOKENS]
    right = whole.input_ids[whole.prompt_tokens :][:MOST_ANSWER_TOKENS]
    return Case(
        model=model,
        prompt=ids,
        answer=given,
        right=None if spec.is_right or right == given else right,
        blank=blank_of(base.tokenizer, ends[0]),
        fixed=frame(base.tokenizer, row, ids),
        beat=reporter.beat,
    )


def _answer_words(case: Case, base: LoadedBase) -> list[AnswerWord]:
    """Return how likely base and tuned find each word of the answer, and how far they are apart there."""
    special = frozenset(base.tokenizer.all_special_ids)
    ends = [place for place, token in enumerate(case.answer) if token in special]
    ids = torch.tensor([[*case.prompt, *case.answer[:-1]]], device=case.model.device)
    targets = torch.tensor(case.answer, device=case.model.device)[:, None]

    def opinions() -> torch.Tensor:
        with torch.no_grad():
            out = case.model(input_ids=ids, use_cache=False, logits_to_keep=len(case.answer))
        found: torch.Tensor = out.logits[0].float().log_softmax(-1)
        return found

    tuned = opinions()
    with case.model.disable_adapter():
        before = opinions()
    apart = (tuned.exp() * (tuned - before)).sum(-1).clamp(min=0).tolist()
    chances = [part.gather(1, targets)[:, 0].tolist() for part in (before, tuned)]
    return [
        AnswerWord(
            text=word.text,
            log_prob_base=sum(chances[0][word.start : word.end]),
            log_prob_tuned=sum(chances[1][word.start : word.end]),
            kl=sum(apart[word.start : word.end]),
        )
        for word in words.words(base.tokenizer, case.answer, ends)
    ]


def _prompt_words(
    case: Case, base: LoadedBase, pushes: Pushes | None, looks: Looks | None
) -> tuple[list[PromptWord], int]:
    """Return the words of the prompt and how many have no room: those stay whose push is strongest, all in a row."""
    nothing = [0.0] * len(case.prompt)
    parts = pushes.of_token if pushes else nothing
    middle, last = (looks.middle, looks.last) if looks else (nothing, nothing)
    found = [
        PromptWord(
            text=word.text,
            push=sum(parts[word.start : word.end]),
            looked_middle=sum(middle[word.start : word.end]),
            looked_last=sum(last[word.start : word.end]),
            is_mark=word.is_mark,
        )
        for word in words.words(base.tokenizer, case.prompt, case.fixed)
    ]
    starts = range(max(1, len(found) - MOST_WORDS + 1))
    best = max(starts, key=lambda i: sum(abs(w.push) for w in found[i : i + MOST_WORDS]))
    kept = found[best : best + MOST_WORDS]
    return kept, len(found) - len(kept)


@dataclass(frozen=True)
class _Order:
    """In which rows are looked at."""

    places: list[int]
    nearest: int
    """How many of the first were chosen for what they say."""


def _influence(
    case: Case,
    base: LoadedBase,
    rows: tuple[Row, list[Row]],
    spec: ExplainSpec,
    deadline_s: float,
) -> Influence | None:
    row, train = rows
    recipe = spec.recipe
    learnt = drawn(
        lambda part: sft_lessons.encode(base, part, recipe),
        train,
        recipe.max_train_rows,
        recipe.seed,
    )
    order = _order(row, learnt.rows, spec, case)
    found = influence.score(case, learnt.lessons, order.places, deadline_s)
    if found is None:
        return None
    named = range(len(found.score))
    strongest = sorted(named, key=lambda i: -found.score[i])
    nearest = set(order.places[: order.nearest])
    return Influence(
        rows=len(learnt.rows),
        looked_at=len(found.looked_at),
        nearest=sum(place in nearest for place in found.looked_at),
        layers=found.layers,
        towards=_taught([i for i in strongest if found.agrees[i] > 0.5], found, learnt),
        against=_taught([i for i in reversed(strongest) if found.agrees[i] < 0.5], found, learnt),
        scores=tuple(
            (learnt.rows[place].number, round(score, 4))
            for place, score in zip(found.looked_at, found.score, strict=True)
        ),
    )


def _taught(chosen: Sequence[int], found: Scores, learnt: Fitting) -> tuple[TaughtRow, ...]:
    rows = ((learnt.rows[found.looked_at[i]], found.score[i]) for i in chosen[:NAMED_ROWS])
    return tuple(
        TaughtRow(
            row=row.number,
            prompt=shown(asked(row.prompt), PROMPT_CHARS),
            given=shown(answered(row.completion), ANSWER_CHARS),
            score=round(score, 4),
        )
        for row, score in rows
    )


def _order(row: Row, learnt: Sequence[Row], spec: ExplainSpec, case: Case) -> _Order:
    """Put the rows first whose prompts are nearest to the asked one, then the others by chance."""
    places = list(range(len(learnt)))
    random.Random(spec.recipe.seed).shuffle(places)
    embed = embedder(spec.embedding, case.beat)
    if embed is None:
        return _Order(places, 0)
    compared = places[:COMPARED_ROWS]
    texts = own_parts([asked(row.prompt), *(asked(learnt[i].prompt) for i in compared)])
    vectors = embed(texts)
    alike = (vectors[1:] @ vectors[0]).tolist()
    ranked = sorted(range(len(compared)), key=lambda i: -alike[i])
    nearest = [compared[i] for i in ranked[:NEAREST_ROWS]]
    return _Order([*nearest, *(i for i in places if i not in set(nearest))], len(nearest))
