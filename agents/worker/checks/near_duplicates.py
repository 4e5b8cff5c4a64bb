"""Rows that say the same in almost the same words: candidates by MinHash, then compared word by word.

Two prompts are close when their words overlap: how much is asked for depends on their answers, since the same rare
answer is evidence that two prompts mean the same, and another answer is evidence that they do not. Numbers, and words
such as "not", must agree: "order 17" and "order 18" are two things however alike the rest is.
"""

import math
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from agents.worker.checks.budget import Budget
from agents.worker.checks.close import Close
from agents.worker.checks.small_words import SMALL_WORDS, TURNING_WORDS
from agents.worker.checks.texts import words_of

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core, and no address space for others
os.environ.setdefault("RAYON_NUM_THREADS", "1")

import numpy as np  # reads the variables above once, when it is loaded
from numpy.typing import NDArray
from rensa import RMinHash

CHECK = "rows that are almost the same"
"""What a person is told was left unchecked."""
MOST_ROWS = 200_000
"""Rows that are compared; of more, the first so many."""
SAME_RARE_ANSWER = 0.65
"""Share of the words that two prompts must have in common when they have the same answer and few others have it."""
BARELY_ALIKE = 0.6
"""Less than that also will do for them when ALL_WORDS of their words agree: one synonym in a short question."""
SAME_ANSWER = 0.75
"""The same for an answer that is common, such as "yes"."""
OTHER_ANSWER = 0.9
"""The same where the answers differ."""
ALL_WORDS = 0.7
"""Where the answers differ, the words without a meaning of their own ("how", "why") must agree to this degree too."""
ALIKE = 0.8
"""From here on a row with the same answer is a near duplicate that may be dropped."""
RARE_SHARE = 0.05
"""An answer of at most this share of the rows is rare."""
COMMON = 0.01
"""Words in fewer of the prompts than this weigh about the same: a synonym is often a rare word."""
FEWEST_WORDS = 3
"""Shorter prompts are compared as they are, without their small words left out."""
MOST_WORDS = 400
"""Of one prompt are compared."""
BANDS, BAND_ROWS = 32, 4
"""128 hashes: of two prompts with 65 % of their words in common 99.7 % become candidates, with 30 % every fourth."""
NEIGHBOURS = 4
"""Rows with which one is compared in each band: in a crowd of equals a chain suffices."""
CHUNK = 20_000
SEED = 42
LEAST_ESTIMATE = 0.5
"""Share of equal hashes; chance moves it by 0.04, so that hardly a pair of 60 % falls below."""

