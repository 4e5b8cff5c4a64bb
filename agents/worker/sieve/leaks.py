"""Drafts that repeat or reword a row that is held out: what is learnt from them would be measured again.

By words: equal once spelling is taken away, a held-out prompt inside a draft, a long answer, almost the same words, also
typed wrong. By meaning: nearer than rows of the upload are to each other. Nothing of a held-out row is ever said.

How near is too near depends on the upload. Where people ask the same few things, their own rows are rewordings of each
other, and nobody can tell a draft that was taken from one of them; so the bar is what one in twenty rows of the upload has
to its nearest other row. A maker of whose drafts a few are copies has seen held-out rows: then the bar is low.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from agents.worker.checks import contained, near_duplicates
from agents.worker.checks.budget import Budget
from agents.worker.checks.small_words import TURNING_WORDS
from agents.worker.sieve.drafts import Draft, Known
from agents.worker.sieve.vectors import AT_ONCE, Floats, nearest, nearest_other

EQUAL = "it is a held-out row"
HOLDS = "it holds the prompt of a held-out row"
SAYS = "its answer is the one of a held-out row, word for word"
CLOSE = "it is a held-out row in almost the same words"
TYPED = "it is a held-out row with words typed wrong"
REWORDED = "it means what a held-out row means"
QUOTED_WORDS = 6
"""Words of a held-out prompt from which on it counts when it stands inside a draft: shorter ones are said by chance."""
ANSWER_WORDS = 8
"""Words from which on two answers are not the same by chance."""
WORDS_SHARE = 0.8
TRIGRAMS = 2**16
CANDIDATES = 4
"""Held-out rows with the most letters in common that a draft is compared with."""
LEAST_LETTERS = 0.4
"""Cosine of runs of three letters below which two texts are not the same one typed wrong."""
SPELLED = 0.65
"""Share of letters in common from which on a word may be another one typed wrong."""
NEAR = 0.85
"""Cosine of embeddings that two texts need at least to mean the same: 0.89 is usual of a row of BANKING77 in other words."""
USUAL = 0.95
"""Quantile of the upload's own rows that is the bar where it is higher."""
NEAR_OF_A_COPIER = 0.8
FEWEST_COPIES = 5
"""Drafts that are held-out rows, spelling aside, before it is asked whether that is more than chance."""
ERRORS = 3
"""Standard errors by which it must be more often than held-out rows are each other."""


def by_words(
    drafts: Sequence[Draft],
    sealed: Sequence[Known],
    train: Sequence[Known],
    budget: Budget,
    beat: Callable[[], None],
) -> dict[int, str]:
    """Return the places of drafts that share the words of a held-out row, and why."""
    found: dict[int, str] = {}
    looks = (_equal(drafts, sealed), _holding(drafts, sealed), _saying(drafts, sealed, train))
    for look in (*looks, _close(drafts, sealed, budget), _typed(drafts, sealed, beat)):
        for place, why in look:
            found.setdefault(place, why)
        beat()
    return found


def is_copied(drafts: int, sealed: Sequence[Known], found: Mapping[int, str]) -> bool:
    """Tell whether drafts, so many in all, are held-out rows, spelling aside, far more often than these are each other."""
    copies = sum(why == EQUAL for why in found.values())
    if copies < FEWEST_COPIES:
        return False
    usual = 1 - len({row.words for row in sealed}) / len(sealed)
    error = math.sqrt((usual + 1 / len(sealed)) * (1 / len(sealed) + 1 / drafts))
    return copies / drafts > usual + ERRORS * error


def by_meaning(
    drafts: Floats, sealed: Floats, train: Floats, is_copied: bool
) -> tuple[list[int], float]:
    """Return the places of drafts that are as near to a held-out row as none is by chance, and the bar.

    A draft that is at least as near to a training row was made from that one, unless its maker copies.
    """
    near = nearest(drafts, sealed)[1]
    if is_copied:
        return [int(place) for place in np.flatnonzero(near >= NEAR_OF_A_COPIER)], NEAR_OF_A_COPIER
    own = np.concatenate([train, sealed])
    bar = min(0.99, max(NEAR, float(np.quantile(nearest_other(own), USUAL))))
    explained = nearest(drafts, train)[1] >= near
    return [int(place) for place in np.flatnonzero((near >= bar) & ~explained)], bar


def _equal(drafts: Sequence[Draft], sealed: Sequence[Known]) -> Iterator[tuple[int, str]]:
    known = {row.words for row in sealed}
    yield from ((place, EQUAL) for place, draft in enumerate(drafts) if draft.words in known)


