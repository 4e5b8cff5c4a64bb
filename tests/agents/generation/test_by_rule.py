import random

import pytest

from agents.generation import perturb, recombine
from agents.generation.material import Material, drawn
from agents.generation.seeds import seeds_of
from agents.generation.uses import Uses
from agents.jobs import Strategy
from tests.agents.generation.job import LABELS, labelled, terms


def material(rows, **more):
    return Material(terms(Strategy.PERTURB, **more), seeds_of(rows))


def test_errors_are_those_of_a_keyboard_and_the_same_by_the_same_lot():
    text = "Where is the replacement card that I ordered in March?"

    found = [perturb.perturbed(text, random.Random(lot)) for lot in range(200)]

    assert found == [perturb.perturbed(text, random.Random(lot)) for lot in range(200)]
    assert sum(one != text for one in found) > 190
    assert len(set(found)) > 150
    assert max(abs(len(one) - len(text)) for one in found) <= 3
    assert perturb.NEAR["g"] == "fhtb"


@pytest.mark.parametrize(
    "kept", ["17", "DE89", "me@example.org", "/srv/data", "{name}", "<b>", "A-12", "42,5"]
)
def test_numbers_addresses_and_placeholders_are_left_alone(kept):
    text = f"Please look at {kept} before tomorrow morning, thanks"

    found = [perturb.perturbed(text, random.Random(lot)) for lot in range(100)]

    assert all(kept.lower() in one.lower() for one in found)
    assert len(set(found)) > 50


def test_text_without_a_word_is_left_alone():
    assert {perturb.perturbed("12 + 34 = 46", random.Random(lot)) for lot in range(50)} == {
        "12 + 34 = 46"
    }


def test_rows_are_put_together_anew_from_rows_of_the_same_answer():
    rows = labelled(10)
    some = material(rows)

    made = list(recombine.rows(some, None, 40, Uses(), lambda _record: True))

    known = {row["row"]: row for row in rows}
    assert len(made) == 40
    for one in made:
        first, other = (known[number] for number in one.seeds)
        assert first["completion"] == other["completion"] == one.record["completion"]
        words = set(first["prompt"].split()) | set(other["prompt"].split())
        assert set(one.record["prompt"].split()) <= words


def test_a_slot_takes_the_filling_of_another_row():
    rows = [
        {"row": 1, "prompt": "please block my debit card today", "completion": "block"},
        {"row": 2, "prompt": "kindly block my credit card", "completion": "block"},
        {"row": 3, "prompt": "block my savings card please", "completion": "other"},
    ]

    made = recombine.rows(material(rows), None, 50, Uses(), lambda _record: True)

    texts = {one.record["prompt"] for one in made}
    assert "please block my credit card today" in texts
    assert not any("savings" in text for text in texts)


def test_it_ends_where_nothing_new_can_be_made():
    rows = labelled(3)[:2]

    assert list(recombine.rows(material(rows), None, 9, Uses(), lambda _record: False)) == []
    assert list(perturb.rows(material(rows), None, 9, Uses(), lambda _record: False)) == []


def test_seeds_are_drawn_unlike_each_other_and_in_turns():
    some = material(labelled(10))
    seeds = some.of(LABELS[0])
    uses = Uses()

    for lot in range(5):
        found = drawn(seeds, 4, random.Random(lot), uses.seeds)
        assert len({seed.number for seed in found}) == 4

    assert set(uses.seeds.values()) == {2}
    near = [
        {"row": 1, "prompt": "where is my card", "completion": "a"},
        {"row": 2, "prompt": "where is my new card", "completion": "a"},
        {"row": 3, "prompt": "what does a transfer cost", "completion": "a"},
    ]
    pairs = [drawn(seeds_of(near), 2, random.Random(lot), Uses().seeds) for lot in range(20)]
    assert all({1, 2} != {seed.number for seed in pair} for pair in pairs)
