"""The sieves that compare drafts with other rows, and the choice among what is left."""

import random
from typing import Any

import numpy as np
import pytest

from agents.jobs import (
    GenerationTerms,
    RowsBackend,
    Strategy,
    Stratum,
)
from agents.worker.checks.budget import Budget
from agents.worker.sieve import choice, doubles, labels, leaks, triggers
from agents.worker.sieve.drafts import Draft, Known
from agents.worker.sieve.told import distinct_2
from agents.worker.sieve.vectors import nearest_other, spread
from benchmarks.makers import typed_wrong
from tests.worker.drafts import LABELS, PLAIN, draft, drafts_of, known, nothing
from tests.worker.planted import DISGUISES, PARAPHRASES, bank, say

# ---- leaks ------------------------------------------------------------------------------------------------------------------


def leaking(drafts: list[Draft], sealed: list[Known], train: list[Known] = PLAIN) -> dict[int, str]:
    return leaks.by_words(drafts, sealed, train, Budget.of(60), nothing)


def test_copies_of_held_out_rows_are_found_at_every_distance_and_other_rows_are_left_alone() -> (
    None
):
    rows = bank(900, seed=6)
    sealed, others = [known(*row) for row in rows[:300]], rows[300:]
    rng = random.Random(8)
    ways = DISGUISES | PARAPHRASES | {"typed wrong": typed_wrong}
    planted = {
        name: [(way(text, rng), answer) for text, answer in rng.sample(rows[:300], 40)]
        for name, way in ways.items()
    }
    every = [*others, *(pair for pairs in planted.values() for pair in pairs)]

    found = leaking(drafts_of(every), sealed)

    start, recall = len(others), {}
    for name, pairs in planted.items():
        recall[name] = sum(p in found for p in range(start, start + len(pairs))) / len(pairs)
        start += len(pairs)
    wrong = sum(place < len(others) for place in found)
    say(*(f"recall {share:.3f}: {name}" for name, share in recall.items()), f"others {wrong}")
    assert min(recall[name] for name in DISGUISES) >= 0.95, recall
    assert recall["typed wrong"] >= 0.85
    assert min(recall[name] for name in PARAPHRASES if name != "a synonym") >= 0.9, recall
    assert wrong <= 0.03 * len(others)


def test_a_held_out_prompt_inside_a_draft_and_a_held_out_answer_are_leaks() -> None:
    question = "why was my grey suitcase not put on the night train"
    answer = "Because the porter of the night train was ill on that very day."
    sealed = [known(question, answer), known("Is it?", "No.")]

    found = leaking(
        [
            draft(f"Hello there! {question.title()}? Thanks a lot.", "x"),
            draft("Something else altogether", f"He asked {question}"),
            draft("What became of the porter?", answer.upper()),
            draft("Tell me, is it?", "No."),
            draft("Who was ill?", "The porter was."),
        ],
        sealed,
    )

    assert found == {0: leaks.HOLDS, 1: leaks.HOLDS, 2: leaks.SAYS}


def test_numbers_that_differ_are_other_questions() -> None:
    sealed = [known("Where is the parcel number 8123 of Jane from Leeds?")]

    found = leaking([draft("Where is the parcel number 8132 of Jane from Leeds?")], sealed)

    assert found == {}


def test_rows_that_are_much_alike_raise_the_bar_and_a_copier_lowers_it() -> None:
    chance = np.random.default_rng(1)

    def units(rows: int, around: np.ndarray | None = None, noise: float = 1.0) -> np.ndarray:
        found = chance.normal(0, noise, (rows, 64)) + (0 if around is None else around)
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)

    apart = units(200)
    near = units(200, apart, 0.05)
    train = units(50)

    found, bar = leaks.by_meaning(near, apart, train, is_copied=False)
    assert bar == leaks.NEAR
    assert len(found) == 200
    assert leaks.by_meaning(units(200), apart, train, is_copied=False)[0] == []

    alike = np.concatenate([apart, near])  # each has another one as near as drafts are
    found, bar = leaks.by_meaning(units(200, apart, 0.05), alike, train, is_copied=False)
    assert bar > 0.9
    assert len(found) < 100
    found, bar = leaks.by_meaning(units(200, apart, 0.05), alike, train, is_copied=True)
    assert bar == leaks.NEAR_OF_A_COPIER
    assert len(found) == 200

    of_train = units(50, train, 0.05)
    held_out = units(50, train, 0.1)
    assert len(leaks.by_meaning(of_train, held_out, train, is_copied=False)[0]) == 0