Words = frozenset[str]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A prompt, ready to be compared; hundreds of thousands are held, so each word is one string and stands in one set."""

    text: str
    content: Words
    guard: tuple[str, ...]
    """Numbers and turning words, sorted."""

    @property
    def every(self) -> Words:
        """All words, made anew each time: few pairs are compared by them."""
        return frozenset(map(_stem, words_of(self.text)[:MOST_WORDS]))


def close_pairs(prompts: Sequence[str], answers: Sequence[str], budget: Budget) -> Iterator[Close]:
    """Yield rows whose normalised prompts differ and are close, within the budget."""
    if len(prompts) > MOST_ROWS:
        budget.stop(CHECK, f"rows after the first {MOST_ROWS:,}")
    first_of: dict[str, int] = {}
    for place, text in enumerate(prompts[:MOST_ROWS]):
        first_of.setdefault(text, place)
    places = [place for text, place in first_of.items() if text]
    judge = _Judge(places, [_prepared(prompts[place]) for place in places], answers)
    candidates = _candidates(judge.prompts, budget)
    for number, (left, right) in enumerate(candidates):
        if number % CHUNK == 0 and budget.spent():
            budget.stop(CHECK, "part of the pairs of similar rows")
            break
        if (found := judge.compare(left, right)) is not None:
            yield found


def compared(
    prompts: Sequence[str], answers: Sequence[str], pairs: Iterable[tuple[int, int]]
) -> Iterator[Close]:
    """Yield those of some pairs of rows, by their places, that are close: candidates that were found in another way."""
    judge = _Judge(list(range(len(prompts))), [_prepared(text) for text in prompts], answers)
    for left, right in pairs:
        if (found := judge.compare(left, right)) is not None:
            yield found


@dataclass(frozen=True)
class _Judge:
    """Compares prompts that differ, word by word."""

    places: list[int]
    prompts: list[_Prompt]
    answers: Sequence[str]

    @cached_property
    def _weights(self) -> dict[str, float]:
        """Say how much a word tells: one that stands in every prompt, as in a template, tells little."""
        times = Counter(word for prompt in self.prompts for word in prompt.content)
        rows = len(self.prompts)
        return {w: math.log(1 + rows / (count + rows * COMMON)) for w, count in times.items()}

    def _likeness(self, one: Words, other: Words) -> float:
        common = sum(map(self._weights.__getitem__, one & other))
        return (
            common / (common + sum(map(self._weights.__getitem__, one ^ other))) if common else 0.0
        )

    @cached_property
    def _rare(self) -> frozenset[str]:
        most = max(2, len(self.answers) * RARE_SHARE)
        return frozenset(text for text, times in Counter(self.answers).items() if times <= most)

    def compare(self, left: int, right: int) -> Close | None:
        """Return the two as close, or None."""
        one, other = self.prompts[left], self.prompts[right]
        if one.guard != other.guard:
            return None
        likeness = self._likeness(one.content, other.content)
        if likeness < BARELY_ALIKE:
            return None
        first, second = sorted((self.places[left], self.places[right]))
        same = same_answer(self.answers[first], self.answers[second])
        bar = SAME_ANSWER if same else OTHER_ANSWER
        if same and self.answers[first] in self._rare:
            bar = SAME_RARE_ANSWER if likeness >= SAME_RARE_ANSWER else BARELY_ALIKE
        strict = not same or bar == BARELY_ALIKE
        if strict and _jaccard(one.every, other.every) < ALL_WORDS:
            return None
        # equal but for small words is a little less than equal
        return Close(first, second, min(likeness, 0.99), same) if likeness >= bar else None


def _prepared(text: str) -> _Prompt:
    words = words_of(text)[:MOST_WORDS]
    guard = sorted(w for w in words if w in TURNING_WORDS or any(map(str.isdigit, w)))
    stems = [sys.intern(_stem(word)) for word in words]
    content = [word for word in stems if word not in SMALL_WORDS]
    told = content if len(content) >= FEWEST_WORDS else stems
    return _Prompt(text, frozenset(told), tuple(map(sys.intern, guard)))


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] != "s" else word


def _jaccard(one: Words, other: Words) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common) if common else 0.0


def same_answer(one: str, other: str) -> bool:
    """Tell whether two normalised answers say the same: equal, or long and mostly of the same words."""
    if one == other:
        return True
    if min(len(one), len(other)) < 20:  # labels and codes: close is not the same
        return False
    left, right = _prepared(one), _prepared(other)
    return left.guard == right.guard and _jaccard(left.content, right.content) >= ALIKE


# ---- candidates -----------------------------------------------------------------------------------------------------


def _candidates(prompts: Sequence[_Prompt], budget: Budget) -> Iterator[tuple[int, int]]:
    """Yield pairs that may be close, each once; fewer when the budget is spent."""
    if len(prompts) < 2:
        return
    digests = _digests(prompts, budget)
    guards = _guard_keys(prompts)[: len(digests)]
    found: list[Places] = [np.empty(0, dtype=np.int64)]
    estimates: list[NDArray[np.float64]] = [np.empty(0)]
    for band in range(BANDS):
        if budget.spent():
            budget.stop(CHECK, "part of the pairs of similar rows")
            break
        fresh = _neighbours(digests, guards, band)
        shares = _estimates(digests, fresh)
        found.append(fresh[shares >= LEAST_ESTIMATE])
        estimates.append(shares[shares >= LEAST_ESTIMATE])
    codes = np.concatenate(found)
    # the most alike first: what there is no time for is the least alike
    order = np.lexsort((codes, -np.concatenate(estimates)))
    codes = codes[order]
    for code in codes[np.append(codes[1:] != codes[:-1], True)[: len(codes)]]:
        left, right = divmod(int(code), len(digests))
        yield left, right


def _digests(prompts: Sequence[_Prompt], budget: Budget) -> NDArray[np.uint32]:
    """Return one row of 128 hashes per prompt; of fewer prompts when the budget is spent."""
    parts: list[NDArray[np.uint32]] = []
    waiting = iter(prompts)
    while chunk := list(islice(waiting, CHUNK)):
        if parts and budget.spent():
            budget.stop(CHECK, f"rows after the first {len(parts) * CHUNK:,}")
            break
        # sorted: sets of strings have another order in each process
        matrix = RMinHash.digest_matrix_from_token_sets(
            [sorted(prompt.content) for prompt in chunk], BANDS * BAND_ROWS, SEED
        )
        parts.append(np.array(matrix.to_rows(), dtype=np.uint32))
    return np.concatenate(parts)


def _guard_keys(prompts: Sequence[_Prompt]) -> NDArray[np.uint64]:
    known: dict[tuple[str, ...], int] = {}
    keys = [known.setdefault(prompt.guard, len(known)) for prompt in prompts]
    return np.array(keys, dtype=np.uint64)


def _neighbours(digests: NDArray[np.uint32], guards: NDArray[np.uint64], band: int) -> Places:
    """Return pairs with the same hashes in one band and the same guard, coded as left * rows + right."""
    begin = band * BAND_ROWS
    key = guards.copy()
    for column in range(begin, begin + BAND_ROWS):
        key = key * np.uint64(0x9E3779B97F4A7C15) + digests[:, column]
    after = (begin + BAND_ROWS) % digests.shape[1]
    order = np.lexsort((digests[:, after], key))  # within a band the more alike stand together
    codes = []
    for step in range(1, min(NEIGHBOURS + 1, len(order))):
        equal = key[order[step:]] == key[order[:-step]]
        ends = np.sort(np.stack([order[:-step][equal], order[step:][equal]]), axis=0)
        codes.append(ends[0] * len(digests) + ends[1])
    return np.concatenate(codes)


def _estimates(digests: NDArray[np.uint32], codes: Places) -> NDArray[np.float64]:
    """Return the share of equal hashes of each pair."""
    shares = np.empty(len(codes))
    for begin in range(0, len(codes), CHUNK):
        left, right = np.divmod(codes[begin : begin + CHUNK], len(digests))
        shares[begin : begin + CHUNK] = (digests[left] == digests[right]).mean(axis=1)
    return shares
