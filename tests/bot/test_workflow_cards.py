"""What the cards of a run say that improves a workflow, from the facts that rows hold; texts of others are data on them."""

import re

import pytest

from bot import cards
from bot.surface import Tone
from configs.schema import GateKind
from storage.models import Dataset, Phase, Run, Target
from tests import kept_question
from tests.workflow_cards import (
    CASES,
    NASTY,
    NOW,
    card,
    claim,
    delivered,
    edits,
    plan,
    question,
    read,
)


def test_what_was_read_is_told_with_lines_tests_and_what_each_case_is_for():
    findings = [{"code": "never-read", "line": 17, "text": "“topic” is used nowhere after this"}]

    told = card("workflow", read(findings=findings, mutants=12, killed=9, missed=["state thank"]))

    assert "**Sorter**: 3 states, 2 for a model, 1 for a person" in told.body
    assert "line 17: “topic” is used nowhere" in told.body
    assert "Your tests have **16 cases**" in told.body
    assert "kills 9 of 12 mutants" in told.body
    assert "No case sees: state thank" in told.body
    assert "6 cases are shown, 4 kept for choosing, 6 sealed" in told.body


def test_tests_that_were_made_are_attached_and_warned_of():
    suite = Dataset(
        run_id=1, role="tests", name="tests.yaml", sha256="ef" * 32, size_bytes=1, created_at=NOW
    )

    told = card("workflow", read(made=True, words="16 scenarios, by rule."), tests=suite)

    assert (told.attach, told.attach_name) == ("ef" * 32, "tests.yaml")
    assert "I made **16 cases**" in told.body
    assert "No person wrote the tests" in question(GateKind.PLAN, plan(tests_made=True)).body


def test_how_it_stands_names_the_cases_that_fail_and_what_was_wrong():
    standing = {
        "scores": {"late parcel": [0.5, 1.0], "refund": [1.0, 1.0]},
        "failures": [{"case": "late parcel", "failed": ["topic should be delivery"]}],
        "metrics": kept_question.METRICS,
    }

    told = card("stands", {"standing": standing, "cases": CASES})

    assert "**50 %** of its runs pass (95 % interval 20 to 80; 4 cases, 8 runs)" in told.body
    assert "✘ **late parcel** passes 1 of 2 times: topic should be delivery" in told.body
    assert "refund" not in told.body
    assert "6 sealed cases were not run" in told.body


def test_a_round_has_a_line_for_each_proposal_whatever_became_of_it():
    payload = {
        "iteration": 2,
        "measurement": 0,
        "measured": [
            kept_question.measured(why="one word"),
            kept_question.measured(
                outcome="rejected",
                reason="a case that always worked is lost",
                gain=-0.5,
                gain_again=None,
                broke=["refund"],
                fixed=[],
            ),
        ],
        "refused": [["ab" * 32, "nothing of it is left"]],
        "not_run": [{"strategy": "shorten", "barred": ["mcp_servers.files"]}],
        "given_up": [["split-state", "neither JSON nor YAML"]],
        "winner": "ab" * 32,
        "stood": kept_question.METRICS,
        "would_stand": None,
        "out_of_budget": True,
    }

    told = card("round", payload)

    assert told.title == "Round 2"
    assert "**✔ better** `fix-failing-prompt` score +50.0 points, again afresh +25.0" in told.body
    assert "fixed: late parcel" in told.body
    assert "**✘ not kept** `fix-failing-prompt` score -50.0 points: a case that always" in told.body
    assert "broke: refund" in told.body
    assert "`shorten` was not run: it would change `mcp_servers.files`" in told.body
    assert "`split-state` came to nothing" in told.body
    assert "could not be run: nothing of it is left" in told.body
    assert "budget ended" in told.body


def test_the_end_says_first_what_may_be_claimed():
    told = card("delivered", delivered(), link="http://127.0.0.1/x", phase=Phase.DELIVERED)

    assert told.title == "Your workflow is ready"
    assert told.body.startswith("**Better than the workflow you gave")
    assert "50 % → 100 %" in told.body
    assert "1      50 %    3      tighten-routing  +25.0" in told.body
    assert "2      75 %    0      –                –" in told.body
    assert told.tone is Tone.GOOD
    assert told.charts[0].data["rates"] == [
        ["1", 0.5, 0.2, 0.8],
        ["2", 0.75, 0.2, 0.8],
        ["end", 1.0, 0.2, 0.8],
    ]
    assert told.copyable == ("curl -O http://127.0.0.1/x",)
    assert (told.attach, told.attach_name) == ("cd" * 32, "sorter.finetuned.yaml")


def test_a_file_that_was_given_back_is_not_called_an_improvement():
    nothing = claim(
        claim="cannot tell",
        words="No change was kept: this is the workflow that you gave.",
        sealed_cases=0,
        gain_afresh=None,
        before_metrics={},
        after_metrics={},
    )

    told = card("delivered", delivered(claim=nothing, given_sha256="cd" * 32, rounds=[]))

    assert told.title == "No change was kept"
    assert "It is the file that you gave, unchanged." in told.body
    assert told.tone is Tone.PLAIN
    assert told.charts == ()


def test_what_was_given_back_is_not_drawn_as_the_end():
    told = card("delivered", delivered(claim=claim(gave_back=True, claim="cannot tell"), rounds=[]))

    assert told.charts == ()


def test_phases_are_named_after_what_is_improved():
    told = card("opened", {}, phase=Phase.EVALUATING, iteration=2)

    assert told.title == "Run #1: running proposals beside what stands (round 2)"
    assert told.fields[0].name == "files"
    run = Run(
        id=3, origin_key="o", target=Target.WORKFLOW, goal="g", model="–", owner="o", home="h"
    )
    assert cards.thread_name(run) == "#3 g"


def test_texts_of_workflows_models_and_people_are_never_live():
    kept = kept_question.shown(reason=NASTY, aims_at=NASTY, diff=f"```\n{NASTY}", note=NASTY)
    made = [
        card("workflow", read(name=NASTY, findings=[{"code": "c", "line": None, "text": NASTY}])),
        question(GateKind.KEEP, kept, edits=edits(True, advice=NASTY)),
        question(GateKind.PLAN, plan(asked=NASTY, recipe={"goal": NASTY})),
        card("delivered", delivered(claim=claim(words=NASTY))),
    ]

    for told in made:
        fences = told.body.count("```")
        outside = re.sub(r"```.*?```", "", told.body, flags=re.DOTALL)
        assert fences % 2 == 0
        assert r"\*\*now\*\*" in outside
        assert not any(live in outside for live in ("**now**", "](https://", "\n# title"))
        assert "@everyone" not in outside.replace(r"\@everyone", "")


@pytest.mark.parametrize("kind", sorted(cards.OF_MODELS))
def test_a_card_of_either_kind_is_there_for_each_event(kind):
    for renderers in cards.RENDERERS.values():
        assert kind in renderers
