"""Right answers that are read along with their prompts: they change no answer, save steps, and tell how likely they are."""

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from agents.jobs.reporting import Reporter
from agents.worker import known_answers, lean_answers
from agents.worker.answers import Answer, Exam, answer
from agents.worker.known_answers import Asked, KnownAnswers
from agents.worker.shaped_rows import Said
from tests.worker.test_answers import (
    KINDS,
    TOKENIZER,
    VOCABULARY,
    Small,
    alone,
    by_generate,
    by_us,
    model,
    prompts,
    tokens_read,
)

pytestmark = [
    pytest.mark.torch,
    # PEFT still asks by the old name
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
]

ENDS = [1, 7, 11, 13]


def told_of(exam: Exam, said: list[list[int]]) -> list[Said]:
    """Return right answers that a model gives whole, in part, with its end, not at all; that are longer; that are not known."""
    chance = random.Random(2)
    made: tuple[Callable[[list[int]], list[int]], ...] = (
        lambda ids: ids[:-1],
        lambda ids: [*ids[: len(ids) // 2], (ids[len(ids) // 2] + 1) % VOCABULARY, 5, 6],
        lambda ids: ids,
        lambda _ids: [chance.randrange(2, VOCABULARY) for _ in range(5)],
        lambda ids: [*ids, 3, 4],
        lambda _ids: [],
    )
    return [
        Said(prompt, made[i % len(made)](ids)[: exam.max_new_tokens], 0)
        for i, (prompt, ids) in enumerate(zip(exam.prompts, said, strict=True))
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_right_answers_change_none_and_are_as_likely_as_alone(kind: str) -> None:
    tuned = model(kind)
    exam = Exam(prompts(1, 30, 5), ENDS, 20)
    theirs = by_generate(tuned, exam)
    told = told_of(exam, theirs)

    found: dict[int, Answer] = {}
    for some in answer(tuned, TOKENIZER, exam.telling(told), lambda: None):
        found |= some

    assert [list(found[i].ids) for i in range(len(told))] == theirs
    known = [i for i, right in enumerate(told) if right.answer]
    likely = [found[i].likely for i in known]
    assert likely == pytest.approx(alone(tuned, [told[i] for i in known]), abs=1e-5)
    assert sorted(i for i in found if found[i].likely is not None) == known
    assert 20 < len(known) < len(told)


def test_what_a_model_would_have_said_anyway_it_does_not_say_token_by_token() -> None:
    tuned = model()
    exam = Exam(prompts(4, 12, 30), ENDS, 14)
    theirs = by_generate(tuned, exam)
    told = [Said(prompt, ids, 0) for prompt, ids in zip(exam.prompts, theirs, strict=True)]
    told[3] = Said(told[3].prompt, theirs[3][:2], 0)
    counts = tokens_read(tuned)

    assert by_us(tuned, exam.telling(told)) == theirs

    assert len(theirs[3]) > 4
    # the beginning, the rest with the right answers, and what is left of a single row
    assert len(counts) == 2 + len(theirs[3]) - 3
    assert set(counts[2:]) == {1}


def test_a_right_answer_without_room_for_it_is_left_out() -> None:
    exam = Exam([[3, 4, 5], [6, 7], [8, 9]], [1], 3)
    told = [Said([4, 5], [2, 2], 0), Said([6, 7], [2, 2, 2, 2], 0), Said([8, 9], [2, 2], 0)]

    assert exam.telling(told).references == [[], [], [2, 2]]
    assert exam.telling(told).only([2]).references == [[2, 2]]


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two threads for torch, and groups of any size."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr(lean_answers, "GROUP_ROWS", 2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_cores")
def test_two_groups_at_the_same_time_say_what_each_row_says_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tuned = model()
    exam = Exam(prompts(8, 21, 4), ENDS, 40)
    theirs = by_generate(tuned, exam)
    threads: dict[int, int] = {}

    def note(_module: Any, inputs: Any, _out: Any) -> None:
        threads[threading.get_ident()] = torch.get_num_threads()

    tuned.get_input_embeddings().register_forward_hook(note)
    monkeypatch.setattr(lean_answers, "PART_TOKENS", 60)

    ours = by_us(tuned, exam.telling(told_of(exam, theirs)))

    assert ours == theirs
    main = threads.pop(threading.get_ident())  # which reads what all begin with
    assert (main, sorted(threads.values())) == (2, [1, 1])
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_cores")
def test_groups_that_memory_has_no_room_for_are_halved() -> None:
    tuned = model().merge_and_unload()
    exam = Exam(prompts(6, 16, 3), [1, 2, 3], 8)
    theirs = by_generate(tuned, exam)
    tuned.lm_head = head = Small(tuned.lm_head, 3)

    assert by_us(tuned, exam) == theirs
    assert max(head.seen) == 8
    assert max(head.seen[-3:]) <= 3


@pytest.mark.usefixtures("two_cores")
def test_a_beat_comes_with_every_part_and_every_step() -> None:
    beats: list[int] = []
    exam = Exam(prompts(9, 9, 4), [], 10)

    for _ in answer(model(), TOKENIZER, exam, lambda: beats.append(1)):
        pass

    # the beginning, one part of each group at the same time, ten tokens
    assert len(beats) == 12


def test_how_likely_right_answers_are_is_not_asked_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = model()
    exam = Exam(prompts(1, 12, 5), ENDS, 20)
    told = told_of(exam, by_generate(tuned, exam))
    told = [text for text in told if text.answer]
    exam = Exam([text.prompt for text in told], ENDS, 20).telling(told)
    known = KnownAnswers()
    asked = Asked(lambda: tuned, known, "a model", Reporter(tmp_path))
    monkeypatch.setattr(known_answers, "_is_answer", lambda *_: True)
    asked.answers(TOKENIZER, exam, 0)
    counts = tokens_read(tuned)

    found = asked.likelihoods(1, told, counted=False)

    assert not counts
    assert found == pytest.approx(alone(tuned, told), abs=1e-5)
    assert len([line for line in known.now.values() if line.mean_log_prob is not None]) == len(told)
    longer = [*told, Said(told[0].prompt, [9, 9, 9], 0)]
    assert asked.likelihoods(1, longer, counted=False)[:-1] == found
    assert counts
