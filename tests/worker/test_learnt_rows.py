"""What an earlier adapter has learnt is not held out when a later one goes on from it."""

import json
from pathlib import Path
from typing import Any

from agents.jobs import FileRef, LearntRows
from tests.worker.intake import read, refusal, written
from tests.worker.tiny_model import write_lines


def rows(*numbers: int) -> str:
    """Return a file of questions that have nothing in common but their form."""
    lines = ["prompt,completion"] + [f"Wort{n} bla{n * 7} {n}?,answer {n}" for n in numbers]
    return "\n".join(lines) + "\n"


def learnt(folder: Path, prompts: list[str], **facts: Any) -> LearntRows:
    lines = [{"prompt": p, "completion": "-", "row": n} for n, p in enumerate(prompts)]
    name = "dev" if facts.get("chose") else "train"
    file = write_lines(folder / f"earlier-{name}.jsonl", lines)
    return LearntRows.model_validate({"file": file, "task": "Sort", **facts})


def prompts_of(folder: Path, ref: FileRef) -> set[str]:
    return {row["prompt"] for row in written(folder, ref)}


def test_rows_of_the_earlier_training_are_trained_on_and_never_held_out(tmp_path):
    known = {f"Wort{n} bla{n * 7} {n}?" for n in range(60)}
    disguised = [f"Sort\n\n  {prompt.upper()}" for prompt in known]

    result = read(tmp_path, rows(*range(100)), learnt=(learnt(tmp_path, disguised),))

    train = prompts_of(tmp_path, result.train)
    assert known <= train
    assert (result.learnt_before, result.test_rows, result.dev_rows) == (60, 20, 10)


def test_without_an_earlier_training_some_of_the_same_rows_are_held_out(tmp_path):
    result = read(tmp_path, rows(*range(100)))

    known = {f"Wort{n} bla{n * 7} {n}?" for n in range(60)}
    assert not known <= prompts_of(tmp_path, result.train)
    assert result.learnt_before == 0


def test_rows_that_only_chose_may_choose_again_but_not_judge(tmp_path):
    taught = [f"Wort{n} bla{n * 7} {n}?" for n in range(60)]
    chose = [f"Wort{n} bla{n * 7} {n}?" for n in range(60, 90)]
    sets = (learnt(tmp_path, taught), learnt(tmp_path, chose, chose=True))

    result = read(tmp_path, rows(*range(100)), learnt=sets)

    test, dev = prompts_of(tmp_path, result.test), prompts_of(tmp_path, result.dev)
    assert not test & {*taught, *chose}
    assert not dev & set(taught)
    assert dev & set(chose)
    assert result.learnt_before == 90


def test_what_nobody_has_learnt_is_shared_between_dev_and_test(tmp_path):
    taught = [f"Wort{n} bla{n * 7} {n}?" for n in range(91)]

    result = read(tmp_path, rows(*range(100)), learnt=(learnt(tmp_path, taught),))

    assert (result.test_rows, result.dev_rows, result.train_rows) == (6, 3, 91)


def test_a_row_that_resembles_a_learnt_one_stays_on_its_side(tmp_path):
    alike = "Where can I find the invoice for my last order please?,a\n"
    other = "Where can I find the invoice for my last orders please?,a\n"
    learnt_one = "Where can I find the invoice for my last order please?"

    for seed in range(6):
        folder = tmp_path / str(seed)
        folder.mkdir()
        result = read(
            folder,
            rows(*range(40)) + alike + other,
            learnt=(learnt(folder, [learnt_one]),),
            seed=seed,
        )

        held_out = prompts_of(folder, result.test) | prompts_of(folder, result.dev)
        assert not any("invoice" in prompt for prompt in held_out), seed


def test_a_file_that_has_been_learnt_as_a_whole_is_refused(tmp_path):
    taught = [f"Wort{n} bla{n * 7} {n}?" for n in range(50)]

    error = refusal(tmp_path, rows(*range(50)), learnt=(learnt(tmp_path, taught),))

    assert "has learnt 50 of the 50 rows already" in error.message


def test_conversations_and_texts_are_known_again(tmp_path):
    talks = [[{"role": "user", "content": f"Wort{n} bla{n * 7}"}] for n in range(50)]
    upload = "".join(
        json.dumps({"messages": [*talk, {"role": "assistant", "content": str(n)}]}) + "\n"
        for n, talk in enumerate(talks)
    )
    first = tmp_path / "first"
    first.mkdir()
    before = read(first, upload)
    known = LearntRows(
        file=before.train.model_copy(update={"path": str(first / before.train.path)}), task="Sort"
    )

    result = read(tmp_path, upload, learnt=(known,))

    assert result.learnt_before == before.train_rows
    assert result.test_rows > 0


def test_learnt_rows_that_are_gone_end_the_run_instead_of_being_forgotten(tmp_path):
    gone = learnt(tmp_path, ["Wort1 bla7 1?"])
    Path(gone.file.path).write_text("{}")

    error = refusal(tmp_path, rows(*range(50)), learnt=(gone,))

    assert "are gone, so nothing can be held out fairly" in error.message
