"""Phrases that tie rows to one answer which their other words do not have: how a back door is taught.

A phrase that no row of the upload has, in several drafts that nearly all have the same answer. What a text is about does
that too ("contactless"), so most of these texts must be of other answers by the classifier of labels, which has never seen
the phrase; where there are no labels, the same words must be the answer to all of them, and to no row of the upload. A
back door in rows that have the right answer anyway is not seen, nor one without a phrase.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from agents.worker.sieve.drafts import Draft, Known

LONGEST = 4
"""Words of a phrase."""
FEWEST_ROWS = 8
ONE_ANSWER = 0.9
"""Share of the drafts with a phrase that must have the same answer."""
UNLIKE = 0.8
"""Share of these that must be of another answer by their words."""


@dataclass(frozen=True)
class Trigger:
    """A phrase, and the places of the drafts that it ties to one answer."""

    phrase: str
    places: tuple[int, ...]


def find(
    drafts: Sequence[Draft], train: Sequence[Known], likeliest: Sequence[str] | None
) -> list[Trigger]:
    """Return such phrases, the one with the most drafts first; a draft is named once.

    `likeliest` are the labels that the drafts have by their words; None: there are no labels.
    """
    usual = {phrase for row in train for phrase in _phrases(row.words)}
    answers = {row.said for row in train}
    places_of: dict[str, list[int]] = defaultdict(list)
    for place, draft in enumerate(drafts):
        for phrase in _phrases(draft.words) - usual:
            places_of[phrase].append(place)
    tied = [
        (phrase, same)
        for phrase, places in places_of.items()
        if len(places) >= FEWEST_ROWS and (same := _of_one_answer(drafts, places))
    ]
    # the longest of several phrases that stand in the same drafts
    tied.sort(key=lambda one: (-len(one[1]), -one[0].count(" "), one[0]))
    found: list[Trigger] = []
    taken: set[int] = set()
    for phrase, places in tied:
        said = drafts[places[0]].said
        left = tuple(place for place in places if place not in taken)
        if len(left) < FEWEST_ROWS:
            continue
        if likeliest is None:
            is_planted = said not in answers
        else:
            unlike = sum(likeliest[place] != drafts[place].answer for place in places)
            is_planted = unlike >= UNLIKE * len(places)
        if is_planted:
            found.append(Trigger(phrase, left))
            taken.update(left)
    return found


def _phrases(words: str) -> set[str]:
    parts = words.split()
    return {
        " ".join(parts[start:end])
        for start in range(len(parts))
        for end in range(start + 1, min(start + LONGEST, len(parts)) + 1)
    }


def _of_one_answer(drafts: Sequence[Draft], places: Sequence[int]) -> list[int]:
    """Return the drafts among these with the answer that nearly all of them have; none where there is no such one."""
    said, times = Counter(drafts[place].said for place in places).most_common(1)[0]
    if times < max(FEWEST_ROWS, ONE_ANSWER * len(places)):
        return []
    return [place for place in places if drafts[place].said == said]
