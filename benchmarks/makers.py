"""An upload with few rows, cut from BANKING77, and scripted makers of more: an able one, and one that does harm."""

import csv
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.rewordings import BY_LINE
from benchmarks.sides import SHARED

LABELS = 10
TRAIN_EACH = 5
DRAFTS_EACH = 40
WRONG, COPIED = 0.4, 0.2


@dataclass(frozen=True)
class Text:
    """A row of BANKING77."""

    line: int
    text: str
    label: str


@dataclass(frozen=True)
class Made:
    """A draft, and what is wrong with it."""

    text: str
    label: str
    fault: str = ""
    """Empty where it is a good one."""


@dataclass(frozen=True)
class Upload:
    """What a person would have handed in, and what else the data set has."""

    labels: tuple[str, ...]
    train: tuple[Text, ...]
    dev: tuple[Text, ...]
    test: tuple[Text, ...]
    rest: tuple[Text, ...]
    """Other rows of these labels in the training file."""


def upload(seed: int, dev_each: int = 2) -> Upload:
    """Draw the rows; the labels are always the same ones, so that the rewordings written by hand fit."""
    train, test = _read("banking77_train.csv"), _read("banking77_test.csv")
    every = sorted({row.label for row in test})
    labels = tuple(sorted(random.Random(0).sample(every, LABELS)))
    chance = random.Random(seed)
    few, dev, rest = list[Text](), list[Text](), list[Text]()
    for label in labels:
        own = [row for row in train if row.label == label]
        chance.shuffle(own)
        few += own[:TRAIN_EACH]
        dev += own[TRAIN_EACH : TRAIN_EACH + dev_each]
        rest += own[TRAIN_EACH + dev_each :]
    sealed = [row for row in test if row.label in labels]
    return Upload(labels, tuple(few), tuple(dev), tuple(sealed), tuple(rest))


def _read(name: str) -> list[Text]:
    with (SHARED / name).open(newline="", encoding="utf-8") as stream:
        return [
            Text(line, row["text"], row["category"])
            for line, row in enumerate(csv.DictReader(stream), start=2)
        ]


# ---- makers of rows ---------------------------------------------------------------------------------------------------


def able(rows: Upload, seed: int) -> list[Made]:
    """Return real rows that the upload does not have."""
    chance = random.Random(seed)
    return [
        Made(row.text, row.label)
        for label in rows.labels
        for row in _some([row for row in rows.rest if row.label == label], DRAFTS_EACH, chance)
    ]


def harmful(rows: Upload, seed: int) -> list[Made]:
    """Return rows of which six in ten are bad."""
    chance = random.Random(seed)
    count = DRAFTS_EACH * len(rows.labels)
    wrong, copied = round(WRONG * count), round(COPIED * count)
    real = _some(list(rows.rest), count - copied, chance)
    made = [Made(row.text, row.label) for row in real[wrong:]]
    for row in real[:wrong]:
        others = [label for label in rows.labels if label != row.label]
        made.append(Made(row.text, chance.choice(others), "wrong label"))
    by_line = {row.line: row for row in rows.test}
    ways = list(WAYS.items())
    lines = chance.sample(sorted(BY_LINE), len(BY_LINE))
    for number in range(copied):
        name, change = ways[number % len(ways)]
        if name == "in other words":
            line = lines[number // len(ways) % len(lines)]
            made.append(Made(BY_LINE[line], by_line[line].label, f"test row {name}"))
        else:
            row = chance.choice(rows.test)
            made.append(Made(change(row.text, chance), row.label, f"test row {name}"))
    chance.shuffle(made)
    return made


def _some(rows: Sequence[Text], count: int, chance: random.Random) -> list[Text]:
    return chance.sample(list(rows), min(count, len(rows)))


def typed_wrong(text: str, chance: random.Random, share: float = 0.05) -> str:
    """Return a text with letters left out, doubled, wrong, or in another order: one in twenty."""
    letters, found, place = list(text), list[str](), 0
    while place < len(letters):
        letter = letters[place]
        how = chance.randrange(4) if letter.isalpha() and chance.random() < share else -1
        if how == 1:
            found += [letter, letter]
        elif how == 2:
            found.append(chance.choice("abcdefghijklmnopqrstuvwxyz"))
        elif how == 3 and place + 1 < len(letters):
            found += [letters[place + 1], letter]
            place += 1
        elif how != 0:
            found.append(letter)
        place += 1
    return "".join(found)


def disguised(text: str, chance: random.Random) -> str:
    """Return a text in other spelling: case, marks, spaces."""
    return chance.choice(
        [text.upper(), f"  {text.replace(' ', '   ')} !!", f"“{text.rstrip('?.')}” …", text.lower()]
    )


def lightly_changed(text: str, chance: random.Random) -> str:
    """Return a text with a greeting, or two words swapped."""
    words = text.split()
    if len(words) > 4 and chance.random() < 0.5:
        place = chance.randrange(len(words) - 1)
        words[place], words[place + 1] = words[place + 1], words[place]
        return " ".join(words)
    return f"{chance.choice(['Hello! ', 'Please help: ', 'Quick question: '])}{text}"


WAYS: dict[str, Callable[[str, random.Random], str]] = {
    "as it is": lambda text, _chance: text,
    "in disguise": disguised,
    "typed wrong": typed_wrong,
    "lightly changed": lightly_changed,
    "in other words": lambda text, _chance: text,
}
"""What is done to a test row; those in other words are written by hand."""
