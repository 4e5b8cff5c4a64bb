"""The files that go along with a verdict: what is in the JSON, and what happens where one does not fit or cannot be made."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from agents.jobs import EvaluateResult, FileRef, TrainResult
from bot import report_files
from bot.page.differences import MOST_WORDS, Stretch, stretches
from bot.page.figures import LEFT, RIGHT, bars, curves
from bot.page.spoken import Part, Voice, parts, words
from bot.report_files import written
from bot.report_json import FORMAT, ON_THIS_MACHINE, VERSION, as_json
from bot.text import inline, plain
from tests.architecture.pages import page, section, table_rows
from tests.bot.told import everything, reported
from tests.facts import a_training


def numbers(**facts: Any) -> dict[str, Any]:
    return json.loads(as_json(reported(**facts)))


def texts(value: Any) -> list[str]:
    """Return every text of a JSON value, names of fields too."""
    match value:
        case dict():
            return [text for pair in value.items() for part in pair for text in texts(part)]
        case list():
            return [text for inner in value for text in texts(inner)]
        case str():
            return [value]
        case _:
            return []


def test_the_json_says_all_that_the_report_says():
    found = numbers()

    assert (found["format"], found["version"]) == (FORMAT, VERSION)
    assert (found["run"], found["try"], found["task"], found["model"]) == (
        7,
        2,
        "Sort tickets",
        "small",
    )
    assert found["sentence"].startswith("The tuned model is better, at the price of forgetting")
    assert (
        "Tuning changed 812 of the 1,000 answers: 600 score higher, 40 lower, 172 the same."
        in found["remarks"]
    )
    assert found["measured_at"] == "2026-11-30T12:00:00Z"
    assert found["training"]["best_step"] == 60
    again = EvaluateResult.model_validate(found["evaluation"])
    assert again == everything().model_copy(update=dict.fromkeys(ON_THIS_MACHINE))


def test_the_json_names_no_place_on_this_machine():
    found = texts(numbers())

    assert len(found) > 300
    assert [text for text in found if "/srv" in text or "secret" in text] == []
    there = {
        name
        for message in (EvaluateResult, TrainResult)
        for name, known in message.model_fields.items()
        if FileRef in kinds(known.annotation) or name.endswith("_dir")
    }
    assert there == {*ON_THIS_MACHINE, "adapter_dir"}


def kinds(annotation: Any) -> set[Any]:
    """Return all types that a field may hold, those of its fields included."""
    found = {annotation}
    for inner in getattr(annotation, "__args__", ()):
        found |= kinds(inner)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for known in annotation.model_fields.values():
            found |= kinds(known.annotation)
    return found


def test_the_page_about_the_json_has_every_field_of_it():
    told = table_rows(section(page("docs/report.md"), "`report.json`"))

    assert {name.strip("`") for name in told} - {"field"} == set(numbers())


def test_numbers_that_json_does_not_know_and_characters_that_hide_do_no_harm():
    strange = a_training(losses=((1, math.nan), (2, math.inf)))

    found = as_json(reported(lambda said: said + " \u202e\ud800", training=strange))

    assert found.isascii()
    assert json.loads(found)["training"]["losses"] == [[1, None], [2, None]]


def test_a_file_that_does_not_fit_is_left_out_with_a_sentence():
    both, few = written(reported(), 0), written(reported(), 60_000)

    assert [file.name for file in both.files] == ["report.html", "report.json"]
    assert both.notes == ()
    assert [file.name for file in few.files] == ["report.json"]
    (note,) = few.notes
    assert note.startswith("report.html is not attached: it has ")
    assert "60.0 KB is what fits here" in note
    assert "report.md says the same" in note


def test_a_page_that_cannot_be_made_costs_only_the_page(monkeypatch, caplog):
    def breaks(_told):
        raise ValueError("a broken template")

    monkeypatch.setitem(report_files.WRITERS, "report.html", breaks)

    made = written(reported(), 0)

    assert [file.name for file in made.files] == ["report.json"]
    assert made.notes == ("report.html could not be made; report.md says the same.",)
    assert "a broken template" in caplog.text


@pytest.mark.parametrize(
    "text", ["a_b*c*", "`x` **y** \\ [z](http://e.test) ~~ <@1>", "1.5 - 2! #3"]
)
def test_a_line_of_a_card_says_the_same_on_a_page(text):
    line = f"**The {plain(text)}** is {inline(text)}, {plain(text)}."

    assert words(line) == f"The {text} is {text.replace('`', chr(39))}, {text}."
    assert parts(line)[0] == Part(f"The {text}", Voice.STRONG)
    assert Part(text.replace("`", "'"), Voice.CODE) in parts(line)


def test_words_that_are_not_as_they_should_be_are_marked():
    found = stretches("the old  answer, twice", "the new answer")

    assert found == [
        Stretch("the ", False),
        Stretch("old", True),
        Stretch("  answer", False),
        Stretch(", twice", True),
    ]
    assert stretches("a", "a") == [Stretch("a", False)]
    assert stretches("", "a") == []
    assert stretches("a", "") == [Stretch("a", True)]
    long = "word " * (MOST_WORDS + 1)
    assert stretches(long, "word") == [Stretch(long, True)]


def test_bars_end_where_their_numbers_are():
    result = everything()
    wild = result.primary.model_copy(update={"base": -0.5, "tuned": 1.5})

    (first, *_rest) = bars(result).groups
    clipped = bars(result.model_copy(update={"primary": wild})).groups[0]

    assert first.base == LEFT + (RIGHT - LEFT) * 0.5
    assert (first.low, first.high) == pytest.approx(
        (LEFT + (RIGHT - LEFT) * 0.8, LEFT + (RIGHT - LEFT) * 1.0)
    )
    assert (clipped.base, clipped.tuned) == (LEFT, RIGHT)
    assert "bits per byte" not in " ".join(group.name for group in bars(result).groups)


def test_a_curve_falls_on_the_page_as_it_fell_and_the_step_that_was_kept_is_marked():
    drawn = curves(a_training(losses=((1, 2.0), (5, math.nan), (10, 1.0))))

    assert drawn is not None
    first, last = drawn.training.points
    assert first.x < last.x
    assert first.y < last.y  # down is more on a drawing
    assert drawn.best is not None
    assert drawn.best.words == "best dev loss 0.995 at step 10"
    assert curves(a_training(losses=((1, 2.0),))) is None
    assert curves(None) is None


def test_rewards_rise_on_the_page():
    rewarded = replace(
        reported(),
        training=a_training(rewards=((1, 0.2), (10, 0.8)), dev_losses=((0, 0.9), (10, 0.3))),
    ).training

    drawn = curves(rewarded)

    assert drawn is not None
    assert drawn.what == "reward"
    assert [value for _step, value in drawn.dev.values] == pytest.approx([0.1, 0.7])
    assert drawn.dev.points[1].y < drawn.dev.points[0].y


@pytest.mark.parametrize(
    ("first", "last", "steps", "values"),
    [
        (3.3, 0.2, ["0", "200", "400", "600", "800", "1,000"], ["0", "1", "2", "3", "4"]),
        (0.0, 0.0, ["0", "200", "400", "600", "800", "1,000"], ["0", "0.2"]),
        (
            -1000.0,
            1.0,
            ["0", "200", "400", "600", "800", "1,000"],
            ["-1000", "-800", "-600", "-400", "-200", "0", "200"],
        ),
    ],
)
def test_axes_have_round_numbers_and_a_curve_stays_between_them(first, last, steps, values):
    drawn = curves(a_training(losses=((1, first), (1000, last)), dev_losses=()))

    assert drawn is not None
    assert [name for _x, name in drawn.x_ticks] == steps
    assert [name for _y, name in drawn.y_ticks] == values
    heights = [y for y, _name in drawn.y_ticks]
    assert all(min(heights) <= point.y <= max(heights) for point in drawn.training.points)
