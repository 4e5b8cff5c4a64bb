"""Cards of a run that improves a workflow, made from facts as rows hold them."""

from datetime import UTC, datetime
from typing import Any

from bot import cards
from bot.scenes import Scene
from bot.surface import Card
from configs.schema import GateKind
from storage.models import Approval, Decision, Event, Phase, Run, Suggestion, Target
from tests import kept_question

NOW = datetime(2026, 11, 30, tzinfo=UTC)
NASTY = "**now** @everyone [click](https://evil.example) `x`\n# title"
CASES = [
    {"name": f"case {number}", "about": "", "part": part}
    for number, part in enumerate(["shown"] * 6 + ["validation"] * 4 + ["sealed"] * 6)
]


def card(kind: str, payload: dict[str, Any], **of_scene: Any) -> Card:
    event = Event(id=2, run_id=1, key="k", kind=kind, payload=payload, created_at=NOW)
    run = Run(
        id=1,
        origin_key="o",
        target=Target.WORKFLOW,
        goal="improve sorter.yaml",
        model="small",
        owner="log:anna",
        home="log:channel",
        phase=of_scene.pop("phase", Phase.REVIEWING),
        iteration=of_scene.pop("iteration", 1),
        created_at=NOW,
    )
    told = {"uploads": (), "approval": None, "job": None, "place": None} | of_scene
    return cards.render(Scene(event, run, **told))


def question(gate: GateKind, payload: dict[str, Any], **of_scene: Any) -> Card:
    approval = Approval(
        id=7,
        run_id=1,
        gate=gate,
        iteration=1,
        revision=0,
        shown_sha256="ab" * 32,
        decision=of_scene.pop("decision", Decision.OPEN),
        created_at=NOW,
    )
    return card(gate.value, payload, approval=approval, **of_scene)


def edits(*taken: bool, advice: str = "set prompt: sort") -> tuple[Suggestion, ...]:
    return tuple(
        Suggestion(
            run_id=1,
            iteration=1,
            position=place,
            rule="r",
            change={"op": "set_prompt", "state": "sort", "prompt": "One word."},
            finding="",
            advice=advice,
            taken=one,
            created_at=NOW,
        )
        for place, one in enumerate(taken)
    )


def read(**facts: Any) -> dict[str, Any]:
    told = {
        "name": "Sorter",
        "model": "small",
        "states": 3,
        "asking": 2,
        "inputs": 1,
        "findings": [],
        "made": False,
        "cases": CASES,
        "mutants": 0,
        "killed": 0,
        "missed": [],
        "dropped": {},
        "calls_per_run": 2.0,
    }
    return told | facts


def plan(**facts: Any) -> dict[str, Any]:
    recipe = {
        "model": "small",
        "analysis_model": "analyst",
        "rounds": 3,
        "repeats": 2,
        "proposals": 4,
        "approve": "evidence",
        "max_calls": 500,
    }
    told = {
        "recipe": recipe | facts.pop("recipe", {}),
        "estimate": {
            "calls": 100,
            "all_calls": 900,
            "total_s": 300.0,
            "all_s": 2700.0,
            "measured": True,
        },
        "changes": [],
        "asked": None,
        "cases": CASES,
        "tests_made": False,
        "revision": 0,
    }
    return told | facts


def claim(**facts: Any) -> dict[str, Any]:
    told = {
        "gave_back": False,
        "gain_afresh": 0.5,
        "claim": "better",
        "words": "Better than the workflow you gave (6 sealed cases, +50.0 points, p = 0.031).",
        "sealed_cases": 6,
        "before": 0.5,
        "after": 1.0,
        "gain": 0.5,
        "low": 0.4,
        "high": 0.6,
        "p_value": 0.031,
        "smallest_gain": None,
        "before_metrics": kept_question.METRICS,
        "after_metrics": kept_question.METRICS | {"pass_rate": 1.0},
    }
    return told | facts


def delivered(**facts: Any) -> dict[str, Any]:
    one = {
        "round": 1,
        "metrics": kept_question.METRICS,
        "proposed": 3,
        "kept": True,
        "strategy": "tighten-routing",
        "gain": 0.25,
    }
    two = {
        "round": 2,
        "metrics": kept_question.METRICS | {"pass_rate": 0.75},
        "proposed": 0,
        "kept": False,
        "strategy": None,
        "gain": None,
    }
    told = {
        "name": "sorter.finetuned.yaml",
        "sha256": "cd" * 32,
        "size_bytes": 500,
        "claim": claim(),
        "rounds": [one, two],
        "given_sha256": "ab" * 32,
        "spent": {"calls": 900, "tokens": 12000, "seconds": 80.0},
    }
    return told | facts
