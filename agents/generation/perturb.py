"""Training rows as hasty people type them: keys beside the right one, letters left out or doubled, other case and spacing.

Learning from such rows makes a model less brittle (Belinkov & Bisk 2018). Digits, and words with signs in them (addresses,
paths, placeholders), are left alone: a change there would change what is meant. The answer stays as it is.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agents.generation.material import Material, drawn
from agents.generation.seeds import Record
from agents.generation.uses import Uses
from agents.jobs import Strategy

TRIES = 4
"""That a row is changed anew when the change is known already."""
LETTERS_PER_ERROR = 40
MOST_ERRORS = 6
KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
WORD = re.compile(r"(?<!\S)[^\W\d_]{3,}(?=[.,;:!?]?(?:\s|$))")
"""Of letters only, with white space around it."""


@dataclass(frozen=True)
class Made:
    """A row that was made without a language model."""

    record: Record
    seeds: tuple[int, ...]


def rows(
    material: Material, label: str | None, wanted: int, uses: Uses, is_new: Callable[[Record], bool]
) -> Iterator[Made]:
    """Yield so many rows, or fewer where no more new ones can be made. Each is taken before the next one is made."""
    seeds = material.of(label)
    for _ in range(wanted):
        chance = material.chance(uses.place(Strategy.PERTURB, label))
        (seed,) = drawn(seeds, 1, chance, uses.seeds)
        for _try in range(TRIES):
            record = seed.reworded(perturbed(seed.asked, chance))
            if is_new(record):
                yield Made(record, (seed.number,))
                break


def perturbed(text: str, chance: random.Random) -> str:
    """Return a text with errors: one for some letters each, and now and then other case and spacing all over."""
    errors = min(MOST_ERRORS, 1 + len(text) // LETTERS_PER_ERROR)
    for _ in range(chance.randint(1, errors)):
        text = _with_error(text, chance)
    if chance.random() < WHOLE_TEXT:
        text = chance.choice(WHOLE)(text)
    return text


def _with_error(text: str, chance: random.Random) -> str:
    words = list(WORD.finditer(text))
    if not words:
        return text
    word = chance.choice(words)
    changed = chance.choice(ERRORS)(word[0], chance)
    return text[: word.start()] + changed + text[word.end() :]


def _beside(word: str, chance: random.Random) -> str:
    """Hit a key beside the right one."""
    place = chance.randrange(len(word))
    near = NEAR.get(word[place].lower(), word[place])
    return _put(word, place, 1, _cased(chance.choice(near), word[place]))


def _twisted(word: str, chance: random.Random) -> str:
    place = chance.randrange(len(word) - 1)
    return _put(word, place, 2, word[place + 1] + word[place])


def _dropped(word: str, chance: random.Random) -> str:
    return _put(word, chance.randrange(1, len(word)), 1, "")


def _doubled(word: str, chance: random.Random) -> str:
    place = chance.randrange(len(word))
    return _put(word, place, 1, word[place] * 2)


def _put(word: str, place: int, letters: int, instead: str) -> str:
    return word[:place] + instead + word[place + letters :]


def _cased(letter: str, like: str) -> str:
    return letter.upper() if like.isupper() else letter


def _near() -> dict[str, str]:
    """Return, for each letter, those beside it on a keyboard."""
    found = {}
    for row, letters in enumerate(KEYBOARD):
        for place, letter in enumerate(letters):
            beside = [letters[at] for at in (place - 1, place + 1) if 0 <= at < len(letters)]
            for other in (row - 1, row + 1):
                if 0 <= other < len(KEYBOARD):
                    beside += KEYBOARD[other][place : place + 1]
            found[letter] = "".join(beside)
    return found


def _unended(text: str) -> str:
    return text.rstrip(".!?") or text


def _spaced(text: str) -> str:
    return re.sub(r"([,;]) ", r"\1", text)


NEAR = _near()
ERRORS = (_beside, _twisted, _dropped, _doubled)
WHOLE_TEXT = 0.4
"""Share of rows in which something changes all over."""
WHOLE: tuple[Callable[[str], str], ...] = (str.lower, _unended, _spaced)
