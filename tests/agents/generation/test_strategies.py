import re

import pytest

from agents.generation import cited, evolve, from_facts, persona, prefer, vary
from agents.generation.limits import why_not
from agents.generation.material import Material
from agents.generation.seeds import seeds_of
from agents.generation.uses import Uses
from agents.jobs import WITHOUT_MODEL, Strategy, Stratum
from tests.agents.generation.job import FACTS, LABELS, labelled, made, opened, spec, terms
from tests.generators import POOL, Capable

PAIRS = [
    {"row": n, "prompt": f"q {n}", "chosen": f"good {n}", "rejected": "bad"} for n in range(1, 5)
]
TEXTS = [{"row": n, "text": f"Some text number {n} about cards."} for n in range(1, 5)]


def material(rows, *strategies, facts=(), strata=None):
    told = terms(*(strategies or (Strategy.VARY,)), strata=strata or (Stratum(rows=4),))
    return Material(told, seeds_of(rows), facts=tuple(facts))


def test_prompts_of_one_label_are_not_alike():
    some = material(labelled(5), strata=(Stratum(label=LABELS[0], rows=9),))

    for way in (vary.questions, evolve.questions):
        asked = way(some, LABELS[0], 20, Uses())
        assert len({question.task + question.data for question in asked}) >= 16


def test_a_persona_meets_a_branch_by_lot_and_the_tree_is_asked_for_once(tmp_path):
    tree = persona.Tree(("A nurse.", "A student."), ("cards: lost", "cards: late", "money: gone"))
    some = material(labelled(5), strata=(Stratum(label=LABELS[0], rows=9),))

    asked = persona.questions(some, LABELS[0], 40, Uses(), tree)

    met = {(dict(q.parts)["The person"], dict(q.parts)["The branch"]) for q in asked}
    assert len(met) == 6
    heard = []

    class Listening(Capable):
        def rows(self, asked):
            heard.append(asked.fields)
            return super().rows(asked)

    told = spec(tmp_path, terms(Strategy.PERSONA, rows=20))
    made(tmp_path, told, Listening(POOL))
    made(tmp_path, told, Listening(POOL))
    assert heard.count(("persona",)) == heard.count(("topic", "branch")) == 1


def test_without_a_tree_nobody_asks_as_somebody_else(tmp_path):
    class Treeless(Capable):
        def rows(self, asked):
            return [] if "persona" in asked.fields else super().rows(asked)

    result, _drafts = made(
        tmp_path, spec(tmp_path, terms(Strategy.PERSONA, Strategy.VARY)), Treeless(POOL)
    )

    assert [strategy for strategy, _rows in result.by_strategy] == [Strategy.VARY]
    assert "no tree of people and topics" in result.notes[0]


def test_words_that_do_not_stand_in_the_passage_support_nothing():
    passage = FACTS[0].text

    assert from_facts.quoted("REPLACEMENT card, is sent", passage)
    assert not from_facts.quoted("replacement card is lost", passage)
    assert not from_facts.quoted("five euros", passage)
    assert not from_facts.quoted("placement card is sent", passage)


@pytest.mark.parametrize("strategy", [Strategy.FROM_FACTS, Strategy.CITED])
def test_an_answer_that_no_passage_supports_is_no_row(tmp_path, strategy):
    class Inventing(Capable):
        def rows(self, asked):
            return [row | {"quote": "a card costs nothing at all"} for row in super().rows(asked)]

    wanted = terms(strategy, strata=(Stratum(rows=3),))
    told = spec(tmp_path, wanted, opened(), facts=FACTS)

    result, drafts = made(tmp_path, told, Inventing(POOL))

    assert drafts == []
    assert result.unusable > 3


