"""Which test items resemble each other, and how base and tuned compare on parts of them."""

from collections.abc import Sequence

import numpy as np

from agents.jobs import ROWS_PER_FILE, Slice, Verdict
from agents.worker import related, slices
from agents.worker.evaluate_shaped import Item

GERMAN = "Meine Karte ist gestern im Ausland gesperrt worden und ich kann nicht mehr bezahlen"
ENGLISH = "My card was blocked abroad yesterday and there is no way for me to pay any more"


def items(
    references: Sequence[str],
    base: Sequence[float],
    tuned: Sequence[float],
    prompts: Sequence[str] | None = None,
) -> list[Item]:
    asked = prompts or ["what"] * len(references)
    return [
        Item(i, asked[i], references[i], "", "", base[i], tuned[i]) for i in range(len(references))
    ]


def by(found: Sequence[Slice], name: str) -> dict[str, Slice]:
    return {part.name: part for part in found if part.by == name}


def test_a_label_that_became_worse_is_found_behind_a_better_whole() -> None:
    references = ["card"] * 40 + ["loan"] * 30 + ["rate"] * 10
    base = [0.0] * 40 + [1.0] * 30 + [0.0] * 10
    tuned = [1.0] * 40 + [0.0] * 15 + [1.0] * 15 + [1.0] * 10

    labels = by(slices.compare(items(references, base, tuned), None, seed=1), "label")

    assert [(part.name, part.items) for part in labels.values()] == [
        ("card", 40),
        ("loan", 30),
        ("rate", 10),
    ]
    assert labels["card"].verdict is Verdict.BETTER
    assert (labels["loan"].verdict, labels["loan"].gain) == (Verdict.WORSE, -0.5)
    assert labels["loan"].high < 0
    assert (labels["rate"].verdict, labels["rate"].adjusted_p_value) == (None, None)
    assert labels["rate"].low > 0


def test_what_is_seen_in_one_of_many_parts_may_be_chance() -> None:
    labels = [f"label {i}" for i in range(8)]
    references = [label for label in labels for _ in range(25)]
    changed = [place for place in range(200) if place < 25 and place % 4 == 0]  # 7 of the first
    tuned = [0.0 if place in changed else 1.0 for place in range(200)]
    whole = items(references, [1.0] * 200, tuned)

    among = by(slices.compare(whole, None, seed=1), "label")["label 0"]
    alone = by(slices.compare(whole[:25] + whole[190:], None, seed=1), "label")["label 0"]

    assert among.high < 0
    assert (among.verdict, among.adjusted_p_value) == (Verdict.CANNOT_TELL, 0.0625)
    assert alone.verdict is Verdict.WORSE


def test_parts_by_length_language_and_file_are_told_where_there_are_any() -> None:
    prompts = [
        f"Sort this:\n{GERMAN if i % 2 else ENGLISH} {i}{' at all' * (i % 3)}" for i in range(60)
    ]
    answers = [f"answer {'with words ' * (i % 5)}{i}" for i in range(60)]
    scores = [i / 60 for i in range(60)]
    asked = items(answers, scores, scores, prompts)
    two_files = [
        Item(i + ROWS_PER_FILE * (i // 30), item.prompt, item.reference, "", "", 0.5, 0.5)
        for i, item in enumerate(asked)
    ]

    found = slices.compare(asked, None, seed=1)

    assert {part.by for part in found} == {"prompt length", "answer length", "language"}
    assert {name: part.items for name, part in by(found, "language").items()} == {
        "de": 30,
        "en": 30,
    }
    assert sum(part.items for part in by(found, "prompt length").values()) == 60
    assert all(part.verdict is Verdict.CANNOT_TELL for part in found)
    files = by(slices.compare(two_files, None, seed=1), "file")
    assert {name: part.items for name, part in files.items()} == {"file 1": 30, "file 2": 30}


def test_few_items_are_not_parted() -> None:
    assert slices.compare(items(["yes", "no"] * 9, [0.0] * 18, [1.0] * 18), None, seed=1) == ()


def test_in_a_part_too_items_that_resemble_each_other_count_once() -> None:
    references = ["yes", "no"] * 60
    tuned = [float(i % 4 < 2) for i in range(120)]
    whole = items(references, [0.5] * 120, tuned)

    alone = by(slices.compare(whole, None, seed=1), "label")["yes"]
    grouped = by(slices.compare(whole, np.arange(120) // 8, seed=1), "label")["yes"]

    assert grouped.high - grouped.low != alone.high - alone.low
    assert (grouped.items, grouped.gain) == (alone.items, alone.gain)


def test_equal_and_almost_equal_prompts_are_one_group() -> None:
    task = "Sort what people write to a bank.\n\n"
    texts = [
        "My card was declined in a shop yesterday",
        "How do I raise the limit of my card?",
        "my card was DECLINED in a shop, yesterday!",
        "Where is the next cash machine?",
        "How do I raise the limit of my card?",
        "Yesterday my card was declined in a shop",
    ]
    answers = ["declined", "limit", "declined", "atm", "limit", "declined"]

    groups = related.groups([task + text for text in texts], answers)

    assert groups.tolist() == [0, 1, 0, 2, 1, 0]


def test_the_task_before_each_prompt_makes_nothing_alike() -> None:
    task = "Say in one word what the customer of our bank wants from us, as in the list.\n\n"
    texts = ["my card", "a loan", "the rate", "an account"]

    assert related.groups([task + t for t in texts], ["a"] * 4).tolist() == [0, 1, 2, 3]
    assert related.own_parts([task + t for t in texts]) == texts
    assert related.own_parts(["a\n", "a\nb"]) == ["a\n", "a\nb"]
    assert related.groups(["a\nb"] * 3, ["c"] * 3).tolist() == [0, 0, 0]
