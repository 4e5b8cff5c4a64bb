"""Replies that say how columns are to be read."""

import pytest

from agents import readings
from agents.jobs import Reading, RowShape
from agents.services import UserError

COLUMNS = ("Question", "Context and more", "answer", "score", "better", "worse")
CHOICES = [
    Reading(shape=RowShape.PROMPT_COMPLETION, prompt=("Question",), answer=("answer",)),
    Reading(shape=RowShape.TEXT, answer=("answer",)),
]


@pytest.mark.parametrize(
    ("words", "prompt", "answer"),
    [
        ("prompt = question, answer = answer", ("Question",), ("answer",)),
        ("the answer is score and the prompt is Question.", ("Question",), ("score",)),
        (
            "Prompt: question + context and more; Answer: score",
            ("Question", "Context and more"),
            ("score",),
        ),
        ("prompt = question, answer = answer + score", ("Question",), ("answer", "score")),
        ("prompt=question\ncompletion=answer and score", ("Question",), ("answer", "score")),
        ("question -> answer", ("Question",), ("answer",)),
        ("'Question', 'Context and more' → answer", ("Question", "Context and more"), ("answer",)),
        ("1", ("Question",), ("answer",)),
    ],
)
def test_a_reply_names_columns_in_many_ways(words, prompt, answer):
    understood = readings.understand(words, COLUMNS, CHOICES)

    assert (understood.shape, understood.prompt, understood.answer) == (
        RowShape.PROMPT_COMPLETION,
        prompt,
        answer,
    )
    assert understood.as_json is (len(answer) > 1)


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        ("text = answer", RowShape.TEXT),
        ("2", RowShape.TEXT),
        ("prompt = question", RowShape.PROMPT_ONLY),
        ("prompt = question, reference = answer", RowShape.PROMPT_ONLY),
        ("prompt = question, chosen = better, rejected = worse", RowShape.PREFERENCE),
        ("chosen = better, rejected = worse", RowShape.PREFERENCE),
        ("prompt = question, answer = answer, thumb = score", RowShape.UNPAIRED),
    ],
)
def test_the_parts_that_are_named_say_what_the_rows_are(words, shape):
    assert readings.understand(words, COLUMNS, CHOICES).shape is shape


@pytest.mark.parametrize(
    "choice",
    [
        *CHOICES,
        *(
            readings.understand(w, COLUMNS, CHOICES)
            for w in (
                "prompt = question + score, answer = answer",
                "prompt = question, answer = answer + score",
                "prompt = question, chosen = better, rejected = worse",
                "prompt = question, answer = answer, thumb = score",
                "prompt = question, reference = score",
                "prompt = question, answer = answer, system = score",
            )
        ),
    ],
)
def test_what_is_said_of_a_reading_is_understood_as_that_reading(choice):
    again = readings.understand(readings.say(choice), COLUMNS, CHOICES)

    told = {"reason", "required"}
    assert again.model_dump(exclude=told) == choice.model_dump(exclude=told)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("prompt = questions, answer = answer", "Did you mean “Question”?"),
        ("prompt = zzz, answer = answer", "There are: Question, Context and more, answer"),
        ("whatever you think", "Say it like: prompt = question, answer = reply"),
        ("answer = answer", "open what goes in"),
        ("3", "There are 2 readings"),
        ("prompt = +, answer = answer", "There is no column"),
        ("", "Say it like"),
    ],
)
def test_a_reply_that_says_too_little_is_told_what_to_say(words, sentence):
    with pytest.raises(UserError, match=sentence.replace("?", r"\?")):
        readings.understand(words, COLUMNS, CHOICES)