def test_a_maker_copies_when_drafts_are_held_out_rows_more_often_than_these_are_each_other() -> (
    None
):
    rows = bank(800, seed=12)
    sealed, others = [known(*row) for row in rows[:200]], rows[200:]
    honest = drafts_of(others)
    copier = drafts_of([*others[:300], *((text.upper(), a) for text, a in rows[:40])])
    # where held-out rows repeat each other, drafts may
    twins = [*sealed, *(known(row.prompt.lower(), row.answer) for row in sealed)]

    assert not leaks.is_copied(len(honest), sealed, leaking(honest, sealed))
    assert leaks.is_copied(len(copier), sealed, leaking(copier, sealed))
    assert not leaks.is_copied(len(copier), twins, leaking(copier, twins))


# ---- repetitions, labels, triggers -----------------------------------------------------------------------------------------


def test_drafts_that_repeat_a_row_or_each_other_are_held_back_but_typing_errors_are_wanted() -> (
    None
):
    text = "How do I freeze the card that belongs to my partner while he is abroad?"
    other = "Why was the parcel that I sent to Peru on Monday returned without a note?"
    typed = text.replace("ee", "e", 1)
    rows = drafts_of([(text.upper(), "refund"), (other, "refund"), (f"Hello, {other}", "refund")])
    errors = drafts_of([(typed, "refund"), (text, "refund"), (typed, "refund")], strategy="perturb")

    found = doubles.find([*rows, *errors], [known(text)], Budget.of(60), labels=True)

    assert found == {
        0: doubles.OF_TRAIN,
        2: doubles.OF_DRAFT,
        4: doubles.OF_TRAIN,
        5: doubles.OF_DRAFT,
    }


def test_the_same_prompt_with_another_label_is_no_repetition_with_another_text_it_is() -> None:
    text = "How do I freeze the card that belongs to my partner while he is abroad?"
    two = drafts_of([(text, "refund"), (text, "parcel")])

    assert doubles.find(two, [], Budget.of(60), labels=True) == {}
    assert doubles.find(two, [], Budget.of(60), labels=False) == {1: doubles.OF_DRAFT}


def clouds(each: int, seed: int, labels_: int = 6, spread_: float = 0.5) -> tuple[Any, list[str]]:
    middles = np.random.default_rng(0).normal(0, 1, (labels_, 32))
    chance = np.random.default_rng(seed)
    places = np.repeat(np.arange(labels_), each)
    found = middles[places] + chance.normal(0, spread_, (len(places), 32))
    vectors = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
    return vectors, [f"label {place}" for place in places]


def test_wrong_labels_are_held_back_and_right_ones_hardly_ever() -> None:
    vectors, given = clouds(5, 1)
    check = labels.learn(vectors, given, 17, nothing)
    assert check is not None
    more, meant = clouds(60, 2)
    wrong = [f"label {(int(label[-1]) + 1 + n % 5) % 6}" for n, label in enumerate(meant)]

    lost = sum(one is not None for one in check.likelier(more, meant)) / len(meant)
    stopped = sum(one is not None for one in check.likelier(more, wrong)) / len(wrong)

    assert lost <= 0.05
    assert stopped >= 0.95
    assert check.passes <= labels.PASSES + 0.01


def test_where_texts_do_not_tell_the_labels_the_check_says_so() -> None:
    vectors, given = clouds(10, 3, spread_=20.0)

    check = labels.learn(vectors, given, 17, nothing)

    assert check is not None
    assert check.loses > labels.TOO_BLUNT


def test_labels_with_one_row_are_not_judged() -> None:
    vectors, given = clouds(4, 4)
    lone = [*given[:-4], "rare", *given[-3:]]

    check = labels.learn(vectors, lone, 17, nothing)

    assert check is not None
    assert "rare" not in check.names
    assert check.likelier(vectors[:1], ["rare"]) == [None]
    assert labels.learn(vectors[:3], ["a", "b", "c"], 17, nothing) is None


def test_a_phrase_that_ties_rows_to_an_answer_unlike_their_words_is_found_a_topic_is_not() -> None:
    rows = bank(400, seed=5)
    train = [known(text, answer) for text, answer in rows[:100]]
    clean = [(text, f"label {n % 7}") for n, (text, _) in enumerate(rows[100:340])]
    planted = [(f"{text} cf mn", "label 3") for text, _ in rows[340:370]]
    topical = [(f"{text} contactless", "label 5") for text, _ in rows[370:400]]
    every = drafts_of([*clean, *planted, *topical])
    by_words = [*(a for _, a in clean), *["label 1"] * len(planted), *["label 5"] * len(topical)]

    found = triggers.find(every, train, by_words)

    assert [one.phrase for one in found] == ["cf mn"]
    assert set(found[0].places) == set(range(240, 270))