def _holding(drafts: Sequence[Draft], sealed: Sequence[Known]) -> Iterator[tuple[int, str]]:
    """Look for whole prompts of held-out rows anywhere in a draft, its answer included."""
    known = {row.words for row in sealed if row.words.count(" ") >= QUOTED_WORDS - 1}
    lengths = sorted({text.count(" ") + 1 for text in known})
    for place, draft in enumerate(drafts):
        for text in (draft.words, draft.said):
            words = text.split()
            runs = (
                " ".join(words[start : start + length])
                for length in lengths
                for start in range(len(words) - length + 1)
            )
            if any(run in known for run in runs):
                yield place, HOLDS


def _saying(
    drafts: Sequence[Draft], sealed: Sequence[Known], train: Sequence[Known]
) -> Iterator[tuple[int, str]]:
    common = {row.said for row in train}
    known = {row.said for row in sealed if row.said.count(" ") >= ANSWER_WORDS - 1} - common
    yield from ((place, SAYS) for place, draft in enumerate(drafts) if draft.said in known)


def _close(
    drafts: Sequence[Draft], sealed: Sequence[Known], budget: Budget
) -> Iterator[tuple[int, str]]:
    """Look for almost the same words by MinHash, and for long runs of words in common."""
    rows = [*sealed, *drafts]
    prompts, answers = [row.words for row in rows], [row.said for row in rows]
    twins: dict[str, list[int]] = {}
    for place, draft in enumerate(drafts):
        twins.setdefault(draft.words, []).append(place)
    alike = (
        pair
        for pair in near_duplicates.close_pairs(prompts, answers, budget.part(WORDS_SHARE))
        if pair.likeness >= near_duplicates.ALIKE
    )
    for pairs in (alike, contained.contained_pairs(prompts, answers, budget)):
        for pair in pairs:
            if pair.first < len(sealed) <= pair.second:
                yield from ((place, CLOSE) for place in twins[prompts[pair.second]])


def _typed(
    drafts: Sequence[Known], sealed: Sequence[Known], beat: Callable[[], None]
) -> Iterator[tuple[int, str]]:
    """Compare drafts, spelled as the held-out rows with the most letters in common spell them, with these.

    No row is compared with itself.
    """
    prompts, answers = [row.words for row in sealed], [row.said for row in sealed]
    pairs, owners = [], []
    for place, candidates in enumerate(_lettered_alike([d.words for d in drafts], prompts, beat)):
        for candidate in candidates:
            if drafts[place] is sealed[candidate]:
                continue
            owners.append(place)
            pairs.append((candidate, len(prompts)))
            prompts.append(respelled(drafts[place].words, sealed[candidate].words))
            answers.append(drafts[place].said)
    # one text may be respelled in several ways: whose it is, is told by its place
    for pair in near_duplicates.compared(prompts, answers, pairs):
        if pair.likeness >= near_duplicates.ALIKE:
            yield owners[pair.second - len(sealed)], TYPED


def respelled(text: str, like: str) -> str:
    """Return a text with each word that the other one does not have replaced by the one of its words that is spelled like it.

    Numbers are never replaced, nor words that turn a sentence round: "order 17" is not "order 18", "can" not "cannot".
    """
    known = [word for word in like.split() if _is_plain(word)]
    kept = {*like.split()}
    spelled = []
    for word in text.split():
        is_odd = word not in kept and _is_plain(word)
        match = get_close_matches(word, known, 1, SPELLED) if is_odd else []
        spelled.append(match[0] if match else word)
    return " ".join(spelled)


def _is_plain(word: str) -> bool:
    return word not in TURNING_WORDS and not any(map(str.isdigit, word))


def _lettered_alike(
    texts: Sequence[str], others: Sequence[str], beat: Callable[[], None]
) -> Iterator[list[int]]:
    """Yield for each text the places of the others with the most runs of three letters in common."""
    from sklearn.feature_extraction.text import HashingVectorizer

    runs = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 3), n_features=TRIGRAMS)
    known = runs.transform(others).T
    for start in range(0, len(texts), AT_ONCE):
        likeness: NDArray[np.float64] = (
            runs.transform(texts[start : start + AT_ONCE]) @ known
        ).toarray()
        best = np.argsort(-likeness, axis=1)[:, :CANDIDATES]
        for row, places in zip(likeness, best, strict=True):
            yield [int(place) for place in places if row[place] >= LEAST_LETTERS]
        beat()
