import json
from collections.abc import Callable

import pytest

from tests.worker.intake import read, refusal, rows_of


def table(columns: list[str], **special: Callable[[str, int], object]) -> str:
    """Return JSON rows whose values are free text, or what `special` makes of a row's number."""
    made = [
        {name: special.get(name, "{0} {1}".format)(name, i) for name in columns} for i in range(30)
    ]
    return json.dumps(made)


def label(name: str, i: int) -> str:
    return ("refund", "delivery", "complaint")[i % 3]


@pytest.mark.parametrize(
    ("columns", "prompt", "completion"),
    [
        (["prompt", "completion"], "prompt", "completion"),
        (["Answer", "Question", "id"], "Question", "Answer"),
        (["INSTRUCTION", "Input", "Output"], "INSTRUCTION + Input", "Output"),
        (["context", "question", "answer"], "context + question", "answer"),
        (["input", "output"], "input", "output"),
        (["source", "target"], "source", "target"),
        (["user", "assistant"], "user", "assistant"),
        (["mr", "ref"], "mr", "ref"),
        (["label", "text"], "text", "label"),
        (["utterance", "intent", "id"], "utterance", "intent"),
        (["ticket", "code"], "ticket", "code"),
        (["draft", "summary"], "draft", "summary"),
        (["english", "pirate"], "english", "pirate"),
        (["id", "english", "pirate"], "english", "pirate"),
    ],
)
def test_columns_get_their_roles_by_name_or_place(tmp_path, columns, prompt, completion):
    result = read(tmp_path, table(columns))

    assert (result.prompt_column, result.completion_column) == (prompt, completion)
    for name in columns:
        assert f"'{name}'" in result.roles_reason


def test_of_two_unknown_columns_the_one_with_fewer_values_is_the_answer(tmp_path):
    result = read(tmp_path, table(["mood", "line"], mood=label))

    assert (result.prompt_column, result.completion_column) == ("line", "mood")
    assert "has fewer different values (3 against 30)" in result.roles_reason


def test_columns_that_are_not_needed_are_named(tmp_path):
    result = read(tmp_path, table(["prompt", "completion", "source", "when"]))

    assert result.roles_reason.endswith("Ignored: 'source', 'when'.")


def test_columns_without_text_are_refused_with_their_names_and_the_way_out(tmp_path):
    counting = table(["id", "number"], id=lambda _, i: i, number=lambda _, i: i)

    message = refusal(tmp_path, counting).message

    assert "unclear which columns" in message
    assert "'id', 'number'" in message
    assert "Rename them to 'prompt' and 'completion'" in message


@pytest.mark.parametrize("columns", [["a", "b", "c"], ["title", "body", "tone", "length"]])
def test_unclear_columns_are_a_question_whose_default_is_what_was_done(tmp_path, columns):
    result = read(tmp_path, table(columns))

    assert len(result.readings) > 1
    assert result.readings[0].answer == (columns[-1],) == (result.completion_column,)
    assert result.readings[0].prompt == tuple(columns[:-1])


def test_the_task_sentence_decides_between_two_labels_and_without_it_one_is_asked(tmp_path):
    content = table(["text", "sentiment", "topic"], sentiment=label, topic=label)

    decided = read(tmp_path, content, task="Predict the sentiment.")
    both = read(tmp_path, content, task="Extract sentiment and topic.")
    unclear = read(tmp_path, content, task="Sort these")

    assert (decided.completion_column, decided.readings) == ("sentiment", ())
    assert "task sentence decided" in decided.roles_reason
    assert (both.completion_column, both.readings) == ("sentiment + topic", ())
    assert rows_of(tmp_path, both)[0][1] == '{"sentiment": "refund", "topic": "refund"}'
    assert [reading.answer for reading in unclear.readings] == [
        ("sentiment", "topic"),
        ("sentiment",),
        ("topic",),
    ]


