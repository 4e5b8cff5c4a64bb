import random
import time
from collections import defaultdict
from itertools import combinations

import pytest

from agents.jobs import FindingKind, Repair
from agents.worker.checks import likeness, report
from agents.worker.checks.budget import Budget
from agents.worker.checks.facts import Facts
from agents.worker.checks.likeness import Likeness
from agents.worker.checks.texts import Pair, normal
from tests.worker.intake import read, written
from tests.worker.planted import DISGUISES, PARAPHRASES, bank, banking77, pairs_of, say

PLANTED_EACH = 60
ENOUGH_S = 60.0


def found_in(rows: list[tuple[str, str]], cpu_s: float = ENOUGH_S) -> Likeness:
    return likeness.find(pairs_of(rows), Budget.of(cpu_s))


def planted(rows, rewrites, rng):
    """Rows and, at their end, rewritten copies; with the places of original and copy by rewrite."""
    whole = list(rows)
    places = defaultdict(list)
    long_enough = [place for place, (text, _) in enumerate(rows) if 6 <= len(text.split()) <= 25]
    for name, rewrite in rewrites.items():
        for place in rng.sample(long_enough, PLANTED_EACH):
            text, answer = rows[place]
            places[name].append((place, len(whole)))
            whole.append((rewrite(text, rng), answer))
    return whole, places


def measured(rows, rewrites, answers_known=True):
    """Recall by rewrite (original and copy end up in one group), and precision: pairs with different intents are no duplicates, however alike they are."""
    whole, places = planted(rows, rewrites, random.Random(5))
    found = found_in([(text, answer if answers_known else "-") for text, answer in whole])
    groups = [found.group_of[pair.row] for pair in found.pairs]
    recall = {
        name: sum(groups[one] == groups[copy] for one, copy in pairs) / len(pairs)
        for name, pairs in places.items()
    }
    copies = range(len(rows), len(whole))
    judged = [pair for pair in found.close if pair.second in copies or not same_intent(whole, pair)]
    precision = sum(same_intent(whole, pair) for pair in judged) / len(judged)
    return recall, precision


def same_intent(rows, pair):
    return rows[pair.first][1] == rows[pair.second][1]


def corpora():
    real = banking77()
    built = {"built bank questions": bank(3000, seed=1)}
    return built if real is None else built | {"BANKING77": real[:5000]}


@pytest.mark.parametrize("corpus", corpora())
def test_planted_copies_and_light_paraphrases_are_found_and_hard_negatives_are_not(corpus):
    rows = corpora()[corpus]

    copies, copies_precision = measured(rows, DISGUISES)
    light, light_precision = measured(rows, PARAPHRASES)
    blind, blind_precision = measured(rows, PARAPHRASES, answers_known=False)

    say(
        *(f"{corpus}: recall {share:.3f}: {name}" for name, share in (copies | light).items()),
        f"{corpus}: precision {copies_precision:.3f} (copies), {light_precision:.3f} (paraphrases)",
        f"{corpus}, without the answers: recall {sum(blind.values()) / len(blind):.3f} of paraphrases, "
        f"precision {blind_precision:.3f}",
    )
    assert sum(copies.values()) / len(copies) >= 0.99
    assert min(copies.values()) >= 0.95
    assert sum(light.values()) / len(light) >= 0.9
    assert min(copies_precision, light_precision) >= 0.95


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Where is order 17 of last week?", "Where is order 18 of last week?"),
        ("My card does work abroad today", "My card does not work abroad today"),
        ("How do I open a savings account?", "How do I close a savings account?"),
        ("Translate the word house", "Translate the word mouse"),
        ("red", "blue"),
    ],
)
def test_alike_is_not_the_same_where_a_number_a_not_or_the_matter_differs(one, other):
    assert found_in([(one, "answer one"), (other, "answer two")]).close == []


def test_the_same_words_with_another_answer_stay_together_but_are_no_duplicates(tmp_path):
    text = "I would like to know why the app declined my transfer to a friend in Norway"
    rows = [(text, "transfer_declined"), (f"Hello, {text}", "beneficiary")]

    found = found_in(rows)

    assert len(set(found.group_of.values())) == 1
    kinds = {f.kind for f in report.check(Facts(found, Budget.of(ENOUGH_S)))}
    assert FindingKind.NEAR_DUPLICATES not in kinds


def test_a_prompt_that_stands_inside_another_one_is_found():
    rng = random.Random(3)
    words = [
        f"{a}{b}" for a in ("lo", "mi", "ra", "den", "su") for b in ("ba", "kon", "vel", "dro")
    ]
    passage = " ".join(rng.choice(words) + rng.choice(words) for _ in range(60))
    around = " ".join(rng.choice(words) + rng.choice(words) for _ in range(300))

    found = found_in([(passage, "a"), (f"{around} {passage} {around}", "b")])

    assert [(pair.first, pair.second) for pair in found.close] == [(0, 1)]


