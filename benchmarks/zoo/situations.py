"""The situations of the zoo: what is planted in each, and which rule must find it."""

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.zoo import faults
from benchmarks.zoo.language import (
    Pair,
    Task,
    about_somebody,
    garbage,
    german,
    intent,
    question,
    record,
    reply,
    secret,
    several,
    urgency,
)

ROWS = 600
"""Of an ordinary upload; seven tenths of it are learnt from."""
RECIPE: dict[str, Any] = {
    "epochs": 5.0,
    "batch_size": 16,
    "micro_batch_size": 16,
    "learning_rate": 5e-3,
    "lora_r": 8,
    "max_length_tokens": 192,
    "max_new_tokens": 40,
}
Rows = Callable[[random.Random], list[Pair]]


@dataclass(frozen=True)
class Situation:
    """One training and what is wrong with it."""

    name: str
    expected: str | None
    """Name of the rule that must come first; None: healthy, and nothing may be found."""
    rows: Rows
    recipe: dict[str, Any] = field(default_factory=dict)
    """What differs from RECIPE."""
    header: tuple[str, str] = ("prompt", "completion")
    worker: Callable[[], AbstractContextManager[None]] = nullcontext
    """A fault of the worker while it measures and trains."""
    trained_on: Callable[[Path, Path], Path] | None = None
    """Makes another base model of the usual one's folder, in a folder."""
    other_seeds: int = 0
    """Times that it was trained before, with nothing but the seed changed."""
    asked_as: Callable[[Path, Path], Path] | None = None
    """The same for the evaluation alone."""


def healthy(task: Task, rows: int = ROWS) -> Rows:
    """Return rows with nothing wrong."""
    return lambda chance: several(task, rows, chance)


def shuffled(share: float) -> Rows:
    """Give a share of the rows another label."""

    def rows(chance: random.Random) -> list[Pair]:
        pairs = several(intent(4), ROWS, chance)
        labels = sorted({answer for _prompt, answer in pairs})
        wrong = set(chance.sample(range(len(pairs)), round(share * len(pairs))))
        return [
            (
                prompt,
                chance.choice([one for one in labels if one != answer]) if i in wrong else answer,
            )
            for i, (prompt, answer) in enumerate(pairs)
        ]

    return rows


