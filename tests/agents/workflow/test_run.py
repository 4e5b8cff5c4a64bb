"""What a run does, state by state."""

import pytest

from agents.workflow.events import Error, Route, StateStart, Token, WorkflowEnd
from agents.workflow.outcome import Ended
from agents.workflow.outside import Limits
from tests.agents.workflow.worlds import Given, ran

ASK = """
    name: T
    start_state: ask
    states:
      ask: {type: prompt, prompt: "Say hello", save_as: greeting, next: end}
"""


def test_a_prompt_is_answered_saved_and_the_run_ends(tmp_path):
    seen = ran(tmp_path, ASK, Given({"rules": [{"prompt": "hello", "reply": "Hello there you"}]}))

    assert seen.outcome.ended is Ended.FINISHED
    assert seen.outcome.variables == {"greeting": "Hello there you"}
    assert seen.outcome.reached == ("ask", "end")
    assert [token.text for token in seen.of(Token)] == ["Hello ", "there ", "you"]
    assert seen.events[-1] == WorkflowEnd("finished", None)
    (visit,) = seen.outcome.visits
    assert (visit.calls, visit.prompt_tokens, visit.reply_tokens) == (1, 2, 3)


def test_texts_come_before_a_prompt_in_the_order_of_the_format(tmp_path):
    (tmp_path / "notes.txt").write_text("the notes")
    (tmp_path / "skills" / "short").mkdir(parents=True)
    (tmp_path / "skills" / "short" / "SKILLS.md").write_text("Be brief.")
    looked_up: list[str] = []

    async def retrieve(rag, prompt, models, reach):
        looked_up.append(prompt)
        return f"{prompt}\n\nfound"

    seen = ran(
        tmp_path,
        """
        name: T
        start_state: ask
        variables: {who: Ada}
        skills: {group: {directory: skills}}
        rag: {kb: {directory: ., model: all-minilm}}
        states:
          ask: {type: prompt, prompt: "Tell {{who}}", files: [notes.txt], use_rag: kb, skills: [group.short]}
        """,
        retrieve=retrieve,
    )

    with_file = (
        "Tell Ada\n\n--- begin of file: notes.txt ---\nthe notes\n--- end of file: notes.txt ---"
    )
    assert looked_up == [with_file]
    assert seen.prompts() == [f"# Skill: group.short\n\nBe brief.\n\n{with_file}\n\nfound"]


def test_where_no_skills_are_listed_the_model_picks_some(tmp_path):
    for name in ("short", "long"):
        (tmp_path / "skills" / name).mkdir(parents=True)
        (tmp_path / "skills" / name / "SKILLS.md").write_text(f"Be {name}.")
    rule = {"purpose": "skills", "reply": {"skills": ["group.long", "unheard.of"]}}

    seen = ran(
        tmp_path,
        """
        name: T
        start_state: ask
        skills: {group: {directory: skills}}
        states: {ask: {type: prompt, prompt: Go}}
        """,
        Given({"rules": [rule]}),
    )

    assert seen.models.asked[0]["schema"]["properties"]["skills"]["items"]["enum"] == [
        "group.long",
        "group.short",
    ]
    assert seen.prompts()[1] == "# Skill: group.long\n\nBe long.\n\nGo"


ROUTED = """
    name: T
    start_state: ask
    states:
      ask:
        type: prompt
        prompt: How is it?
        next_options:
          - {state: good, description: it is good}
          - {state: bad, description: it is bad}
      good: {type: transition, next: end}
      bad: {type: transition, next: end}
"""


def test_the_model_routes_by_a_number_that_a_schema_allows(tmp_path):
    rules = [{"purpose": "route", "reply": {"choice": 2}}, {"reply": "terrible <<<DATA"}]

    seen = ran(tmp_path, ROUTED, Given({"rules": rules}))

    assert seen.outcome.reached == ("ask", "bad", "end")
    assert seen.outcome.visits[0].routed == "chosen"
    asked = seen.models.asked[1]
    assert asked["schema"]["properties"]["choice"]["enum"] == [1, 2]
    assert "<<<DATA\nterrible < < <DATA\nDATA>>>" in asked["text"]
    assert "1. it is good\n2. it is bad" in asked["text"]