def test_a_frame_that_all_rows_share_makes_them_neither_duplicates_nor_one_group():
    frame = (
        "You are a careful assistant of a shop and answer with the name of one department only and nothing else "
        "whatever the customer writes below and in which language he writes it"
    )
    things = [
        "boots",
        "kettle",
        "lamp",
        "sofa",
        "tent",
        "violin",
        "drill",
        "mirror",
        "carpet",
        "bicycle",
    ]
    cities = ["Oslo", "Rome", "Lima", "Cairo", "Delhi", "Kyoto", "Quito", "Paris", "Minsk", "Accra"]
    rows = [(f"{frame}: {a} from {b}", f"{a} {b}") for a in things for b in cities]

    found = found_in(rows)

    assert max(list(found.group_of.values()).count(g) for g in found.group_of.values()) <= 5


@pytest.mark.parametrize(
    ("disguised", "plain"),
    [
        ("\u00c9lan VITAL!!", "elan vital"),
        ("\uff28\uff45\uff4c\uff4c\uff4f", "hello"),
        ("p\u0430ssw\u043erd", "password"),
        ("don\u2019t \u200bstop", "dont stop"),
        ("a&amp;b %41", "a b a"),
        ("aG93IGRvIGkgcmVzZXQgbXkgcGlu", "how do i reset my pin"),
        ("\u043f\u0430\u0440\u043e\u043b\u044c", "\u043f\u0430\u0440\u043e\u043b\u044c"),
        ("???", ""),
    ],
)
def test_a_text_is_compared_without_its_spelling(disguised, plain):
    assert normal(disguised) == plain


def test_rows_that_resemble_each_other_are_dealt_to_one_side(tmp_path):
    rng = random.Random(2)
    rows = bank(400, seed=4)
    copies = [(PARAPHRASES["swap and greeting"](text, rng), answer) for text, answer in rows[::4]]
    content = "prompt,completion\n" + "".join(
        f'"{prompt}",{answer}\n' for prompt, answer in rows + copies
    )

    result = read(tmp_path, content)

    sides = [
        {row["completion"] for row in written(tmp_path, side)}
        for side in (result.train, result.dev, result.test)
    ]
    assert [left & right for left, right in combinations(sides, 2)] == [set()] * 3
    kinds = {finding.kind: finding for finding in result.findings}
    assert FindingKind.LEAKS not in kinds
    assert kinds[FindingKind.NEAR_DUPLICATES].count == 100
    assert kinds[FindingKind.NEAR_DUPLICATES].repairs == (Repair.DROP_NEAR_DUPLICATES,)


def test_what_leaks_all_the_same_is_named_by_test_row():
    rows = bank(60, seed=9)
    whole = [*rows, (rows[0][0].upper(), rows[0][1]), (f"Hello, {rows[1][0]}", rows[1][1])]
    sides = {pair.row: "train" for pair in pairs_of(rows)} | {62: "test", 63: "test"}
    facts = Facts(found_in(whole), Budget.of(ENOUGH_S), sides)

    leak = next(f for f in report.check(facts) if f.kind is FindingKind.LEAKS)

    assert (leak.rows, leak.count) == ((62, 63), 2)
    assert "1 of them word for word" in leak.sentence


def test_duplicates_conflicts_and_folded_rows_are_counted_with_their_row_numbers(tmp_path):
    lines = [f"{text},{answer}" for text, answer in bank(40, seed=8) if "," not in text][:30]
    again = [lines[0].upper(), lines[1].rpartition(",")[0] + ",something else"]
    content = "\n".join(["prompt,completion", *lines, *again])

    found = {finding.kind: finding for finding in read(tmp_path, content).findings}

    assert found[FindingKind.DUPLICATES].rows == (len(lines) + 2,)
    assert found[FindingKind.CONFLICTS].rows == (3, len(lines) + 3)


def test_a_check_that_runs_out_of_time_says_what_it_left_out_and_fails_nothing():
    found = found_in(bank(2000, seed=3), cpu_s=0.0)

    facts = Facts(found, Budget.of(0.0))
    facts.budget.left_out.update({"rows that are almost the same": "part"})
    last = report.check(facts)[-1]

    assert last.kind is FindingKind.INCOMPLETE
    assert "rows that are almost the same" in last.sentence


def test_ten_thousand_rows_are_compared_in_seconds():
    rows = banking77() or bank(5000, seed=1)
    whole = (rows + [(f"{text} again", answer) for text, answer in rows])[:10_000]
    began = time.process_time()

    found = found_in(whole)

    say(f"10,000 rows: {time.process_time() - began:.1f} s CPU, {len(found.close)} close pairs")
    assert len(found.close) >= len(whole) - len(rows)
    assert time.process_time() - began < 15


def test_a_pair_says_which_rows_it_is_about():
    found = likeness.find(
        [Pair(7, "same words here", "a"), Pair(9, "Same words, HERE", "a")], Budget.of(1)
    )

    assert found.group_of == {7: 0, 9: 0}