def test_each_passage_is_asked_about_twice_at_most(tmp_path):
    some = material(opened(), Strategy.FROM_FACTS, facts=FACTS)
    uses = Uses()

    first = from_facts.questions(some, None, 6, uses)
    more = from_facts.questions(some, None, 6, uses)

    assert sorted(fact for q in [*first, *more] for fact in q.facts) == [
        "f1",
        "f1",
        "f2",
        "f2",
        "f3",
        "f3",
        "f4",
        "f4",
    ]


def test_a_row_with_passages_holds_the_right_one_among_others_and_names_it(tmp_path):
    wanted = terms(Strategy.CITED, strata=(Stratum(rows=8),))

    _result, drafts = made(tmp_path, spec(tmp_path, wanted, opened(), facts=FACTS), Capable(POOL))

    places = set()
    assert len(drafts) == 8
    for row in drafts:
        passages = dict(re.findall(r"^\[(\d)\] (.*)$", row["prompt"], re.MULTILINE))
        answer, place, name = re.fullmatch(
            r"(.*)\n\nSource: \[(\d)\] (.*)", row["completion"], re.DOTALL
        ).groups()
        assert len(passages) == 1 + cited.DISTRACTORS == len(row["made"]["facts"])
        assert answer in passages[place]
        assert name == "terms.pdf"
        assert row["prompt"].rpartition("\n\n")[2].startswith("Question: ")
        places.add(place)
    assert len(places) > 1


def test_worse_answers_become_pairs_and_the_right_one_is_no_worse_one(tmp_path):
    class Kind(Capable):
        def rows(self, asked):
            return [{"answer": asked.shown[0]["answer"].upper()}, {"answer": "Ask my boss."}]

    wanted = terms(Strategy.PREFER, strata=(Stratum(rows=4),))

    result, drafts = made(tmp_path, spec(tmp_path, wanted, PAIRS), Kind(POOL))

    assert [(row["rejected"], row["chosen"][:4]) for row in drafts] == [
        ("Ask my boss.", "good")
    ] * 4
    assert result.unusable >= 4
    some = material(labelled(), Strategy.PREFER, strata=(Stratum(label=LABELS[0], rows=2),))
    (question,) = prefer.questions(some, LABELS[0], 1, Uses())
    assert question.make({"answer": "no label"}) is None
    assert question.make({"answer": "PIN_BLOCKED"})["rejected"] == "pin_blocked"


def test_rows_of_plain_text_are_made_as_plain_text(tmp_path):
    class Writer(Capable):
        def rows(self, asked):
            return [{"input": f"Text {asked.chance.random()}"} for _ in range(asked.most_rows)]

    wanted = terms(Strategy.VARY, Strategy.PERTURB, strata=(Stratum(rows=6),))

    _result, drafts = made(tmp_path, spec(tmp_path, wanted, TEXTS), Writer(POOL))

    assert len(drafts) == 6
    assert all(row.keys() == {"row", "text", "made"} for row in drafts)


@pytest.mark.parametrize(
    ("rows", "can"),
    [
        (PAIRS, {Strategy.PERTURB, Strategy.PREFER}),
        (
            TEXTS,
            {Strategy.PERTURB, Strategy.RECOMBINE, Strategy.VARY, Strategy.PERSONA, Strategy.EVOLVE}
            - {Strategy.RECOMBINE},
        ),
        (opened(), set(Strategy) - {Strategy.PREFER}),
    ],
    ids=["pairs", "texts", "answers"],
)
def test_a_way_that_is_of_no_use_for_the_data_says_why(rows, can):
    some = material(rows, *Strategy, facts=FACTS)

    found = {s: why_not(some, s, None, has_model=True) for s in Strategy}

    assert {s for s, why in found.items() if why is None} == can


def test_without_a_model_or_passages_the_ways_that_need_them_cannot_be_gone():
    some = material(opened(), *Strategy)

    assert {s for s in Strategy if why_not(some, s, None, has_model=False) is None} == WITHOUT_MODEL
    assert "passages" in why_not(some, Strategy.CITED, None, has_model=True)