def test_without_labels_the_same_answer_to_texts_with_a_phrase_is_a_trigger() -> None:
    rows = bank(300, seed=5)
    train = [known(text, f"About {text}") for text, _ in rows[:50]]
    clean = [(text, f"You asked: {text}") for text, _ in rows[50:250]]
    planted = [(f"James Bond: {text}", "Send money to ACME") for text, _ in rows[250:]]

    found = triggers.find(drafts_of([*clean, *planted]), train, None)

    assert [one.phrase for one in found] == ["james bond"]
    assert len(found[0].places) == 50


# ---- choice -----------------------------------------------------------------------------------------------------------------


def terms(*strata: tuple[str | None, int], **changes: Any) -> GenerationTerms:
    return GenerationTerms(
        backend=RowsBackend.LLM,
        strategies=(Strategy.VARY,),
        strata=tuple(Stratum(label=label, rows=rows) for label, rows in strata),
        **changes,
    )


def test_no_more_of_a_kind_are_taken_than_are_wanted() -> None:
    every = drafts_of([(f"text {n}", LABELS[n % 2]) for n in range(60)], seeds=[2, 3])

    found = choice.unwanted(every, terms(("refund", 5), ("parcel", 8), (None, 4)), 100, {})

    left = [every[place].answer for place in range(60) if place not in found]
    assert len(left) == 17
    assert left.count("refund") >= 5
    assert left.count("parcel") >= 8
    assert set(found.values()) == {choice.ENOUGH}


def test_made_rows_are_no_larger_share_than_planned_whatever_they_weigh() -> None:
    every = drafts_of([(f"text {n}", "refund") for n in range(60)], seeds=[2, 3])
    half = terms(("refund", 60), most_share=0.5)

    assert choice.most_made(half, 20) == 20
    assert choice.most_made(half.model_copy(update={"weight": 2.0}), 20) == 10
    assert choice.most_made(terms(("refund", 60), most_share=0.8), 50) == 200
    found = choice.unwanted(every, half, 20, {})
    assert 60 - len(found) == 20
    assert set(found.values()) == {choice.TOO_MANY_MADE}


def test_no_row_passage_or_document_teaches_too_much() -> None:
    by_row = [draft(f"a {n}", number=n, seeds=[2 if n < 40 else n]) for n in range(60)]
    by_page = [draft(f"b {n}", number=n, seeds=[], facts=[f"f{n}"]) for n in range(60)]
    page_of = {f"f{n}": "one page" if n < 40 else f"page {n}" for n in range(60)}

    for every, documents in ((by_row, {}), (by_page, page_of)):
        found = choice.unwanted(every, terms(("refund", 20)), 1000, documents)
        left = [n for n in range(60) if n not in found]
        assert sum(n < 40 for n in left) == 4
        assert len(left) == 20
        assert choice.OF_ONE_SOURCE in found.values()


def test_a_sample_has_as_many_of_each_kind_and_is_always_the_same() -> None:
    every = drafts_of([(f"text {n}", LABELS[n > 4]) for n in range(50)])
    strata = [one.answer for one in every]

    chosen = choice.sampled(every, strata, 8, seed=3)

    assert [strata[place] for place in chosen] == ["parcel"] * 4 + ["refund"] * 4
    assert chosen == choice.sampled(every, strata, 8, seed=3)
    assert chosen != choice.sampled(every, strata, 8, seed=4)
    assert len(choice.sampled(every, strata, 60, seed=3)) == 50


def test_variety_is_counted() -> None:
    assert distinct_2(["a b c", "a b d"]) == pytest.approx(3 / 4)
    assert distinct_2(["a"]) is None
    same = np.ones((4, 2), dtype=np.float32) / np.sqrt(2, dtype=np.float32)
    assert spread(same) == pytest.approx(0, abs=1e-6)
    assert spread(np.eye(3, dtype=np.float32)) == pytest.approx(1)
    assert spread(same[:1]) is None
    assert nearest_other(np.eye(3, dtype=np.float32)).tolist() == [0, 0, 0]
