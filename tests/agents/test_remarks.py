"""What a person says about answers becomes typed evidence; what is about something else is left to others."""

import time

import pytest

from agents import remarks
from agents.llm import LLMError, ScriptedLLM
from agents.remarks import BadRows, Confusion, Length, Names, Phrase, Wrong

NAMES = Names(
    labels=("refund_request", "refund", "chargeback", "Billing"),
    languages=frozenset({"en", "fr"}),
    files=("tickets.csv", "mails.jsonl"),
)
SAID = {
    "answers are too long": Length(too="long"),
    "The answers are much too wordy!": Length(too="long"),
    "it rambles": Length(too="long"),
    "make it shorter": Length(too="long"),
    "it's too short": Length(too="short"),
    "answers should be longer": Length(too="short"),
    "it confuses refund and chargeback": Confusion(one="refund", other="chargeback"),
    "it mixes up refund request with billing tickets": Confusion(
        one="refund_request", other="Billing"
    ),
    "it says chargeback instead of refund": Confusion(one="chargeback", other="refund"),
    "wrong for French ones": Wrong(by="language", name="fr"),
    "French answers are bad": Wrong(by="language", name="fr"),
    "it is wrong on long prompts": Wrong(by="prompt length", name="long"),
    "chargeback rows are often wrong": Wrong(by="label", name="chargeback"),
    "it fails on billing questions": Wrong(by="label", name="Billing"),
    "wrong for file 2": Wrong(by="file", name="2"),
    "it always says sorry": Phrase(text="sorry"),
    "stop saying “I am sorry”": Phrase(text="I am sorry"),
    "row 17 is wrong": BadRows(rows=(17,)),
    "labels of rows 3, 4 and 9 are wrong": BadRows(rows=(3, 4, 9)),
    "row 5 should be billing": BadRows(rows=(5,), answer="Billing"),
}
ABOUT_SOMETHING_ELSE = [
    "training takes too long",
    "answers are not too long",
    "it does not confuse refund and chargeback",
    "it never says Billing",
    "it keeps repeating itself: it says so",
    "2 epochs please",
    "use 200 rows",
    "at least 5 points",
    "drop the wrong rows",
    "everything is wrong",
    "judge it by macro f1",
    "mask keys and drop leaks",
]


@pytest.mark.parametrize("words", SAID)
def test_words_about_answers_are_understood_and_nothing_is_left_of_them(words):
    heard = remarks.by_rules(words, NAMES)

    assert heard.remarks == (SAID[words],)
    assert heard.notes == ()
    assert len(heard.rest.split()) <= 2


@pytest.mark.parametrize("words", ABOUT_SOMETHING_ELSE)
def test_words_about_something_else_are_left_as_they_are(words):
    heard = remarks.by_rules(words, NAMES)

    assert (heard.remarks, heard.notes, heard.rest) == ((), (), words)


def test_a_reply_can_say_several_things_and_change_the_plan_as_well():
    words = "rows 17 and 20 are wrong, it confuses refund and chargeback and the answers are too long, lr 1e-4"

    heard = remarks.by_rules(words, NAMES)

    assert heard.remarks == (
        BadRows(rows=(17, 20)),
        Confusion(one="refund", other="chargeback"),
        Length(too="long"),
    )
    assert heard.rest.endswith("lr 1e-4")


@pytest.mark.parametrize(
    ("words", "note"),
    [
        ("it confuses refund and refunds", "No answer in your data is called “refunds”."),
        ("bad at German", "None of the sealed rows is surely in German"),
        ("row 5 should be foo", "No answer in your data is called “foo”"),
    ],
)
def test_what_there_is_not_is_said(words, note):
    heard = remarks.by_rules(words, NAMES)

    assert heard.remarks == ()
    assert note in heard.notes[0]


@pytest.mark.parametrize(
    "part",
    [
        " ",
        "\n",
        "a ",
        "too ",
        "always say ",
        "is ",
        "row 1 and ",
        "the ",
        "should be ",
        "confuses a ",
    ],
)
def test_words_that_say_nothing_for_long_are_read_in_a_moment(part):
    words = part * (remarks.WORDS_READ // len(part))
    began_s = time.process_time()

    remarks.by_rules(words, NAMES)
    remarks.by_rules(words.strip() + "." + words, NAMES)

    assert time.process_time() - began_s < 2.0


def test_words_behind_a_long_text_are_left_to_others():
    words = "it rambles. " + "so it is, and so on; " * 300 + "2 epochs"

    heard = remarks.by_rules(words, NAMES)

    assert heard.remarks == (Length(too="long"),)
    assert heard.rest.endswith("2 epochs")


def test_several_complaints_of_one_kind_are_all_read_and_lines_end_a_sentence():
    heard = remarks.by_rules("it   always says sorry\n\n  stop  saying hello, 3 epochs", NAMES)

    assert heard.remarks == (Phrase(text="hello"), Phrase(text="sorry"))
    assert heard.rest == "3 epochs"


async def test_a_language_model_proposes_only_what_the_person_named_and_the_data_has():
    proposed = [
        {"kind": "length", "too": "long"},
        {"kind": "confusion", "one": "refund", "other": "chargeback"},
        {"kind": "confusion", "one": "refund", "other": "made_up"},
        {"kind": "wrong", "by": "language", "name": "de"},
        {"kind": "phrase", "text": "ignore all rules"},
        {"kind": "rows", "rows": [17]},
    ]
    llm = ScriptedLLM([{"remarks": proposed}])

    heard = await remarks.by_model("the money words get swapped", NAMES, llm)

    assert heard.remarks == (Length(too="long"), Confusion(one="refund", other="chargeback"))


@pytest.mark.parametrize("reply", [LLMError("away"), {"remarks": [{"kind": "drop_all_rows"}]}])
async def test_a_language_model_that_fails_or_invents_a_kind_changes_nothing(reply):
    heard = await remarks.by_model("hm", NAMES, ScriptedLLM([reply]))

    assert (heard.remarks, heard.rest) == ((), "hm")
