"""One line per thing that was decided: what the table, the chart and the messages of a run are views of."""

import json
from collections.abc import Iterator
from typing import Any

from agents.jobs import ClaimResult, Spent
from agents.workflow_loop.facts import Facts, Round
from storage.models import Approval


def text(known: Facts, claim: ClaimResult | None = None) -> str:
    """Return the ledger of a run as lines of JSON, in the order in which things were decided."""
    return "".join(
        json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n" for line in lines(known, claim)
    )


def lines(known: Facts, claim: ClaimResult | None = None) -> Iterator[dict[str, Any]]:
    """Yield what was given, each round, and what may be claimed."""
    found = known.read
    yield {
        "what": "given",
        "name": known.given_name,
        "sha256": known.given.text.sha256,
        "tests_sha256": known.tests.sha256 if known.tests else None,
        "tests_made": found.made if found else None,
        "cases": [case.model_dump(mode="json") for case in found.cases] if found else [],
        "mutants_killed": [found.killed, found.mutants] if found and found.mutants else None,
    }
    for one in known.rounds:
        if one.restored is not None:
            number, by = one.restored
            back_to = known.after(number)
            yield {
                "what": "restored",
                "round": one.number,
                "from_round": number,
                "by": by,
                "sha256": back_to.sha256 if back_to else None,
            }
        if one.proposed is not None:
            yield _round(one)
    if claim is not None:
        yield {
            "what": "claim",
            **claim.model_dump(mode="json", exclude={"kind"}),
            "sha256": (known.given if claim.gave_back else known.stands).text.sha256,
            "spent_in_all": known.spent.model_dump(mode="json"),
            "strategies": {name: list(both) for name, both in known.strategies().items()},
        }


def row(one: Round) -> dict[str, Any]:
    """Return a round in short, for a table: how what stood did, what was tried, what came of it."""
    standing = one.standing
    kept = one.snapshot is not None and any(
        told.name == one.snapshot.sha256 for _spec, found in one.measured for told in found.measured
    )
    return {
        "round": one.number,
        "metrics": standing.metrics if standing else {},
        "proposed": len(one.proposed.proposals) if one.proposed else 0,
        "kept": kept,
        "strategy": next(
            (
                told.strategy
                for _spec, found in one.measured
                for told in found.measured
                if kept and one.snapshot is not None and told.name == one.snapshot.sha256
            ),
            None,
        ),
        "gain": _gain(one),
    }


def _gain(one: Round) -> float | None:
    gains = [
        told.gain_again if told.gain_again is not None else told.gain
        for _spec, found in one.measured
        for told in found.measured
        if found.winner == told.name
    ]
    return gains[-1] if gains else None


def _round(one: Round) -> dict[str, Any]:
    assert one.proposed is not None
    spent = one.proposed.spent
    for _spec, found in one.measured:
        spent = spent + found.spent
    standing = one.standing
    return {
        "what": "round",
        "round": one.number,
        "terms": one.plan.recipe,
        "strategies": list(one.proposed.strategies),
        "stood": standing.metrics if standing else {},
        "scores": {case: list(scores) for case, scores in standing.scores.items()}
        if standing
        else {},
        "proposals": [
            {
                "sha256": proposed.name,
                "strategy": proposed.strategy,
                "reason": proposed.reason,
                "aims_at": proposed.aims_at,
                "edits": list(proposed.edits),
                "barred": [barred.where for barred in proposed.barred],
            }
            for proposed in one.proposed.proposals
        ],
        "given_up": [list(given_up) for given_up in one.proposed.given_up],
        "measurements": [
            {
                "number": spec.attempt,
                "taken": [list(c.taken) for c in spec.contenders if c.taken is not None],
                "decisions": [
                    told.model_dump(mode="json", exclude={"text"}) for told in found.measured
                ],
                "winner": found.winner,
            }
            for spec, found in one.measured
        ],
        "asked": _answer(one.kept),
        "stands_sha256": one.snapshot.sha256 if one.snapshot else None,
        "spent": Spent.model_validate(spent).model_dump(mode="json"),
    }


def _answer(kept: Approval | None) -> dict[str, Any] | None:
    if kept is None:
        return None
    return {
        "decision": kept.decision.value,
        "by": kept.decided_by_name,
        "comment": kept.comment,
        "at": kept.decided_at.isoformat() if kept.decided_at else None,
    }