@pytest.mark.parametrize("reply", ["", "neither", "7", '{"choice": true}', '{"choice": 0}', "[]"])
def test_a_reply_that_names_no_option_is_repaired_once_then_the_first_is_the_default(
    tmp_path, reply
):
    seen = ran(tmp_path, ROUTED, Given({"rules": [{"purpose": "route", "reply": reply}]}))

    assert seen.outcome.reached == ("ask", "good", "end")
    assert seen.of(Route) == [Route("ask", "good", "default")]
    assert seen.outcome.visits[0].routed == "default"
    assert [asked["purpose"] for asked in seen.models.asked] == ["answer", "route", "route"]
    assert "That names no option." in seen.prompts()[2]


@pytest.mark.parametrize("reply", ['{"choice": 2}', "2", "bad", "Option 2, surely", '"2"'])
def test_a_reply_that_is_clear_needs_no_repair(tmp_path, reply):
    seen = ran(tmp_path, ROUTED, Given({"rules": [{"purpose": "route", "reply": reply}]}))

    assert seen.outcome.reached == ("ask", "bad", "end")
    assert len(seen.models.asked) == 2


def test_a_repaired_choice_counts(tmp_path):
    rules = [
        {"purpose": "route", "times": 1, "reply": "hm"},
        {"purpose": "route", "reply": {"choice": 2}},
    ]

    seen = ran(tmp_path, ROUTED, Given({"rules": rules}))

    assert seen.outcome.reached == ("ask", "bad", "end")
    assert seen.outcome.visits[0].routed == "chosen"


def test_a_decision_is_made_by_every_variable_cut_and_fenced(tmp_path):
    seen = ran(
        tmp_path,
        f"""
        name: T
        start_state: decide
        variables: {{mood: fine, long: {"x" * 300}}}
        states:
          decide:
            type: decision
            next_options:
              - {{state: a, description: one}}
              - {{state: end, description: two}}
          a: {{type: transition, next: end}}
        """,
        Given({"rules": [{"purpose": "route", "reply": {"choice": 2}}]}),
    )

    assert seen.outcome.reached == ("decide", "end")
    (asked,) = seen.prompts()
    assert f"<<<DATA\nmood: fine\nlong: {'x' * 200}\nDATA>>>" in asked


INPUT = """
    name: T
    start_state: ask
    variables: {place: Paris}
    states:
      ask:
        type: input
        prompt: "Where, if not {{place}}?"
        save_as: where
        default_value: "{{place}} then"
        next: end
"""


def test_an_input_asks_a_person(tmp_path):
    seen = ran(tmp_path, INPUT, Given(answers={"ask": ["Rome"]}))

    assert seen.person.asked == [("ask", "Where, if not Paris?")]
    assert seen.outcome.variables["where"] == "Rome"


def test_a_blank_answer_takes_the_default_with_its_variables(tmp_path):
    seen = ran(tmp_path, INPUT, Given(answers={"ask": ["  \n"]}))

    assert seen.outcome.variables["where"] == "Paris then"


def test_a_person_who_leaves_stops_the_run(tmp_path):
    seen = ran(tmp_path, INPUT)

    assert seen.outcome.ended is Ended.STOPPED
    assert seen.outcome.visits == ()
    assert "no answer for “ask”" in seen.outcome.reason


CHOICE = """
    name: T
    start_state: pick
    states:
      pick:
        type: choice
        prompt: Which?
        save_as: picked
        choices:
          - {label: Red wine, value: red, next: a}
          - {label: White, value: white, next: b}
      a: {type: transition, next: end}
      b: {type: transition, next: end}
      end: {type: end}
"""


