from agents.workflow.coverage import Seen, Spot, coverage, spots
from agents.workflow.outcome import Ended, Outcome, Visit
from agents.workflow.suite import Answer, Generated, Scenario
from tests.agents.workflow.written import HEAD, loaded

TEXT = (
    HEAD
    + """\
states:
  ask: {type: input, prompt: Name?, save_as: name, default_value: you, next: say}
  say:
    type: prompt
    prompt: "{{name}}"
    on_error: sorry
    next_options:
      - {state: ask, description: again}
      - {state: end, description: done}
  sorry: {type: prompt, prompt: sorry}
"""
)


def visit(state: str, went_to: str | None, error: str | None = None) -> Visit:
    return Visit(state, 0.1, 1, 1, 1, went_to, None, error)


def run(*visits: Visit) -> Outcome:
    return Outcome(Ended.FINISHED, visits)


def test_all_that_can_be_seen_of_a_workflow_is_listed(tmp_path):
    assert [str(spot) for spot in spots(loaded(tmp_path, TEXT).workflow)] == [
        "state ask",
        "default ask",
        "state say",
        "branch say → ask",
        "branch say → end",
        "error say → sorry",
        "state sorry",
    ]


def test_what_runs_have_seen_is_counted_and_the_rest_is_missed(tmp_path):
    workflow = loaded(tmp_path, TEXT).workflow
    named = Scenario("named", (), answers=(Answer("ask", "Ann"),))
    silent = Scenario("silent", (), answers=(Answer("ask", "  "),))

    first = coverage(workflow, [(named, run(visit("ask", "say"), visit("say", "end")))])
    assert set(first.missed) == {
        Spot(Seen.DEFAULT, "ask"),
        Spot(Seen.BRANCH, "say", "ask"),
        Spot(Seen.ERROR, "say", "sorry"),
        Spot(Seen.STATE, "sorry"),
    }
    assert first.share() == 3 / 7
    assert first.share(Seen.BRANCH) == 0.5

    failed = run(visit("ask", "say"), visit("say", "sorry", "away"), visit("sorry", "end"))
    more = coverage(
        workflow,
        [
            (named, run(visit("ask", "say"), visit("say", "ask"), visit("ask", "say"))),
            (silent, failed),
        ],
    )
    assert set(more.missed) == {Spot(Seen.BRANCH, "say", "end")}
    assert more.times[Spot(Seen.STATE, "ask")] == 3
    assert more.times[Spot(Seen.DEFAULT, "ask")] == 1


def test_a_failure_that_ends_the_run_is_no_handled_one(tmp_path):
    workflow = loaded(tmp_path, TEXT).workflow

    seen = coverage(
        workflow, [(Scenario("x", ()), Outcome(Ended.FAILED, (visit("say", None, "away"),)))]
    )

    assert Spot(Seen.ERROR, "say", "sorry") in seen.missed


def test_answers_that_a_model_makes_up_are_not_taken_for_silence(tmp_path):
    made_up = Scenario("x", (), generated=Generated(None, ""))

    seen = coverage(loaded(tmp_path, TEXT).workflow, [(made_up, run(visit("ask", "say")))])

    assert Spot(Seen.DEFAULT, "ask") in seen.missed


def test_a_workflow_with_nothing_of_a_kind_has_all_of_it(tmp_path):
    text = HEAD + "states: {ask: {type: prompt, prompt: x}}\n"

    assert coverage(loaded(tmp_path, text).workflow, []).share(Seen.BRANCH) == 1.0
