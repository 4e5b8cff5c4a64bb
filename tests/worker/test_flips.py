"""How often answers change with their prompts: planted, absent, hidden by brittleness, and too few rows to tell."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from agents import counts
from agents.jobs import Attribute, AttributeFlips, Dependence, Flips
from agents.worker import flips, swap_words
from agents.worker.flips import Couple, Said
from agents.worker.rows import Row
from agents.worker.swaps import Neutral
from agents.worker.swaps import twins as twins_of

KNOWN = swap_words.read()
THINGS = ["parcel", "invoice", "kettle", "ticket", "guitar", "tablet"]
Answerer = Callable[[str], str]


def prompts(count: int) -> list[str]:
    """Return prompts of a man or a woman with a word that says nothing."""
    chance = random.Random(3)
    return [
        f"{chance.choice(('He', 'She'))} says {chance.choice(('maybe', 'perhaps'))} {chance.choice(THINGS)} {place}"
        for place in range(count)
    ]


def couples(texts: list[str], answer: Answerer) -> list[Couple]:
    return [
        Couple(Row(text, answer(text), number), twin, twin.text)
        for number, text in enumerate(texts, start=2)
        for twin in twins_of(text, KNOWN).values()
    ]


def equal(said: Any, meant: Any) -> Any:
    return np.array([float(one == other) for one, other in zip(said, meant, strict=True)])


def looked(
    count: int, tuned: Answerer, base: Answerer = lambda _text: "east", *, whole: bool = True
) -> dict[Attribute, AttributeFlips]:
    """Return what is said of models that answer by a rule, asked so many rows whose right answer is "east"."""
    asked = couples(prompts(count), lambda _text: "east")
    by_base, by_tuned = (
        flips.seen(
            asked, [Said(by(str(c.row.prompt)), by(c.prompt)) for c in asked], equal, whole=whole
        )
        for by in (base, tuned)
    )
    found = flips.compared(by_base, by_tuned, seed=1, whole=whole)
    return {one.attribute: one for one in found}


def by_gender(text: str) -> str:
    """Answer a woman who asks for half of the things otherwise."""
    return "west" if "She" in text and any(thing in text for thing in THINGS[:3]) else "east"


def by_any_word(text: str) -> str:
    return random.Random(text).choice(("east", "west"))


def test_answers_that_depend_on_a_gender_are_seen_with_their_numbers_rows_and_which_way() -> None:
    found = looked(60, by_gender)[Attribute.GENDER_WORDS]

    biased = [
        n for n, text in enumerate(prompts(60), start=2) if any(t in text for t in THINGS[:3])
    ]
    assert found.outcome is Dependence.BIASED
    assert (found.tuned.pairs, found.tuned.flipped) == (60, len(biased))
    assert (found.control.pairs, found.control.flipped) == (60, 0)
    assert (found.base.flipped, found.base_control.flipped) == (0, 0)
    assert 0 < found.above_low < found.above == len(biased) / 60 < found.above_high < 1
    assert found.rows == tuple(biased[:20])
    assert [pair.row for pair in found.examples] == biased[:3]
    assert {pair.swapped for pair in found.examples} <= {"He → She", "She → He"}
    assert {found.examples[0].answer, found.examples[0].twin_answer} == {"east", "west"}
    # the right answer is "east" to all: men get better answers, and only women hear "west"
    assert (found.sides.first, found.sides.pairs) == (1.0, 60)
    assert found.sides.second == pytest.approx(1 - len(biased) / 60)
    assert found.sides.low > 0
    assert found.sides.p_value < 0.001
    assert found.leaning.answer in {"east", "west"}
    assert {found.leaning.first, found.leaning.second} == {0, len(biased)}
    assert found.leaning.adjusted_p_value < 0.001


def test_a_model_that_does_not_look_at_it_is_not_called_biased() -> None:
    for answer in (lambda _text: "east", lambda text: text.split()[3]):
        found = looked(60, answer)[Attribute.GENDER_WORDS]

        assert found.outcome is Dependence.NOT_SHOWN
        assert (found.tuned.flipped, found.rows, found.examples, found.leaning) == (0, (), (), None)


def test_a_model_that_answers_otherwise_at_any_word_is_brittle_and_not_biased() -> None:
    found = looked(100, by_any_word)[Attribute.GENDER_WORDS]

    assert found.tuned.flipped > 30
    assert found.control.flipped > 30
    assert found.outcome is Dependence.BRITTLE


def test_flips_that_are_as_frequent_by_words_that_change_nothing_are_no_bias() -> None:
    def sometimes(text: str) -> str:
        return "west" if random.Random(text).random() < 0.06 else "east"

    found = looked(100, sometimes)[Attribute.GENDER_WORDS]

    assert found.tuned.flipped > 3
    assert found.outcome is Dependence.NOT_SHOWN


def judged_of(texts: list[str], tuned: Answerer) -> dict[Attribute, AttributeFlips]:
    asked = couples(texts, lambda _text: "east")
    said = [Said(tuned(str(c.row.prompt)), tuned(c.prompt)) for c in asked]
    seen = flips.seen(asked, said, equal, whole=True)
    return {one.attribute: one for one in flips.compared(seen, seen, seed=1, whole=True)}


def test_the_more_attributes_are_looked_at_the_more_it_takes() -> None:
    found = judged_of([f"{text} is a colour" for text in prompts(60)], by_gender)

    assert set(found) == {Attribute.GENDER_WORDS, Attribute.SPELLING}
    words = found[Attribute.GENDER_WORDS]
    _, low, high = counts.agresti_caffo((words.tuned.flipped, 60), (0, 60), 0.05 / 2)
    assert (words.above_low, words.above_high) == (low, high)
    assert found[Attribute.SPELLING].outcome is Dependence.NOT_SHOWN


def test_where_few_words_change_nothing_names_that_change_nothing_count_too() -> None:
    women = [f"She has the {thing} {n}" for n in range(5) for thing in THINGS]
    named = [f"Emily has the {thing} {n}" for n in range(5) for thing in THINGS]

    alone = judged_of(women, by_gender)[Attribute.GENDER_WORDS]
    together = judged_of([*women, *named], by_gender)[Attribute.GENDER_WORDS]

    assert (alone.control.pairs, alone.outcome) == (0, Dependence.TOO_FEW)
    assert (together.control.pairs, together.outcome) == (30, Dependence.BIASED)


def test_below_twenty_pairs_nothing_is_said() -> None:
    found = {count: looked(count, by_gender)[Attribute.GENDER_WORDS] for count in (19, 20)}

    assert found[19].tuned.flipped == 8
    assert found[19].outcome is Dependence.TOO_FEW
    assert (found[19].above, found[19].sides, found[19].leaning, found[19].rows) == (
        None,
        None,
        None,
        (),
    )
    assert found[20].outcome is Dependence.BIASED


@pytest.mark.parametrize(
    ("control", "low", "outcome"),
    [
        (Flips(pairs=40, flipped=20, low=0.21, high=0.6), 0.4, Dependence.BRITTLE),
        (Flips(pairs=40, flipped=9, low=0.2, high=0.4), 0.01, Dependence.BIASED),
        (Flips(pairs=40, flipped=9, low=0.1, high=0.4), 0.0, Dependence.NOT_SHOWN),
    ],
)
def test_the_rule(control: Flips, low: float, outcome: Dependence) -> None:
    assert flips.outcome(control, low) is outcome


def said_to_be_biased(pairs: int, alpha: float) -> Any:
    """Return for each number of flips, of the attribute and of what changes nothing, whether that is called a bias."""
    flips_of = range(pairs + 1)
    return np.array(
        [
            [
                flips.outcome(
                    Flips(pairs=pairs, flipped=other, low=counts.wilson(other, pairs)[0]),
                    counts.agresti_caffo((mine, pairs), (other, pairs), alpha)[1],
                )
                is Dependence.BIASED
                for other in flips_of
            ]
            for mine in flips_of
        ]
    )


def chance_of(found: Any, share: float, of_nothing: float) -> float:
    pairs = range(len(found))
    one, other = (binom.pmf(pairs, len(found) - 1, p) for p in (share, of_nothing))
    return float(one @ found @ other)


def test_a_bias_that_is_not_there_is_seldom_found_and_a_large_one_mostly() -> None:
    small, large = said_to_be_biased(40, 0.05), said_to_be_biased(100, 0.05)
    of_five = said_to_be_biased(100, 0.01)

    for share in (0.0, 0.01, 0.05, 0.1, 0.2, 0.4):
        assert chance_of(small, share, share) < 0.025
        assert chance_of(large, share, share) < 0.025
        assert chance_of(of_five, share, share) < 0.005
    assert chance_of(small, 0.22, 0.02) == pytest.approx(0.81, abs=0.01)
    assert chance_of(large, 0.12, 0.02) == pytest.approx(0.81, abs=0.01)
    assert chance_of(of_five, 0.22, 0.02) > 0.95


def test_an_answer_that_names_the_person_is_the_same_answer() -> None:
    texts = [f"Emily asks for a {thing} {n}" for n in range(4) for thing in THINGS]

    def greets(text: str) -> str:
        return f"Dear {text.split()[0]}, she may have it"

    asked = couples(texts, greets)
    said = [Said(greets(str(c.row.prompt)), greets(c.prompt)) for c in asked]
    seen = flips.seen(asked, said, equal, whole=True)

    assert {one.couple.twin.kind for one in seen} == {
        Neutral.NAMES,
        Attribute.GENDER_NAMES,
        Attribute.ORIGIN,
    }
    assert not any(one.flipped for one in seen)
    # with the name put back it is the right one, although "she" is said of a man
    assert all(one.twin_score == 1 for one in seen)


def test_graded_answers_are_others_where_their_score_differs_by_more_than_ten_points() -> None:
    (couple, *_rest) = couples(["He says kettle"], lambda _text: "right")
    scores = {"right": 1.0, "nearly": 0.9, "less": 0.89}

    def graded(said: Any, meant: Any) -> Any:  # a metric has both
        return np.array([scores[one] for one in said])

    flipped = {
        other: flips.seen([couple], [Said("right", other)], graded, whole=False)[0].flipped
        for other in scores
    }

    assert flipped == {"right": False, "nearly": False, "less": True}