@pytest.mark.parametrize("said", ["2", " white ", "WHITE"])
def test_a_choice_is_picked_by_number_label_or_value(tmp_path, said):
    seen = ran(tmp_path, CHOICE, Given(answers={"pick": [said]}))

    assert seen.person.asked == [("pick", "Which?\n1. Red wine\n2. White")]
    assert seen.outcome.reached == ("pick", "b", "end")
    assert seen.outcome.variables == {"picked": "white"}


def test_who_picks_what_there_is_not_is_asked_again_and_not_for_ever(tmp_path):
    first = ran(tmp_path, CHOICE, Given(answers={"pick": ["3", "red"]}))
    second = ran(tmp_path, CHOICE, Given(answers={"pick": ["3", "green", "0", "red"]}))

    assert first.outcome.variables == {"picked": "red"}
    assert second.outcome.ended is Ended.FAILED
    assert "“0” is none of the 2 choices" in second.outcome.reason


FAILS = """
    name: T
    start_state: ask
    on_error: rescue
    states:
      ask: {type: prompt, prompt: Go, model: broken, save_as: never, next: end}
      own: {type: prompt, prompt: Own, model: broken, on_error: end}
      rescue: {type: prompt, prompt: Help, save_as: helped, next: own}
"""


def test_a_failed_state_stays_in_the_history_and_its_own_handler_beats_the_workflow_s(tmp_path):
    script = {"rules": [{"model": "broken", "error": "no such model"}]}

    seen = ran(tmp_path, FAILS, Given(script))

    assert seen.outcome.ended is Ended.FINISHED
    assert seen.outcome.reached == ("ask", "rescue", "own", "end")
    assert [visit.error for visit in seen.outcome.visits] == [
        "no such model",
        None,
        "no such model",
    ]
    assert seen.of(Error)[0] == Error("ask", "no such model", "rescue")
    assert "never" not in seen.outcome.variables


def test_without_a_handler_the_run_fails_with_what_the_model_said(tmp_path):
    seen = ran(tmp_path, ASK, Given({"rules": [{"error": "out of memory"}]}))

    assert seen.outcome.ended is Ended.FAILED
    assert seen.outcome.reason == "ask: out of memory"
    assert seen.outcome.visits[0].went_to is None


def test_a_stream_that_breaks_off_is_no_answer(tmp_path):
    seen = ran(tmp_path, ASK, Given({"rules": [{"reply": "one two three", "cut_after": 2}]}))

    assert seen.outcome.ended is Ended.FAILED
    assert seen.outcome.variables == {}


def test_a_stop_is_seen_between_two_states(tmp_path):
    asked: list[int] = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) == 2

    seen = ran(tmp_path, ROUTED, stopped=stopped)

    assert seen.outcome.ended is Ended.STOPPED
    assert seen.outcome.reason == "stopped before “good”"
    assert seen.outcome.reached == ("ask",)


LOOP = """
    name: T
    start_state: a
    states:
      a: {type: transition, next: b}
      b: {type: prompt, prompt: Again, save_as: said, next: a}
"""


def test_a_circle_in_which_nothing_changes_ends(tmp_path):
    seen = ran(tmp_path, LOOP)

    assert seen.outcome.ended is Ended.LIMIT
    assert "circle" in seen.outcome.reason
    assert len(seen.outcome.visits) <= 8


def test_a_circle_in_which_answers_differ_ends_at_the_limit_of_steps(tmp_path):
    replies = [{"times": 1, "reply": str(number)} for number in range(40)]

    seen = ran(tmp_path, LOOP, Given({"rules": replies}), limits=Limits(max_steps=20))

    assert seen.outcome.ended is Ended.LIMIT
    assert "20 states were entered" in seen.outcome.reason
    assert len(seen.of(StateStart)) == len(seen.outcome.visits) == 20


def test_a_person_who_says_the_same_again_is_no_circle(tmp_path):
    text = """
        name: T
        start_state: a
        states:
          a: {type: input, prompt: More?, save_as: more, next: a}
    """

    seen = ran(tmp_path, text, Given(answers={"a": ["yes"] * 30}))

    assert seen.outcome.ended is Ended.STOPPED
    assert len(seen.outcome.visits) == 30
