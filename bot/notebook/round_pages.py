"""What stands in the notebook of a workflow when a round is over: the same files for every round, so that they diff well.

No path of this machine, and nothing of what models were asked and said but what the ledger quotes.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from agents.jobs import Measured
from agents.workflow_loop import ledger
from bot.notebook import history, pages, round_history
from bot.notebook.round_differences import figures
from bot.notebook.rounds import Played, Rounds
from bot.text import clip, plain, visible
from storage.files import FileStore
from storage.models import Approval, Event

WORKFLOW = "workflow.yaml"
TESTS = "tests.yaml"
PRIVATE = frozenset({"place", "tests_place", "ollama_url"})
"""Of a wish: where things are on this machine."""
ABOUT = """\
Each commit is one round, when it was over. The same files tell of every round, so that `git log -p workflow.yaml` shows what \
was changed when, and `git diff` two rounds beside each other.

| file | what it holds |
|---|---|
| `workflow.yaml` | the workflow as it stood after the round |
| `tests.yaml` | the cases |
| `plan.json` | the terms of the round, what it was expected to take, whether it began with the workflow of an earlier one |
| `decisions.json` | every question and its answer: who, when, why; this file only grows |
| `ledger.jsonl` | a line per thing that was decided: edits, scores, what came of each proposal; this file only grows |
| `report.md` | the round in words |
| `run.json` | who asked for what, how it has ended so far, what was used |
| `attempts.json` | the jobs of the round |
| `settings.json` | the configuration in force when the plan was made, without secrets |
"""


def files(told: Rounds, one: Played, store: FileStore) -> dict[str, str]:
    """Return all files as they are when a round is over, by path. Raises: FileNotFoundError: the store has lost one."""
    then = told.until(one.number)
    written: dict[str, Any] = {
        "run.json": _run(then),
        "plan.json": _plan(one),
        "settings.json": one.round.plan.settings,
        "decisions.json": [_decision(said) for known in then.rounds for said in known.decisions],
        "attempts.json": [pages.attempt(job) for job in one.jobs],
    }
    texts = {
        "README.md": _readme(then),
        "report.md": "\n".join(_report(one)) + "\n",
        "ledger.jsonl": pages.escaped(ledger.text(one.then, one.claim)),
        WORKFLOW: _text(store, one.stands.sha256),
    }
    if one.then.tests is not None:
        texts[TESTS] = _text(store, one.then.tests.sha256)
    return dict(
        sorted((texts | {path: pages.as_json(what) for path, what in written.items()}).items())
    )


def message(told: Rounds, one: Played) -> str:
    """Return the commit's message: what came of a round in one line, then who decided and how the run ended."""
    line = round_history.line(told, one)
    subject = clip(f"Round {one.number}: {line.outcome}, pass rate {line.rates}", 100)
    body = [
        *(history.decided(said) for said in one.decisions),
        *([f"Claim: {one.claim.words}"] if one.claim else []),
        *(_end_in_words(event) for event in one.ends),
    ]
    kept = [clip(" ".join(visible(text).split()), 400) for text in body if text]
    return "\n".join([" ".join(visible(subject).split()), "", *kept]) + "\n"


def time(one: Played) -> datetime:
    """Return the time of the newest fact about a round."""
    known = [
        one.round.plan.created_at,
        *(said.decided_at for said in one.decisions),
        *(job.closed_at for job in one.jobs),
        *(event.created_at for event in one.ends),
        one.round.snapshot.created_at if one.round.snapshot else None,
    ]
    return max(at for at in known if at is not None)


def _text(store: FileStore, sha256: str) -> str:
    return store.path(sha256).read_bytes().decode()


def _run(told: Rounds) -> dict[str, Any]:
    run, then = told.run, told.known
    return {
        "run": run.id,
        "goal": run.goal,
        "asked_by": run.owner,
        "asked_by_name": run.owner_name,
        "asked_at": pages.moment(run.created_at),
        "workflow": {"name": then.given_name, "given_sha256": then.given.text.sha256},
        "wishes": then.wish.model_dump(mode="json", exclude=set(PRIVATE)),
        "spent": then.spent.model_dump(mode="json"),
        "handed_over": [
            {
                "round": known.number,
                "name": known.handed_over.name,
                "sha256": known.handed_over.sha256,
                "size_bytes": known.handed_over.size_bytes,
            }
            for known in told.rounds
            if known.handed_over is not None
        ],
        "ended": [_end(event) for known in told.rounds for event in known.ends],
    }


def _end(event: Event) -> dict[str, Any]:
    shown = event.payload
    if event.kind == "delivered":
        return {"at": pages.moment(event.created_at), "how": "delivered", "file": shown["name"]}
    how = "failed" if "reason" in shown else "cancelled"
    why = shown.get("reason", shown.get("by"))
    return {"at": pages.moment(event.created_at), "how": how, "why": why}


def _end_in_words(event: Event) -> str:
    end = _end(event)
    return f"The run was {end['how']}: {end.get('file') or end.get('why')}"


def _decision(said: Approval) -> dict[str, Any]:
    told = pages.decision(said)
    return {"round": told.pop("try"), **told}


def _plan(one: Played) -> dict[str, Any]:
    plan = one.round.plan
    restored = one.round.restored
    return {
        "round": plan.iteration,
        "version": plan.revision + 1,
        "terms": plan.recipe,
        "began_with_round": None if restored is None else restored[0],
        "restored_by": None if restored is None else restored[1],
        "began_with_sha256": one.stood.sha256,
        "changed": [list(change) for change in one.changes],
        "asked": plan.asked,
        "expected": plan.estimate,
        "made_at": pages.moment(plan.created_at),
    }


def _readme(told: Rounds) -> str:
    run = told.run
    rounds = "\n".join(f"- {line.as_markdown()}" for line in round_history.lines(told))
    return (
        f"# Run {run.id}: {plain(run.goal, 200)}\n\nThe lab notebook of a workflow that Tunewright improves. It quotes your "
        f"cases and what models said to them.\n\n## Rounds\n\n{rounds}\n\n## Files\n\n{ABOUT}"
    )


def _report(one: Played) -> Iterator[str]:
    yield f"# Round {one.number}\n"
    yield "| | before | after |\n|---|---|---|"
    for pair in figures(one.before, one.after):
        yield f"| {pair.what} | {pair.first} | {pair.second} |"
    yield ""
    for _spec, found in one.round.measured:
        for told in found.measured:
            yield from _measured(told)
    for strategy, why in one.round.proposed.given_up if one.round.proposed else ():
        yield f"- {plain(strategy, 80)}: given up, {plain(why, 300)}"
    for said in one.decisions:
        yield f"- {plain(history.decided(said), 400)}"
    if one.claim is not None:
        yield f"\n**{plain(one.claim.words, 600)}**"


def _measured(told: Measured) -> Iterator[str]:
    gain = f"{100 * told.gain:+.1f} points"
    if told.gain_again is not None:
        gain += f", {100 * told.gain_again:+.1f} when measured again"
    yield f"- **{plain(told.strategy, 80)}**: {told.outcome}, {plain(told.reason, 300)}; {gain}"
    for what, cases in (("mends", told.fixed), ("breaks", told.broke)):
        if cases:
            yield f"  - {what} {', '.join(plain(case, 80) for case in cases)}"