def test_two_columns_that_could_be_either_way_are_asked_unless_the_task_sentence_orders_them(
    tmp_path,
):
    content = table(["english", "pirate"])

    unclear = read(tmp_path, content)
    clear = read(tmp_path, content, task="Translate pirate to English")

    assert [(r.prompt, r.answer) for r in unclear.readings] == [
        (("english",), ("pirate",)),
        (("pirate",), ("english",)),
    ]
    assert (clear.prompt_column, clear.readings) == ("pirate", ())


def test_a_first_row_of_data_is_asked_about_and_counts_as_a_row(tmp_path):
    content = "hi there,greeting\nhow are you,greeting\nsoup please,order\ntea please,order\nbye,greeting\n"

    result = read(tmp_path, content)

    assert (result.columns, result.rows_usable) == (("column 1", "column 2"), 5)
    assert "looks like data" in result.roles_reason
    assert [reading.header for reading in result.readings] == [False, True]
    assert rows_of(tmp_path, result)[0][0].endswith("hi there")


def test_a_bare_text_with_labels_is_asked_with_the_task_sentence(tmp_path):
    result = read(tmp_path, table(["text", "label"], label=label), task=" Name the wish ")

    assert rows_of(tmp_path, result)[0] == ("Name the wish\n\ntext 0", "refund")
    assert result.roles_reason.endswith("each prompt begins with your task sentence.")
    assert result.labels == ("refund", "delivery", "complaint")


@pytest.mark.parametrize(
    ("columns", "special"),
    [(["prompt", "completion"], {"completion": label}), (["text", "reply"], {})],
)
def test_a_prompt_that_needs_no_task_sentence_is_left_alone(tmp_path, columns, special):
    result = read(tmp_path, table(columns, **special), task="Name the wish")

    assert rows_of(tmp_path, result)[0][0] == f"{columns[0]} 0"


def test_an_input_joins_its_instruction_only_where_there_is_one(tmp_path):
    content = table(
        ["instruction", "input", "output"], input=lambda _, i: "" if i % 2 else f"in {i}"
    )

    prompts = [prompt for prompt, _ in rows_of(tmp_path, read(tmp_path, content))]

    assert prompts[:2] == ["instruction 0\n\nin 0", "instruction 1"]


def test_an_input_without_its_instruction_is_a_row_error(tmp_path):
    content = table(
        ["instruction", "input", "output"], instruction=lambda _, i: f"do {i}" if i else ""
    )

    errors = read(tmp_path, content).row_errors

    assert [(error.row, error.reason) for error in errors] == [(1, "'instruction' is empty")]


@pytest.mark.parametrize(
    "names", [("role", "content", "user", "assistant"), ("from", "value", "human", "gpt")]
)
@pytest.mark.parametrize("system", [False, True])
def test_a_single_exchange_of_messages_is_a_row(tmp_path, names, system):
    who, what, user, assistant = names

    def exchange(i: int) -> list[dict[str, str]]:
        before = [{who: "system", what: "Be kind."}] if system else []
        return [*before, {who: user, what: f"hi {i}"}, {who: assistant, what: f"hello {i}"}]

    content = json.dumps([{"messages": exchange(i), "tag": "x"} for i in range(30)])

    asked = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi 4"}]
    assert rows_of(tmp_path, read(tmp_path, content))[4] == (asked if system else "hi 4", "hello 4")


def test_a_longer_conversation_is_one_row_whose_last_answer_is_the_completion(tmp_path):
    def talk(i: int) -> list[dict[str, str]]:
        turns = [
            ("user", f"hi {i}"),
            ("assistant", "hello"),
            ("user", "bye"),
            ("assistant", "so long"),
        ]
        return [{"role": role, "content": content} for role, content in turns]

    result = read(
        tmp_path, json.dumps([{"messages": talk(i)} for i in range(30)] + [{"messages": "hi"}])
    )

    assert rows_of(tmp_path, result)[7] == (talk(7)[:3], "so long")
    assert [(e.row, e.reason) for e in result.row_errors] == [
        (31, "the conversation is not a list of messages")
    ]
    assert [turn.mask for turn in result.samples[0].turns] == ["read", "learnt", "read", "learnt"]