def duplicated(chance: random.Random) -> list[Pair]:
    """Let every third row stand there twice more, once in slightly other words."""
    pairs = several(intent(), ROWS, chance)
    again = chance.sample(pairs, len(pairs) // 3)
    return _mixed(
        chance, [*pairs, *again, *((f"{prompt} please", answer) for prompt, answer in again)]
    )


def from_one_mould(chance: random.Random) -> list[Pair]:
    """Let half of the rows be variants of a few sentences: too many to stand on one side of a split."""
    pairs = several(intent(), ROWS // 2, chance)
    variants: dict[str, str] = {}
    for prompt, answer in pairs[:3]:
        for _ in range(ROWS // 6):
            words = prompt.split()
            chance.shuffle(words)
            variants[" ".join(words)] = answer
    return _mixed(chance, [*pairs[3:], *variants.items()])


def swapped(chance: random.Random) -> list[Pair]:
    """Let prompt and answer change places."""
    return [(answer, prompt) for prompt, answer in several(question, ROWS, chance)]


def cut_short(chance: random.Random) -> list[Pair]:
    """Cut answers off, as an export into narrow columns does."""
    long = several(reply, ROWS, chance)
    return [(prompt, f"Re: {prompt.capitalize()}. {answer}"[:90]) for prompt, answer in long]


def one_class(chance: random.Random) -> list[Pair]:
    """Give all rows one label."""
    return [(prompt, "north team") for prompt, _ in several(intent(), ROWS, chance)]


def one_text(chance: random.Random) -> list[Pair]:
    """Give all rows but one the same sentence as their answer."""
    pairs = several(reply, ROWS, chance)
    return [pairs[0], *((prompt, "We cannot say, sorry.") for prompt, _ in pairs[1:])]


def two_languages(chance: random.Random) -> list[Pair]:
    """Put rows in German among the others."""
    pairs = several(intent(), ROWS - 42, chance)
    return _mixed(chance, [*pairs, *((german(chance), "north team") for _ in range(42))])


def private(chance: random.Random) -> list[Pair]:
    """Put mail addresses and card numbers into some rows."""
    pairs = several(intent(), ROWS, chance)
    for place in chance.sample(range(len(pairs)), 36):
        name = f"{chance.choice('abcdefgh')}.{garbage(chance, 12)}"
        name = "".join(char for char in name if char.isalnum() or char == ".")
        prompt, answer = pairs[place]
        pairs[place] = (f"{prompt} write to {name}x@mailbox{chance.randrange(90)}.net", answer)
    return pairs


def templated(chance: random.Random) -> list[Pair]:
    """Wrap rows into the chat template of another model."""
    pairs = several(intent(), ROWS, chance)
    return [(f"[INST] {prompt} [/INST]", f"{answer} </s>") for prompt, answer in pairs]


def too_long(chance: random.Random) -> list[Pair]:
    """Let a third of the prompts be longer than a row may be."""
    pairs = several(intent(), ROWS, chance)
    long = set(chance.sample(range(len(pairs)), len(pairs) // 3))

    def lengthened(prompt: str) -> str:
        return ". ".join([prompt, *(intent()(chance)[0] for _ in range(14))])

    return [(lengthened(p) if i in long else p, a) for i, (p, a) in enumerate(pairs)]


def contradictory(chance: random.Random) -> list[Pair]:
    """Let a tenth of the prompts come with two labels."""
    pairs = several(intent(4), ROWS, chance)
    labels = sorted({answer for _prompt, answer in pairs})
    again = [
        (prompt, chance.choice([one for one in labels if one != answer]))
        for prompt, answer in chance.sample(pairs, len(pairs) // 10)
    ]
    return _mixed(chance, [*pairs, *again])


def imbalanced(chance: random.Random) -> list[Pair]:
    """Let one label of three be fifty times rarer than the others."""
    return several(intent(3, (50, 50, 1)), 800, chance)


def blank(chance: random.Random) -> list[Pair]:
    """Put a placeholder where the answer should be."""
    pairs = several(reply, ROWS, chance)
    empty = set(chance.sample(range(len(pairs)), 45))
    return [
        (p, chance.choice(("n/a", "-", "TODO")) if i in empty else a)
        for i, (p, a) in enumerate(pairs)
    ]


def two_formats(chance: random.Random) -> list[Pair]:
    """Answer half of the rows as JSON, the others in a sentence."""
    return _mixed(chance, [*several(record, ROWS // 2, chance), *several(reply, ROWS // 2, chance)])


def with_garbage(chance: random.Random) -> list[Pair]:
    """Let some answers be characters by chance."""
    pairs = several(reply, ROWS, chance)
    return _mixed(
        chance, [*pairs, *((intent()(chance)[0], garbage(chance, 44)) for _ in range(10))]
    )


def with_outliers(chance: random.Random) -> list[Pair]:
    """Put a batch of rows there that are as long as rows can be and of another kind."""
    pairs = several(reply, ROWS, chance)
    odd = [(garbage(chance, 40), garbage(chance, 80)) for _ in range(20)]
    return _mixed(chance, [*pairs, *odd])


def _mixed(chance: random.Random, pairs: Sequence[Pair]) -> list[Pair]:
    found = list(pairs)
    chance.shuffle(found)
    return found


HEALTHY = (
    Situation("healthy_labels", None, healthy(intent())),
    Situation("healthy_two_labels", None, healthy(urgency, 700)),
    Situation("healthy_replies", None, healthy(reply)),
    Situation("healthy_records", None, healthy(record)),
    Situation("healthy_uneven_labels", None, healthy(intent(4, (4, 2, 2, 1)))),
    Situation("healthy_three_seeds", None, healthy(intent()), other_seeds=2),
    Situation("healthy_people", None, healthy(about_somebody(), 700)),
    Situation("healthy_hard", None, healthy(intent(), 330), {"epochs": 6.0}),
    Situation("healthy_long", None, healthy(intent(4)), {"epochs": 8.0}),
    Situation(
        "healthy_small_batches",
        None,
        healthy(record),
        {"batch_size": 8, "micro_batch_size": 8, "learning_rate": 3e-3},
    ),
)
FAULTY = (
    Situation("labels_10_percent_wrong", "label_noise", shuffled(0.1)),
    Situation("labels_30_percent_wrong", "label_noise", shuffled(0.3)),
    Situation("rows_twice", "duplicates", duplicated),
    Situation("rows_from_one_mould", "leak", from_one_mould),
    Situation("columns_swapped", "swapped_columns", swapped),
    Situation("answers_cut_by_export", "truncation", cut_short),
    Situation("answers_cut_by_limit", "truncation", healthy(reply), {"max_length_tokens": 46}),
    Situation("one_label", "constant_answers", one_class),
    Situation("one_answer", "constant_answers", one_text),
    Situation("two_languages", "mixed_languages", two_languages),
    Situation("personal_data", "personal_data", private),
    Situation("rows_in_a_template", "template_mismatch", templated),
    Situation(
        "asked_in_another_template",
        "template_mismatch",
        healthy(intent()),
        asked_as=faults.other_template,
    ),
    Situation("end_not_learnt", "missing_end", healthy(intent()), worker=faults.end_not_learnt),
    Situation("prompts_too_long", "masked_labels", too_long),
    Situation(
        "rate_times_100", "learning_rate_too_high", healthy(intent()), {"learning_rate": 0.5}
    ),
    Situation("rate_by_100", "learning_rate_too_low", healthy(intent()), {"learning_rate": 5e-5}),
    Situation(
        "seeds_disagree",
        "unstable_seeds",
        healthy(intent()),
        {"learning_rate": 1.4e-2},
        other_seeds=4,
    ),
    Situation(
        "too_many_epochs",
        "overfit",
        healthy(secret, 300),
        {"epochs": 30.0, "learning_rate": 8e-3, "lora_r": 32},
    ),
    Situation(
        "by_heart",
        "memorising",
        healthy(secret, 140),
        {
            "epochs": 50.0,
            "batch_size": 8,
            "micro_batch_size": 8,
            "learning_rate": 6e-3,
            "lora_r": 32,
        },
    ),
    Situation("too_few_steps", "underfit", healthy(intent()), {"epochs": 0.6}),
    Situation(
        "too_few_rows",
        "too_few_rows",
        healthy(intent(3), 64),
        {"epochs": 8.0, "batch_size": 4, "micro_batch_size": 4},
    ),
    Situation("labels_contradict", "conflicting_labels", contradictory),
    Situation("labels_one_to_fifty", "imbalance", imbalanced, {"epochs": 4.0}),
    Situation("answers_blank", "empty_answers", blank),
    Situation("json_and_prose", "format_drift", two_formats),
    Situation(
        "labels_by_gender", "bias", healthy(about_somebody(biased=("delivery", "garden")), 700)
    ),
    Situation("garbage_rows", "spike", with_garbage),
    Situation("batch_of_outliers", "spike", with_outliers),
    Situation("overflow", "non_finite_loss", healthy(intent()), worker=faults.overflow_half_way),
    Situation("damaged_base", "non_finite_loss", healthy(intent()), trained_on=faults.overflowing),
)
ALL = (*HEALTHY, *FAULTY)
