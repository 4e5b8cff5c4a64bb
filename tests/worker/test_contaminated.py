"""Sealed rows that may be known get no score: planted at several distances, and in real evaluations."""

import hashlib
import random
from collections import defaultdict
from pathlib import Path

import pytest

from agents.jobs import (
    Contaminates,
    Contamination,
    EvaluateResult,
    FileRef,
    LearntFrom,
    LearntRows,
    Verdict,
)
from agents.recipe import Method
from agents.worker import contaminated, learnt_rows
from agents.worker.checks import likeness
from agents.worker.checks.budget import Budget
from agents.worker.checks.facts import Facts
from agents.worker.errors import WorkerError
from tests.worker.forkserver import ForkServer
from tests.worker.planted import DISGUISES, PARAPHRASES, bank, banking77, pairs_of, say
from tests.worker.tiny_model import (
    colours,
    evaluate_spec,
    method_recipe,
    method_spec,
    open_job,
    shaped,
    train_spec,
    write_lines,
    write_records,
    write_rows,
)

TASK = "Say what it is about"
PLANTED_EACH = 40


def learnt(file: FileRef, task: str = TASK, *, chose: bool = False) -> LearntRows:
    return LearntRows(file=file, task=task, chose=chose)


def asked(pairs: list[tuple[str, str]], task: str = TASK) -> list[tuple[str, str]]:
    """Return rows as intake writes them, with the task before each prompt."""
    return [(f"{task}\n\n{prompt}", answer) for prompt, answer in pairs]


def found_in(
    folder: Path,
    sealed: list[tuple[str, str]],
    known: list[tuple[str, str]],
    earlier: list[tuple[str, str]] | None = None,
) -> Contamination:
    before = []
    if earlier is not None:
        other = write_rows(folder / "earlier.jsonl", asked(earlier, "Another task"))
        before = [learnt(other, "Another task")]
    return contaminated.find(
        learnt(write_rows(folder / "test.jsonl", asked(sealed))),
        [learnt(write_rows(folder / "train.jsonl", asked(known)))],
        before,
        folder,
    )


def described(path: Path) -> dict[str, object]:
    raw = path.read_bytes()
    return {"path": str(path), "sha256": hashlib.sha256(raw).hexdigest(), "size_bytes": len(raw)}


def longer(text: str, _rng: random.Random) -> str:
    """A row that quotes another one between other sentences."""
    return f"Hello, I have been with you for years and never wrote before. {text} Thanks and kind regards, the Millers."


