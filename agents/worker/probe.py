"""A short look at a model at the end of a supervised training, for the debugger: what was to be learnt, and what was.

A few rows and few tokens, so that it takes seconds beside a training of minutes. It changes nothing that is kept.
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from agents.jobs import Probe, Targets
from agents.recipe import Recipe
from agents.worker.answers import Exam, answer
from agents.worker.base_model import LoadedBase
from agents.worker.lessons import Fitting, Lesson
from agents.worker.likelihood import batches
from agents.worker.row_facts import is_json
from agents.worker.rows import IGNORED, stop_ids
from agents.worker.tuned_model import fill

ASKED = 16
"""Rows of each side that the model is asked."""
ANSWER_TOKENS = 64
"""Rows with longer answers are not asked."""
LOOKED_AT = 256
"""Training rows whose right answer is looked at."""
LOOKED_AT_TOKENS = 20_000
"""Of all of them together, at most."""
FIRST_TOKENS = 16
"""Of each right answer: enough to tell one label from another."""
SURE = 0.4
"""Probability of another token than the row has, from which on the model may be sure of it."""
TIMES = 3
"""And it must find it so many times as likely as the row's. Among many wrong labels nobody is surer than that."""
MOST_NAMED = 64


def targets(lessons: Sequence[Lesson], ends: Sequence[int]) -> Targets:
    """Count what a supervised training is to learn."""
    labels = [lesson.columns["labels"] for lesson in lessons]
    return Targets(
        rows=len(lessons),
        tokens=sum(lesson.tokens for lesson in lessons),
        learnt_tokens=sum(label != IGNORED for row in labels for label in row),
        rows_cut=sum(lesson.whole_tokens > lesson.tokens for lesson in lessons),
        rows_ended=sum(bool(set(ends) & set(row)) for row in labels),
    )


def probe(  # noqa: PLR0913  # a model, two sides, where it was best, and how it is asked
    model: PeftModel,
    base: LoadedBase,
    train: Fitting,
    dev: Fitting,
    best: Path | None,
    recipe: Recipe,
    beat: Callable[[], None],
) -> Probe | None:
    """Ask the model as it is, then look at it with the weights in `best` (None: these). None where memory runs out.

    `beat` is called with every token and batch.
    """
    chance = random.Random(recipe.seed)
    try:
        said = _ask(model, base, [train, dev], recipe, chance, beat)
        if best is not None:
            fill(model, best)
        looked = _drawn(train.lessons, LOOKED_AT, chance, LOOKED_AT_TOKENS)
        opinions = _opinions(model, base, [train.lessons[i] for i in looked], beat)
    except torch.OutOfMemoryError:  # what it would have told is not worth a training
        return None
    contradicted = sorted(
        train.rows[i].number for i, (_right, sure) in zip(looked, opinions, strict=True) if sure
    )
    (of_train, of_dev), wanted = said, [both for both in said[1] if is_json(both[1])]
    return Probe(
        train_asked=len(of_train),
        train_same=sum(text == right for text, right, _ended in of_train),
        dev_asked=len(of_dev),
        dev_same=sum(text == right for text, right, _ended in of_dev),
        ended=sum(ended for side in said for _text, _right, ended in side),
        dev_json_wanted=len(wanted),
        dev_json_given=sum(is_json(text) for text, _right, _ended in wanted),
        train_seen=len(opinions),
        train_right=sum(right for right, _sure in opinions),
        contradicted=tuple(contradicted[:MOST_NAMED]),
        contradicted_count=len(contradicted),
    )


def _ask(  # as `probe`
    model: PeftModel,
    base: LoadedBase,
    sides: Sequence[Fitting],
    recipe: Recipe,
    chance: random.Random,
    beat: Callable[[], None],
) -> list[list[tuple[str, str, bool]]]:
    """Return for each side what was answered, what is right, and whether the answer was ended."""
    room = min(recipe.max_new_tokens, ANSWER_TOKENS)
    chosen: list[list[Lesson]] = []
    for side in sides:
        short = [one for one in side.lessons if len(_answer(one)) <= room]
        chosen.append([short[i] for i in _drawn(short, ASKED, chance)])
    lessons = [lesson for side in chosen for lesson in side]
    ends = stop_ids(base.tokenizer, base.model)
    exam = Exam([lesson.prompt_ids for lesson in lessons], ends, room)
    answers = {
        i: given
        for batch in answer(model.get_base_model(), base.tokenizer, exam, beat)
        for i, given in batch.items()
    }
    said = [
        (answers[i].text, _text(base.tokenizer, lesson), answers[i].tokens < room)
        for i, lesson in enumerate(lessons)
    ]
    return [said[: len(chosen[0])], said[len(chosen[0]) :]]


def _answer(lesson: Lesson) -> list[int]:
    ids: list[int] = lesson.columns["input_ids"][len(lesson.prompt_ids) :]
    return ids


def _text(tokenizer: Any, lesson: Lesson) -> str:
    text: str = tokenizer.decode(_answer(lesson), skip_special_tokens=True)
    return text.strip()


def _drawn(
    lessons: Sequence[Lesson], most: int, chance: random.Random, most_tokens: float = float("inf")
) -> list[int]:
    """Return the places of some lessons by chance, within a number of tokens, in their order."""
    found, tokens = [], 0
    for i in chance.sample(range(len(lessons)), min(most, len(lessons))):
        tokens += lessons[i].tokens
        if tokens <= most_tokens:
            found.append(i)
    return sorted(found)


def _opinions(
    model: PeftModel, base: LoadedBase, lessons: Sequence[Lesson], beat: Callable[[], None]
) -> list[tuple[bool, bool]]:
    """Return for each lesson whether the model finds the right answer likeliest, and whether it is sure of another one."""
    model.eval()
    texts = [
        lesson.columns["input_ids"][: len(lesson.prompt_ids) + FIRST_TOKENS] for lesson in lessons
    ]
    found = [(False, False)] * len(lessons)
    for batch in batches([len(text) for text in texts]):
        answers = [len(texts[i]) - len(lessons[i].prompt_ids) for i in batch]
        opinions = _batch(model, base, [texts[i] for i in batch], answers)
        for i, opinion in zip(batch, opinions, strict=True):
            found[i] = opinion
        beat()
    return found


def _batch(
    model: PeftModel, base: LoadedBase, texts: Sequence[list[int]], answers: Sequence[int]
) -> list[tuple[bool, bool]]:
    # Padded on the left: all answers end at the same place, and only their places get logits.
    width, longest = max(map(len, texts)), max(answers)
    padding = [width - len(text) for text in texts]
    pad_id = base.tokenizer.pad_token_id
    rows = [[pad_id] * pad + text for text, pad in zip(texts, padding, strict=True)]
    seen = [[0] * pad + [1] * (width - pad) for pad in padding]
    ids, mask = (torch.tensor(table, device=base.model.device) for table in (rows, seen))
    with torch.inference_mode():
        logits = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),
            logits_to_keep=longest + 1,
        ).logits[:, :-1]
        height, likeliest = logits.max(dim=-1)
        chance = (height - logits.logsumexp(dim=-1)).exp()
        times = (height - logits.gather(2, ids[:, -longest:, None])[..., 0]).exp()
        sure = (chance >= SURE) & (times >= TIMES)
    other = likeliest != ids[:, -longest:]
    return [
        (
            not bool(wrong[longest - count :].any()),
            bool((wrong & certain)[longest - count :].any()),
        )
        for wrong, certain, count in zip(other, sure, answers, strict=True)
    ]
