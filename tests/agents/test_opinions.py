"""The two files between worker and bot: what is half-written, too long, foreign or there twice never counts wrongly."""

import pytest
from pydantic import ValidationError

from agents import opinions
from agents.opinions import Opinion


def asked(answer="paid", job_id="j1", **texts):
    known = {"criterion": "is polite", "prompt": "Where is it?", "reference": None} | texts
    return opinions.question(job_id, answer=answer, **known)


def scored(name, score=0.5):
    return Opinion(id=name, job_id="j1", score=score)


def test_what_one_side_writes_the_other_reads_once_and_in_order(tmp_path):
    first, second = asked("a"), asked("b", reference="r")
    reader = opinions.questions(tmp_path)
    assert list(reader.new()) == []

    opinions.ask(tmp_path, [first])
    assert list(reader.new()) == [first]
    opinions.ask(tmp_path, [second, first])

    assert list(reader.new()) == [second, first]
    assert list(reader.new()) == []
    assert list(opinions.questions(tmp_path).new()) == [first, second, first]


def test_a_half_written_line_is_read_when_it_is_whole(tmp_path):
    path = tmp_path / "opinions.jsonl"
    line = scored("a").model_dump_json().encode()
    reader = opinions.opinions(tmp_path)

    path.write_bytes(line + b"\n" + line[:20])
    assert list(reader.new()) == [scored("a")]
    assert list(reader.new()) == []
    path.write_bytes(line + b"\n" + line + b"\n")

    assert list(reader.new()) == [scored("a")]


def test_a_line_that_a_crash_cut_off_spoils_none_of_those_after_it(tmp_path):
    opinions.answer(tmp_path, [scored("a")])
    with (tmp_path / "opinions.jsonl").open("ab") as torn:
        torn.write(b'{"id": "b", "jo')

    opinions.answer(tmp_path, [scored("c")])

    assert [opinion.id for opinion in opinions.opinions(tmp_path).new()] == ["a", "c"]


def test_lines_that_are_too_long_foreign_or_wrong_are_passed_over(tmp_path):
    good = asked()
    forged = good.model_dump_json().replace("Where is it?", "Who is it?")
    lines = [
        "x" * (3 * opinions.CHUNK_BYTES),
        "{" + " " * opinions.MAX_LINE_BYTES + good.model_dump_json()[1:],
        "[]",
        "\udcff",
        forged,
        good.model_dump_json(),
    ]

    (tmp_path / "questions.jsonl").write_bytes(
        "".join(line + "\n" for line in lines).encode(errors="surrogateescape")
    )

    assert list(opinions.questions(tmp_path).new()) == [good]


def test_a_question_is_named_by_its_texts_and_by_nothing_else():
    same = asked(job_id="j2")
    others = [
        asked("unpaid"),
        asked(criterion="is short"),
        asked(prompt="Who?"),
        asked(reference=""),
    ]

    assert same.id == asked().id
    assert len({asked().id, *(other.id for other in others)}) == 5


def test_texts_are_cut_to_what_may_be_asked_and_anything_can_be_written_down(tmp_path):
    cut = asked("a" * 9000, prompt="b" * 9000 + "end", reference="c" * 9000 + "\ud800")
    odd = asked("\ud800\x00\u2028\n<<<", criterion="\U0001f600" * 2000)

    opinions.ask(tmp_path, [cut, odd])

    assert [len(cut.answer), len(cut.prompt), len(cut.reference)] == [8000, 8000, 4000]
    assert cut.prompt.endswith("end")
    assert list(opinions.questions(tmp_path).new()) == [cut, odd]
    assert max(len(q.model_dump_json().encode()) for q in (cut, odd)) < opinions.MAX_LINE_BYTES


@pytest.mark.parametrize("fields", [{}, {"score": 0.5, "error": "e"}, {"score": 1.1}])
def test_an_opinion_is_a_score_or_an_error(fields):
    with pytest.raises(ValidationError):
        Opinion(id="a", job_id="j", **fields)


def test_scores_are_handed_over_and_errors_are_not(tmp_path):
    failed = Opinion(id="b", job_id="j1", error="It did not answer.")
    opinions.answer(tmp_path / "a", [scored("a"), failed, scored("c")])

    opinions.copy(tmp_path / "a", tmp_path / "b")

    found = list(opinions.opinions(tmp_path / "b").new())
    assert [opinion.id for opinion in found] == ["a", "c"]