def apart(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return rows of which none resembles another one, in random order: what is found then was planted."""
    shuffled = random.Random(11).sample(rows, 2500)
    group_of = likeness.find(pairs_of(shuffled), Budget.of(60.0)).group_of
    first = {group: number for number, group in reversed(group_of.items())}
    return [shuffled[number - 2] for number in sorted(first.values())]


@pytest.mark.parametrize("corpus", ["built bank questions", "BANKING77"])
def test_planted_rows_are_found_at_every_distance_and_hardly_anything_else(
    tmp_path: Path, corpus: str
) -> None:
    rows = bank(1500, seed=2)
    if corpus == "BANKING77":
        real = banking77()
        if real is None:
            pytest.skip("BANKING77 is not on this machine")
        rows = apart(real)
    known, clean = rows[:1200], rows[1200:1500]
    rng = random.Random(7)
    sealed, planted = list(clean), defaultdict(list)
    for name, rewrite in (DISGUISES | PARAPHRASES).items():
        long_enough = [row for row in known if 6 <= len(row[0].split()) <= 25]
        for text, answer in rng.sample(long_enough, PLANTED_EACH):
            planted[name].append(len(sealed) + 2)
            sealed.append((rewrite(text, rng), answer))

    found = found_in(tmp_path, sealed, known)

    rows_found = {item.row for item in found.items}
    recall = {
        name: sum(n in rows_found for n in numbers) / len(numbers)
        for name, numbers in planted.items()
    }
    copies = {n for numbers in planted.values() for n in numbers}
    precision = len(rows_found & copies) / len(rows_found)
    assert len(recall) == len(DISGUISES) + len(PARAPHRASES) >= 5
    assert min(recall[name] for name in DISGUISES) >= 0.95, recall
    # another word in a short question is, by the words in common, another question
    assert min(recall[name] for name in PARAPHRASES if name != "a synonym") >= 0.9, recall
    say(
        *(f"recall {share:.3f}: {name}" for name, share in recall.items()),
        f"precision {precision:.3f}",
    )
    assert precision >= 0.95, sorted(rows_found - copies)
    assert (found.sealed, found.compared_with, found.left_out) == (len(sealed), 1200, ())


def test_a_row_that_stands_inside_another_one_is_told_apart_from_one_in_other_words(
    tmp_path: Path,
) -> None:
    rows = bank(200, seed=3)
    text = (
        "The parcel that I ordered on the third of May for my mother has still not arrived at her house in Leeds, and "
        "nobody at the shop can tell me where it is now or who signed for it."
    )
    known = [*rows, (text, "parcel")]
    sealed = [
        (longer(text, random.Random(1)), "parcel"),
        (f"  {text.upper()}!!", "parcel"),
        (text.replace("mother", "mum"), "parcel"),
        ("What is the weather like in Oslo tomorrow?", "weather"),
    ]

    found = {item.row: item for item in found_in(tmp_path, sealed, known).items}

    assert {row: item.way for row, item in found.items()} == {
        2: Contaminates.CONTAINED,
        3: Contaminates.EQUAL,
        4: Contaminates.CLOSE,
    }
    assert {item.like for item in found.values()} == {202}
    assert {item.source for item in found.values()} == {LearntFrom.TRAIN}


def test_rows_of_an_earlier_adapter_and_dev_rows_count_too_whatever_their_task_is_called(
    tmp_path: Path,
) -> None:
    question = "How do I freeze the card that belongs to my partner while he is abroad?"
    other = "Why was the parcel that I sent to Peru on Monday returned without a note?"
    sealed = [(question, "freeze"), (other, "parcel"), ("Is it going to rain in Lima?", "weather")]

    in_other_words = f"Hello, please help: {question.lower()}"

    by_parent = found_in(
        tmp_path, sealed, [("Something else", "x")], earlier=[(in_other_words, "freeze")]
    )
    earlier = learnt(FileRef.model_validate(described(tmp_path / "earlier.jsonl")), "Another task")
    seen_by_the_split = learnt_rows.read(tmp_path, (earlier,)).rows_in(
        Facts(likeness.find(pairs_of(sealed), Budget.of(60.0)), Budget.of(60.0))
    )
    dev = learnt(write_rows(tmp_path / "dev.jsonl", asked([(other, "parcel")])), chose=True)
    by_dev = contaminated.find(
        learnt(write_rows(tmp_path / "t.jsonl", asked(sealed))), [dev], [], tmp_path
    )

    assert seen_by_the_split == (set(), set())
    assert [(i.row, i.source, i.like) for i in by_parent.items] == [(2, LearntFrom.EARLIER, 2)]
    assert [(i.row, i.source) for i in by_dev.items] == [(3, LearntFrom.DEV)]


def test_a_template_whose_group_was_too_large_to_be_kept_together_is_found(tmp_path: Path) -> None:
    places = "Oslo Rome Lima Cairo Delhi Tokyo Quito Accra Sofia Riga Minsk Seoul Paris Tunis Hanoi Lagos"
    frame = (
        "I sent my old brown leather suitcase with the broken handle by night train from here to {} yesterday, and the clerk "
        "at your counter promised that a porter brings it upstairs before breakfast, wrapped in paper"
    )
    others = bank(180, seed=4)
    template = [(frame.format(place), "luggage") for place in places.split()]
    group_of = likeness.find(pairs_of([*others, *template]), Budget.of(60.0)).group_of
    first = group_of[len(others) + 2]
    groups = [group_of[number] for number in range(len(others) + 2, len(group_of) + 2)]
    learnt_ones = [row for row, group in zip(template, groups, strict=True) if group == first]
    sealed = [row for row, group in zip(template, groups, strict=True) if group != first]

    found = found_in(tmp_path, sealed, [*others, *learnt_ones])

    assert len(learnt_ones) >= 2
    assert len(found.items) == len(sealed) >= 2
    assert {item.way for item in found.items} <= {Contaminates.CLOSE, Contaminates.CONTAINED}


def test_all_sealed_rows_with_a_prompt_that_is_known_are_taken_out(tmp_path: Path) -> None:
    text = "How do I freeze the card that belongs to my partner while he is abroad?"
    twice = f"Please help: {text}"

    found = found_in(tmp_path, [(twice, "freeze"), (twice, "freeze it")], [(text, "freeze")])

    assert [item.row for item in found.items] == [2, 3]


def test_learnt_rows_that_are_not_what_they_were_end_the_evaluation(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "train.jsonl", [("a", "b")])
    Path(file.path).write_text("{}\n")

    with pytest.raises(WorkerError, match="gone or have changed"):
        contaminated.find(learnt(file), [learnt(file)], [], tmp_path)


# ---- in evaluations -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(worker: ForkServer, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("trained")
    job = open_job(root / "job", train_spec(tiny, root))
    assert worker.status(job) == 0
    return job / "artifacts/adapter"


def things(first: int, count: int) -> list[tuple[str, str]]:
    """Return rows of which no two resemble each other: each is about a number of its own."""
    return [(f"colour of thing {n}?", "red") for n in range(first, first + count)]


def evaluate(worker: ForkServer, job: Path, spec) -> EvaluateResult:
    result = worker.run(open_job(job, spec))
    assert result is not None
    assert isinstance(result.payload, EvaluateResult), result
    return result.payload


@pytest.mark.torch
def test_a_contaminated_row_gets_no_score_and_the_rest_is_what_counts(
    worker: ForkServer, tiny: Path, trained: Path, tmp_path: Path
) -> None:
    test = write_rows(tmp_path / "t.jsonl", things(0, 30))
    train = learnt(write_rows(tmp_path / "l.jsonl", things(25, 40)))
    plain = evaluate_spec(tiny, tmp_path, trained, test)
    rest = write_lines(
        tmp_path / "rest.jsonl",
        [
            {"prompt": p, "completion": c, "row": n}
            for n, (p, c) in enumerate(things(0, 25), start=2)
        ],
    )

    found = evaluate(worker, tmp_path / "a", plain.model_copy(update={"learnt": (train,)}))
    by_hand = evaluate(worker, tmp_path / "b", plain.model_copy(update={"test": rest}))

    assert [item.row for item in found.contamination.items] == [27, 28, 29, 30, 31]
    assert (found.items, found.contamination.sealed, found.answers_given) == (25, 30, 50)
    assert found.comparisons == by_hand.comparisons
    assert by_hand.contamination is None
    assert {27, 28, 29, 30, 31}.isdisjoint(i.row for i in (*found.worst, *found.best))


@pytest.mark.torch
def test_under_twenty_rows_that_are_left_there_is_no_verdict_and_without_any_no_evaluation(
    worker: ForkServer, tiny: Path, trained: Path, tmp_path: Path
) -> None:
    test = write_rows(tmp_path / "t.jsonl", things(0, 30))
    spec = evaluate_spec(tiny, tmp_path, trained, test)
    most = learnt(write_rows(tmp_path / "most.jsonl", things(19, 20)))
    every = learnt(write_rows(tmp_path / "all.jsonl", things(0, 30)))

    few = evaluate(worker, tmp_path / "a", spec.model_copy(update={"learnt": (most,)}))
    none = worker.run(open_job(tmp_path / "b", spec.model_copy(update={"learnt_before": (every,)})))

    assert (few.verdict, few.items) == (Verdict.CANNOT_TELL, 19)
    assert few.verdict_reason.startswith("19 test items are too few")
    assert none is not None
    assert none.error.code == "too_few_rows"
    assert "Every test row resembles" in none.error.message


@pytest.mark.torch
def test_pairs_are_compared_by_their_prompts_too(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    job = open_job(tmp_path / "train", method_spec(tiny, tmp_path, Method.DPO))
    assert worker.status(job) == 0
    rows = shaped(Method.DPO, 30)
    assert rows[3]["prompt"] == colours(30)[3][0]
    spec = evaluate_spec(
        tiny,
        tmp_path,
        job / "artifacts/adapter",
        write_records(tmp_path / "t.jsonl", rows),
        recipe=method_recipe(Method.DPO),
        learnt=[learnt(write_records(tmp_path / "l.jsonl", rows[3:5])).model_dump()],
    )

    found = evaluate(worker, tmp_path / "job", spec)

    assert [item.row for item in found.contamination.items] == [5, 6]
    assert found.items == 28
